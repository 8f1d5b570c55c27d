/* statement_print.c - what a line is in lines.csv and statements.ndjson, as templates, and whole
 * texts for those who print but one statement.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/json.h"
#include "formats/manifest.h"
#include "formats/statement_texts.h"

void
statement_print_csv_header(GString *out)
{
    g_string_append(out, "line_id,customer,period,sku,price_from,tier,metered,quantity,unit,"
                         "unit_price,amount,charge_class\n");
}

/* The fields that only lines of a SKU have. */
static void
add_csv_usage(const StatementLine *line, TextTemplate *template)
{
    GString *text = template->text;
    if (!statement_line_has_sku(line)) {
        g_string_append(text, ",,,,,");
        return;
    }
    g_string_append_printf(text, "%u,", line->tier);
    text_template_add(template, "", VALUE_METERED, ",");
    text_template_add(template, "", VALUE_QUANTITY, ",");
    manifest_put_csv_field(text, line->unit);
    g_string_append_c(text, ',');
    money_print(text, line->unit_price_pico, MONEY_PICO_DIGITS, 0);
    g_string_append_c(text, ',');
}

void
statement_csv_template(const StatementLine *line, TextTemplate *template)
{
    GString *text = template->text;
    text_template_add(template, "", VALUE_LINE_ID, ",");
    text_template_add(template, "", VALUE_CUSTOMER_CSV, ",");
    g_string_append_printf(text, "%s,", line->period);
    manifest_put_csv_field(text, line->sku);
    g_string_append_c(text, ',');
    manifest_put_csv_field(text, line->price_from);
    g_string_append_c(text, ',');
    add_csv_usage(line, template);
    text_template_add_hole(template, VALUE_AMOUNT);
    g_string_append_printf(text, ",%s\n", line_class_name(line->class));
}

static void
put_time(GString *out, const char *key, gint64 time_us)
{
    g_autoptr(GString) text = g_string_new(NULL);
    period_print_time(text, time_us);
    json_put_string(out, key, text->str);
}

/* Commas behind holes are written out: what goes into a hole is not seen by the functions that put
 * theirs. */
static void
add_json_usage(const StatementLine *line, TextTemplate *template)
{
    g_autoptr(GString) price = g_string_new(NULL);
    GString *text = template->text;
    money_print(price, line->unit_price_pico, MONEY_PICO_DIGITS, 0);
    json_put_string(text, "price_from", line->price_from);
    json_put_uint(text, "tier", line->tier);
    text_template_add(template, ",\"metered\":", VALUE_METERED, "");
    text_template_add(template, ",\"quantity\":\"", VALUE_QUANTITY, "\"");
    json_put_string(text, "unit", line->unit);
    json_put_string(text, "unit_price", price->str);
    text_template_add(template, ",\"events\":", VALUE_EVENTS, ",");
}

void
statement_json_template(const StatementLine *line, TextTemplate *template)
{
    GString *text = template->text;
    text_template_add(template, "{\"id\":\"", VALUE_LINE_ID, "\"");
    json_put_string(text, "class", line_class_name(line->class));
    json_put_string(text, "period", line->period);
    json_put_string(text, "sku", line->sku);
    if (statement_line_has_sku(line))
        add_json_usage(line, template);
    put_time(text, "start", line->start_us);
    put_time(text, "end", line->end_us);
    text_template_add(template, ",\"amount\":\"", VALUE_AMOUNT, "\"}");
}

StatementRun
statement_run_of(const Statement *statement)
{
    const StatementInput *input = statement->input;
    return (StatementRun){.book = input->book, .period = input->period, .run = input->run};
}

void
statement_print_csv(const Statement *statement, GString *out)
{
    StatementRun run = statement_run_of(statement);
    g_autoptr(StatementPrinter) printer = statement_printer_new(&run);
    statement_printer_print(printer, statement, out, NULL, NULL);
}

void
statement_print_json(const Statement *statement, gboolean preliminary, guint64 harvest,
                     GString *out)
{
    StatementRun run = statement_run_of(statement);
    run.preliminary = preliminary;
    run.harvest = harvest;
    g_autoptr(StatementPrinter) printer = statement_printer_new(&run);
    statement_printer_print(printer, statement, NULL, out, NULL);
}
