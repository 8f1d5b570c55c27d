/* bill_meter_flush.c - the way of sums to the Reduce. On the way, when there is no room for more,
 * each thread sends what it has. At the end each takes a share of the customers, adds up what all
 * of them have of these, and sends it in the order that spares sorting it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/fingerprint.h"
#include "jobs/bill_meter_internal.h"
#include "mr/merge.h"

/* A customer as one thread has it. */
typedef struct {
    guint turn;   /* of who owns the customer's sums */
    guint64 word; /* the beginning of the name */
    const char *name;
    const BillPlan *plan;
    BillCell *cells;
} Part;

gsize
meter_key(GByteArray *key, const char *customer, char kind, guint period, guint sku, guint version)
{
    gsize group_bytes = strlen(customer) + 1;
    const guint8 rest[] = {(guint8)kind, (guint8)(period >> 8),  (guint8)period, (guint8)(sku >> 8),
                           (guint8)sku,  (guint8)(version >> 8), (guint8)version};

    g_byte_array_set_size(key, 0);
    g_byte_array_append(key, (const guint8 *)customer, (guint)group_bytes);
    g_byte_array_append(key, rest, sizeof rest);
    return group_bytes;
}

guint64
meter_record_hash(const guint8 *key, gsize key_size_bytes, const gint64 *sums)
{
    guint64 hash = 0;

    for (guint i = 0; i < METER_SUM_COUNT; i++)
        hash += fingerprint_seeded(key, key_size_bytes, i) * (guint64)sums[i];
    return hash;
}

/* Sends a customer's sums by the thread. */
static gboolean
send_customer(MeterThread *thread, guint number, const Part *part, GError **error)
{
    const MeterConfig *config = &thread->meter->config;

    for (guint p = 0; p < config->period_count; p++) {
        guint sku_count = pricebook_sku_count(config->periods[p].book);
        for (guint i = 0; i < sku_count; i++) {
            const BillPlanSku *sku = &part->plan->skus[p][i];
            for (guint v = 0; v < sku->version_count; v++) {
                const BillCell *cell = &part->cells[sku->first_cell + v];
                const gint64 sums[METER_SUM_COUNT] = {cell->metered, cell->event_count};
                if (cell->event_count == 0)
                    continue;
                gsize group_bytes = meter_key(thread->key, part->name, METER_KIND_USAGE, p, i, v);
                thread->hash += meter_record_hash(thread->key->data, thread->key->len, sums);
                if (!reduce_add(config->reduce, number, thread->key->data, thread->key->len,
                                group_bytes, sums, error))
                    return FALSE;
            }
        }
    }
    return TRUE;
}

gboolean
meter_flush_cells(MeterThread *thread, ScanThread *scan, guint number, GError **error)
{
    for (guint i = 0; i < thread->customers->len; i++) {
        MeterCustomer *customer = &g_array_index(thread->customers, MeterCustomer, i);
        if (customer->first_cell == METER_NO_CELLS)
            continue;
        Part part = {.name = scan_customer(scan, i),
                     .plan = thread->plans->pdata[customer->plan],
                     .cells = &thread->cells.cells[customer->first_cell]};
        if (!send_customer(thread, number, &part, error))
            return FALSE;
        customer->first_cell = METER_NO_CELLS;
    }
    bill_cells_clear(&thread->cells);
    return TRUE;
}

/* Adds to parts what a thread has of the customers of a share. */
static void
collect(GArray *parts, const MeterThread *thread, guint share, guint share_count)
{
    const Interner *names = bill_customers_names(thread->numbers);

    for (guint i = 0; i < thread->customers->len; i++) {
        const MeterCustomer *customer = &g_array_index(thread->customers, MeterCustomer, i);
        if (customer->first_cell == METER_NO_CELLS ||
            interner_hash(names, i) % share_count != share)
            continue;
        Part part = {.name = interner_text(names, i),
                     .plan = thread->plans->pdata[customer->plan],
                     .cells = &thread->cells.cells[customer->first_cell]};
        guint32 name_bytes = interner_text_size(names, i);
        part.turn = reduce_turn_of(thread->meter->config.reduce, part.name, name_bytes + 1);
        part.word = merge_word((const guint8 *)part.name, name_bytes);
        g_array_append_val(parts, part);
    }
}

static int
compare_parts(gconstpointer a, gconstpointer b)
{
    const Part *left = a;
    const Part *right = b;

    if (left->turn != right->turn)
        return left->turn < right->turn ? -1 : 1;
    if (left->word != right->word)
        return left->word < right->word ? -1 : 1;
    return left->word & 0xff ? strcmp(left->name, right->name) : 0;
}

/* Adds what another thread has of a customer. */
static gboolean
add_part(const MeterThread *thread, const Part *into, const Part *from, GError **error)
{
    const MeterConfig *config = &thread->meter->config;

    for (guint p = 0; p < config->period_count; p++) {
        const PriceBook *book = config->periods[p].book;
        for (guint i = 0; i < pricebook_sku_count(book); i++) {
            const BillPlanSku *sku = &into->plan->skus[p][i];
            for (guint c = sku->first_cell; c < sku->first_cell + sku->version_count; c++) {
                BillCell *cell = &into->cells[c];
                if (__builtin_add_overflow(cell->metered, from->cells[c].metered, &cell->metered))
                    return meter_overflow(into->name, pricebook_sku(book, i), error);
                cell->event_count += from->cells[c].event_count;
            }
        }
    }
    return TRUE;
}

typedef struct {
    Meter *meter;
    guint number;
    GError *error;
} Share;

static gpointer
send_share(gpointer data)
{
    Share *share = data;
    Meter *meter = share->meter;
    MeterThread *thread = &meter->threads[share->number];
    g_autoptr(GArray) parts = g_array_new(FALSE, FALSE, sizeof(Part));

    for (guint i = 0; i < meter->config.thread_count; i++)
        collect(parts, &meter->threads[i], share->number, meter->config.thread_count);
    g_array_sort(parts, compare_parts);
    for (guint i = 0, next = 0; i < parts->len && !share->error; i = next) {
        const Part *part = &g_array_index(parts, Part, i);
        for (next = i + 1; next < parts->len && !share->error; next++) {
            const Part *other = &g_array_index(parts, Part, next);
            if (compare_parts(part, other) != 0)
                break;
            add_part(thread, part, other, &share->error);
        }
        if (!share->error)
            send_customer(thread, share->number, part, &share->error);
    }
    return NULL;
}

gboolean
meter_flush(Meter *meter, GError **error)
{
    guint count = meter->config.thread_count;
    g_autofree Share *shares = g_new0(Share, count);
    g_autofree GThread **handles = g_new0(GThread *, count);
    gboolean good = TRUE;

    for (guint i = 0; i < count; i++) {
        shares[i] = (Share){.meter = meter, .number = i};
        if (i > 0)
            handles[i] = g_thread_new("flush", send_share, &shares[i]);
    }
    send_share(&shares[0]);
    for (guint i = 0; i < count; i++) {
        if (i > 0)
            g_thread_join(handles[i]);
        if (!shares[i].error)
            continue;
        if (good)
            g_propagate_error(error, shares[i].error);
        else
            g_error_free(shares[i].error);
        good = FALSE;
    }
    for (guint i = 0; i < count; i++) {
        MeterThread *thread = &meter->threads[i];
        g_array_set_size(thread->customers, 0);
        g_clear_pointer(&thread->numbers, bill_customers_free);
        bill_cells_release(&thread->cells);
    }
    return good;
}
