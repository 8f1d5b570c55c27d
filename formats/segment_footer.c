/* segment_footer.c - what a segment tells of itself: counts, times, who wrote what, and where its
 * columns are. Written from a builder, and read from bytes that nobody vouches for.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <xxhash.h>

#include "formats/fingerprint.h"
#include "formats/segment_internal.h"

/* What the table has of a bucket: its count, and each column's size and checksum. */
enum { BUCKET_BYTES = 4 + SEGMENT_COLUMNS * (4 + 8) };

guint64
segment_checksum_seed(guint bucket, guint column)
{
    return (guint64)bucket << 8 | column;
}

guint64
segment_checksum(const void *bytes, gsize size_bytes, guint bucket, guint column)
{
    return fingerprint_seeded(bytes, size_bytes, segment_checksum_seed(bucket, column));
}

guint64
segment_footer_checksum(const void *bytes, gsize size_bytes)
{
    return XXH3_64bits_withSeed(bytes, size_bytes, size_bytes);
}

static gint
compare_ranges(gconstpointer a, gconstpointer b)
{
    const SegmentRange *left = a;
    const SegmentRange *right = b;
    int order = strcmp(left->writer, right->writer);

    if (order == 0)
        order = (left->first > right->first) - (left->first < right->first);
    return order;
}

static gint
compare_writers(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char *
run_writer(const SegmentChunk *chunk, guint is_source, guint32 code)
{
    SegmentInterned place = is_source ? SEGMENT_AT_SOURCE : SEGMENT_AT_WRITER;
    return chunk->interned[place].entries[code].text;
}

static void
collect_runs(const SegmentChunk *chunk, GArray *ranges, GPtrArray *unnumbered)
{
    for (guint i = 0; i < chunk->closed->len; i++) {
        const SegmentClosedRun *run = &g_array_index(chunk->closed, SegmentClosedRun, i);
        SegmentRange range = {.writer = run_writer(chunk, run->is_source, run->code),
                              .first = run->first,
                              .last = run->last};
        g_array_append_val(ranges, range);
    }
    for (guint is_source = 0; is_source < 2; is_source++) {
        for (guint32 code = 0; code < chunk->runs_capacity[is_source]; code++) {
            const SegmentRun *run = &chunk->runs[is_source][code];
            if (run->first == 0 && !run->unnumbered)
                continue;
            SegmentRange range = {.writer = run_writer(chunk, is_source, code),
                                  .first = run->first,
                                  .last = run->last};
            if (run->first != 0)
                g_array_append_val(ranges, range);
            if (run->unnumbered)
                g_ptr_array_add(unnumbered, (gpointer)range.writer);
        }
    }
}

/* Sorts ranges and joins those that touch or overlap. */
static void
join_ranges(GArray *ranges)
{
    SegmentRange *all = (SegmentRange *)(gpointer)ranges->data;
    guint kept = 0;

    g_array_sort(ranges, compare_ranges);
    for (guint i = 0; i < ranges->len; i++) {
        SegmentRange *before = kept > 0 ? &all[kept - 1] : NULL;
        if (before && all[i].first - 1 <= before->last &&
            strcmp(before->writer, all[i].writer) == 0)
            before->last = MAX(before->last, all[i].last);
        else
            all[kept++] = all[i];
    }
    g_array_set_size(ranges, kept);
}

static void
put_ranges(GByteArray *out, const GArray *ranges)
{
    const SegmentRange *all = (const SegmentRange *)(gconstpointer)ranges->data;

    bytes_put_u32(out, ranges->len);
    for (guint i = 0; i < ranges->len; i++) {
        /* A writer's name stands before its first range only. */
        gboolean same = i > 0 && strcmp(all[i].writer, all[i - 1].writer) == 0;
        bytes_put_string(out, same ? "" : all[i].writer);
        bytes_put_u64(out, all[i].first);
        bytes_put_u64(out, all[i].last);
    }
}

static void
put_unnumbered(GByteArray *out, GPtrArray *writers)
{
    guint kept = 0;

    g_ptr_array_sort(writers, compare_writers);
    for (guint i = 0; i < writers->len; i++)
        if (kept == 0 || strcmp(writers->pdata[i], writers->pdata[kept - 1]) != 0)
            writers->pdata[kept++] = writers->pdata[i];
    bytes_put_u32(out, kept);
    for (guint i = 0; i < kept; i++)
        bytes_put_string(out, writers->pdata[i]);
}

void
segment_put_footer(GByteArray *out, const SegmentBuilder *builder, guint bucket_bits,
                   const GByteArray *table)
{
    g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(SegmentRange));
    g_autoptr(GPtrArray) unnumbered = g_ptr_array_new();
    guint at = out->len;

    for (guint i = 0; i < builder->chunks->len; i++)
        collect_runs(g_ptr_array_index(builder->chunks, i), ranges, unnumbered);
    join_ranges(ranges);
    bytes_put_u64(out, builder->event_count);
    bytes_put_u64(out, builder->quarantined_count);
    bytes_put_u64(out, builder->identity_sum);
    bytes_put_u64(out, (guint64)builder->time_min_us);
    bytes_put_u64(out, (guint64)builder->time_max_us);
    put_ranges(out, ranges);
    put_unnumbered(out, unnumbered);
    bytes_put_u8(out, (guint8)bucket_bits);
    bytes_put_u8(out, SEGMENT_COLUMNS);
    bytes_put_blob(out, table->data, table->len);

    guint32 size = out->len - at;
    guint64 checksum = segment_footer_checksum(out->data + at, size);
    bytes_put_u32(out, size);
    bytes_put_u64(out, checksum);
    bytes_put_blob(out, SEGMENT_END_MAGIC, SEGMENT_MAGIC_BYTES);
}

