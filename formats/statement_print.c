/* statement_print.c - statements as lines of lines.csv and statements.ndjson. The same statement is
 * the same bytes: no clock, no locale, no floating point.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/json.h"
#include "formats/manifest.h"
#include "formats/statement_internal.h"

#define HARVEST_DIGITS 6

typedef struct {
    GString *out;
    guint minor_digits; /* shown at least */
    GString *text;      /* of one value */
} Printer;

void
statement_print_csv_header(GString *out)
{
    g_string_append(out, "line_id,customer,period,sku,price_from,tier,metered,quantity,unit,"
                         "unit_price,amount,charge_class\n");
}

static void
append_int(GString *out, gint64 value)
{
    g_string_append_printf(out, "%" G_GINT64_FORMAT, value);
}

/* The fields that only lines of a SKU have. */
static void
print_csv_usage(const StatementLine *line, GString *out)
{
    if (!statement_line_has_sku(line)) {
        g_string_append(out, ",,,,,");
        return;
    }
    append_int(out, line->tier);
    g_string_append_c(out, ',');
    append_int(out, line->metered);
    g_string_append_c(out, ',');
    money_print_quantity(out, line->quantity, line->divisor);
    g_string_append_c(out, ',');
    manifest_put_csv_field(out, line->unit);
    g_string_append_c(out, ',');
    money_print(out, line->unit_price_pico, MONEY_PICO_DIGITS, 0);
    g_string_append_c(out, ',');
}

void
statement_print_csv(const Statement *statement, GString *out)
{
    guint minor_digits = pricebook_minor_digits(statement->input->book);
    for (guint i = 0; i < statement->lines->len; i++) {
        const StatementLine *line = &g_array_index(statement->lines, StatementLine, i);
        g_string_append(out, line->id);
        g_string_append_c(out, ',');
        manifest_put_csv_field(out, line->customer);
        g_string_append_c(out, ',');
        g_string_append(out, line->period);
        g_string_append_c(out, ',');
        manifest_put_csv_field(out, line->sku);
        g_string_append_c(out, ',');
        manifest_put_csv_field(out, line->price_from);
        g_string_append_c(out, ',');
        print_csv_usage(line, out);
        money_print(out, line->amount_nano, MONEY_NANO_DIGITS, minor_digits);
        g_string_append_c(out, ',');
        g_string_append(out, line_class_name(line->class));
        g_string_append_c(out, '\n');
    }
}

static void
put_decimal(Printer *printer, const char *key, gint64 value, guint digits, guint shown_min)
{
    g_string_truncate(printer->text, 0);
    money_print(printer->text, value, digits, shown_min);
    json_put_string(printer->out, key, printer->text->str);
}

static void
put_amount(Printer *printer, const char *key, gint64 nano)
{
    put_decimal(printer, key, nano, MONEY_NANO_DIGITS, printer->minor_digits);
}

static void
put_time(Printer *printer, const char *key, gint64 time_us)
{
    g_string_truncate(printer->text, 0);
    period_print_time(printer->text, time_us);
    json_put_string(printer->out, key, printer->text->str);
}

static void
put_line(Printer *printer, const StatementLine *line)
{
    GString *out = printer->out;
    json_open(out, NULL, '{');
    json_put_string(out, "id", line->id);
    json_put_string(out, "class", line_class_name(line->class));
    json_put_string(out, "period", line->period);
    json_put_string(out, "sku", line->sku);
    if (statement_line_has_sku(line)) {
        json_put_string(out, "price_from", line->price_from);
        json_put_uint(out, "tier", line->tier);
        json_put_int(out, "metered", line->metered);
        g_string_truncate(printer->text, 0);
        money_print_quantity(printer->text, line->quantity, line->divisor);
        json_put_string(out, "quantity", printer->text->str);
        json_put_string(out, "unit", line->unit);
        put_decimal(printer, "unit_price", line->unit_price_pico, MONEY_PICO_DIGITS, 0);
        json_put_uint(out, "events", line->event_count);
    }
    put_time(printer, "start", line->start_us);
    put_time(printer, "end", line->end_us);
    put_amount(printer, "amount", line->amount_nano);
    g_string_append_c(out, '}');
}

static void
put_credit(Printer *printer, const CreditUse *use)
{
    json_open(printer->out, NULL, '{');
    json_put_string(printer->out, "id", use->credit->id);
    put_amount(printer, "opening", use->opening_nano);
    put_amount(printer, "granted", use->granted_nano);
    put_amount(printer, "burned", use->burned_nano);
    put_amount(printer, "expired", use->expired_nano);
    put_amount(printer, "closing", use->closing_nano);
    g_string_append_c(printer->out, '}');
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
put_head(Printer *printer, const Statement *statement, gboolean preliminary, guint64 harvest)
{
    const StatementInput *input = statement->input;
    GString *out = printer->out;
    json_put_string(out, "customer", input->customer);
    json_put_string(out, "period", input->period.name);
    json_put_string(out, "run", input->run);
    g_string_truncate(printer->text, 0);
    statement_print_invoice(statement, printer->text);
    json_put_string(out, "invoice", printer->text->str);
    json_put_string(out, "issuer", pricebook_issuer(input->book));
    json_put_string(out, "currency", pricebook_currency(input->book));
    json_put_bool(out, "preliminary", preliminary);
    put_decimal(printer, "harvest", (gint64)harvest, HARVEST_DIGITS, HARVEST_DIGITS);
}

void
statement_print_json(const Statement *statement, gboolean preliminary, guint64 harvest,
                     GString *out)
{
    g_autoptr(GString) text = g_string_new(NULL);
    Printer printer = {out, pricebook_minor_digits(statement->input->book), text};

    g_string_append_c(out, '{');
    put_head(&printer, statement, preliminary, harvest);
    json_open(out, "lines", '[');
    for (guint i = 0; i < statement->lines->len; i++)
        put_line(&printer, &g_array_index(statement->lines, StatementLine, i));
    g_string_append_c(out, ']');
    put_amount(&printer, "usage", statement->sums_nano[LINE_USAGE]);
    put_amount(&printer, "discount", statement->sums_nano[LINE_DISCOUNT]);
    put_amount(&printer, "true_up", statement->sums_nano[LINE_TRUE_UP]);
    put_amount(&printer, "corrections", statement->sums_nano[LINE_CORRECTION]);
    json_open(out, "credits", '[');
    for (guint i = 0; i < statement->credits->len; i++)
        put_credit(&printer, &g_array_index(statement->credits, CreditUse, i));
    g_string_append_c(out, ']');
    put_amount(&printer, "credit", statement->sums_nano[LINE_CREDIT]);
    put_amount(&printer, "rounding", statement->sums_nano[LINE_ROUNDING]);
    put_amount(&printer, "payable", statement->payable_nano);
    json_put_uint(out, "events", count_events(statement->input));
    g_string_append(out, "}\n");
}
