/* manifest.c - the manifest reader: its buffer, the guess of the kind, lists, and the checks that
 * rows of all kinds pass. Rows are cut and unquoted where they lie in the buffer, so a row costs no
 * allocation.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/manifest.h"

#include <string.h>

#include "formats/error.h"
#include "formats/manifest_internal.h"

#define BUFFER_MIN_BYTES 4096

const char *const manifest_field_names[FIELD_COUNT] = {"source", "customer", "request", "to"};

static ManifestKind
kind_from_name(const char *name)
{
    static const struct {
        const char *ending;
        ManifestKind kind;
    } endings[] = {{".csv", MANIFEST_CSV},       {".tsv", MANIFEST_TSV},
                   {".ndjson", MANIFEST_NDJSON}, {".jsonl", MANIFEST_NDJSON},
                   {".txt", MANIFEST_LIST},      {".lst", MANIFEST_LIST}};
    const char *dot = strrchr(name, '.');

    for (guint i = 0; dot != NULL && i < G_N_ELEMENTS(endings); i++)
        if (g_ascii_strcasecmp(dot, endings[i].ending) == 0)
            return endings[i].kind;
    return MANIFEST_AUTO;
}

/* Does a header line, split at the separator, have the field "source"? */
static gboolean
has_source_column(const char *line, gsize size_bytes, char separator)
{
    const char *end = line + size_bytes;
    for (const char *at = line; at <= end;) {
        const char *stop = memchr(at, separator, (gsize)(end - at));
        gsize field_bytes = (gsize)((stop != NULL ? stop : end) - at);
        if (field_bytes == 6 && memcmp(at, "source", 6) == 0)
            return TRUE;
        if (field_bytes == 8 && memcmp(at, "\"source\"", 8) == 0)
            return TRUE;
        if (stop == NULL)
            break;
        at = stop + 1;
    }
    return FALSE;
}

static ManifestKind
kind_from_line(const char *line, gsize size_bytes)
{
    if (size_bytes > 0 && line[size_bytes - 1] == '\r')
        size_bytes--;
    if (size_bytes > 0 && *line == '{')
        return MANIFEST_NDJSON;
    if (has_source_column(line, size_bytes, ','))
        return MANIFEST_CSV;
    return has_source_column(line, size_bytes, '\t') ? MANIFEST_TSV : MANIFEST_LIST;
}

/* Finds the end of the line at the buffer's start, without taking it.
 * *ended: whether there is a terminator; the last line may have none. */
static int
find_line(ManifestReader *reader, char terminator, gsize *size_bytes, gboolean *ended)
{
    const char *line = reader->buffer + reader->start;
    gsize window_bytes = manifest_window_bytes(reader);
    gsize scanned_bytes = reader->scanned_bytes;
    const char *stop = NULL;

    if (window_bytes > scanned_bytes)
        stop = memchr(line + scanned_bytes, terminator, window_bytes - scanned_bytes);
    reader->scanned_bytes = stop != NULL ? (gsize)(stop - line) : window_bytes;
    *size_bytes = reader->scanned_bytes;
    *ended = stop != NULL;
    if (stop == NULL && window_bytes > MANIFEST_ROW_MAX_BYTES)
        return manifest_fail_too_long(reader);
    return stop != NULL || (reader->finished && window_bytes > 0);
}

/* Drops a UTF-8 byte order mark and refuses UTF-16. */
static int
begin(ManifestReader *reader)
{
    gsize held_bytes = reader->end - reader->start;
    const char *at = reader->buffer + reader->start;

    if (held_bytes < 3 && !reader->finished)
        return 0;
    reader->begun = TRUE;
    if (held_bytes >= 2 && (memcmp(at, "\xff\xfe", 2) == 0 || memcmp(at, "\xfe\xff", 2) == 0))
        return manifest_fail(reader, 1,
                             "UTF-16 is not read: convert it first, as in "
                             "iconv -f UTF-16 -t UTF-8");
    if (held_bytes >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0)
        reader->start += 3;
    return 1;
}

/* Finds the kind from the first line that is not blank, and leaves that line in the buffer. */
static int
detect(ManifestReader *reader)
{
    for (;;) {
        gsize size_bytes;
        gboolean ended;
        int found = find_line(reader, '\n', &size_bytes, &ended);
        if (found <= 0)
            return found;
        char *line = reader->buffer + reader->start;
        if (size_bytes > (*line == '\r')) {
            reader->kind = kind_from_line(line, size_bytes);
            return 1;
        }
        if (manifest_take_line(reader, '\n', &line, &size_bytes) < 0)
            return -1;
    }
}

