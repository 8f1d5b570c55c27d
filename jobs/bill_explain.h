/* bill_explain.h - the events behind a line, from the store.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_EXPLAIN_H
#define MILLRACE_JOBS_BILL_EXPLAIN_H

#include <glib.h>

typedef struct {
    const char *run;           /* BILLS/RUN */
    const char *line;          /* its line_id */
    const char *const *stores; /* NULL: those that the run was made from */
    guint thread_count;
    guint64 memory_bytes;
} BillExplainConfig;

typedef struct {
    char *what; /* a sentence on the line */
    guint64 event_count;
    gint64 metered;
} BillExplained;

/* Appends an NDJSON line for each event: source, id, time and what is metered; by (time, source,
 * id). Returns FALSE and MILLRACE_ERROR_NO_INPUT (no such line or segment),
 * MILLRACE_ERROR_BAD_INPUT (a line that no events are behind), MILLRACE_ERROR_INVARIANT (the events
 * do not add up to it). */
gboolean bill_explain(const BillExplainConfig *config, GString *out, BillExplained *explained,
                      GError **error);

#endif
