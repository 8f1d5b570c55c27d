/* bill_batch.c - records become the input of statement_rate_into(), and statements become text.
 * What is known of all customers lies in arrays of the batch, one customer behind the other.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_batch.h"

#include <string.h>

/* Their texts, about 4 KiB each, should still be in the cache when they are collected. */
enum { BATCH_CUSTOMERS = 128, PARTS = 3, PART_BYTES = 64 << 10, NAMES_BYTES = 4 << 10 };

/* Some elements of an array of the batch, one behind the other. */
typedef struct {
    guint first;
    guint count;
} Span;

/* What a customer has used in one period. */
typedef struct {
    guint period;
    Span sums; /* of batch->sums */
} Usage;

typedef struct {
    const char *customer;
    Span usage;  /* of batch->usage, by period */
    Span billed; /* of batch->billed */
    Span burned; /* of batch->burned */
} Account;

/* Where one statement's texts end in the batch's. */
typedef struct {
    const char *customer;
    gsize end[PARTS];
} Rated;

struct _BillBatch {
    const BillInputs *inputs;
    StatementPrinter *printer;
    Statement *statement;
    GStringChunk *texts;                  /* of accounts and lines */
    GArray *accounts;                     /* of Account */
    GArray *usage;                        /* of Usage */
    GArray *sums;                         /* of MeterSum */
    GArray *billed;                       /* of StatementLine, of all corrected periods */
    GArray *burned;                       /* of StatementLine */
    GArray *corrected[METER_PERIODS_MAX]; /* of StatementLine: one customer's billed, by period */
    GString *parts[PARTS];
    GArray *rated; /* of Rated */
    guint next;    /* of rated, to be handed out */
    BillTotals totals;
};

BillBatch *
bill_batch_new(const BillInputs *inputs, const StatementRun *run)
{
    BillBatch *batch = g_new0(BillBatch, 1);

    batch->inputs = inputs;
    batch->printer = statement_printer_new(run);
    batch->statement = statement_new();
    batch->texts = g_string_chunk_new(NAMES_BYTES);
    batch->accounts = g_array_new(FALSE, FALSE, sizeof(Account));
    batch->usage = g_array_new(FALSE, FALSE, sizeof(Usage));
    batch->sums = g_array_new(FALSE, FALSE, sizeof(MeterSum));
    batch->billed = g_array_new(FALSE, FALSE, sizeof(StatementLine));
    batch->burned = g_array_new(FALSE, FALSE, sizeof(StatementLine));
    batch->rated = g_array_new(FALSE, FALSE, sizeof(Rated));
    for (guint p = 1; p < inputs->period_count; p++)
        batch->corrected[p] = g_array_new(FALSE, FALSE, sizeof(StatementLine));
    for (guint i = 0; i < PARTS; i++)
        batch->parts[i] = g_string_sized_new(PART_BYTES);
    return batch;
}

void
bill_batch_free(BillBatch *batch)
{
    statement_printer_free(batch->printer);
    statement_free(batch->statement);
    g_string_chunk_free(batch->texts);
    g_array_unref(batch->accounts);
    g_array_unref(batch->usage);
    g_array_unref(batch->sums);
    g_array_unref(batch->billed);
    g_array_unref(batch->burned);
    g_array_unref(batch->rated);
    for (guint p = 1; p < batch->inputs->period_count; p++)
        g_array_unref(batch->corrected[p]);
    for (guint i = 0; i < PARTS; i++)
        g_string_free(batch->parts[i], TRUE);
    g_free(batch);
}

void
bill_batch_clear(BillBatch *batch)
{
    g_string_chunk_clear(batch->texts);
    g_array_set_size(batch->accounts, 0);
    g_array_set_size(batch->usage, 0);
    g_array_set_size(batch->sums, 0);
    g_array_set_size(batch->billed, 0);
    g_array_set_size(batch->burned, 0);
    g_array_set_size(batch->rated, 0);
    for (guint i = 0; i < PARTS; i++)
        g_string_truncate(batch->parts[i], 0);
    batch->next = 0;
    batch->totals = (BillTotals){0};
}