static int
list_next(ManifestReader *reader, ManifestRow *row)
{
    char terminator = reader->kind == MANIFEST_LIST0 ? '\0' : '\n';
    for (;;) {
        guint64 line = reader->line;
        gsize size_bytes;
        char *source;
        int taken = manifest_take_line(reader, terminator, &source, &size_bytes);
        if (taken <= 0)
            return taken;
        if (reader->crlf && size_bytes > 0 && source[size_bytes - 1] == '\r')
            source[--size_bytes] = '\0';
        if (size_bytes == 0)
            continue;
        const char *fields[FIELD_COUNT] = {source, "", "", ""};
        gboolean nul = terminator != '\0' && memchr(source, '\0', size_bytes) != NULL;
        return manifest_emit(reader, row, line, fields,
                             nul ? "a NUL byte in the name: is it a list for -0?" : NULL);
    }
}

static gboolean
is_url(const char *source)
{
    return g_ascii_strncasecmp(source, "http://", 7) == 0 ||
           g_ascii_strncasecmp(source, "https://", 8) == 0;
}

static const char *
source_problem(ManifestReader *reader, ManifestRow *row)
{
    gsize size_bytes = strlen(row->source);
    if (size_bytes == 0)
        return "no source";
    if (size_bytes > MANIFEST_SOURCE_MAX_BYTES) {
        /* Enough is kept to know the row by; no file has such a name. */
        g_free(reader->clipped);
        reader->clipped = g_strndup(row->source, MANIFEST_SOURCE_MAX_BYTES);
        row->source = reader->clipped;
        return "a source longer than " G_STRINGIFY(MANIFEST_SOURCE_MAX_BYTES) " bytes";
    }
    if ((*row->source == 'h' || *row->source == 'H') && is_url(row->source))
        return "http sources are not read yet: fetch it first";
    return NULL;
}

/* Checks a customer or a request. A wrong one is emptied, so that it goes no further, and is the
 * row's problem unless there was one before. */
static void
check_name(ManifestReader *reader, ManifestRow *row, const char **name, const char *what)
{
    const char *problem = manifest_name_problem(*name);
    if (problem == NULL)
        return;
    *name = "";
    if (row->problem == NULL)
        row->problem = manifest_problem(reader, "%s: %s", what, problem);
}

gsize
manifest_window_bytes(const ManifestReader *reader)
{
    return MIN(reader->end - reader->start, MANIFEST_ROW_MAX_BYTES + 1);
}

char *
manifest_consume(ManifestReader *reader, gsize size_bytes, gsize skip_bytes)
{
    char *taken = reader->buffer + reader->start;
    g_assert(reader->start + size_bytes + skip_bytes <= reader->end);
    taken[size_bytes] = '\0';
    reader->start += size_bytes + skip_bytes;
    reader->scanned_bytes = 0;
    return taken;
}

int
manifest_take_line(ManifestReader *reader, char terminator, char **line, gsize *size_bytes)
{
    gboolean ended;
    int found = find_line(reader, terminator, size_bytes, &ended);
    if (found <= 0)
        return found;
    *line = manifest_consume(reader, *size_bytes, ended ? 1 : 0);
    if (reader->line == 1 && ended && terminator == '\n')
        reader->crlf = *size_bytes > 0 && (*line)[*size_bytes - 1] == '\r';
    reader->line++;
    return 1;
}

int
manifest_fail(ManifestReader *reader, guint64 line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);

    g_assert(reader->failure == NULL);
    g_set_error(&reader->failure, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                "%s:%" G_GUINT64_FORMAT ": %s", reader->name, line, text);
    return -1;
}

int
manifest_fail_too_long(ManifestReader *reader)
{
    const char *row = reader->buffer + reader->start;
    const char *hint = "is it a manifest?";
    if (reader->kind != MANIFEST_LIST0 && memchr(row, '\0', MANIFEST_ROW_MAX_BYTES) != NULL)
        hint = "it has NUL bytes: for a list that find -print0 wrote, give -0";
    return manifest_fail(reader, reader->line, "a row longer than %d bytes: %s",
                         MANIFEST_ROW_MAX_BYTES, hint);
}

