/* statement_printer.c - fills templates with the values of statements and their lines. The same
 * statement is the same bytes: no clock, no locale, no floating point.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/statement_printer.h"

#include <string.h>

#include "formats/json.h"
#include "formats/manifest.h"
#include "formats/sha256.h"
#include "formats/statement_texts.h"
#include "formats/text_out.h"

#define HARVEST_DIGITS       6
#define INVOICE_DIGEST_CHARS 16
#define INVOICE_PREFIX       "INV-"
/* Kinds are as many as prices and tiers, or far more where single customers have prices of their
 * own. So many are remembered: sets, and kinds in each. */
#define KIND_SETS 256
#define KIND_WAYS 4

struct _StatementPrinter {
    StatementRun run;
    guint minor_digits;  /* shown at least */
    TextTemplate head;   /* of the JSON, up to the first line */
    TextTemplate middle; /* from behind the last line to the first credit */
    TextTemplate end;
    LineKind *kinds;    /* KIND_SETS x KIND_WAYS; those without a text are not used yet */
    guint turn;         /* whose place in a set is taken next */
    StatementTexts now; /* of the statement and line at hand */
    GString *customer_json;
    GString *customer_csv;
    GString *account_id;
    GString *invoice_key; /* what is digested: the run, NUL, the customer */
    char invoice[sizeof(INVOICE_PREFIX) + sizeof(Period) + SHA256_CHARS];
};

void
texts_set_decimal(StatementTexts *texts, StatementValue value, __int128 number, guint digits,
                  guint shown_min)
{
    char *text = texts->texts[value];
    const char *end = money_put_wide(text, number, digits, shown_min);
    texts->values[value] = (TextValue){text, (gsize)(end - text)};
}

void
texts_set_pointed(StatementTexts *texts, StatementValue value, StatementValue from)
{
    const TextValue *source = &texts->values[from];
    texts->values[value] = *source;
    if (memchr(source->text, '.', source->size_bytes) != NULL)
        return;
    char *end = text_put(texts->texts[value], source->text, source->size_bytes);
    end = text_put(end, ".0", 2);
    texts->values[value] = (TextValue){texts->texts[value], (gsize)(end - texts->texts[value])};
}

static void
set_uint(StatementTexts *texts, StatementValue value, guint64 number)
{
    char *text = texts->texts[value];
    const char *end = text_put_uint(text, number);
    texts->values[value] = (TextValue){text, (gsize)(end - text)};
}

/* Where a line's kind may be. */
static LineKind *
kind_set(const StatementPrinter *printer, const StatementLine *line, const LineOrigin *origin)
{
    guint64 period;
    memcpy(&period, line->period, sizeof period);
    guint64 sum = period + (guint64)line->start_us + (guint64)line->unit_price_pico +
                  origin->sku * 31 + line->class * 7 + line->tier;
    guint64 hash = (sum * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15)) >> 32;
    return &printer->kinds[hash % KIND_SETS * KIND_WAYS];
}

/* Do lines of both tell the same, but for the price of a unit? Customers with prices of their own
 * often have those of others. */
static gboolean
is_alike(const PriceVersion *a, const PriceVersion *b)
{
    return a == b || (a != NULL && b != NULL && a->from_us == b->from_us && a->to_us == b->to_us &&
                      a->model == b->model && a->package_size == b->package_size &&
                      (a->tier_count > 1) == (b->tier_count > 1) && strcmp(a->from, b->from) == 0);
}

static gboolean
kind_has(const LineKind *kind, const StatementLine *line, const LineOrigin *origin)
{
    return kind->name != NULL && kind->class == line->class && kind->tier == line->tier &&
           kind->unit_price_pico == line->unit_price_pico && kind->origin.sku == origin->sku &&
           kind->origin.book == origin->book &&
           memcmp(kind->period, line->period, sizeof kind->period) == 0 &&
           is_alike(kind->origin.version, origin->version) &&
           (origin->version != NULL || strcmp(kind->name->str, line->sku) == 0);
}

static void
kind_release(LineKind *kind)
{
    if (kind->name == NULL)
        return;
    g_string_free(kind->name, TRUE);
    text_template_release(&kind->csv);
    text_template_release(&kind->json);
    text_template_release(&kind->focus);
}

/* Makes it empty, with the memory of what it was. */
static void
kind_clear(LineKind *kind)
{
    if (kind->name == NULL) {
        kind->name = g_string_new(NULL);
        text_template_init(&kind->csv);
        text_template_init(&kind->json);
        text_template_init(&kind->focus);
    }
    text_template_clear(&kind->csv);
    text_template_clear(&kind->json);
    text_template_clear(&kind->focus);
}

