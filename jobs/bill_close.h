/* bill_close.h - makes a run the bill of its period, once and for good.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_CLOSE_H
#define MILLRACE_JOBS_BILL_CLOSE_H

#include <glib.h>

/* Issues the run at path. Refuses, by MILLRACE_ERROR_INVARIANT: harvest below 1, an invariant that
 * does not hold, conflicts unless accept_conflicts, files that are not those of the proof, an
 * earlier period closed or opened since the run was made, a period closed by another run.
 * *again: this run had been closed before. */
gboolean bill_close(const char *path, gboolean accept_conflicts, gboolean *again, GError **error);

#endif
