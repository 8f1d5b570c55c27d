/* bill_inputs.h - what a bill run reads: segments of the stores that hold, the price book, seals,
 * and what is closed already. Found by rank 0, verified by all, then the same on every rank.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_INPUTS_H
#define MILLRACE_JOBS_BILL_INPUTS_H

#include <glib.h>

#include "formats/frozen.h"
#include "jobs/bill_folder.h"
#include "jobs/bill_meter.h"
#include "mr/comm.h"

typedef struct {
    char *name;
    char *path;
    guint64 size_bytes;
    guint64 event_count;
    guint64 quarantined_count;
    gint64 time_min_us;
    gint64 time_max_us;
    guint64 identity_sum;
    guint64 late;   /* see MeterConfig */
    gboolean known; /* was it there when a period was closed? */
} BillSegment;

typedef struct {
    char *name;
    char *path;
    char *reason;
} BillRefused;

typedef struct {
    const char *const *stores;
    const char *prices;
    const char *bills;
    const char *const *expected; /* writers, or NULL */
    Period period;
    const GPtrArray *corrected; /* names of closed periods to be corrected in any case */
    guint thread_count;
} BillSources;

typedef struct {
    FrozenInputs *frozen;
    GString *frozen_text;
    char run[FROZEN_RUN_CHARS + 1];
    GString *book_text;
    PriceBook *book;
    GPtrArray
        *segments; /* of BillSegment; those that are late in fewer periods first, then by name */
    GPtrArray *refused;                     /* of BillRefused, by name */
    MeterPeriod periods[METER_PERIODS_MAX]; /* [0] is the one billed; others are corrected */
    guint period_count;
    GPtrArray *books;       /* owns those of periods[1] on */
    GArray *closed_periods; /* of Period: all that are closed before this one */
    GPtrArray *closed;      /* rank 0: of BillFolder, in the same order; elsewhere empty */
    gint64 verify_us;
} BillInputs;

/* *Collective.* Returns: (transfer full), or NULL on every rank and error: rank 0's, or
 * MILLRACE_ERROR_INTERRUPTED elsewhere. */
BillInputs *bill_inputs_read(Comm *comm, const BillSources *sources, GError **error);
void bill_inputs_free(BillInputs *inputs);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BillInputs, bill_inputs_free)

#endif
