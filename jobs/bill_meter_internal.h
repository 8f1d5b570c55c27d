/* bill_meter_internal.h - between bill_meter.c, which adds events up, and bill_meter_flush.c, by
 * which the sums leave.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_METER_INTERNAL_H
#define MILLRACE_JOBS_BILL_METER_INTERNAL_H

#include "jobs/bill_cells.h"
#include "jobs/bill_customers.h"
#include "jobs/bill_meter.h"
#include "jobs/bill_plan.h"

#define METER_NO_CELLS G_MAXUINT32

/* Small, since one is looked up for every event. */
typedef struct {
    guint32 plan;       /* index into the thread's */
    guint32 first_cell; /* or METER_NO_CELLS */
} MeterCustomer;

typedef struct {
    const Meter *meter;
    GArray *customers;      /* of MeterCustomer, by the thread's numbers */
    BillCustomers *numbers; /* their names, from the end of the scan on */
    BillCells cells;
    GHashTable *own_plans; /* customer -> BillPlan, of those with prices of their own */
    GPtrArray *plans;      /* of BillPlan, by their numbers; 0 is everybody else's */
    BillOps *ops;
    GHashTable *names; /* of writers seen */
    GByteArray *key;
    guint8 *moved; /* by closed period, see meter_moved() */
    MeterCounts counts;
    __int128 totals[PRICEBOOK_SKUS_MAX];
    guint64 hash;
} MeterThread;

struct _Meter {
    MeterConfig config;
    BillPlan plan;   /* of everybody else */
    guint32 numbers; /* mask of those that events have */
    gint cpu_number;
    gint wall_number;
    MeterThread *threads;
    MeterThread sum; /* after meter_finish() */
};

/* Sends a thread's sums to the Reduce, and makes its cells empty. The customers stay. */
gboolean meter_flush_cells(MeterThread *thread, ScanThread *scan, guint number, GError **error);
/* Returns FALSE and the error that the sum is too large. */
gboolean meter_overflow(const char *customer, const PriceSku *sku, GError **error);

#endif
