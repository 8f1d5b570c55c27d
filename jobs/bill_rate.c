/* bill_rate.c - what closed runs have billed goes to where customers' records meet; the records
 * come out by customer, are rated in batches by several threads, and come out in order.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_rate.h"

#include <string.h>

#include "formats/error.h"
#include "jobs/bill_batch.h"
#include "jobs/bill_billed.h"

/* A batch under way. */
typedef struct {
    BillBatch *batch;
    GError *error;
    gboolean done;
} Flight;

struct _BillRater {
    const BillInputs *inputs;
    Reduce *reduce;
    StatementRun run;
    GThreadPool *pool;
    guint flights_max;
    GMutex lock;
    GCond ready;
    GQueue flights;      /* in order; those in front are done first or waited for */
    GQueue idle;         /* flights that are over, whose batches can be used again */
    Flight *at;          /* the one whose statements are handed out */
    ReduceRecord record; /* the first of the next customer */
    gboolean has_record;
    gboolean at_end;
    BillTotals totals;
};

/* A billed line's key, behind the customer: kind, class, period, sku NUL, price_from NUL, tier. */
static gboolean
feed_line(Reduce *reduce, const StatementLine *line, GByteArray *key, GError **error)
{
    const gint64 sums[METER_SUM_COUNT] = {line->metered, line->amount_nano};
    gsize group_bytes = strlen(line->customer) + 1;
    const guint8 head[] = {METER_KIND_BILLED, (guint8)line->class};
    const guint8 tier[] = {(guint8)(line->tier >> 8), (guint8)line->tier};

    g_byte_array_set_size(key, 0);
    g_byte_array_append(key, (const guint8 *)line->customer, (guint)group_bytes);
    g_byte_array_append(key, head, sizeof head);
    g_byte_array_append(key, (const guint8 *)line->period, sizeof line->period);
    g_byte_array_append(key, (const guint8 *)line->sku, (guint)strlen(line->sku) + 1);
    g_byte_array_append(key, (const guint8 *)line->price_from, (guint)strlen(line->price_from) + 1);
    g_byte_array_append(key, tier, sizeof tier);
    return reduce_add(reduce, 0, key->data, key->len, group_bytes, sums, error);
}

static gboolean
is_corrected(const BillInputs *inputs, const char *period)
{
    for (guint p = 1; p < inputs->period_count; p++)
        if (strcmp(inputs->periods[p].period.name, period) == 0)
            return TRUE;
    return FALSE;
}

typedef struct {
    const BillInputs *inputs;
    Reduce *reduce;
    GByteArray *key;
} Feed;

static gboolean
feed_billed(gpointer data, const StatementLine *line, GError **error)
{
    Feed *feed = data;
    gboolean wanted = line->class == LINE_CREDIT ||
                      (line->class != LINE_ROUNDING && is_corrected(feed->inputs, line->period));

    return !wanted || feed_line(feed->reduce, line, feed->key, error);
}

gboolean
bill_rate_feed(const BillInputs *inputs, Reduce *reduce, GError **error)
{
    static const gint64 nothing[METER_SUM_COUNT] = {0};
    g_autoptr(GByteArray) key = g_byte_array_new();

    Feed feed = {inputs, reduce, key};

    for (guint i = 0; i < inputs->closed->len; i++)
        if (!bill_billed_each(inputs->closed->pdata[i], feed_billed, &feed, error))
            return FALSE;
    for (guint i = 0; i < pricebook_customer_count(inputs->book); i++) {
        const PriceCustomer *customer = pricebook_customer(inputs->book, i);
        if (customer->minimum_nano == 0 && customer->credit_count == 0)
            continue;
        gsize group_bytes = meter_key(key, customer->name, METER_KIND_NONE, 0, 0, 0);
        if (!reduce_add(reduce, 0, key->data, key->len, group_bytes, nothing, error))
            return FALSE;
    }
    return TRUE;
}

static Flight *
flight_new(const BillRater *rater)
{
    Flight *flight = g_new0(Flight, 1);

    flight->batch = bill_batch_new(rater->inputs, &rater->run);
    return flight;
}

static void
flight_free(gpointer data)
{
    Flight *flight = data;

    bill_batch_free(flight->batch);
    g_clear_error(&flight->error);
    g_free(flight);
}

