/* bill_meter.c - which SKUs an event is metered by, and their sums.
 * What depends on type, op, format and status alone is worked out once a class; what depends on the
 * customer, once a customer. An event then costs a few additions in cells that lie together.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_meter_internal.h"

#include <string.h>

#include "formats/error.h"
#include "formats/fingerprint.h"
#include "formats/price_find.h"

/* A thread's memory goes to cells, and to the names of customers. */
enum { MEMORY_PARTS = 8, CELLS_PARTS = 5 };

/* So many events wait for their customers' cells together. */
enum { CHUNK_ROWS = 64 };

/* Some of ScanRows, and where each is added. */
typedef struct {
    const guint32 *rows;
    const guint32 *customers; /* by row */
    guint32 count;
    const BillPlan *plans[CHUNK_ROWS];
    BillCell *cells[CHUNK_ROWS];
    guint8 priced[CHUNK_ROWS];
} Chunk;

/* A class's note. */
typedef struct {
    BillOp *op;
    guint64 skus[METER_PERIODS_MAX]; /* masks of those that match */
} ClassNote;

guint32
meter_numbers(const MeterPeriod *periods, guint period_count)
{
    guint32 numbers = 1u << SEGMENT_CPU_US | 1u << SEGMENT_WALL_US;

    for (guint p = 0; p < period_count; p++)
        for (guint i = 0; i < pricebook_sku_count(periods[p].book); i++) {
            const PriceSku *sku = pricebook_sku(periods[p].book, i);
            if (sku->quantity != SEGMENT_COLUMNS)
                numbers |= 1u << sku->quantity;
        }
    return numbers;
}

static void
plan_free(gpointer data)
{
    bill_plan_clear(data);
    g_free(data);
}

static void
thread_init(MeterThread *thread, const Meter *meter)
{
    gsize memory_bytes = meter->config.memory_bytes / meter->config.thread_count;

    thread->meter = meter;
    thread->customers = g_array_new(FALSE, FALSE, sizeof(MeterCustomer));
    bill_cells_init(&thread->cells, memory_bytes / MEMORY_PARTS * CELLS_PARTS);
    thread->own_plans = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, plan_free);
    thread->plans = g_ptr_array_new();
    g_ptr_array_add(thread->plans, (gpointer)&meter->plan);
    thread->ops = bill_ops_new();
    thread->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    thread->key = g_byte_array_new();
    thread->moved = g_new0(guint8, meter->config.closed_count + 1);
}

static void
thread_clear(MeterThread *thread)
{
    g_array_unref(thread->customers);
    g_clear_pointer(&thread->numbers, bill_customers_free);
    bill_cells_release(&thread->cells);
    g_hash_table_unref(thread->own_plans);
    g_ptr_array_unref(thread->plans);
    bill_ops_free(thread->ops);
    g_hash_table_unref(thread->names);
    g_byte_array_unref(thread->key);
    g_free(thread->moved);
}

Meter *
meter_new(const MeterConfig *config)
{
    Meter *meter = g_new0(Meter, 1);

    g_assert(config->period_count <= METER_PERIODS_MAX);
    meter->config = *config;
    meter->numbers = meter_numbers(config->periods, config->period_count);
    meter->cpu_number = bill_plan_number(meter->numbers, SEGMENT_CPU_US);
    meter->wall_number = bill_plan_number(meter->numbers, SEGMENT_WALL_US);
    bill_plan_init(&meter->plan, config->periods, config->period_count, meter->numbers, NULL);
    meter->threads = g_new0(MeterThread, config->thread_count);
    for (guint i = 0; i < config->thread_count; i++)
        thread_init(&meter->threads[i], meter);
    thread_init(&meter->sum, meter);
    return meter;
}

void
meter_free(Meter *meter)
{
    for (guint i = 0; i < meter->config.thread_count; i++)
        thread_clear(&meter->threads[i]);
    thread_clear(&meter->sum);
    g_free(meter->threads);
    bill_plan_clear(&meter->plan);
    g_free(meter);
}