static const char *
get_text(ByteReader *reader)
{
    const char *text = bytes_get_string(reader);

    if (!g_utf8_validate(text, -1, NULL))
        reader->ok = FALSE;
    return text;
}

static gboolean
get_ranges(ByteReader *reader, SegmentContents *contents)
{
    guint32 count = bytes_get_u32(reader);
    guint64 covered = 0;

    contents->ranges = g_array_new(FALSE, FALSE, sizeof(SegmentRange));
    for (guint32 i = 0; i < count && reader->ok; i++) {
        const SegmentRange *before =
            i > 0 ? &g_array_index(contents->ranges, SegmentRange, i - 1) : NULL;
        SegmentRange range = {.writer = get_text(reader)};
        range.first = bytes_get_u64(reader);
        range.last = bytes_get_u64(reader);
        gboolean same = before && *range.writer == '\0';
        if (same)
            range.writer = before->writer;
        if (range.first == 0 || range.last < range.first || *range.writer == '\0' ||
            (same && range.first - 1 <= before->last) ||
            (before && !same && strcmp(before->writer, range.writer) >= 0) ||
            range.last - range.first >= contents->footer.event_count - covered)
            return FALSE;
        covered += range.last - range.first + 1;
        g_array_append_val(contents->ranges, range);
    }
    contents->footer.ranges = (const SegmentRange *)(gconstpointer)contents->ranges->data;
    contents->footer.range_count = contents->ranges->len;
    return reader->ok;
}

static gboolean
get_unnumbered(ByteReader *reader, SegmentContents *contents)
{
    guint32 count = bytes_get_u32(reader);
    const char *before = "";

    contents->unnumbered = g_ptr_array_new();
    for (guint32 i = 0; i < count && reader->ok; i++) {
        const char *writer = get_text(reader);
        if (strcmp(before, writer) >= 0)
            return FALSE;
        g_ptr_array_add(contents->unnumbered, (gpointer)writer);
        before = writer;
    }
    g_ptr_array_add(contents->unnumbered, NULL);
    contents->footer.unnumbered = (const char *const *)contents->unnumbered->pdata;
    return reader->ok;
}