static guint
get_u16(const guint8 *at)
{
    return (guint)at[0] << 8 | at[1];
}

/* The elements at the span's place. */
static gconstpointer
at_span(const GArray *array, Span span, gsize element_bytes)
{
    return span.count > 0 ? array->data + span.first * element_bytes : NULL;
}

/* The account of a record's customer, who is the last one or a new one; NULL when the batch is
 * full. */
static Account *
find_account(BillBatch *batch, const char *customer)
{
    guint count = batch->accounts->len;
    Account *last = count > 0 ? &g_array_index(batch->accounts, Account, count - 1) : NULL;

    if (last && strcmp(last->customer, customer) == 0)
        return last;
    if (count == BATCH_CUSTOMERS)
        return NULL;
    Account account = {.customer = g_string_chunk_insert(batch->texts, customer),
                       .usage.first = batch->usage->len,
                       .billed.first = batch->billed->len,
                       .burned.first = batch->burned->len};
    g_array_append_val(batch->accounts, account);
    return &g_array_index(batch->accounts, Account, count);
}

static void
add_usage(BillBatch *batch, Account *account, const guint8 *rest, const gint64 *sums)
{
    guint period = get_u16(rest + 1);
    MeterSum sum = {.sku = get_u16(rest + 3),
                    .version = get_u16(rest + 5),
                    .metered = sums[0],
                    .event_count = (guint64)sums[1]};
    Usage *last = account->usage.count > 0
                      ? &g_array_index(batch->usage, Usage, batch->usage->len - 1)
                      : NULL;

    if (!last || last->period != period) {
        Usage usage = {.period = period, .sums.first = batch->sums->len};
        g_array_append_val(batch->usage, usage);
        last = &g_array_index(batch->usage, Usage, batch->usage->len - 1);
        account->usage.count++;
    }
    g_array_append_val(batch->sums, sum);
    last->sums.count++;
}

/* A billed line's key: see feed_line() in bill_rate.c. */
static void
add_billed(BillBatch *batch, Account *account, const guint8 *rest, const gint64 *sums)
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
    if (line.class == LINE_CREDIT) {
        g_array_append_val(batch->burned, line);
        account->burned.count++;
    } else {
        g_array_append_val(batch->billed, line);
        account->billed.count++;
    }
}

gboolean
bill_batch_add(BillBatch *batch, const ReduceRecord *record)
{
    const char *customer = (const char *)record->key;
    const guint8 *rest = record->key + strlen(customer) + 1;
    Account *account = find_account(batch, customer);

    if (!account)
        return FALSE;
    if (*rest == METER_KIND_USAGE) {
        add_usage(batch, account, rest, record->sums);
        batch->totals.hash += meter_record_hash(record->key, record->key_size_bytes, record->sums);
    } else if (*rest == METER_KIND_BILLED) {
        add_billed(batch, account, rest, record->sums);
    }
    return TRUE;
}

static Span
sums_of(const BillBatch *batch, const Account *account, guint period)
{
    for (guint i = 0; i < account->usage.count; i++) {
        const Usage *usage = &g_array_index(batch->usage, Usage, account->usage.first + i);
        if (usage->period == period)
            return usage->sums;
    }
    return (Span){0};
}

/* Sorts what was billed by the period it is of. */
static void
sort_billed(BillBatch *batch, const Account *account)
{
    const BillInputs *inputs = batch->inputs;

    for (guint p = 1; p < inputs->period_count; p++)
        g_array_set_size(batch->corrected[p], 0);
    for (guint i = 0; i < account->billed.count; i++) {
        const StatementLine *line =
            &g_array_index(batch->billed, StatementLine, account->billed.first + i);
        for (guint p = 1; p < inputs->period_count; p++)
            if (strcmp(line->period, inputs->periods[p].period.name) == 0)
                g_array_append_val(batch->corrected[p], *line);
    }
}

