/* bill_rows.h - reads one range of identities from segments: texts become numbers of this thread,
 * events that are alone go to the visitor, and those that may have copies into a Dedupe.
 *
 *     begin -> note each segment -> sift -> for each slice: begin_slice -> read each segment
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_ROWS_H
#define MILLRACE_JOBS_BILL_ROWS_H

#include <glib.h>

#include "jobs/bill_customers.h"
#include "jobs/bill_dedupe.h"
#include "jobs/bill_scan.h"
#include "jobs/bill_writers.h"

typedef struct _BillRows BillRows;

/* Who is visited, and by which thread. Borrowed as long as the rows. */
typedef struct {
    const ScanConfig *config; /* what it says of numbers, ids and writers seen counts */
    const ScanVisitor *visitor;
    gpointer data;
    ScanThread *thread;
    guint number;
} BillRowsFor;

BillRows *bill_rows_new(const BillRowsFor *whom);
void bill_rows_free(BillRows *rows);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BillRows, bill_rows_free)

/* Begins anew with the range-th of 2^range_bits ranges. */
void bill_rows_begin(BillRows *rows, guint64 expected_count, guint64 range, guint range_bits);
/* Reads the identities that the segment has of the range. Returns FALSE and the segment's error. */
gboolean bill_rows_note(BillRows *rows, SegmentReader *reader, GError **error);
/* After all segments. Returns: in how many slices those that may have copies are to be read, so
 * that each fits into room_bytes. */
guint32 bill_rows_sift(BillRows *rows, gsize room_bytes);
void bill_rows_begin_slice(BillRows *rows, guint32 slice);
/* Reads what the segment has of the slice, and in the first one what is alone. Segments come in the
 * order in which they were noted. Returns FALSE and the error of the segment or visitor. */
gboolean bill_rows_read(BillRows *rows, SegmentReader *reader, guint segment, GError **error);

/* Since bill_rows_begin(): read_count, identity_sum, and distinct_count of those that are alone. */
const ScanCounts *bill_rows_counts(const BillRows *rows);
const Dedupe *bill_rows_dedupe(const BillRows *rows);
BillCustomers *bill_rows_customers(BillRows *rows);
/* Returns: (transfer full); nothing is read afterwards. */
BillCustomers *bill_rows_steal_customers(BillRows *rows);
const Interner *bill_rows_sources(const BillRows *rows);
const BillWriters *bill_rows_writers(const BillRows *rows);
const ScanClass *bill_rows_class(const BillRows *rows, guint32 class);
/* Bytes that an event takes at most when it is noted, for budgets. */
gsize bill_rows_noted_size(void);

#endif
