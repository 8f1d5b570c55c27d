/* bill_sums.c - sums over ranks.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_sums.h"

#include "formats/error.h"
#include "mr/gather.h"

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

/* What each rank tells of its share: its writers and its ops, in one item. */
typedef struct {
    const Meter *meter;
    GHashTable *writers; /* rank 0: of all ranks */
    BillOps *ops;
    GByteArray *item;
    gboolean told;
    guint8 key;
} Tell;

static int
next_share(gpointer data, GatherItem *item, GError **error G_GNUC_UNUSED)
{
    Tell *tell = data;
    GHashTable *writers = meter_writers(tell->meter);
    GHashTableIter iterator;
    gpointer name = NULL;

    if (tell->told)
        return 0;
    tell->told = TRUE;
    bytes_put_u32(tell->item, g_hash_table_size(writers));
    g_hash_table_iter_init(&iterator, writers);
    while (g_hash_table_iter_next(&iterator, &name, NULL))
        bytes_put_string(tell->item, name);
    bill_ops_put(meter_ops(tell->meter), tell->item);
    *item = (GatherItem){.key = &tell->key, .key_size_bytes = 1};
    item->parts[0] = (const char *)tell->item->data;
    item->part_size_bytes[0] = tell->item->len;
    return 1;
}

static gboolean
take_share(gpointer data, const GatherItem *item, GError **error)
{
    Tell *tell = data;
    ByteReader reader = byte_reader(item->parts[0], item->part_size_bytes[0]);

    for (guint32 left = bytes_get_u32(&reader); left > 0 && reader.ok; left--)
        g_hash_table_add(tell->writers, g_strdup(bytes_get_string(&reader)));
    if (bill_ops_get(tell->ops, &reader))
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BUG, "a rank's share cannot be read");
    return FALSE;
}

gboolean
bill_sum_shares(Comm *comm, const Meter *meter, GHashTable *writers, BillOps *ops, GError **error)
{
    Tell tell = {.meter = meter, .writers = writers, .ops = ops, .item = g_byte_array_new()};
    gboolean good = gather(comm, next_share, take_share, &tell, error);

    g_byte_array_unref(tell.item);
    return good;
}

GPtrArray *
bill_sum_moved(Comm *comm, const BillInputs *inputs, const Meter *meter)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < inputs->closed_periods->len; i++)
        if (comm_max(comm, meter_moved(meter, i)) > 0)
            g_ptr_array_add(names, g_strdup(g_array_index(inputs->closed_periods, Period, i).name));
    return names;
}
