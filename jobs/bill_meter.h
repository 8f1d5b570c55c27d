/* bill_meter.h - from events to what is metered: for every customer, SKU and price version a sum.
 * Sums are kept by thread, and go to the Reduce as records whose keys sort by customer.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_METER_H
#define MILLRACE_JOBS_BILL_METER_H

#include <glib.h>

#include "formats/period.h"
#include "formats/pricebook.h"
#include "jobs/bill_ops.h"
#include "jobs/bill_scan.h"
#include "mr/reduce.h"

#define METER_PERIODS_MAX 64 /* the one that is billed, and those to be corrected */

/* A record's key: customer NUL kind, then big-endian u16 period, u16 sku, u16 version. */
#define METER_KIND_USAGE  'u' /* sums: metered, events */
#define METER_KIND_BILLED 'b' /* of a closed run, see bill_rate.c; sums: metered, nano */
#define METER_KIND_NONE   'n' /* nothing but the customer */
#define METER_SUM_COUNT   2

/* A period and the book that prices it. periods[0] is the one that is billed. */
typedef struct {
    Period period;
    const PriceBook *book;
} MeterPeriod;

typedef struct {
    const MeterPeriod *periods;
    guint period_count;
    const Period *closed; /* all that are closed, corrected or not */
    guint closed_count;
    /* By segment: bit n is set when what it has of periods[n] was not known when that was closed.
     */
    const guint64 *late;
    guint thread_count;
    gsize memory_bytes;
    Reduce *reduce;
} MeterConfig;

/* Where every distinct event went. */
typedef struct {
    guint64 billable_count;
    guint64 non_billable_count; /* matched by no SKU, or none with a price at its time */
    guint64 late_count;         /* in a closed period, and new */
    guint64 closed_count;       /* in a closed period, and known then */
    guint64 other_count;        /* in another period */
} MeterCounts;

typedef struct _Meter Meter;
Meter *meter_new(const MeterConfig *config);
void meter_free(Meter *meter);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Meter, meter_free)

/* The mask of number columns that it needs, for ScanConfig. */
guint32 meter_numbers(const MeterPeriod *periods, guint period_count);
/* The visitor's data is the Meter. */
extern const ScanVisitor meter_visitor;
/* After the scan: sends what is still with the threads to the Reduce. Returns FALSE and error: a
 * sum is too large, or that of reduce_add(). */
gboolean meter_flush(Meter *meter, GError **error);
/* Adds up what the threads have counted. To be called once, at the end. */
void meter_finish(Meter *meter);

/* After meter_finish(), of this rank. */
MeterCounts meter_counts(const Meter *meter);
/* Has a copy that came since the closed-th of the closed periods was closed taken an event out of
 * it, while it is not among those that are corrected? */
gboolean meter_moved(const Meter *meter, guint closed);
/* What each SKU of periods[0] metered, summed over events. */
const __int128 *meter_totals(const Meter *meter);
/* Names of writers (sources of events without one) with events in periods[0]: a set. */
GHashTable *meter_writers(const Meter *meter);
/* What each op did in periods[0]. */
const BillOps *meter_ops(const Meter *meter);

/* The sum of meter_record_hash() over all that went to the Reduce, modulo 2^64. */
guint64 meter_hash(const Meter *meter);
/* A hash that is linear in the sums: adding records up changes nothing of the sum of their hashes,
 * whoever adds them and in whatever order. */
guint64 meter_record_hash(const guint8 *key, gsize key_size_bytes, const gint64 *sums);

/* Writes a key. Returns: the size of its group, the customer with its NUL. */
gsize meter_key(GByteArray *key, const char *customer, char kind, guint period, guint sku,
                guint version);

#endif