static void
meter_class_new(gpointer data, ScanClass *class)
{
    const Meter *meter = data;
    ClassNote *note = g_new0(ClassNote, 1);

    for (guint p = 0; p < meter->config.period_count; p++) {
        const PriceBook *book = meter->config.periods[p].book;
        for (guint i = 0; i < pricebook_sku_count(book); i++)
            if (price_matches(pricebook_sku(book, i), class->type, class->op, class->format,
                              class->status))
                note->skus[p] |= 1ULL << i;
    }
    class->note = note;
}

/* The op did these events in periods[0]. */
static void
note_op(MeterThread *thread, const ScanRows *rows)
{
    const Meter *meter = thread->meter;
    ClassNote *note = rows->class->note;

    if (!note->op)
        note->op = bill_ops_find(thread->ops, rows->class->op);
    if (note->op)
        bill_op_add(note->op, rows->class->ok, rows->numbers[meter->cpu_number],
                    rows->numbers[meter->wall_number], rows->rows, rows->count);
}

/* The plan of a customer who has prices of their own, or everybody's. */
static const BillPlan *
find_plan(MeterThread *thread, const char *name)
{
    const MeterConfig *config = &thread->meter->config;
    gboolean own = FALSE;

    for (guint p = 0; p < config->period_count && !own; p++) {
        const PriceCustomer *terms = pricebook_find_customer(config->periods[p].book, name);
        own = terms && terms->has_prices;
    }
    if (!own)
        return &thread->meter->plan;
    BillPlan *plan = g_hash_table_lookup(thread->own_plans, name);
    if (!plan) {
        plan = g_new0(BillPlan, 1);
        bill_plan_init(plan, config->periods, config->period_count, thread->meter->numbers, name);
        plan->number = thread->plans->len;
        g_ptr_array_add(thread->plans, plan);
        g_hash_table_insert(thread->own_plans, g_strdup(name), plan);
    }
    return plan;
}

static MeterCustomer *
find_customer(MeterThread *thread, ScanThread *scan, guint32 number)
{
    while (G_UNLIKELY(thread->customers->len <= number)) {
        const char *name = scan_customer(scan, thread->customers->len);
        MeterCustomer customer = {find_plan(thread, name)->number, METER_NO_CELLS};
        g_array_append_val(thread->customers, customer);
    }
    return &g_array_index(thread->customers, MeterCustomer, number);
}

/* Finds the cells of the customers of the chunk's events, and has them fetched: customers are all
 * over the memory. Where there is no room for more cells the chunk ends; when it has not begun, all
 * that there are go their way first. Returns: its size, or 0 and error. */
static guint32
find_places(MeterThread *thread, ScanThread *scan, guint number, Chunk *chunk, GError **error)
{
    const GArray *customers = thread->customers;

    for (guint32 i = 0; i < chunk->count; i++) {
        guint32 customer = chunk->customers[chunk->rows[i]];
        if (customer < customers->len)
            __builtin_prefetch(&g_array_index(customers, MeterCustomer, customer));
    }
    for (guint32 i = 0; i < chunk->count; i++) {
        MeterCustomer *customer = find_customer(thread, scan, chunk->customers[chunk->rows[i]]);
        const BillPlan *plan = thread->plans->pdata[customer->plan];
        if (G_UNLIKELY(customer->first_cell == METER_NO_CELLS)) {
            gboolean has_room = bill_cells_has_room(&thread->cells, plan->cell_count);
            if (!has_room && i > 0)
                return i;
            if (!has_room && !meter_flush_cells(thread, scan, number, error))
                return 0;
            customer->first_cell = bill_cells_add(&thread->cells, plan->cell_count);
        }
        chunk->plans[i] = plan;
        chunk->cells[i] = &thread->cells.cells[customer->first_cell];
        __builtin_prefetch(chunk->cells[i]);
    }
    return chunk->count;
}

gboolean
meter_overflow(const char *customer, const PriceSku *sku, GError **error)
{
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                "customer \"%s\": SKU \"%s\": the sum of %s is above 9223372036854775807; look for "
                "events with impossible counts (millrace usage cat --customer)",
                customer, sku->name, sku->quantity_name);
    return FALSE;
}

