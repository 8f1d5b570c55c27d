/* manifest_csv.c - CSV as RFC 4180 has it, and TSV as IANA's text/tab-separated-values. Most
 * records hold no quote: memchr finds that out and cuts them; the others are walked byte by byte.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/manifest.h"
#include "formats/manifest_internal.h"

#define FOUND_MAX_BYTES 200

/* Cuts a record into fields, in place. */
typedef struct {
    char *at;
    char *end; /* may be written to */
    char separator;
    gboolean more;
    gboolean malformed; /* a field had text behind its closing quote */
} FieldCursor;

/* What a byte makes of the state; line ends outside quotes are the caller's. */
static int
scan_step(int state, char c)
{
    if (state == CSV_QUOTED)
        return c == '"' ? CSV_CLOSING : CSV_QUOTED;
    if (c == '"' && (state == CSV_FIELD_START || state == CSV_CLOSING))
        return CSV_QUOTED;
    return c == ',' ? CSV_FIELD_START : CSV_PLAIN;
}

/* Goes on looking for the record's end. Returns TRUE when scan->at is the newline that ends it. */
static gboolean
scan_record(CsvScan *scan, const char *record, gsize window_bytes, guint64 line)
{
    for (; scan->at < window_bytes; scan->at++) {
        char c = record[scan->at];
        if (c == '\n' && scan->state != CSV_QUOTED)
            return TRUE;
        if (c == '\n')
            scan->newline_count++;
        int next = scan_step((int)scan->state, c);
        if (scan->state == CSV_FIELD_START && next == CSV_QUOTED)
            scan->quote_line = line + scan->newline_count;
        scan->state = next;
    }
    return FALSE;
}

/* Takes a record that has quotes, or whose end is not here yet. */
static int
take_quoted(ManifestReader *reader, char **record, gsize *size_bytes)
{
    CsvScan *scan = &reader->csv;
    gsize window_bytes = manifest_window_bytes(reader);
    gboolean ended = scan_record(scan, reader->buffer + reader->start, window_bytes, reader->line);

    if (!ended && window_bytes > MANIFEST_ROW_MAX_BYTES && scan->state == CSV_QUOTED)
        return manifest_fail(
            reader, scan->quote_line,
            "a quote is opened here and a row longer than %d bytes follows: close it",
            MANIFEST_ROW_MAX_BYTES);
    if (!ended && window_bytes > MANIFEST_ROW_MAX_BYTES)
        return manifest_fail_too_long(reader);
    if (!ended && (!reader->finished || window_bytes == 0))
        return 0;
    if (!ended && scan->state == CSV_QUOTED)
        return manifest_fail(reader, scan->quote_line, "a quote is opened here and never closed");
    *size_bytes = scan->at;
    *record = manifest_consume(reader, scan->at, ended ? 1 : 0);
    reader->line += 1 + scan->newline_count;
    *scan = (CsvScan){0};
    return 1;
}

static int
take_csv(ManifestReader *reader, char **record, gsize *size_bytes)
{
    const char *at = reader->buffer + reader->start;
    const char *stop = NULL;
    if (reader->csv.at == 0)
        stop = memchr(at, '\n', manifest_window_bytes(reader));
    if (stop == NULL || memchr(at, '"', (gsize)(stop - at)) != NULL)
        return take_quoted(reader, record, size_bytes);
    *size_bytes = (gsize)(stop - at);
    *record = manifest_consume(reader, *size_bytes, 1);
    reader->line++;
    return 1;
}

/* Takes a record, without its line end. */
static int
take_record(ManifestReader *reader, char **record, gsize *size_bytes)
{
    int taken = reader->kind == MANIFEST_TSV ? manifest_take_line(reader, '\n', record, size_bytes)
                                             : take_csv(reader, record, size_bytes);
    if (taken > 0 && *size_bytes > 0 && (*record)[*size_bytes - 1] == '\r')
        (*record)[--*size_bytes] = '\0';
    return taken;
}

/* Unquotes the field at the cursor. Returns: where the field's bytes stop in the record. */
static char *
unquote(FieldCursor *cursor)
{
    char *in = cursor->at + 1;
    char *out = cursor->at;
    while (in < cursor->end) {
        if (*in == '"' && (in + 1 == cursor->end || in[1] != '"'))
            break;
        in += *in == '"'; /* the first of two */
        *out++ = *in++;
    }
    if (in < cursor->end) /* the closing quote */
        in++;
    *out = '\0';
    if (in < cursor->end && *in != cursor->separator) {
        cursor->malformed = TRUE;
        in = memchr(in, cursor->separator, (gsize)(cursor->end - in));
    }
    return in != NULL ? in : cursor->end;
}

