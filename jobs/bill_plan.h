/* bill_plan.h - what a customer is metered by: the versions of each SKU in each period, and where
 * their sums are among the customer's cells. Nearly all customers share one.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_PLAN_H
#define MILLRACE_JOBS_BILL_PLAN_H

#include <glib.h>

#include "jobs/bill_meter.h"

typedef struct {
    const PriceVersion *versions;
    guint version_count;
    guint first_cell;
    gint whole;  /* the version that is in force all through the period, or -1 */
    gint number; /* the event's number that is summed, or -1: events are counted */
} BillPlanSku;

typedef struct {
    BillPlanSku *skus[METER_PERIODS_MAX];
    guint cell_count;
    guint32 number; /* the owner's, for whatever it likes */
} BillPlan;

/* Which of the numbers of a mask a column is, or -1. */
gint bill_plan_number(guint32 numbers, SegmentColumn column);

/* customer: NULL for everybody who has no prices of their own. periods: their books are borrowed.
 * numbers: the mask of what events have. */
void bill_plan_init(BillPlan *plan, const MeterPeriod *periods, guint period_count, guint32 numbers,
                    const char *customer);
void bill_plan_clear(BillPlan *plan);

#endif
