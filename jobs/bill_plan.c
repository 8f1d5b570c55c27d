/* bill_plan.c - versions of SKUs, and cells for them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_plan.h"

#include <string.h>

#include "formats/price_find.h"

gint
bill_plan_number(guint32 numbers, SegmentColumn column)
{
    if (column >= SEGMENT_COLUMNS || !(numbers >> column & 1))
        return -1;
    return __builtin_popcount(numbers & ((1u << column) - 1));
}

/* Most SKUs have one version that the whole period falls into. */
static gint
find_whole(const BillPlanSku *sku, const Period *period)
{
    gint v = price_find(sku->versions, sku->version_count, period->start_us);

    return v >= 0 && sku->versions[v].to_us >= period->end_us ? v : -1;
}

void
bill_plan_init(BillPlan *plan, const MeterPeriod *periods, guint period_count, guint32 numbers,
               const char *customer)
{
    memset(plan, 0, sizeof *plan);
    for (guint p = 0; p < period_count; p++) {
        const PriceBook *book = periods[p].book;
        const PriceCustomer *terms = customer ? pricebook_find_customer(book, customer) : NULL;
        plan->skus[p] = g_new0(BillPlanSku, pricebook_sku_count(book) + 1);
        for (guint i = 0; i < pricebook_sku_count(book); i++) {
            BillPlanSku *sku = &plan->skus[p][i];
            sku->versions = pricebook_versions(book, terms, i, &sku->version_count);
            sku->whole = find_whole(sku, &periods[p].period);
            sku->first_cell = plan->cell_count;
            sku->number = bill_plan_number(numbers, pricebook_sku(book, i)->quantity);
            plan->cell_count += sku->version_count;
        }
    }
}

void
bill_plan_clear(BillPlan *plan)
{
    for (guint p = 0; p < METER_PERIODS_MAX; p++)
        g_clear_pointer(&plan->skus[p], g_free);
}
