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

static void
note_op(MeterThread *thread, const ScanEvent *event)
{
    const Meter *meter = thread->meter;
    ClassNote *note = event->class->note;

    if (!note->op)
        note->op = bill_ops_find(thread->ops, event->class->op);
    if (note->op)
        bill_op_add(note->op, event->class->ok, (guint64)event->numbers[meter->cpu_number],
                    (guint64)event->numbers[meter->wall_number]);
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

/* The customer with cells. Where there is no room for them, all that there are go their way first.
 * Returns NULL and error. */
static const MeterCustomer *
find_customer(MeterThread *thread, ScanThread *scan, guint thread_number, guint32 number,
              GError **error)
{
    while (G_UNLIKELY(thread->customers->len <= number)) {
        const char *name = scan_customer(scan, thread->customers->len);
        MeterCustomer customer = {find_plan(thread, name)->number, METER_NO_CELLS};
        g_array_append_val(thread->customers, customer);
    }
    MeterCustomer *customer = &g_array_index(thread->customers, MeterCustomer, number);
    if (G_LIKELY(customer->first_cell != METER_NO_CELLS))
        return customer;
    const BillPlan *plan = thread->plans->pdata[customer->plan];
    if (!bill_cells_has_room(&thread->cells, plan->cell_count) &&
        !meter_flush_cells(thread, scan, thread_number, error))
        return NULL;
    customer->first_cell = bill_cells_add(&thread->cells, plan->cell_count);
    return customer;
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

/* Adds the event to the SKUs that match and have a price at its time. */
static gboolean
add_to_skus(MeterThread *thread, ScanThread *scan, guint number, const ScanEvent *event, guint p,
            gboolean *priced, GError **error)
{
    const ClassNote *note = event->class->note;
    const MeterCustomer *customer = find_customer(thread, scan, number, event->customer, error);
    if (!customer)
        return FALSE;
    const BillPlan *plan = thread->plans->pdata[customer->plan];
    BillCell *cells = &thread->cells.cells[customer->first_cell];

    *priced = FALSE;
    for (guint64 left = note->skus[p]; left; left &= left - 1) {
        guint i = (guint)__builtin_ctzll(left);
        const BillPlanSku *sku = &plan->skus[p][i];
        gint v = price_find(sku->versions, sku->version_count, event->time_us);
        if (v < 0)
            continue;
        gint64 quantity = sku->number < 0 ? 1 : event->numbers[sku->number];
        BillCell *cell = &cells[sku->first_cell + (guint)v];
        if (__builtin_add_overflow(cell->metered, quantity, &cell->metered))
            return meter_overflow(scan_customer(scan, event->customer),
                                  pricebook_sku(thread->meter->config.periods[p].book, i), error);
        cell->event_count++;
        *priced = TRUE;
        if (p == 0)
            thread->totals[i] += quantity;
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

static gboolean
meter_event(gpointer data, ScanThread *scan, guint number, const ScanEvent *event, GError **error)
{
    Meter *meter = data;
    MeterThread *thread = &meter->threads[number];
    const MeterConfig *config = &meter->config;
    gboolean priced = FALSE;

    if (event->known_time_us != event->time_us && event->known_time_us != G_MAXINT64)
        note_moved(thread, event);
    for (guint p = 0; p < config->period_count; p++) {
        if (!is_within(&config->periods[p].period, event->time_us))
            continue;
        if (!add_to_skus(thread, scan, number, event, p, &priced, error))
            return FALSE;
        if (p > 0) {
            gboolean late = config->late[event->segment] >> p & 1;
            thread->counts.late_count += late;
            thread->counts.closed_count += !late;
            return TRUE;
        }
        note_op(thread, event);
        thread->counts.billable_count += priced;
        thread->counts.non_billable_count += !priced;
        return TRUE;
    }
    for (guint i = 0; i < config->closed_count; i++)
        if (is_within(&config->closed[i], event->time_us)) {
            thread->counts.closed_count++;
            return TRUE;
        }
    thread->counts.other_count++;
    return TRUE;
}

/* Customers are all over the memory: what an event needs of its is fetched in time. */
static void
meter_expect(gpointer data, guint number, guint32 soon, guint32 later)
{
    const Meter *meter = data;
    const MeterThread *thread = &meter->threads[number];

    if (later < thread->customers->len)
        __builtin_prefetch(&g_array_index(thread->customers, MeterCustomer, later));
    if (soon < thread->customers->len) {
        guint32 first = g_array_index(thread->customers, MeterCustomer, soon).first_cell;
        __builtin_prefetch(&thread->cells.cells[MIN(first, thread->cells.count)]);
    }
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
                                   .expect = meter_expect,
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
