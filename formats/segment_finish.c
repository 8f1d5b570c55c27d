/* segment_finish.c - from a builder's chunks to the bytes of a segment: events are gathered bucket
 * by bucket into columns, encoded; then the footer.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/segment_gather.h"
#include "formats/sha256.h"

enum { EVENT_BYTES = 48 /* about what an event becomes */ };

static void
put_texts(const SegmentGather *gather, GByteArray *out, SegmentColumn column, guint32 count)
{
    const SegmentGatheredTexts *texts = &gather->texts[column];
    gboolean interned =
        column != SEGMENT_ID && column != SEGMENT_REQUEST && column != SEGMENT_EXTRA;
    SegmentTexts given = {.value_count = interned ? texts->value_count : count,
                          .values = texts->values,
                          .size_bytes = texts->size_bytes,
                          .codes = interned ? texts->codes : NULL};
    static const char *const empty[] = {""};
    static const guint32 empty_size[] = {0};

    if (column == SEGMENT_EXTRA && !gather->has_extra)
        given = (SegmentTexts){.value_count = 1, .values = empty, .size_bytes = empty_size};
    column_put_texts(gather->builder->encoder, out, &given, count);
}

static void
put_column(const SegmentGather *gather, GByteArray *out, SegmentColumn column, guint32 count)
{
    ColumnEncoder *encoder = gather->builder->encoder;
    const SegmentGatheredTexts *writers = &gather->texts[SEGMENT_WRITER];
    const SegmentTexts writer_texts = {.value_count = writers->value_count,
                                       .values = writers->values,
                                       .size_bytes = writers->size_bytes,
                                       .codes = writers->codes};

    if (column == SEGMENT_ID && gather->all_raw) {
        column_put_ids(out, gather->raw_ids, count);
    } else if (column < SEGMENT_TEXTS) {
        put_texts(gather, out, column, count);
    } else if (column == SEGMENT_TIME) {
        column_put_rising(encoder, out, gather->numbers[column], count);
    } else if (column == SEGMENT_SEQUENCE) {
        column_put_sequences(encoder, out, gather->numbers[column], count, &writer_texts);
    } else {
        column_put_numbers(encoder, out, gather->numbers[column], count);
    }
}

static void
put_bucket(SegmentGather *gather, GByteArray *out, guint bucket, GByteArray *table)
{
    segment_gather_bucket(gather, bucket);
    guint32 count = gather->count;
    bytes_put_u32(table, count);
    for (guint column = 0; column < SEGMENT_COLUMNS; column++) {
        guint at = out->len;
        if (count > 0)
            put_column(gather, out, (SegmentColumn)column, count);
        gsize size = out->len - at;
        bytes_put_u32(table, (guint32)size);
        bytes_put_u64(table, segment_checksum(out->data + at, size, bucket, column));
    }
}

GByteArray *
segment_builder_finish(SegmentBuilder *builder, char name[SEGMENT_NAME_CHARS + 1])
{
    g_autoptr(GByteArray) table = g_byte_array_new();
    SegmentGather gather;

    if (!builder->encoder) {
        builder->encoder = g_new0(ColumnEncoder, 1);
        column_encoder_init(builder->encoder);
    }
    segment_gather_init(&gather, builder);
    GByteArray *out = g_byte_array_sized_new((guint)builder->event_count * EVENT_BYTES + 4096);

    bytes_put_blob(out, SEGMENT_MAGIC, SEGMENT_MAGIC_BYTES);
    for (guint bucket = 0; bucket < 1u << gather.bucket_bits; bucket++)
        put_bucket(&gather, out, bucket, table);

    segment_put_footer(out, builder, gather.bucket_bits, table);
    segment_gather_release(&gather);
    segment_builder_clear(builder);
    sha256_hex(out->data, out->len, name);
    return out;
}