/* In a thread of the pool. */
static void
rate_batch(gpointer data, gpointer user_data)
{
    Flight *flight = data;
    BillRater *rater = user_data;

    bill_batch_rate(flight->batch, &flight->error);
    g_mutex_lock(&rater->lock);
    flight->done = TRUE;
    g_cond_broadcast(&rater->ready);
    g_mutex_unlock(&rater->lock);
}

BillRater *
bill_rater_new(const BillInputs *inputs, Reduce *reduce, guint thread_count, gboolean preliminary,
               guint64 harvest)
{
    BillRater *rater = g_new0(BillRater, 1);

    rater->inputs = inputs;
    rater->reduce = reduce;
    rater->run = (StatementRun){.book = inputs->book,
                                .period = inputs->frozen->period,
                                .run = inputs->run,
                                .preliminary = preliminary,
                                .harvest = harvest,
                                .focus = FOCUS_1_2};
    rater->flights_max = 2 * thread_count;
    rater->pool = g_thread_pool_new(rate_batch, rater, (int)thread_count, FALSE, NULL);
    g_mutex_init(&rater->lock);
    g_cond_init(&rater->ready);
    g_queue_init(&rater->flights);
    g_queue_init(&rater->idle);
    return rater;
}

void
bill_rater_free(BillRater *rater)
{
    g_thread_pool_free(rater->pool, FALSE, TRUE);
    g_clear_pointer(&rater->at, flight_free);
    g_queue_clear_full(&rater->flights, flight_free);
    g_queue_clear_full(&rater->idle, flight_free);
    g_mutex_clear(&rater->lock);
    g_cond_clear(&rater->ready);
    g_free(rater);
}

/* Reads the records of the next customers. Returns FALSE and error. */
static gboolean
fill_batch(BillRater *rater, BillBatch *batch, GError **error)
{
    for (;;) {
        if (rater->has_record && !bill_batch_add(batch, &rater->record))
            return TRUE;
        int more = reduce_next(rater->reduce, &rater->record, error);
        rater->has_record = more > 0;
        rater->at_end = more == 0;
        if (more <= 0)
            return more == 0;
    }
}

/* Keeps the threads busy: as many batches under way as there may be. */
static gboolean
submit_batches(BillRater *rater, GError **error)
{
    while (!rater->at_end && rater->flights.length < rater->flights_max) {
        Flight *flight = g_queue_pop_head(&rater->idle);
        if (!flight)
            flight = flight_new(rater);
        g_queue_push_tail(&rater->flights, flight);
        flight->done = FALSE;
        bill_batch_clear(flight->batch);
        if (!fill_batch(rater, flight->batch, error)) {
            flight->done = TRUE;
            return FALSE;
        }
        g_thread_pool_push(rater->pool, flight, NULL);
    }
    return TRUE;
}

static void
merge_totals(BillTotals *into, const BillTotals *from)
{
    into->statement_count += from->statement_count;
    into->line_count += from->line_count;
    into->lines_nano += from->lines_nano;
    into->payable_nano += from->payable_nano;
    into->hash += from->hash;
    for (guint i = 0; i < PRICEBOOK_SKUS_MAX; i++) {
        into->sums[i] += from->sums[i];
        into->tiers[i] += from->tiers[i];
    }
    for (guint i = 0; i < G_N_ELEMENTS(into->class_nano); i++)
        into->class_nano[i] += from->class_nano[i];
}

/* Goes to the next batch that is done. Returns: 1, 0 when there is none, -1 and error. */
static int
next_batch(BillRater *rater, GError **error)
{
    if (rater->at)
        g_queue_push_tail(&rater->idle, g_steal_pointer(&rater->at));
    if (!submit_batches(rater, error))
        return -1;
    Flight *flight = g_queue_pop_head(&rater->flights);
    if (!flight)
        return 0;
    rater->at = flight;
    g_mutex_lock(&rater->lock);
    while (!flight->done)
        g_cond_wait(&rater->ready, &rater->lock);
    g_mutex_unlock(&rater->lock);
    if (flight->error) {
        g_propagate_error(error, g_steal_pointer(&flight->error));
        return -1;
    }
    merge_totals(&rater->totals, bill_batch_totals(flight->batch));
    return 1;
}

int
bill_rater_next(gpointer data, GatherItem *item, GError **error)
{
    BillRater *rater = data;

    while (!rater->at || !bill_batch_next(rater->at->batch, item)) {
        int more = next_batch(rater, error);
        if (more <= 0)
            return more;
    }
    return 1;
}

const BillTotals *
bill_rater_totals(const BillRater *rater)
{
    return &rater->totals;
}
