/* statement_csv.c - reads lines.csv again. It is a file of ours under a checksum, so whatever does
 * not read is damage, and said with its line.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/csv.h"
#include "formats/error.h"
#include "formats/statement_internal.h"

enum {
    FIELD_ID,
    FIELD_CUSTOMER,
    FIELD_PERIOD,
    FIELD_SKU,
    FIELD_PRICE_FROM,
    FIELD_TIER,
    FIELD_METERED,
    FIELD_QUANTITY,
    FIELD_UNIT,
    FIELD_UNIT_PRICE,
    FIELD_AMOUNT,
    FIELD_CLASS,
    FIELD_COUNT
};

static gboolean
is_id(const char *text)
{
    gsize chars = 0;
    for (; text[chars] != '\0'; chars++)
        if (!g_ascii_isdigit(text[chars]) && (text[chars] < 'a' || text[chars] > 'f'))
            return FALSE;
    return chars == STATEMENT_LINE_ID_CHARS;
}

static gboolean
class_parse(const char *text, LineClass *class)
{
    for (guint i = 0; i < LINE_CLASS_COUNT; i++)
        if (strcmp(text, line_class_name((LineClass)i)) == 0) {
            *class = (LineClass)i;
            return TRUE;
        }
    return FALSE;
}

/* Reads what only lines of a SKU have. */
static gboolean
usage_from_fields(char *const *fields, StatementLine *line)
{
    gint64 tier;
    if (!money_parse(fields[FIELD_TIER], 0, &tier) || tier < 0 || tier > PRICEBOOK_TIERS_MAX ||
        !money_parse(fields[FIELD_METERED], 0, &line->metered) ||
        !money_parse(fields[FIELD_UNIT_PRICE], MONEY_PICO_DIGITS, &line->unit_price_pico))
        return FALSE;
    line->tier = (guint)tier;
    if (money_parse(fields[FIELD_QUANTITY], 0, &line->quantity))
        line->divisor = 1;
    return TRUE;
}

static gboolean
line_from_fields(char *const *fields, StatementLine *line)
{
    Period period;
    if (!is_id(fields[FIELD_ID]) || !period_parse(fields[FIELD_PERIOD], &period, NULL) ||
        !money_parse(fields[FIELD_AMOUNT], MONEY_NANO_DIGITS, &line->amount_nano) ||
        !class_parse(fields[FIELD_CLASS], &line->class))
        return FALSE;
    memcpy(line->id, fields[FIELD_ID], sizeof line->id);
    memcpy(line->period, period.name, sizeof line->period);
    line->customer = fields[FIELD_CUSTOMER];
    line->sku = fields[FIELD_SKU];
    line->price_from = fields[FIELD_PRICE_FROM];
    line->unit = fields[FIELD_UNIT];
    return !statement_line_has_sku(line) || usage_from_fields(fields, line);
}

static void
fail(const char *name, guint64 line, GError **error)
{
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                "%s:%" G_GUINT64_FORMAT ": not a line of a bill run: the file is damaged", name,
                line);
}

GArray *
statement_parse_csv(const char *name, char *text, gsize size_bytes, GError **error)
{
    g_autoptr(GString) header = g_string_new(NULL);
    g_autoptr(GArray) lines = g_array_new(FALSE, TRUE, sizeof(StatementLine));
    CsvCursor cursor = csv_cursor(text, size_bytes);

    statement_print_csv_header(header);
    if (size_bytes < header->len || memcmp(text, header->str, header->len) != 0) {
        fail(name, 1, error);
        return NULL;
    }
    cursor.at += header->len;
    cursor.next_line++;
    while (cursor.at < cursor.end) {
        char *fields[FIELD_COUNT];
        StatementLine line = {0};
        if (!csv_take_record(&cursor, fields, FIELD_COUNT) || !line_from_fields(fields, &line)) {
            fail(name, cursor.line, error);
            return NULL;
        }
        g_array_append_val(lines, line);
    }
    return g_steal_pointer(&lines);
}
