/* fuzz_ingest_lines.c - whatever a log holds, each line is an event, bad or blank; bad ones are
 * told of in JSON; and two pieces make the segment that one makes.
 * SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <string.h>

#include "formats/json.h"
#include "jobs/ingest_lines.h"

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes);

static guint64
count_lines(const guint8 *bytes, gsize size_bytes)
{
    guint64 count = size_bytes > 0 && bytes[size_bytes - 1] != '\n';

    for (gsize i = 0; i < size_bytes; i++)
        count += bytes[i] == '\n';
    return count;
}

/* Reads a copy, since reading changes it; of its size and one byte, as a buffer of the pool. */
static void
read_piece(const guint8 *bytes, gsize size_bytes, guint64 line, guint64 offset_bytes,
           IngestLines *lines)
{
    g_autofree char *text = g_malloc(size_bytes + 1);
    IngestPiece piece = {.log = "log",
                         .text = text,
                         .size_bytes = size_bytes,
                         .line = line,
                         .offset_bytes = offset_bytes};

    if (size_bytes > 0)
        memcpy(text, bytes, size_bytes);
    ingest_lines_read(&piece, lines);
}

/* Each record is JSON, and tells of a line of the log. */
static void
check_bad(const IngestLines *lines, guint64 line_count)
{
    const char *at = lines->bad->str;
    const char *end = at + lines->bad->len;
    guint64 told = 0;

    while (at < end) {
        const char *line_end = memchr(at, '\n', (gsize)(end - at));
        gint64 line = 0;
        gint64 more = 1;
        g_assert_nonnull(line_end);
        g_autoptr(JsonObject) record = json_object_parse(at, (gsize)(line_end - at), NULL);
        g_assert_nonnull(record);
        g_assert_true(json_object_int(record, "line", &line));
        g_assert_cmpint(line, >=, 1);
        g_assert_cmpint(line, <=, (gint64)line_count);
        g_assert_true(json_object_has(record, "reason"));
        g_assert_true(json_object_has(record, "text") || json_object_int(record, "lines", &more));
        told += (guint64)more;
        at = line_end + 1;
    }
    g_assert_cmpuint(told, ==, lines->bad_count);
}

int
LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes)
{
    const guint8 *half =
        size_bytes > 0 ? memchr(data + size_bytes / 2, '\n', size_bytes / 2) : NULL;
    gsize first_bytes = half ? (gsize)(half + 1 - data) : size_bytes;
    guint64 line_count = count_lines(data, size_bytes);
    g_auto(IngestLines) whole = {0};
    g_auto(IngestLines) first = {0};
    g_auto(IngestLines) second = {0};
    char name[SEGMENT_NAME_CHARS + 1];
    char name_of_two[SEGMENT_NAME_CHARS + 1];

    read_piece(data, size_bytes, 1, 0, &whole);
    g_assert_cmpuint(whole.event_count + whole.bad_count + whole.blank_count, ==, line_count);
    check_bad(&whole, line_count);
    read_piece(data, first_bytes, 1, 0, &first);
    read_piece(data + first_bytes, size_bytes - first_bytes, 1 + count_lines(data, first_bytes),
               first_bytes, &second);
    g_assert_cmpuint(whole.event_count, ==, first.event_count + second.event_count);
    g_assert_cmpuint(whole.bad_count, ==, first.bad_count + second.bad_count);
    segment_builder_append(first.builder, second.builder);
    g_autoptr(GByteArray) bytes = segment_builder_finish(whole.builder, name);
    g_autoptr(GByteArray) of_two = segment_builder_finish(first.builder, name_of_two);
    g_assert_cmpmem(bytes->data, bytes->len, of_two->data, of_two->len);
    g_assert_cmpstr(name, ==, name_of_two);
    return 0;
}