static void
kind_fill(LineKind *kind, const StatementRun *run, const StatementLine *line,
          const LineOrigin *origin)
{
    kind_clear(kind);
    g_string_assign(kind->name, line->sku);
    kind->origin = *origin;
    memcpy(kind->period, line->period, sizeof kind->period);
    kind->class = line->class;
    kind->tier = line->tier;
    kind->unit_price_pico = line->unit_price_pico;
    statement_csv_template(line, &kind->csv);
    statement_json_template(line, &kind->json);
    focus_template(run, line, origin, &kind->focus);
    if (origin->version != NULL)
        kind->list_price_pico = focus_list_price(line, origin);
}

static const LineKind *
find_kind(StatementPrinter *printer, const StatementLine *line, const LineOrigin *origin)
{
    LineKind *set = kind_set(printer, line, origin);
    /* A SKU that is not in the book any more is described by what was billed, line by line. */
    gboolean described = origin->version == NULL && statement_line_has_sku(line);
    for (guint i = 0; i < KIND_WAYS && !described; i++)
        if (kind_has(&set[i], line, origin))
            return &set[i];
    LineKind *kind = &set[printer->turn++ % KIND_WAYS];
    kind_fill(kind, &printer->run, line, origin);
    return kind;
}

static void
write_head(StatementPrinter *printer)
{
    const StatementRun *run = &printer->run;
    GString *text = printer->head.text;
    g_autoptr(GString) harvest = g_string_new(NULL);
    money_print(harvest, (gint64)run->harvest, HARVEST_DIGITS, HARVEST_DIGITS);
    text_template_add(&printer->head, "{\"customer\":", VALUE_CUSTOMER_JSON, ",");
    json_put_string(text, "period", run->period.name);
    json_put_string(text, "run", run->run);
    text_template_add(&printer->head, ",\"invoice\":\"", VALUE_INVOICE, "\"");
    json_put_string(text, "issuer", pricebook_issuer(run->book));
    json_put_string(text, "currency", pricebook_currency(run->book));
    json_put_bool(text, "preliminary", run->preliminary);
    json_put_string(text, "harvest", harvest->str);
    json_open(text, "lines", '[');
}

static void
write_middle(StatementPrinter *printer)
{
    TextTemplate *middle = &printer->middle;
    text_template_add(middle, "],\"usage\":\"", VALUE_SUMS + LINE_USAGE, "\"");
    text_template_add(middle, ",\"discount\":\"", VALUE_SUMS + LINE_DISCOUNT, "\"");
    text_template_add(middle, ",\"true_up\":\"", VALUE_SUMS + LINE_TRUE_UP, "\"");
    text_template_add(middle, ",\"corrections\":\"", VALUE_SUMS + LINE_CORRECTION, "\"");
    json_open(middle->text, "credits", '[');
}

static void
write_end(StatementPrinter *printer)
{
    TextTemplate *end = &printer->end;
    text_template_add(end, "],\"credit\":\"", VALUE_SUMS + LINE_CREDIT, "\"");
    text_template_add(end, ",\"rounding\":\"", VALUE_SUMS + LINE_ROUNDING, "\"");
    text_template_add(end, ",\"payable\":\"", VALUE_PAYABLE, "\"");
    text_template_add(end, ",\"events\":", VALUE_ALL_EVENTS, "}\n");
}

StatementPrinter *
statement_printer_new(const StatementRun *run)
{
    StatementPrinter *printer = g_new0(StatementPrinter, 1);
    printer->run = *run;
    printer->minor_digits = pricebook_minor_digits(run->book);
    printer->kinds = g_new0(LineKind, KIND_SETS * KIND_WAYS);
    printer->customer_json = g_string_new(NULL);
    printer->customer_csv = g_string_new(NULL);
    printer->account_id = g_string_new(NULL);
    printer->invoice_key = g_string_new(NULL);
    text_template_init(&printer->head);
    text_template_init(&printer->middle);
    text_template_init(&printer->end);
    write_head(printer);
    write_middle(printer);
    write_end(printer);
    return printer;
}

void
statement_printer_free(StatementPrinter *printer)
{
    if (printer == NULL)
        return;
    for (guint i = 0; i < KIND_SETS * KIND_WAYS; i++)
        kind_release(&printer->kinds[i]);
    g_free(printer->kinds);
    g_string_free(printer->customer_json, TRUE);
    g_string_free(printer->customer_csv, TRUE);
    g_string_free(printer->account_id, TRUE);
    g_string_free(printer->invoice_key, TRUE);
    text_template_release(&printer->head);
    text_template_release(&printer->middle);
    text_template_release(&printer->end);
    g_free(printer);
}

static void
set_amount(StatementPrinter *printer, StatementValue value, gint64 nano)
{
    texts_set_decimal(&printer->now, value, nano, MONEY_NANO_DIGITS, printer->minor_digits);
}

/* "INV-2026-11-0123456789abcdef" */
static void
set_invoice(StatementPrinter *printer, const char *customer)
{
    GString *key = printer->invoice_key;
    char *at = printer->invoice;
    g_string_truncate(key, 0);
    g_string_append_len(key, printer->run.run, (gssize)strlen(printer->run.run) + 1);
    g_string_append(key, customer);
    at = text_put(at, INVOICE_PREFIX, strlen(INVOICE_PREFIX));
    at = text_put(at, printer->run.period.name, strlen(printer->run.period.name));
    *at++ = '-';
    sha256_hex(key->str, key->len, at);
    printer->now.values[VALUE_INVOICE] =
        (TextValue){printer->invoice, (gsize)(at - printer->invoice) + INVOICE_DIGEST_CHARS};
}

