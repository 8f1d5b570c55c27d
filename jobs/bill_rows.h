/* bill_rows.h - reads one range of identities from segments into a Dedupe: the columns of a block
 * become rows, texts become numbers of this thread, and contents a hash.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_ROWS_H
#define MILLRACE_JOBS_BILL_ROWS_H

#include <glib.h>

#include "jobs/bill_dedupe.h"
#include "jobs/bill_scan.h"

#define BILL_ROWS_TEXT_BYTES                                                                       \
    16 /* of ids that are no 32 hexadecimal digits, a guess for budgets                            \
        */

typedef struct _BillRows BillRows;

/* config: borrowed; what it says of numbers and of writers seen counts. class_new: see ScanVisitor.
 */
BillRows *bill_rows_new(const ScanConfig *config,
                        void (*class_new)(gpointer data, ScanClass *class), gpointer data);
void bill_rows_free(BillRows *rows);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BillRows, bill_rows_free)

/* Begins anew with the range-th of 2^range_bits ranges. */
void bill_rows_begin(BillRows *rows, guint64 expected_count, guint64 range, guint range_bits);
/* Adds what the segment has of the range. Returns FALSE and the segment's error. */
gboolean bill_rows_read(BillRows *rows, SegmentReader *reader, guint segment, GError **error);

/* See scan_seen_writers(). */
void bill_rows_seen(const BillRows *rows, GHashTable *names);
/* read_count and identity_sum since bill_rows_begin(). */
const ScanCounts *bill_rows_counts(const BillRows *rows);
const Dedupe *bill_rows_dedupe(const BillRows *rows);
Interner *bill_rows_customers(BillRows *rows);
const Interner *bill_rows_sources(const BillRows *rows);
const Interner *bill_rows_writers(const BillRows *rows);
const ScanClass *bill_rows_class(const BillRows *rows, guint32 class);

#endif