static gboolean
field_next(FieldCursor *cursor, char **field)
{
    if (!cursor->more)
        return FALSE;
    char *stop;
    *field = cursor->at;
    if (cursor->separator == ',' && cursor->at < cursor->end && *cursor->at == '"') {
        stop = unquote(cursor);
    } else {
        stop = memchr(cursor->at, cursor->separator, (gsize)(cursor->end - cursor->at));
        stop = stop != NULL ? stop : cursor->end;
        *stop = '\0';
    }
    cursor->more = stop < cursor->end;
    cursor->at = stop + 1;
    return TRUE;
}

static FieldCursor
field_cursor(const ManifestReader *reader, char *record, gsize size_bytes)
{
    return (FieldCursor){.at = record,
                         .end = record + size_bytes,
                         .separator = reader->kind == MANIFEST_TSV ? '\t' : ',',
                         .more = TRUE};
}

static int
column_find(const char *name)
{
    for (int i = 0; i < FIELD_COUNT; i++)
        if (strcmp(name, manifest_field_names[i]) == 0)
            return i;
    return -1;
}

static int
fail_no_source(ManifestReader *reader, guint64 line, GString *found)
{
    g_autofree char *names = g_utf8_make_valid(found->str, (gssize)found->len);
    for (char *at = names; *at != '\0'; at++)
        if (g_ascii_iscntrl(*at))
            *at = '?';
    return manifest_fail(
        reader, line,
        "no column \"source\" (found: %s): the first line names the columns, as in %s", names,
        reader->kind == MANIFEST_TSV ? "source<TAB>customer<TAB>to" : "source,customer,to");
}

/* Reads the header into reader->columns. */
static int
read_header(ManifestReader *reader, guint64 line, char *record, gsize size_bytes)
{
    g_autoptr(GByteArray) columns = g_byte_array_new();
    g_autoptr(GString) found = g_string_new(NULL);
    gboolean seen[FIELD_COUNT] = {FALSE};
    FieldCursor cursor = field_cursor(reader, record, size_bytes);
    char *name;

    while (field_next(&cursor, &name)) {
        int column = column_find(name);
        if (column >= 0 && seen[column])
            return manifest_fail(reader, line, "column \"%s\" twice: remove one", name);
        if (column >= 0)
            seen[column] = TRUE;
        guint8 byte = (guint8)column;
        g_byte_array_append(columns, &byte, 1);
        if (found->len < FOUND_MAX_BYTES)
            g_string_append_printf(found, "%s%.60s", found->len > 0 ? ", " : "", name);
    }
    if (cursor.malformed)
        return manifest_fail(reader, line, "text behind a closing quote in the header");
    if (!seen[FIELD_SOURCE])
        return fail_no_source(reader, line, found);
    reader->column_count = columns->len;
    reader->columns = (gint8 *)g_byte_array_free(g_steal_pointer(&columns), FALSE);
    return 1;
}

static int
read_row(ManifestReader *reader, ManifestRow *row, guint64 line, char *record, gsize size_bytes)
{
    const char *fields[FIELD_COUNT] = {"", "", "", ""};
    const char *problem = NULL;
    gboolean nul = memchr(record, '\0', size_bytes) != NULL;
    FieldCursor cursor = field_cursor(reader, record, size_bytes);
    guint count = 0;
    char *field;

    while (field_next(&cursor, &field)) {
        int column = count < reader->column_count ? reader->columns[count] : -1;
        if (column >= 0)
            fields[column] = field;
        count++;
    }
    if (nul) {
        problem = "a NUL byte in the row";
    } else if (cursor.malformed) {
        problem = "text behind a closing quote";
    } else if (count != reader->column_count) {
        problem = manifest_problem(reader, "%u field%s, expected %u", count, count == 1 ? "" : "s",
                                   reader->column_count);
    }
    /* A row out of step might name another's customer: only what it is known by is kept. */
    if (problem != NULL)
        fields[FIELD_CUSTOMER] = fields[FIELD_REQUEST] = fields[FIELD_TO] = "";
    return manifest_emit(reader, row, line, fields, problem);
}

int
manifest_csv_next(ManifestReader *reader, ManifestRow *row)
{
    for (;;) {
        guint64 line = reader->line;
        gsize size_bytes = 0;
        char *record;
        int taken = take_record(reader, &record, &size_bytes);
        if (taken <= 0)
            return taken;
        if (size_bytes == 0)
            continue;
        if (reader->columns != NULL)
            return read_row(reader, row, line, record, size_bytes);
        if (read_header(reader, line, record, size_bytes) < 0)
            return -1;
    }
}

void
manifest_put_csv_field(GString *out, const char *text)
{
    if (strpbrk(text, "\",\r\n") == NULL) {
        g_string_append(out, text);
        return;
    }
    g_string_append_c(out, '"');
    for (const char *quote; (quote = strchr(text, '"')) != NULL; text = quote + 1) {
        g_string_append_len(out, text, quote - text);
        g_string_append(out, "\"\"");
    }
    g_string_append(out, text);
    g_string_append_c(out, '"');
}
