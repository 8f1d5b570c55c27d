/* bill_rate.c - records of one customer become the input of statement_rate(), and the statement
 * becomes text. Customers are rated in batches by several threads; batches come out in order.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_rate.h"

#include <string.h>

#include "formats/error.h"
#include "formats/focus.h"

enum { BATCH_CUSTOMERS = 512 };

/* One customer's records, and the statement's text when it is rated. */
typedef struct {
    char *customer;
    GArray *sums[METER_PERIODS_MAX]; /* of MeterSum */
    GArray *billed;                  /* of StatementLine, of all corrected periods */
    GArray *burned;                  /* of StatementLine */
} Account;

/* Where one statement's texts end in the batch's. */
typedef struct {
    const char *customer;
    gsize end[3];
} Rated;

typedef struct {
    GPtrArray *accounts; /* owns Account */
    GStringChunk *texts; /* of lines */
    GString *parts[3];
    GArray *rated; /* of Rated */
    BillTotals totals;
    GError *error;
    gboolean done;
} Batch;

struct _BillRater {
    const BillInputs *inputs;
    Reduce *reduce;
    gboolean preliminary;
    guint64 harvest;
    GThreadPool *pool;
    guint batches_max; /* in flight */
    GMutex lock;
    GCond ready;
    GQueue batches; /* in order; those in front are done first or waited for */
    Batch *at;      /* the one that is handed out */
    guint at_index;
    ReduceRecord record; /* the first of the next customer */
    gboolean has_record;
    gboolean at_end;
    BillTotals totals;
};

static void
account_free(gpointer data)
{
    Account *account = data;

    for (guint p = 0; p < METER_PERIODS_MAX; p++)
        if (account->sums[p])
            g_array_unref(account->sums[p]);
    if (account->billed)
        g_array_unref(account->billed);
    if (account->burned)
        g_array_unref(account->burned);
    g_free(account->customer);
    g_free(account);
}

static Batch *
batch_new(void)
{
    Batch *batch = g_new0(Batch, 1);

    batch->accounts = g_ptr_array_new_with_free_func(account_free);
    batch->texts = g_string_chunk_new(4096);
    batch->rated = g_array_new(FALSE, FALSE, sizeof(Rated));
    for (guint i = 0; i < G_N_ELEMENTS(batch->parts); i++)
        batch->parts[i] = g_string_sized_new(64 << 10);
    return batch;
}

static void
batch_free(gpointer data)
{
    Batch *batch = data;

    g_ptr_array_unref(batch->accounts);
    g_string_chunk_free(batch->texts);
    g_array_unref(batch->rated);
    for (guint i = 0; i < G_N_ELEMENTS(batch->parts); i++)
        g_string_free(batch->parts[i], TRUE);
    g_clear_error(&batch->error);
    g_free(batch);
}

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

