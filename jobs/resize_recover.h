/* resize_recover.h - what earlier tries have left: which rows are done, and usage logs that lack
 * lines.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_RESIZE_RECOVER_H
#define MILLRACE_JOBS_RESIZE_RECOVER_H

#include "jobs/resize_folder.h"
#include "jobs/row_states.h"

/* Reads every ledger into states. With complete_usage, also brings usage logs up to their ledgers;
 * the folder must then be locked. *repaired_count (may be NULL): how many logs that took. */
gboolean resize_recover(const ResizeFolder *folder, const GPtrArray *ledgers, RowStates *states,
                        gboolean complete_usage, guint *repaired_count, GError **error);

#endif