const char *
manifest_problem(ManifestReader *reader, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_free(reader->problem);
    reader->problem = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    return reader->problem;
}

int
manifest_emit(ManifestReader *reader, ManifestRow *row, guint64 line,
              const char *const fields[FIELD_COUNT], const char *problem)
{
    *row = (ManifestRow){.ordinal = ++reader->row_count,
                         .line = line,
                         .source = fields[FIELD_SOURCE],
                         .customer = fields[FIELD_CUSTOMER],
                         .request = fields[FIELD_REQUEST],
                         .to = fields[FIELD_TO]};
    const char *wrong_source = source_problem(reader, row);
    row->problem = problem != NULL ? problem : wrong_source;
    check_name(reader, row, &row->customer, "customer");
    check_name(reader, row, &row->request, "request");
    return 1;
}

ManifestReader *
manifest_reader_new(const char *name, ManifestKind kind)
{
    ManifestReader *reader = g_new0(ManifestReader, 1);
    reader->name = g_strdup(name);
    reader->kind = kind == MANIFEST_AUTO ? kind_from_name(name) : kind;
    reader->capacity_bytes = BUFFER_MIN_BYTES;
    reader->buffer = g_malloc(reader->capacity_bytes);
    reader->line = 1;
    /* In a NUL-separated list every byte belongs to a name. */
    reader->begun = kind == MANIFEST_LIST0;
    return reader;
}

void
manifest_reader_free(ManifestReader *reader)
{
    if (reader == NULL)
        return;
    g_free(reader->name);
    g_free(reader->buffer);
    g_clear_error(&reader->failure);
    g_free(reader->columns);
    json_object_free(reader->object);
    g_free(reader->problem);
    g_free(reader->clipped);
    g_free(reader);
}

void
manifest_reader_push(ManifestReader *reader, const guint8 *bytes, gsize size_bytes)
{
    gsize held_bytes = reader->end - reader->start;

    g_assert(!reader->finished);
    if (reader->failure != NULL || size_bytes == 0)
        return;
    if (reader->start > 0) {
        memmove(reader->buffer, reader->buffer + reader->start, held_bytes);
        reader->start = 0;
        reader->end = held_bytes;
    }
    if (reader->capacity_bytes <= held_bytes + size_bytes) {
        reader->capacity_bytes = MAX(reader->capacity_bytes * 2, held_bytes + size_bytes + 1);
        reader->buffer = g_realloc(reader->buffer, reader->capacity_bytes);
    }
    memcpy(reader->buffer + held_bytes, bytes, size_bytes);
    reader->end += size_bytes;
}

void
manifest_reader_finish(ManifestReader *reader)
{
    reader->finished = TRUE;
}

int
manifest_reader_next(ManifestReader *reader, ManifestRow *row, GError **error)
{
    int result = reader->failure != NULL ? -1 : 1;

    if (result > 0 && !reader->begun)
        result = begin(reader);
    if (result > 0 && reader->kind == MANIFEST_AUTO)
        result = detect(reader);
    if (result > 0 && (reader->kind == MANIFEST_CSV || reader->kind == MANIFEST_TSV))
        result = manifest_csv_next(reader, row);
    else if (result > 0 && reader->kind == MANIFEST_NDJSON)
        result = manifest_json_next(reader, row);
    else if (result > 0)
        result = list_next(reader, row);
    if (result < 0 && error != NULL)
        *error = g_error_copy(reader->failure);
    return result;
}

ManifestKind
manifest_reader_kind(const ManifestReader *reader)
{
    return reader->kind;
}

const char *
manifest_name_problem(const char *name)
{
    gsize size_bytes = strlen(name);
    if (size_bytes > MANIFEST_NAME_MAX_BYTES)
        return "longer than " G_STRINGIFY(MANIFEST_NAME_MAX_BYTES) " bytes";
    for (gsize i = 0; i < size_bytes; i++) {
        guchar byte = (guchar)name[i];
        /* The controls beyond ASCII, U+0080 to U+009F, are C2 80 to C2 9F. */
        if (byte < 0x20 || byte == 0x7f || (byte == 0xc2 && (guchar)name[i + 1] - 0x80U < 0x20))
            return "a control character in it";
    }
    return g_utf8_validate(name, (gssize)size_bytes, NULL) ? NULL : "not UTF-8";
}
