/* bill_stat.h - what a run adds up to, for people and for programs.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_STAT_H
#define MILLRACE_JOBS_BILL_STAT_H

#include <glib.h>

#include "jobs/bill_folder.h"

/* Appends totals, the top customers by what they pay, and percentiles by op; as text or as one JSON
 * object. Returns FALSE and MILLRACE_ERROR_CORRUPT or the error of a file. */
gboolean bill_stat(const BillFolder *folder, guint top, gboolean json, GString *out,
                   GError **error);

#endif
