/* statement_csv.c - reads lines.csv again. It is a file of ours under a checksum, so whatever does
 * not read is damage, and said with its line.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

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

typedef struct {
    const char *name;
    char *at;
    char *end;
    guint64 line; /* of the record that is read, from 1 */
    guint64 next_line;
} CsvCursor;

/* Takes one field off, with the separator behind it.
 * Returns: the field, or NULL when it is malformed or not ended by `separator`. */
static char *
take_field(CsvCursor *cursor, char separator)
{
    char *field = cursor->at;
    char *in = field;
    char *out = field;
    gboolean quoted = in < cursor->end && *in == '"';

    for (in += quoted; in < cursor->end; in++) {
        if (quoted && *in == '"') {
            if (in + 1 == cursor->end || in[1] != '"')
                break;
            in++;
        } else if (!quoted && (*in == ',' || *in == '\n')) {
            break;
        }
        if (*in == '\0')
            return NULL;
        cursor->next_line += *in == '\n';
        *out++ = *in;
    }
    in += quoted;
    if (in >= cursor->end || *in != separator)
        return NULL;
    cursor->next_line += separator == '\n';
    cursor->at = in + 1;
    *out = '\0';
    return field;
}

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

static gboolean
fail(const CsvCursor *cursor, GError **error)
{
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                "%s:%" G_GUINT64_FORMAT ": not a line of a bill run: the file is damaged",
                cursor->name, cursor->line);
    return FALSE;
}

static gboolean
read_line(CsvCursor *cursor, GArray *lines, GError **error)
{
    char *fields[FIELD_COUNT];
    StatementLine line = {0};
    cursor->line = cursor->next_line;
    for (guint i = 0; i < FIELD_COUNT; i++) {
        fields[i] = take_field(cursor, i + 1 < FIELD_COUNT ? ',' : '\n');
        if (fields[i] == NULL)
            return fail(cursor, error);
    }
    if (!line_from_fields(fields, &line))
        return fail(cursor, error);
    g_array_append_val(lines, line);
    return TRUE;
}

GArray *
statement_parse_csv(const char *name, char *text, gsize size_bytes, GError **error)
{
    g_autoptr(GString) header = g_string_new(NULL);
    g_autoptr(GArray) lines = g_array_new(FALSE, TRUE, sizeof(StatementLine));
    statement_print_csv_header(header);
    CsvCursor cursor = {.name = name, .line = 1, .next_line = 2};
    if (size_bytes < header->len || memcmp(text, header->str, header->len) != 0) {
        fail(&cursor, error);
        return NULL;
    }
    cursor.at = text + header->len;
    cursor.end = text + size_bytes;
    while (cursor.at < cursor.end)
        if (!read_line(&cursor, lines, error))
            return NULL;
    return g_steal_pointer(&lines);
}
