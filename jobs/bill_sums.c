/* bill_sums.c - sums over ranks.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_sums.h"

static guint64
sum_of(Comm *comm, guint64 value)
{
    return (guint64)comm_sum(comm, (gint64)value); /* modulo 2^64, as hashes are summed */
}

/* A 128-bit sum as four sums of 32 bits. */
static __int128
wide_sum_of(Comm *comm, __int128 value)
{
    unsigned __int128 bits = (unsigned __int128)value;
    unsigned __int128 sum = 0;

    for (guint i = 0; i < 4; i++) {
        gint64 part = (gint64)(guint32)(bits >> 32 * i);
        sum += (unsigned __int128)(guint64)comm_sum(comm, part) << 32 * i;
    }
    return (__int128)sum;
}

void
bill_sum_counts(Comm *comm, const PriceBook *book, const ScanCounts *counts, const Meter *meter,
                BillProof *proof)
{
    MeterCounts metered = meter_counts(meter);

    proof->scan.read_count = sum_of(comm, counts->read_count);
    proof->scan.distinct_count = sum_of(comm, counts->distinct_count);
    proof->scan.duplicate_count = sum_of(comm, counts->duplicate_count);
    proof->scan.conflict_count = sum_of(comm, counts->conflict_count);
    proof->scan.identity_sum = sum_of(comm, counts->identity_sum);
    proof->meter.billable_count = sum_of(comm, metered.billable_count);
    proof->meter.non_billable_count = sum_of(comm, metered.non_billable_count);
    proof->meter.late_count = sum_of(comm, metered.late_count);
    proof->meter.closed_count = sum_of(comm, metered.closed_count);
    proof->meter.other_count = sum_of(comm, metered.other_count);
    for (guint i = 0; i < pricebook_sku_count(book); i++)
        proof->metered[i] = wide_sum_of(comm, meter_totals(meter)[i]);
    proof->metered_hash = sum_of(comm, meter_hash(meter));
}

void
bill_sum_totals(Comm *comm, const PriceBook *book, const BillTotals *totals, BillTotals *sum)
{
    sum->statement_count = sum_of(comm, totals->statement_count);
    sum->hash = sum_of(comm, totals->hash);
    sum->line_count = sum_of(comm, totals->line_count);
    sum->lines_nano = wide_sum_of(comm, totals->lines_nano);
    sum->payable_nano = wide_sum_of(comm, totals->payable_nano);
    for (guint i = 0; i < pricebook_sku_count(book); i++) {
        sum->sums[i] = wide_sum_of(comm, totals->sums[i]);
        sum->tiers[i] = wide_sum_of(comm, totals->tiers[i]);
    }
    for (guint i = 0; i < G_N_ELEMENTS(sum->class_nano); i++)
        sum->class_nano[i] = wide_sum_of(comm, totals->class_nano[i]);
}
