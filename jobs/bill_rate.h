/* bill_rate.h - from sums to statements, customer by customer, on the rank that owns the customer.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_RATE_H
#define MILLRACE_JOBS_BILL_RATE_H

#include <glib.h>

#include "formats/statement.h"
#include "jobs/bill_inputs.h"
#include "mr/gather.h"
#include "mr/reduce.h"

/* Rank 0, before the shuffle: adds what closed runs have billed of the periods that are corrected,
 * the credits that they used up, and customers who are to get a statement without any event. */
gboolean bill_rate_feed(const BillInputs *inputs, Reduce *reduce, GError **error);

/* What statements add up to; each is on its own side of an invariant. */
typedef struct {
    guint64 statement_count;
    guint64 line_count;
    __int128 lines_nano;   /* all lines */
    __int128 payable_nano; /* all statements */
    guint64 hash; /* the sum of meter_record_hash() over what was metered, as it came out */
    /* Of the period, by SKU: the sums that came in, and those of the lines that went out. */
    __int128 sums[PRICEBOOK_SKUS_MAX];
    __int128 tiers[PRICEBOOK_SKUS_MAX];
    __int128 class_nano[LINE_ROUNDING + 1]; /* lines by class */
} BillTotals;

typedef struct _BillRater BillRater;
BillRater *bill_rater_new(const BillInputs *inputs, Reduce *reduce, guint thread_count,
                          gboolean preliminary, guint64 harvest);
void bill_rater_free(BillRater *rater);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BillRater, bill_rater_free)
/* The next statement of the rater that is data, for gather(): key = customer; parts = lines.csv,
 * statements.ndjson, focus.csv. Statements without lines are left out. */
int bill_rater_next(gpointer data, GatherItem *item, GError **error);
/* Of this rank, when all statements are made. */
const BillTotals *bill_rater_totals(const BillRater *rater);

#endif
