/* bill_show.h - one customer's statement out of a run.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_SHOW_H
#define MILLRACE_JOBS_BILL_SHOW_H

#include <glib.h>

/* Finds the line of statements.ndjson that is the customer's.
 * Returns: (transfer full) it, without its LF; or NULL and MILLRACE_ERROR_NO_INPUT (there is none),
 * or the error of the run. */
char *bill_find_statement(const char *run, const char *customer, GError **error);

#endif