/* Adds the chunk's events to a SKU, as far as it has a price at their time. */
static gboolean
add_to_sku(MeterThread *thread, ScanThread *scan, const ScanRows *rows, Chunk *chunk, guint p,
           guint i, GError **error)
{
    gint which = thread->meter->plan.skus[p][i].number; /* the same in all plans */
    const gint64 *quantities = which < 0 ? NULL : rows->numbers[which];
    __int128 total = 0;

    for (guint32 k = 0; k < chunk->count; k++) {
        guint32 row = chunk->rows[k];
        const BillPlanSku *sku = &chunk->plans[k]->skus[p][i];
        gint v = sku->whole;
        if (v < 0)
            v = price_find(sku->versions, sku->version_count, rows->times[row]);
        if (v < 0)
            continue;
        gint64 quantity = quantities ? quantities[row] : 1;
        BillCell *cell = &chunk->cells[k][sku->first_cell + (guint)v];
        if (__builtin_add_overflow(cell->metered, quantity, &cell->metered))
            return meter_overflow(scan_customer(scan, rows->customers[row]),
                                  pricebook_sku(thread->meter->config.periods[p].book, i), error);
        cell->event_count++;
        chunk->priced[k] = TRUE;
        total += quantity;
    }
    if (p == 0)
        thread->totals[i] += total;
    return TRUE;
}

/* Adds events of a period to the SKUs that match, chunk by chunk. *priced_count: those that have a
 * price. */
static gboolean
add_to_skus(MeterThread *thread, ScanThread *scan, guint number, const ScanRows *rows, guint p,
            guint32 *priced_count, GError **error)
{
    const ClassNote *note = rows->class->note;
    Chunk chunk;

    *priced_count = 0;
    for (guint32 done = 0; done < rows->count; done += chunk.count) {
        chunk.rows = rows->rows + done;
        chunk.customers = rows->customers;
        chunk.count = MIN(rows->count - done, CHUNK_ROWS);
        chunk.count = find_places(thread, scan, number, &chunk, error);
        if (chunk.count == 0)
            return FALSE;
        memset(chunk.priced, 0, sizeof chunk.priced);
        for (guint64 left = note->skus[p]; left; left &= left - 1)
            if (!add_to_sku(thread, scan, rows, &chunk, p, (guint)__builtin_ctzll(left), error))
                return FALSE;
        for (guint32 k = 0; k < chunk.count; k++)
            *priced_count += chunk.priced[k];
    }
    return TRUE;
}

static gboolean
is_within(const Period *period, gint64 time_us)
{
    return time_us >= period->start_us && time_us < period->end_us;
}

/* A closed period has billed the event, which now is of another time. */
static void
note_moved(MeterThread *thread, const ScanEvent *event)
{
    const MeterConfig *config = &thread->meter->config;

    for (guint i = 0; i < config->closed_count; i++) {
        if (!is_within(&config->closed[i], event->known_time_us))
            continue;
        gboolean corrected = is_within(&config->closed[i], event->time_us);
        for (guint p = 1; p < config->period_count && !corrected; p++)
            corrected = config->periods[p].period.start_us == config->closed[i].start_us;
        thread->moved[i] |= !corrected;
    }
}

/* Events of periods[0]. */
static gboolean
meter_rows(gpointer data, ScanThread *scan, guint number, const ScanRows *rows, GError **error)
{
    MeterThread *thread = &((Meter *)data)->threads[number];
    guint32 priced_count = 0;

    if (!add_to_skus(thread, scan, number, rows, 0, &priced_count, error))
        return FALSE;
    note_op(thread, rows);
    thread->counts.billable_count += priced_count;
    thread->counts.non_billable_count += rows->count - priced_count;
    return TRUE;
}

/* An event of a period that is corrected. */
static gboolean
meter_corrected(MeterThread *thread, ScanThread *scan, guint number, const ScanRows *rows, guint p,
                gboolean late, GError **error)
{
    guint32 priced_count = 0;

    thread->counts.late_count += late;
    thread->counts.closed_count += !late;
    return add_to_skus(thread, scan, number, rows, p, &priced_count, error);
}

