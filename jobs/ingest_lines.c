/* ingest_lines.c - a piece of a usage log becomes events and quarantined lines.
 * Lines are parsed where they lie, which changes them; so the begin of each that is not as we write
 * lines is kept aside, to be quoted should the line be bad.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/ingest_lines.h"

#include <string.h>

#include "formats/json.h"
#include "formats/usage.h"

static const char byte_order_mark[] = {'\xef', '\xbb', '\xbf'};

typedef struct {
    const IngestPiece *piece;
    IngestLines *lines;
    GString *scratch; /* of the parser */
    char quoted[INGEST_QUOTED_LINE_BYTES];
    char source[256]; /* of the event before, and its hash; no bytes when it is longer */
    guint32 source_bytes;
    guint64 seed;
    guint64 line;         /* the current one's number */
    guint64 offset_bytes; /* and where it begins in the log */
    guint64 unquoted;     /* bad lines that are counted only, the first of them */
    guint64 unquoted_line;
    guint64 unquoted_offset_bytes;
} Reading;

static void
open_record(const Reading *reading, guint64 line, guint64 offset_bytes)
{
    GString *out = reading->lines->bad;

    json_open(out, NULL, '{');
    json_put_string(out, "log", reading->piece->log);
    json_put_uint(out, "line", line);
    json_put_uint(out, "offset", offset_bytes);
}

/* Percent-encodes as json_put_string() does what is not UTF-8; a NUL byte, which ends strings, too.
 * Returns: (transfer full) */
static char *
encode(const char *text, gsize size_bytes)
{
    GString *out = g_string_sized_new(size_bytes);

    for (gsize i = 0; i < size_bytes; i++) {
        guchar byte = (guchar)text[i];
        if (byte < 0x20 || byte >= 0x7f || byte == '%')
            g_string_append_printf(out, "%%%02X", byte);
        else
            g_string_append_c(out, (char)byte);
    }
    return g_string_free(out, FALSE);
}

/* The begin of a line as text; a character that the cut went through is left out. (transfer full)
 */
static char *
quote(const char *text, gsize size_bytes, gboolean cut)
{
    const char *end = NULL;

    if (g_utf8_validate(text, (gssize)size_bytes, &end))
        return g_strndup(text, size_bytes);
    gsize rest = size_bytes - (gsize)(end - text);
    gboolean only_cut =
        cut && rest < 4 && g_utf8_get_char_validated(end, (gssize)rest) == (gunichar)-2;
    return only_cut ? g_strndup(text, (gsize)(end - text)) : encode(text, size_bytes);
}

/* A line is bad. Its begin is in reading->quoted. */
static void
put_bad(Reading *reading, guint64 line_bytes, const char *reason)
{
    GString *out = reading->lines->bad;
    gsize quoted_bytes = MIN(line_bytes, INGEST_QUOTED_LINE_BYTES);

    reading->lines->bad_count++;
    if (out->len > INGEST_QUOTED_PIECE_BYTES) {
        if (reading->unquoted++ == 0) {
            reading->unquoted_line = reading->line;
            reading->unquoted_offset_bytes = reading->offset_bytes;
        }
        return;
    }
    g_autofree char *text = quote(reading->quoted, quoted_bytes, quoted_bytes < line_bytes);
    open_record(reading, reading->line, reading->offset_bytes);
    json_put_uint(out, "bytes", line_bytes);
    json_put_string(out, "reason", reason);
    json_put_string(out, "text", text);
    g_string_append(out, "}\n");
}

/* One record for all bad lines that were not quoted. */
static void
put_unquoted(const Reading *reading)
{
    GString *out = reading->lines->bad;

    if (reading->unquoted == 0)
        return;
    open_record(reading, reading->unquoted_line, reading->unquoted_offset_bytes);
    json_put_uint(out, "lines", reading->unquoted);
    json_put_string(out, "reason", "too many bad lines here to quote each: see the log");
    g_string_append(out, "}\n");
}

static gboolean
is_blank(const char *text, gsize size_bytes)
{
    gsize i = 0;

    while (i < size_bytes && (text[i] == ' ' || text[i] == '\t' || text[i] == '\r'))
        i++;
    return i == size_bytes;
}

/* The hash of the event's source, which is mostly that of the event before. */
static guint64
source_seed(Reading *reading, const UsageEvent *event)
{
    guint32 size_bytes = event->sizes.source;

    if (size_bytes != reading->source_bytes ||
        memcmp(event->source, reading->source, size_bytes) != 0) {
        reading->source_bytes = size_bytes <= sizeof reading->source ? size_bytes : 0;
        memcpy(reading->source, event->source, reading->source_bytes);
        reading->seed = usage_source_seed(event->source);
    }
    return reading->seed;
}

static void
add_event(Reading *reading, const UsageEvent *event)
{
    guint64 seed = source_seed(reading, event);
    guint64 identity = usage_identity_hash(seed, event->id, event->sizes.id);

    segment_builder_add(reading->lines->builder, event, identity);
    reading->lines->event_count++;
}

static void
read_line(Reading *reading, char *text, gsize size_bytes)
{
    const char *reason = NULL;
    UsageEvent event;

    if (G_UNLIKELY(size_bytes == 0 || text[0] != '{') && is_blank(text, size_bytes)) {
        reading->lines->blank_count++;
        return;
    }
    memcpy(reading->quoted, text, MIN(size_bytes, INGEST_QUOTED_LINE_BYTES));
    if (!usage_line_parse(text, size_bytes, reading->scratch, &event, &reason)) {
        put_bad(reading, size_bytes, reason);
        return;
    }
    add_event(reading, &event);
}

/* Reads a line of any kind. Returns: behind it. */
static char *
read_any_line(Reading *reading, char *text, char *end)
{
    char *line_end = memchr(text, '\n', (gsize)(end - text));
    char *next = line_end ? line_end + 1 : end;

    if (!line_end)
        line_end = end;
    if (reading->offset_bytes == 0 && line_end - text >= (gssize)sizeof byte_order_mark &&
        memcmp(text, byte_order_mark, sizeof byte_order_mark) == 0)
        text += sizeof byte_order_mark;
    read_line(reading, text, (gsize)(line_end - text));
    return next;
}

static void
read_lines(Reading *reading)
{
    char *at = reading->piece->text;
    char *end = at + reading->piece->size_bytes;
    UsageEvent event = {0};

    *end = '\0';
    while (at < end) {
        char *next = usage_line_quick(at, end, &event);
        if (next)
            add_event(reading, &event);
        else
            next = read_any_line(reading, at, end);
        reading->offset_bytes += (guint64)(next - at);
        reading->line++;
        at = next;
    }
}

void
ingest_lines_read(const IngestPiece *piece, IngestLines *lines)
{
    Reading reading = {.piece = piece,
                       .lines = lines,
                       .scratch = g_string_new(NULL),
                       .line = piece->line,
                       .offset_bytes = piece->offset_bytes};

    *lines = (IngestLines){.builder = segment_builder_new(), .bad = g_string_new(NULL)};
    if (piece->long_line_bytes > 0) {
        memcpy(reading.quoted, piece->text, MIN(piece->size_bytes, INGEST_QUOTED_LINE_BYTES));
        put_bad(&reading, piece->long_line_bytes, "a line of more than 65536 bytes");
    } else {
        read_lines(&reading);
    }
    put_unquoted(&reading);
    g_string_free(reading.scratch, TRUE);
}

void
ingest_lines_clear(IngestLines *lines)
{
    g_clear_pointer(&lines->builder, segment_builder_free);
    if (lines->bad)
        g_string_free(g_steal_pointer(&lines->bad), TRUE);
}
