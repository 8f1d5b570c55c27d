/* statement_show.c - a statement as text in aligned columns, and the choice between the formats.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/statement_show.h"

#include <string.h>

#include "formats/error.h"
#include "formats/json.h"
#include "formats/statement_view.h"

#define GAP "  "

/* Indexed by StatementFormat. */
static const char *const format_names[] = {"text", "json", "html"};

enum { COLUMN_LABEL, COLUMN_QUANTITY, COLUMN_UNIT, COLUMN_PRICE, COLUMN_AMOUNT, COLUMN_COUNT };
typedef const char *TextRow[COLUMN_COUNT];

typedef struct {
    GString *out;
    gsize widths[COLUMN_COUNT];
} TextTable;

gboolean
statement_format_parse(const char *text, StatementFormat *format)
{
    for (guint i = 0; i < G_N_ELEMENTS(format_names); i++)
        if (strcmp(text, format_names[i]) == 0) {
            *format = (StatementFormat)i;
            return TRUE;
        }
    return FALSE;
}

/* How many columns of a terminal a text takes. */
static gsize
width_of(const char *text)
{
    gsize width = 0;
    for (; *text != '\0'; text = g_utf8_next_char(text)) {
        gunichar c = g_utf8_get_char(text);
        width += g_unichar_iszerowidth(c) ? 0 : 1 + g_unichar_iswide(c);
    }
    return width;
}

static void
append_spaces(GString *out, gsize count)
{
    while (count-- > 0)
        g_string_append_c(out, ' ');
}

static void
append_cell(GString *out, const char *text, gsize width, gboolean right)
{
    gsize fill = width - MIN(width_of(text), width);
    if (right)
        append_spaces(out, fill);
    g_string_append(out, text);
    if (!right)
        append_spaces(out, fill);
}

static void
append_row(TextTable *table, const TextRow row)
{
    gsize begin = table->out->len;
    for (guint i = 0; i < COLUMN_COUNT; i++) {
        gboolean right = i != COLUMN_LABEL && i != COLUMN_UNIT;
        g_string_append(table->out, i > 0 ? GAP : "");
        append_cell(table->out, row[i], table->widths[i], right);
    }
    while (table->out->len > begin && table->out->str[table->out->len - 1] == ' ')
        g_string_truncate(table->out, table->out->len - 1);
    g_string_append_c(table->out, '\n');
}

static void
append_rule(TextTable *table)
{
    gsize width = strlen(GAP) * (COLUMN_COUNT - 1);
    for (guint i = 0; i < COLUMN_COUNT; i++)
        width += table->widths[i];
    while (width-- > 0)
        g_string_append_c(table->out, '-');
    g_string_append_c(table->out, '\n');
}

/* Calls `each` for every row of the table, twice: to measure, then to print. */
static void
for_each_row(const StatementView *view, TextTable *table,
             void (*each)(TextTable *table, const TextRow row), void (*rule)(TextTable *table))
{
    gboolean summed = FALSE;
    const char *correcting = "";
    each(table, (TextRow){"Item", "Quantity", "Unit", "Unit price", view->currency});
    rule(table);
    for (guint i = 0; i < view->lines->len; i++) {
        const ViewLine *line = &g_array_index(view->lines, ViewLine, i);
        gboolean usage = line->class == LINE_USAGE;
        if (!usage && !summed && i > 0) {
            rule(table);
            each(table, (TextRow){"Usage", "", "", "", view->usage});
        }
        summed = summed || !usage;
        g_autofree char *heading = g_strconcat("Correction of ", line->period, NULL);
        if (line->class == LINE_CORRECTION && strcmp(correcting, line->period) != 0)
            each(table, (TextRow){heading, "", "", "", ""});
        correcting = line->class == LINE_CORRECTION ? line->period : "";
        g_autofree char *label =
            g_strconcat(line->class == LINE_CORRECTION ? GAP : "", line->label, NULL);
        each(table, (TextRow){label, line->quantity, line->unit, line->unit_price, line->amount});
    }
    rule(table);
    each(table, (TextRow){"Payable", "", "", "", view->payable});
}

static void
measure_row(TextTable *table, const TextRow row)
{
    for (guint i = 0; i < COLUMN_COUNT; i++)
        table->widths[i] = MAX(table->widths[i], width_of(row[i]));
}

static void
measure_no_rule(TextTable *table G_GNUC_UNUSED)
{
}

static void
append_credits(const StatementView *view, GString *out)
{
    static const char *const words[VIEW_CREDIT_FIELDS] = {"opening", "granted", "used", "expired",
                                                          "left"};
    for (guint i = 0; i < view->credits->len; i++) {
        const ViewCredit *credit = &g_array_index(view->credits, ViewCredit, i);
        g_string_append_printf(out, "%sCredit %s:", i == 0 ? "\n" : "", credit->id);
        for (guint j = 0; j < VIEW_CREDIT_FIELDS; j++)
            g_string_append_printf(out, "%s %s %s", j > 0 ? "," : "", words[j], credit->fields[j]);
        g_string_append_c(out, '\n');
    }
}

void
statement_show_text(const StatementView *view, GString *out)
{
    TextTable table = {.out = out};
    g_string_append_printf(out, "%s\nStatement %s\nfor %s, %s\n", view->issuer, view->invoice,
                           view->customer, view->period.name);
    if (view->preliminary)
        g_string_append_printf(out,
                               "\nPRELIMINARY: %s %% of what was expected is in here. This is no "
                               "bill yet.\n",
                               view->harvest_percent);
    g_string_append_c(out, '\n');
    for_each_row(view, &table, measure_row, measure_no_rule);
    for_each_row(view, &table, append_row, append_rule);
    append_credits(view, out);
    g_string_append_printf(out, "\nHarvest %s %%. Times are UTC. Run %s\n", view->harvest_percent,
                           view->run);
}

gboolean
statement_show(StatementFormat format, const char *json, gsize size_bytes, GString *out,
               GError **error)
{
    g_auto(StatementView) view = {0};
    if (!statement_view_read(&view, json, size_bytes, error))
        return FALSE;
    if (format == STATEMENT_JSON) {
        g_autoptr(JsonObject) object = json_object_parse(json, size_bytes, error);
        if (object == NULL)
            return FALSE;
        json_object_print_pretty(object, out);
    } else if (format == STATEMENT_HTML) {
        statement_show_html(&view, out);
    } else {
        statement_show_text(&view, out);
    }
    return TRUE;
}
