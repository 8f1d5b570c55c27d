/* volume_index.c - an index read line by line, or searched without reading it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/error.h"
#include "jobs/volume_read.h"

enum {
    LOOK_BYTES = 4 << 10,    /* of a look that a search takes */
    STREAM_BYTES = 256 << 10 /* of a piece of a stream */
};

/* Lines of an index, wherever one asks for them. */
typedef struct {
    TierFile *file;
    guint64 file_bytes;
    guint64 base; /* of the buffer, in the file */
    GByteArray *buffer;
    gsize piece_bytes;
} Lines;

static Lines
lines_open(TierFile *index, gsize piece_bytes)
{
    return (Lines){.file = index,
                   .file_bytes = tier_file_size(index),
                   .buffer = g_byte_array_new(),
                   .piece_bytes = piece_bytes};
}

static int
damaged(guint64 offset, const char *what, GError **error)
{
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                "the line of the index at byte %" G_GUINT64_FORMAT ": %s", offset, what);
    return -1;
}

/* Reads one more piece to behind what is in the buffer. Returns FALSE at the file's end too. */
static gboolean
lines_extend(Lines *lines, GError **error)
{
    guint had = lines->buffer->len;
    guint64 offset = lines->base + had;
    gsize want = (gsize)MIN(lines->piece_bytes, lines->file_bytes - offset);

    g_byte_array_set_size(lines->buffer, (guint)(had + want));
    gssize got =
        want > 0 ? tier_file_read(lines->file, offset, lines->buffer->data + had, want, error) : 0;
    g_byte_array_set_size(lines->buffer, (guint)(had + (gsize)MAX(got, 0)));
    return got > 0;
}

/* The line that begins at offset, without its LF; borrowed until the next call.
 * Returns: 1, or -1 and error. */
static int
lines_at(Lines *lines, guint64 offset, const char **line, gsize *size_bytes, GError **error)
{
    GError *unread = NULL;
    gsize looked = 0;

    /* What was read already stays, but for what is before the line. */
    if (offset < lines->base || offset > lines->base + lines->buffer->len) {
        lines->base = offset;
        g_byte_array_set_size(lines->buffer, 0);
    }
    gsize begin = (gsize)(offset - lines->base);
    for (;;) {
        const guint8 *from = lines->buffer->data + begin;
        gsize there = lines->buffer->len - begin;
        const guint8 *end = there > looked ? memchr(from + looked, '\n', there - looked) : NULL;
        if (end || there > VOLUME_LINE_MAX_BYTES) {
            *line = (const char *)from;
            *size_bytes = end ? (gsize)(end - from) : there;
            return *size_bytes <= VOLUME_LINE_MAX_BYTES ? 1 : damaged(offset, "too long", error);
        }
        looked = there;
        if (begin > 0) {
            g_byte_array_remove_range(lines->buffer, 0, (guint)begin);
            lines->base = offset;
            begin = 0;
        }
        if (lines_extend(lines, &unread))
            continue;
        if (!unread)
            return damaged(offset, "it is cut", error);
        g_propagate_error(error, unread);
        return -1;
    }
}

static int
parse_at(guint64 offset, const char *line, gsize size_bytes, GString *keep, VolumeRecord *record,
         GError **error)
{
    if (volume_record_parse(line, size_bytes, keep, record, error))
        return 1;
    g_prefix_error(error, "the line of the index at byte %" G_GUINT64_FORMAT ": ", offset);
    return -1;
}

/* Halves the range in which the line with the key must begin: *low is where a line begins, no line
 * from *high on is wanted. Returns: 1 when the line in the middle is it; 0; -1 and error. */
static int
halve(Lines *lines, const char *key, guint64 *low, guint64 *high, GString *keep,
      VolumeRecord *record, GError **error)
{
    guint64 middle = *low + (*high - *low) / 2;
    const char *line = NULL;
    gsize size_bytes = 0;

    /* From the byte before, since a line may begin in the very middle. */
    if (lines_at(lines, middle - 1, &line, &size_bytes, error) < 0)
        return -1;
    guint64 begin = middle + size_bytes;
    if (begin >= *high) {
        *high = middle;
        return 0;
    }
    if (lines_at(lines, begin, &line, &size_bytes, error) < 0 ||
        parse_at(begin, line, size_bytes, keep, record, error) < 0)
        return -1;
    int order = strcmp(record->key, key);
    if (order < 0)
        *low = begin + size_bytes + 1;
    else
        *high = middle;
    return order == 0;
}

static int
find(Lines *lines, const char *key, GString *keep, VolumeRecord *record, GError **error)
{
    guint64 low = 0;
    guint64 high = lines->file_bytes;

    while (high > low + LOOK_BYTES) {
        int found = halve(lines, key, &low, &high, keep, record, error);
        if (found != 0)
            return found;
    }
    while (low < high) {
        const char *line = NULL;
        gsize size_bytes = 0;
        if (lines_at(lines, low, &line, &size_bytes, error) < 0 ||
            parse_at(low, line, size_bytes, keep, record, error) < 0)
            return -1;
        int order = strcmp(record->key, key);
        if (order >= 0)
            return order == 0;
        low += size_bytes + 1;
    }
    return 0;
}

int
volume_index_find(TierFile *index, const char *key, GString *keep, VolumeRecord *record,
                  GError **error)
{
    Lines lines = lines_open(index, LOOK_BYTES);
    int found = find(&lines, key, keep, record, error);

    g_byte_array_unref(lines.buffer);
    return found;
}

/* Keeps the key for the next line to be compared with. */
static gboolean
check_ascends(GString *before, guint64 offset, const VolumeRecord *record, GError **error)
{
    if (strcmp(before->str, record->key) >= 0)
        return damaged(offset, "its key is not behind that of the line before", error) > 0;
    g_string_assign(before, record->key);
    return TRUE;
}

static gboolean
each(Lines *lines, VolumeOnLine on_line, gpointer data, GError **error)
{
    g_autoptr(GString) keep = g_string_new(NULL);
    g_autoptr(GString) before = g_string_new(NULL);
    VolumeRecord record;

    for (guint64 offset = 0; offset < lines->file_bytes;) {
        const char *line = NULL;
        gsize size_bytes = 0;
        if (lines_at(lines, offset, &line, &size_bytes, error) < 0 ||
            parse_at(offset, line, size_bytes, keep, &record, error) < 0 ||
            !check_ascends(before, offset, &record, error) ||
            !on_line(&record, line, size_bytes, data, error))
            return FALSE;
        offset += size_bytes + 1;
    }
    return TRUE;
}

gboolean
volume_index_each(TierFile *index, VolumeOnLine on_line, gpointer data, GError **error)
{
    Lines lines = lines_open(index, STREAM_BYTES);
    gboolean good = each(&lines, on_line, data, error);

    g_byte_array_unref(lines.buffer);
    return good;
}