static gboolean
feed_run(const BillInputs *inputs, const BillFolder *folder, Reduce *reduce, GError **error)
{
    g_autoptr(GMappedFile) file = bill_folder_map(folder, BILL_LINES, error);
    g_autoptr(GByteArray) key = g_byte_array_new();
    g_autofree char *name = g_strconcat(folder->path, "/" BILL_LINES, NULL);

    if (!file)
        return FALSE;
    g_autoptr(GArray) lines = statement_parse_csv(name, g_mapped_file_get_contents(file),
                                                  g_mapped_file_get_length(file), error);
    if (!lines)
        return FALSE;
    for (guint i = 0; i < lines->len; i++) {
        const StatementLine *line = &g_array_index(lines, StatementLine, i);
        gboolean wanted = line->class == LINE_CREDIT ||
                          (line->class != LINE_ROUNDING && is_corrected(inputs, line->period));
        if (wanted && !feed_line(reduce, line, key, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
bill_rate_feed(const BillInputs *inputs, Reduce *reduce, GError **error)
{
    static const gint64 nothing[METER_SUM_COUNT] = {0};
    g_autoptr(GByteArray) key = g_byte_array_new();

    for (guint i = 0; i < inputs->closed->len; i++)
        if (!feed_run(inputs, inputs->closed->pdata[i], reduce, error))
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

static guint
get_u16(const guint8 *at)
{
    return (guint)at[0] << 8 | at[1];
}

static void
add_usage(Account *account, const guint8 *rest, const gint64 *sums)
{
    guint period = get_u16(rest + 1);
    MeterSum sum = {.sku = get_u16(rest + 3),
                    .version = get_u16(rest + 5),
                    .metered = sums[0],
                    .event_count = (guint64)sums[1]};

    if (!account->sums[period])
        account->sums[period] = g_array_new(FALSE, FALSE, sizeof(MeterSum));
    g_array_append_val(account->sums[period], sum);
}

static void
add_billed(Batch *batch, Account *account, const guint8 *rest, const gint64 *sums)
{
    StatementLine line = {.customer = account->customer,
                          .class = (LineClass)rest[1],
                          .metered = sums[0],
                          .amount_nano = sums[1],
                          .unit = ""};
    const char *at = (const char *)rest + 2;

    memcpy(line.period, at, sizeof line.period);
    at += sizeof line.period;
    line.sku = g_string_chunk_insert_const(batch->texts, at);
    at += strlen(at) + 1;
    line.price_from = g_string_chunk_insert_const(batch->texts, at);
    at += strlen(at) + 1;
    line.tier = get_u16((const guint8 *)at);
    GArray **lines = line.class == LINE_CREDIT ? &account->burned : &account->billed;
    if (!*lines)
        *lines = g_array_new(FALSE, FALSE, sizeof(StatementLine));
    g_array_append_val(*lines, line);
}

static void
add_record(BillRater *rater, Batch *batch, Account *account, const ReduceRecord *record)
{
    const guint8 *rest = record->key + strlen((const char *)record->key) + 1;

    if (*rest == METER_KIND_USAGE) {
        add_usage(account, rest, record->sums);
        rater->totals.hash += meter_record_hash(record->key, record->key_size_bytes, record->sums);
    } else if (*rest == METER_KIND_BILLED) {
        add_billed(batch, account, rest, record->sums);
    }
}

/* Fills in what the account has of the periods that are corrected. Returns: how many of them. */
static guint
make_corrections(const BillRater *rater, const Account *account, StatementCorrection *corrections,
                 GArray **billed)
{
    const BillInputs *inputs = rater->inputs;
    guint count = 0;

    for (guint p = 1; p < inputs->period_count; p++) {
        const MeterPeriod *period = &inputs->periods[p];
        GArray *lines = g_array_new(FALSE, FALSE, sizeof(StatementLine));
        for (guint i = 0; account->billed && i < account->billed->len; i++) {
            const StatementLine *line = &g_array_index(account->billed, StatementLine, i);
            if (strcmp(line->period, period->period.name) == 0)
                g_array_append_val(lines, *line);
        }
        const GArray *sums = account->sums[p];
        billed[count] = lines;
        corrections[count++] =
            (StatementCorrection){.period = period->period,
                                  .book = period->book,
                                  .sums = sums ? (const MeterSum *)(gpointer)sums->data : NULL,
                                  .sum_count = sums ? sums->len : 0,
                                  .billed = (const StatementLine *)(gpointer)lines->data,
                                  .billed_count = lines->len};
    }
    return count;
}

static void
add_totals(const BillRater *rater, const Account *account, const Statement *statement,
           BillTotals *totals)
{
    const BillInputs *inputs = rater->inputs;
    const GArray *sums = account->sums[0];
    guint line_count = 0;
    const StatementLine *lines = statement_lines(statement, &line_count);

    totals->statement_count++;
    totals->line_count += line_count;
    totals->payable_nano += statement_payable_nano(statement);
    for (guint i = 0; sums && i < sums->len; i++) {
        const MeterSum *sum = &g_array_index(sums, MeterSum, i);
        totals->sums[sum->sku] += sum->metered;
    }
    guint sku = 0;
    for (guint i = 0; i < line_count; i++) {
        totals->lines_nano += lines[i].amount_nano;
        totals->class_nano[lines[i].class] += lines[i].amount_nano;
        if (lines[i].class != LINE_USAGE)
            continue;
        while (sku < pricebook_sku_count(inputs->book) &&
               strcmp(pricebook_sku(inputs->book, sku)->name, lines[i].sku) != 0)
            sku++;
        g_assert(sku < pricebook_sku_count(inputs->book)); /* lines are in the book's order */
        totals->tiers[sku] += lines[i].metered;
    }
}

static gboolean
rate_account(const BillRater *rater, Batch *batch, const Account *account, GError **error)
{
    const BillInputs *inputs = rater->inputs;
    StatementCorrection corrections[METER_PERIODS_MAX];
    GArray *billed[METER_PERIODS_MAX];
    const GArray *sums = account->sums[0];
    const GArray *burned = account->burned;
    guint count = make_corrections(rater, account, corrections, billed);
    StatementInput input = {.customer = account->customer,
                            .period = inputs->frozen->period,
                            .book = inputs->book,
                            .sums = sums ? (const MeterSum *)(gconstpointer)sums->data : NULL,
                            .sum_count = sums ? sums->len : 0,
                            .corrections = corrections,
                            .correction_count = count,
                            .burned =
                                burned ? (const StatementLine *)(gconstpointer)burned->data : NULL,
                            .burned_count = burned ? burned->len : 0,
                            .run = inputs->run};
    g_autoptr(Statement) statement = statement_rate(&input, error);
    guint line_count = 0;

    if (statement)
        statement_lines(statement, &line_count);
    if (line_count > 0) {
        Rated rated = {.customer = account->customer};
        statement_print_csv(statement, batch->parts[0]);
        statement_print_json(statement, rater->preliminary, rater->harvest, batch->parts[1]);
        focus_print(FOCUS_1_2, statement, batch->parts[2]);
        for (guint i = 0; i < G_N_ELEMENTS(rated.end); i++)
            rated.end[i] = batch->parts[i]->len;
        g_array_append_val(batch->rated, rated);
        add_totals(rater, account, statement, &batch->totals);
    }
    for (guint i = 0; i < count; i++)
        g_array_unref(billed[i]);
    return statement != NULL;
}

/* In a thread of the pool. */
static void
rate_batch(gpointer data, gpointer user_data)
{
    Batch *batch = data;
    BillRater *rater = user_data;

    for (guint i = 0; i < batch->accounts->len && !batch->error; i++)
        rate_account(rater, batch, batch->accounts->pdata[i], &batch->error);
    g_mutex_lock(&rater->lock);
    batch->done = TRUE;
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
    rater->preliminary = preliminary;
    rater->harvest = harvest;
    rater->batches_max = 2 * thread_count;
    rater->pool = g_thread_pool_new(rate_batch, rater, (int)thread_count, FALSE, NULL);
    g_mutex_init(&rater->lock);
    g_cond_init(&rater->ready);
    g_queue_init(&rater->batches);
    return rater;
}

void
bill_rater_free(BillRater *rater)
{
    g_thread_pool_free(rater->pool, FALSE, TRUE);
    g_clear_pointer(&rater->at, batch_free);
    g_queue_clear_full(&rater->batches, batch_free);
    g_mutex_clear(&rater->lock);
    g_cond_clear(&rater->ready);
    g_free(rater);
}

/* Reads the records of the next customers. Returns FALSE and error. */
static gboolean
fill_batch(BillRater *rater, Batch *batch, GError **error)
{
    Account *account = NULL;

    while (!rater->at_end) {
        if (!rater->has_record) {
            int more = reduce_next(rater->reduce, &rater->record, error);
            if (more < 0)
                return FALSE;
            rater->at_end = more == 0;
            rater->has_record = more > 0;
            continue;
        }
        const char *customer = (const char *)rater->record.key;
        if (!account || strcmp(account->customer, customer) != 0) {
            if (batch->accounts->len == BATCH_CUSTOMERS)
                return TRUE;
            account = g_new0(Account, 1);
            account->customer = g_strdup(customer);
            g_ptr_array_add(batch->accounts, account);
        }
        add_record(rater, batch, account, &rater->record);
        rater->has_record = FALSE;
    }
    return TRUE;
}

/* Keeps the threads busy: as many batches in flight as there may be. */
static gboolean
submit_batches(BillRater *rater, GError **error)
{
    while (!rater->at_end && rater->batches.length < rater->batches_max) {
        Batch *batch = batch_new();
        g_queue_push_tail(&rater->batches, batch);
        if (!fill_batch(rater, batch, error)) {
            batch->done = TRUE;
            return FALSE;
        }
        g_thread_pool_push(rater->pool, batch, NULL);
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
    for (guint i = 0; i < PRICEBOOK_SKUS_MAX; i++) {
        into->sums[i] += from->sums[i];
        into->tiers[i] += from->tiers[i];
    }
    for (guint i = 0; i < G_N_ELEMENTS(into->class_nano); i++)
        into->class_nano[i] += from->class_nano[i];
}

/* The next batch that is done. Returns: 1, 0 when there is none, -1 and error. */
static int
next_batch(BillRater *rater, GError **error)
{
    g_clear_pointer(&rater->at, batch_free);
    rater->at_index = 0;
    if (!submit_batches(rater, error))
        return -1;
    Batch *batch = g_queue_pop_head(&rater->batches);
    if (!batch)
        return 0;
    rater->at = batch;
    g_mutex_lock(&rater->lock);
    while (!batch->done)
        g_cond_wait(&rater->ready, &rater->lock);
    g_mutex_unlock(&rater->lock);
    if (batch->error) {
        g_propagate_error(error, g_steal_pointer(&batch->error));
        return -1;
    }
    merge_totals(&rater->totals, &batch->totals);
    return 1;
}

int
bill_rater_next(gpointer data, GatherItem *item, GError **error)
{
    BillRater *rater = data;

    while (!rater->at || rater->at_index == rater->at->rated->len) {
        int more = next_batch(rater, error);
        if (more <= 0)
            return more;
    }
    const Rated *rated = &g_array_index(rater->at->rated, Rated, rater->at_index);
    *item = (GatherItem){.key = (const guint8 *)rated->customer,
                         .key_size_bytes = strlen(rated->customer)};
    for (guint i = 0; i < G_N_ELEMENTS(rated->end); i++) {
        gsize begin = rater->at_index > 0 ? (rated - 1)->end[i] : 0;
        item->parts[i] = rater->at->parts[i]->str + begin;
        item->part_size_bytes[i] = rated->end[i] - begin;
    }
    rater->at_index++;
    return 1;
}

const BillTotals *
bill_rater_totals(const BillRater *rater)
{
    return &rater->totals;
}