static void
set_customer(StatementPrinter *printer, const char *customer)
{
    TextValue *values = printer->now.values;
    g_string_truncate(printer->customer_json, 0);
    json_put_string(printer->customer_json, NULL, customer);
    g_string_truncate(printer->customer_csv, 0);
    manifest_put_csv_field(printer->customer_csv, customer);
    g_string_truncate(printer->account_id, 0);
    focus_print_account_id(printer->account_id, customer);
    values[VALUE_CUSTOMER_JSON] =
        (TextValue){printer->customer_json->str, printer->customer_json->len};
    values[VALUE_CUSTOMER_CSV] =
        (TextValue){printer->customer_csv->str, printer->customer_csv->len};
    values[VALUE_ACCOUNT_ID] = (TextValue){printer->account_id->str, printer->account_id->len};
}

/* Events as often as there are SKUs that meter them. */
static guint64
count_events(const StatementInput *input)
{
    guint64 count = 0;
    for (guint i = 0; i < input->sum_count; i++)
        count += input->sums[i].event_count;
    return count;
}

static void
set_statement(StatementPrinter *printer, const Statement *statement)
{
    set_customer(printer, statement->input->customer);
    set_invoice(printer, statement->input->customer);
    for (guint i = 0; i < LINE_CLASS_COUNT; i++)
        set_amount(printer, VALUE_SUMS + i, statement->sums_nano[i]);
    set_amount(printer, VALUE_PAYABLE, statement->payable_nano);
    set_uint(&printer->now, VALUE_ALL_EVENTS, count_events(statement->input));
}

static void
set_line(StatementPrinter *printer, const LineKind *kind, const StatementLine *line)
{
    StatementTexts *texts = &printer->now;
    __int128 quantity_pico = 0;
    texts->values[VALUE_LINE_ID] = (TextValue){line->id, STATEMENT_LINE_ID_CHARS};
    set_amount(printer, VALUE_AMOUNT, line->amount_nano);
    if (statement_line_has_sku(line)) {
        quantity_pico = money_quantity_pico(line->quantity, line->divisor);
        texts_set_decimal(texts, VALUE_METERED, line->metered, 0, 0);
        texts_set_decimal(texts, VALUE_QUANTITY, quantity_pico, MONEY_PICO_DIGITS, 0);
        set_uint(texts, VALUE_EVENTS, line->event_count);
    }
    focus_set_values(kind, line, quantity_pico, texts);
}

static void
put_credit(const StatementPrinter *printer, const CreditUse *use, GString *out)
{
    const struct {
        const char *key;
        gint64 nano;
    } members[] = {{"opening", use->opening_nano},
                   {"granted", use->granted_nano},
                   {"burned", use->burned_nano},
                   {"expired", use->expired_nano},
                   {"closing", use->closing_nano}};
    g_autoptr(GString) amount = g_string_new(NULL);
    json_open(out, NULL, '{');
    json_put_string(out, "id", use->credit->id);
    for (guint i = 0; i < G_N_ELEMENTS(members); i++) {
        g_string_truncate(amount, 0);
        money_print(amount, members[i].nano, MONEY_NANO_DIGITS, printer->minor_digits);
        json_put_string(out, members[i].key, amount->str);
    }
    g_string_append_c(out, '}');
}

static void
print_end(const StatementPrinter *printer, const Statement *statement, GString *out)
{
    text_template_print(&printer->middle, printer->now.values, out);
    for (guint i = 0; i < statement->credits->len; i++)
        put_credit(printer, &g_array_index(statement->credits, CreditUse, i), out);
    text_template_print(&printer->end, printer->now.values, out);
}

void
statement_printer_print(StatementPrinter *printer, const Statement *statement, GString *csv,
                        GString *json, GString *focus)
{
    const TextValue *values = printer->now.values;

    g_assert(statement->input->book == printer->run.book);
    set_statement(printer, statement);
    if (json != NULL)
        text_template_print(&printer->head, values, json);
    for (guint i = 0; i < statement->lines->len; i++) {
        const StatementLine *line = &g_array_index(statement->lines, StatementLine, i);
        const LineKind *kind =
            find_kind(printer, line, &g_array_index(statement->origins, LineOrigin, i));
        set_line(printer, kind, line);
        if (csv != NULL)
            text_template_print(&kind->csv, values, csv);
        if (json != NULL && i > 0)
            g_string_append_c(json, ',');
        if (json != NULL)
            text_template_print(&kind->json, values, json);
        if (focus != NULL)
            text_template_print(&kind->focus, values, focus);
    }
    if (json != NULL)
        print_end(printer, statement, json);
}
