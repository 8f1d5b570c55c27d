/* bill_billed.h - reads what a closed run has billed, piece by piece: a month of many customers is
 * larger than the memory that one of them may take.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_BILLED_H
#define MILLRACE_JOBS_BILL_BILLED_H

#include <glib.h>

#include "formats/statement.h"
#include "jobs/bill_folder.h"

/* line: borrowed until return. Returns FALSE and error to end. */
typedef gboolean (*BilledVisit)(gpointer data, const StatementLine *line, GError **error);

/* Calls visit for each line of the run's lines.csv, in their order. Takes about 5 MiB.
 * Returns FALSE and MILLRACE_ERROR_NO_INPUT, MILLRACE_ERROR_IO, MILLRACE_ERROR_CORRUPT, or visit's
 * error. */
gboolean bill_billed_each(const BillFolder *folder, BilledVisit visit, gpointer data,
                          GError **error);

#endif
