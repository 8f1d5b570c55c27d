/* bill.h - the billing job: segments in, statements and their proof out.
 *
 *     inputs (frozen, verified) -> scan (each event once) -> meter (sums) -> shuffle (by customer)
 *         -> rate (statements) -> gather (sorted) -> proof -> BILLS/RUN
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_H
#define MILLRACE_JOBS_BILL_H

#include <glib.h>

#include "formats/frozen.h"
#include "formats/period.h"
#include "mr/comm.h"

#define BILL_MEMORY_DEFAULT (G_GUINT64_CONSTANT(1) << 30)
#define BILL_MEMORY_MIN     G_GUINT64_CONSTANT(32000000)

typedef struct {
    const char *const *stores; /* NULL-terminated */
    const char *prices;
    const char *bills;
    const char *const *expected; /* writers; NULL: those that are seen */
    Period period;
    guint64 memory_bytes; /* of a rank, all in all */
    const char *scratch;  /* NULL: TMPDIR, or /tmp */
    guint node_threads;   /* of a node, shared by its ranks; 0: its cores */
    const gboolean *stop; /* set by a signal handler; may be NULL */
} BillConfig;

/* Of the whole run; filled on rank 0. Amounts are in nano. */
typedef struct {
    char run[FROZEN_RUN_CHARS + 1];
    gboolean existed; /* the same run was there already */
    gboolean preliminary;
    guint64 harvest; /* in millionths */
    guint64 segment_count;
    guint64 refused_count;
    guint64 read_count; /* events and bad lines */
    guint64 billable_count;
    guint64 duplicate_count;
    guint64 conflict_count;
    guint64 late_count;
    guint64 statement_count;
    guint64 line_count;
    char *payable;          /* "12.34 USD" */
    guint unsealed_count;   /* writers */
    guint incomplete_count; /* sealed writers with sequences missing */
    char *broken;           /* the first invariant that does not hold, or NULL */
    char **refused;         /* "PATH: reason", NULL-terminated */
} BillReport;
void bill_report_clear(BillReport *report);

/* *Collective* over comm. Returns FALSE and error on every rank: rank 0's own, or
 * MILLRACE_ERROR_INTERRUPTED where another has failed. A run with an invariant that does not hold
 * is written all the same, and is no error here: see report->broken. */
gboolean bill_run(Comm *comm, const BillConfig *config, BillReport *report, GError **error);

#endif
