/* bill_ranges.h - hands out ranges of identities to the threads of all ranks, as they have done
 * those before: a slow host takes fewer, and all end together.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_RANGES_H
#define MILLRACE_JOBS_BILL_RANGES_H

#include <glib.h>

#include "mr/comm.h"

typedef struct _BillRanges BillRanges;

/* For ranges 0 to range_count - 1 (the same on every rank), and thread_count threads of this rank.
 * comm: borrowed until bill_ranges_free(). */
BillRanges *bill_ranges_new(Comm *comm, guint64 range_count, guint thread_count);
/* After the threads have ended. */
void bill_ranges_free(BillRanges *ranges);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BillRanges, bill_ranges_free)

/* *Collective*, in the main thread, beside those that take ranges. Returns when all that were taken
 * on any rank are done; FALSE when they were not all taken: bill_ranges_stop() was called. */
gboolean bill_ranges_run(BillRanges *ranges);

/* In any thread: waits for the next range. Returns FALSE when there will be none. */
gboolean bill_ranges_take(BillRanges *ranges, guint64 *range);
/* In any thread: a range that was taken is done, or has failed. */
void bill_ranges_done(BillRanges *ranges);
/* In any thread that has not yet said that its range is done: no rank shall take any more. */
void bill_ranges_stop(BillRanges *ranges);

#endif