/* Reads where columns are. They lie one behind the other, from the magic to the footer. */
static gboolean
get_buckets(ByteReader *reader, SegmentContents *contents, guint64 columns_end)
{
    SegmentFooter *footer = &contents->footer;
    guint64 offset = SEGMENT_MAGIC_BYTES;
    guint64 event_count = 0;

    footer->bucket_bits = bytes_get_u8(reader);
    if (bytes_get_u8(reader) != SEGMENT_COLUMNS || footer->bucket_bits > SEGMENT_BUCKET_BITS_MAX)
        return FALSE;
    guint bucket_count = 1u << footer->bucket_bits;
    contents->table = reader->at;
    contents->counts = g_new0(guint32, bucket_count);
    contents->begins = g_new0(guint64, bucket_count);
    for (guint bucket = 0; bucket < bucket_count && reader->ok; bucket++) {
        guint32 count = contents->counts[bucket] = bytes_get_u32(reader);
        event_count += count;
        if (count > SEGMENT_EVENTS_MAX)
            return FALSE;
        contents->begins[bucket] = offset;
        for (guint column = 0; column < SEGMENT_COLUMNS; column++) {
            guint32 size_bytes = bytes_get_u32(reader);
            bytes_get_u64(reader);
            offset += size_bytes;
            if ((size_bytes == 0) != (count == 0))
                return FALSE;
        }
    }
    return reader->ok && event_count == footer->event_count && offset == columns_end;
}

void
segment_contents_places(const SegmentContents *contents, guint bucket,
                        SegmentColumnPlace places[SEGMENT_COLUMNS])
{
    const guint8 *entry = contents->table + bucket * (gsize)BUCKET_BYTES;
    ByteReader reader = byte_reader(entry, BUCKET_BYTES);
    guint64 offset = contents->begins[bucket];

    bytes_get_u32(&reader);
    for (guint column = 0; column < SEGMENT_COLUMNS; column++) {
        places[column] = (SegmentColumnPlace){.offset = offset};
        places[column].size_bytes = bytes_get_u32(&reader);
        places[column].checksum = bytes_get_u64(&reader);
        offset += places[column].size_bytes;
    }
}

gboolean
segment_contents_parse(SegmentContents *contents, guint8 *bytes, gsize size_bytes,
                       guint64 columns_end)
{
    ByteReader reader = byte_reader(bytes, size_bytes);
    SegmentFooter *footer = &contents->footer;

    *contents = (SegmentContents){.bytes = bytes, .size_bytes = size_bytes};
    footer->event_count = bytes_get_u64(&reader);
    footer->quarantined_count = bytes_get_u64(&reader);
    footer->identity_sum = bytes_get_u64(&reader);
    footer->time_min_us = (gint64)bytes_get_u64(&reader);
    footer->time_max_us = (gint64)bytes_get_u64(&reader);
    gboolean times_hold = footer->event_count > 0
                              ? footer->time_min_us >= SEGMENT_TIME_MIN_US &&
                                    footer->time_max_us <= SEGMENT_TIME_MAX_US &&
                                    footer->time_min_us <= footer->time_max_us
                              : footer->time_min_us == 0 && footer->time_max_us == -1;
    return times_hold && get_ranges(&reader, contents) && get_unnumbered(&reader, contents) &&
           get_buckets(&reader, contents, columns_end) && reader.at == reader.end;
}

void
segment_contents_release(SegmentContents *contents)
{
    g_clear_pointer(&contents->ranges, g_array_unref);
    g_clear_pointer(&contents->unnumbered, g_ptr_array_unref);
    g_clear_pointer(&contents->counts, g_free);
    g_clear_pointer(&contents->begins, g_free);
    g_clear_pointer(&contents->bytes, g_free);
}

gsize
segment_contents_size(const SegmentContents *contents)
{
    gsize bucket_count = (gsize)1 << contents->footer.bucket_bits;

    return contents->size_bytes + contents->ranges->len * sizeof(SegmentRange) +
           contents->unnumbered->len * sizeof(gpointer) +
           bucket_count * (sizeof *contents->counts + sizeof *contents->begins);
}