/* Fills in what the account has of the periods that are corrected. Returns: how many of them. */
static guint
make_corrections(BillBatch *batch, const Account *account, StatementCorrection *corrections)
{
    const BillInputs *inputs = batch->inputs;
    guint count = 0;

    sort_billed(batch, account);
    for (guint p = 1; p < inputs->period_count; p++) {
        const MeterPeriod *period = &inputs->periods[p];
        const GArray *lines = batch->corrected[p];
        Span sums = sums_of(batch, account, p);
        corrections[count++] =
            (StatementCorrection){.period = period->period,
                                  .book = period->book,
                                  .sums = at_span(batch->sums, sums, sizeof(MeterSum)),
                                  .sum_count = sums.count,
                                  .billed = (const StatementLine *)(gpointer)lines->data,
                                  .billed_count = lines->len};
    }
    return count;
}

static void
add_totals(BillBatch *batch, const StatementInput *input)
{
    const PriceBook *book = batch->inputs->book;
    BillTotals *totals = &batch->totals;
    guint line_count = 0;
    const StatementLine *lines = statement_lines(batch->statement, &line_count);

    totals->statement_count++;
    totals->line_count += line_count;
    totals->payable_nano += statement_payable_nano(batch->statement);
    for (guint i = 0; i < input->sum_count; i++)
        totals->sums[input->sums[i].sku] += input->sums[i].metered;
    guint sku = 0;
    for (guint i = 0; i < line_count; i++) {
        totals->lines_nano += lines[i].amount_nano;
        totals->class_nano[lines[i].class] += lines[i].amount_nano;
        if (lines[i].class != LINE_USAGE)
            continue;
        while (sku < pricebook_sku_count(book) &&
               strcmp(pricebook_sku(book, sku)->name, lines[i].sku) != 0)
            sku++;
        g_assert(sku < pricebook_sku_count(book)); /* lines are in the book's order */
        totals->tiers[sku] += lines[i].metered;
    }
}

static gboolean
rate_account(BillBatch *batch, const Account *account, GError **error)
{
    const BillInputs *inputs = batch->inputs;
    StatementCorrection corrections[METER_PERIODS_MAX];
    Span sums = sums_of(batch, account, 0);
    StatementInput input = {.customer = account->customer,
                            .period = inputs->frozen->period,
                            .book = inputs->book,
                            .sums = at_span(batch->sums, sums, sizeof(MeterSum)),
                            .sum_count = sums.count,
                            .corrections = corrections,
                            .correction_count = make_corrections(batch, account, corrections),
                            .burned =
                                at_span(batch->burned, account->burned, sizeof(StatementLine)),
                            .burned_count = account->burned.count,
                            .run = inputs->run};
    Rated rated = {.customer = account->customer};
    guint line_count = 0;

    if (!statement_rate_into(batch->statement, &input, error))
        return FALSE;
    statement_lines(batch->statement, &line_count);
    if (line_count == 0)
        return TRUE;
    statement_printer_print(batch->printer, batch->statement, batch->parts[0], batch->parts[1],
                            batch->parts[2]);
    for (guint i = 0; i < PARTS; i++)
        rated.end[i] = batch->parts[i]->len;
    g_array_append_val(batch->rated, rated);
    add_totals(batch, &input);
    return TRUE;
}

gboolean
bill_batch_rate(BillBatch *batch, GError **error)
{
    for (guint i = 0; i < batch->accounts->len; i++)
        if (!rate_account(batch, &g_array_index(batch->accounts, Account, i), error))
            return FALSE;
    return TRUE;
}

gboolean
bill_batch_next(BillBatch *batch, GatherItem *item)
{
    if (batch->next == batch->rated->len)
        return FALSE;
    const Rated *rated = &g_array_index(batch->rated, Rated, batch->next);
    *item = (GatherItem){.key = (const guint8 *)rated->customer,
                         .key_size_bytes = strlen(rated->customer)};
    for (guint i = 0; i < PARTS; i++) {
        gsize begin = batch->next > 0 ? (rated - 1)->end[i] : 0;
        item->parts[i] = batch->parts[i]->str + begin;
        item->part_size_bytes[i] = rated->end[i] - begin;
    }
    batch->next++;
    return TRUE;
}

const BillTotals *
bill_batch_totals(const BillBatch *batch)
{
    return &batch->totals;
}
