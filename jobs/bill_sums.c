/* bill_sums.c - sums over ranks.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_sums.h"

#include <string.h>

#include "formats/error.h"
#include "mr/gather.h"

/* What is to be summed where it is: modulo 2^64, as hashes are, or 2^128. */
typedef struct {
    GPtrArray *words; /* of guint64 */
    GPtrArray *wides; /* of __int128 */
} Places;

enum { WIDE_PARTS = 4, PART_BITS = 32 };

static Places
places_new(void)
{
    return (Places){g_ptr_array_new(), g_ptr_array_new()};
}

static void
add_wides(Places *places, __int128 *values, guint count)
{
    for (guint i = 0; i < count; i++)
        g_ptr_array_add(places->wides, &values[i]);
}

static void
put_wide(gint64 parts[WIDE_PARTS], __int128 value)
{
    for (guint i = 0; i < WIDE_PARTS; i++)
        parts[i] = (gint64)(guint32)((unsigned __int128)value >> PART_BITS * i);
}

static __int128
get_wide(const gint64 parts[WIDE_PARTS])
{
    unsigned __int128 sum = 0;

    for (guint i = 0; i < WIDE_PARTS; i++)
        sum += (unsigned __int128)(guint64)parts[i] << PART_BITS * i;
    return (__int128)sum;
}

/* *Collective.* Sums all places by one message, and forgets them. */
static void
places_sum(Places *places, Comm *comm)
{
    guint word_count = places->words->len;
    guint wide_count = places->wides->len;
    g_autofree gint64 *values = g_new(gint64, word_count + WIDE_PARTS * wide_count);
    gint64 *parts = values + word_count;

    for (guint i = 0; i < word_count; i++) {
        const guint64 *word = places->words->pdata[i];
        values[i] = (gint64)*word;
    }
    for (guint i = 0; i < wide_count; i++)
        put_wide(parts + (gsize)i * WIDE_PARTS, *(__int128 *)places->wides->pdata[i]);
    comm_sum_each(comm, values, word_count + WIDE_PARTS * wide_count);
    for (guint i = 0; i < word_count; i++)
        *(guint64 *)places->words->pdata[i] = (guint64)values[i];
    for (guint i = 0; i < wide_count; i++)
        *(__int128 *)places->wides->pdata[i] = get_wide(parts + (gsize)i * WIDE_PARTS);
    g_ptr_array_unref(places->words);
    g_ptr_array_unref(places->wides);
}

void
bill_sum_counts(Comm *comm, const PriceBook *book, const ScanCounts *counts, const Meter *meter,
                BillProof *proof)
{
    Places places = places_new();
    guint64 *const words[] = {
        &proof->scan.read_count,          &proof->scan.distinct_count, &proof->scan.duplicate_count,
        &proof->scan.conflict_count,      &proof->scan.identity_sum,   &proof->meter.billable_count,
        &proof->meter.non_billable_count, &proof->meter.late_count,    &proof->meter.closed_count,
        &proof->meter.other_count,        &proof->metered_hash,
    };
    guint sku_count = pricebook_sku_count(book);

    proof->scan = *counts;
    proof->meter = meter_counts(meter);
    proof->metered_hash = meter_hash(meter);
    memcpy(proof->metered, meter_totals(meter), sku_count * sizeof *proof->metered);
    for (guint i = 0; i < G_N_ELEMENTS(words); i++)
        g_ptr_array_add(places.words, words[i]);
    add_wides(&places, proof->metered, sku_count);
    places_sum(&places, comm);
}

void
bill_sum_totals(Comm *comm, const PriceBook *book, const BillTotals *totals, BillTotals *sum)
{
    Places places = places_new();
    guint sku_count = pricebook_sku_count(book);

    *sum = *totals;
    g_ptr_array_add(places.words, &sum->statement_count);
    g_ptr_array_add(places.words, &sum->hash);
    g_ptr_array_add(places.words, &sum->line_count);
    add_wides(&places, &sum->lines_nano, 1);
    add_wides(&places, &sum->payable_nano, 1);
    add_wides(&places, sum->sums, sku_count);
    add_wides(&places, sum->tiers, sku_count);
    add_wides(&places, sum->class_nano, G_N_ELEMENTS(sum->class_nano));
    places_sum(&places, comm);
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