static gboolean
meter_event(gpointer data, ScanThread *scan, guint number, const ScanEvent *event, GError **error)
{
    static const guint32 row;
    Meter *meter = data;
    MeterThread *thread = &meter->threads[number];
    const MeterConfig *config = &meter->config;
    const gint64 *numbers[SEGMENT_COLUMNS];
    ScanRows rows = {event->class, &row, 1, &event->customer, &event->time_us, numbers};

    if (event->known_time_us != event->time_us && event->known_time_us != G_MAXINT64)
        note_moved(thread, event);
    for (gint i = 0; i < __builtin_popcount(meter->numbers); i++)
        numbers[i] = &event->numbers[i];
    for (guint p = 0; p < config->period_count; p++) {
        if (!is_within(&config->periods[p].period, event->time_us))
            continue;
        return p == 0 ? meter_rows(meter, scan, number, &rows, error)
                      : meter_corrected(thread, scan, number, &rows, p,
                                        config->late[event->segment] >> p & 1, error);
    }
    for (guint i = 0; i < config->closed_count; i++)
        if (is_within(&config->closed[i], event->time_us)) {
            thread->counts.closed_count++;
            return TRUE;
        }
    thread->counts.other_count++;
    return TRUE;
}

guint64
meter_hash(const Meter *meter)
{
    return meter->sum.hash;
}

static gboolean
meter_range_done(gpointer data, ScanThread *scan, guint number, gboolean last, GError **error)
{
    Meter *meter = data;
    MeterThread *thread = &meter->threads[number];
    gsize held_bytes = scan_customers_size(scan) + thread->customers->len * sizeof(MeterCustomer);
    gsize memory_bytes = meter->config.memory_bytes / meter->config.thread_count;

    scan_seen_writers(scan, thread->names);
    if (last) {
        thread->numbers = scan_customers_steal(scan);
        return TRUE;
    }
    if (held_bytes <= memory_bytes / MEMORY_PARTS * (MEMORY_PARTS - CELLS_PARTS))
        return TRUE;
    if (!meter_flush_cells(thread, scan, number, error))
        return FALSE;
    g_array_set_size(thread->customers, 0);
    scan_customers_clear(scan);
    return TRUE;
}

const ScanVisitor meter_visitor = {.class_new = meter_class_new,
                                   .rows = meter_rows,
                                   .event = meter_event,
                                   .range_done = meter_range_done};

void
meter_finish(Meter *meter)
{
    MeterThread *sum = &meter->sum;

    for (guint i = 0; i < meter->config.thread_count; i++) {
        const MeterThread *thread = &meter->threads[i];
        GHashTableIter names;
        gpointer name;
        sum->counts.billable_count += thread->counts.billable_count;
        sum->counts.non_billable_count += thread->counts.non_billable_count;
        sum->counts.late_count += thread->counts.late_count;
        sum->counts.closed_count += thread->counts.closed_count;
        sum->counts.other_count += thread->counts.other_count;
        sum->hash += thread->hash;
        for (guint closed = 0; closed < meter->config.closed_count; closed++)
            sum->moved[closed] |= thread->moved[closed];
        for (guint sku = 0; sku < PRICEBOOK_SKUS_MAX; sku++)
            sum->totals[sku] += thread->totals[sku];
        g_hash_table_iter_init(&names, thread->names);
        while (g_hash_table_iter_next(&names, &name, NULL))
            g_hash_table_add(sum->names, g_strdup(name));
        bill_ops_merge(sum->ops, thread->ops);
    }
}

MeterCounts
meter_counts(const Meter *meter)
{
    return meter->sum.counts;
}

gboolean
meter_moved(const Meter *meter, guint closed)
{
    return meter->sum.moved[closed];
}

const __int128 *
meter_totals(const Meter *meter)
{
    return meter->sum.totals;
}

GHashTable *
meter_writers(const Meter *meter)
{
    return meter->sum.names;
}

const BillOps *
meter_ops(const Meter *meter)
{
    return meter->sum.ops;
}
