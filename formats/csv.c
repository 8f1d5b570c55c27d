/* csv.c - fields of a CSV text, unquoted where they stand.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/csv.h"

CsvCursor
csv_cursor(char *text, gsize size_bytes)
{
    return (CsvCursor){text, text + size_bytes, 1, 1};
}

char *
csv_take_field(CsvCursor *cursor, char separator)
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

gboolean
csv_take_record(CsvCursor *cursor, char **fields, guint field_count)
{
    cursor->line = cursor->next_line;
    for (guint i = 0; i < field_count; i++) {
        fields[i] = csv_take_field(cursor, i + 1 < field_count ? ',' : '\n');
        if (!fields[i])
            return FALSE;
    }
    return TRUE;
}
