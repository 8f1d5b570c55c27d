/* segment_finish.c - from a builder's chunks to the bytes of a segment: events are gathered bucket
 * by bucket into columns, encoded; then the footer. Some buckets are a part, and parts know nothing
 * of one another, so that threads may share a segment.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/segment_gather.h"
#include "formats/sha256.h"

enum { PARTS_MAX = 16, SPARE_MAX = 64 };

/* What makes columns, one for each thread at it. */
typedef struct {
    SegmentBucket bucket;
    ColumnEncoder encoder;
} Maker;

/* Some buckets. */
typedef struct {
    GByteArray *bytes;
    GByteArray *table; /* of them, as it stands in the footer */
} Part;

struct _SegmentFinish {
    SegmentBuilder *builder;
    SegmentGather gather;
    Part parts[PARTS_MAX];
};

/* Things that nobody uses now. Memory that goes back to the system and comes again costs more than
 * what is done with it. */
typedef struct {
    gpointer items[SPARE_MAX];
    guint count;
} Spares;

static GMutex spare_lock;
static Spares spare_makers;
static Spares spare_bytes;

/* Returns: one, or NULL. */
static gpointer
spare_take(Spares *spares)
{
    g_mutex_lock(&spare_lock);
    gpointer item = spares->count > 0 ? spares->items[--spares->count] : NULL;
    g_mutex_unlock(&spare_lock);
    return item;
}

/* Returns FALSE where there are enough. */
static gboolean
spare_keep(Spares *spares, gpointer item)
{
    g_mutex_lock(&spare_lock);
    gboolean kept = spares->count < SPARE_MAX;
    if (kept)
        spares->items[spares->count++] = item;
    g_mutex_unlock(&spare_lock);
    return kept;
}

static void
release_columns(SegmentBucket *bucket)
{
    for (guint i = 0; i < SEGMENT_TEXTS; i++) {
        g_free(bucket->texts[i].values);
        g_free(bucket->texts[i].size_bytes);
        g_free(bucket->texts[i].codes);
        g_free(bucket->texts[i].found);
    }
    for (guint i = SEGMENT_TEXTS; i < SEGMENT_COLUMNS; i++)
        g_free(bucket->numbers[i]);
    g_free(bucket->numbers[SEGMENT_REQUEST]);
    g_free(bucket->raw_ids);
    g_free(bucket->rows);
    g_free(bucket->kinds);
    g_free(bucket->subjects);
}

static void
reserve_columns(SegmentBucket *bucket, guint32 count)
{
    if (count <= bucket->capacity)
        return;
    release_columns(bucket);
    bucket->capacity = count;
    for (guint i = 0; i < SEGMENT_TEXTS; i++) {
        bucket->texts[i].values = g_new(const char *, count);
        bucket->texts[i].size_bytes = g_new(guint32, count);
        bucket->texts[i].codes = g_new(guint32, count);
        bucket->texts[i].found = g_new(guint32, count + 1);
    }
    for (guint i = SEGMENT_TEXTS; i < SEGMENT_COLUMNS; i++)
        bucket->numbers[i] = g_new(gint64, count);
    bucket->numbers[SEGMENT_REQUEST] = g_new(gint64, count);
    bucket->raw_ids = g_malloc((gsize)count * COLUMN_ID_BYTES);
    bucket->rows = g_new(const SegmentRow *, count);
    bucket->kinds = g_new(const SegmentLocalKind *, count);
    bucket->subjects = g_new(guint32, count);
}

/* Makes room for any bucket of this segment, and forgets another's. */
static void
bucket_begin(SegmentBucket *bucket, const SegmentGather *gather)
{
    reserve_columns(bucket, gather->largest);
    for (guint place = 0; place < SEGMENT_INTERNED; place++) {
        gsize count = MAX(1, gather->interned[place].count);
        column_grow(&bucket->locals[place], &bucket->locals_capacity[place], count,
                    sizeof(SegmentLocal));
        memset(bucket->locals[place], 0, count * sizeof(SegmentLocal));
    }
    column_grow(&bucket->local_kinds, &bucket->local_kinds_capacity, MAX(1, gather->kinds->len),
                sizeof(SegmentLocalKind));
    memset(bucket->local_kinds, 0, gather->kinds->len * sizeof(SegmentLocalKind));
    column_grow(&bucket->starts, &bucket->starts_capacity, gather->builder->chunks->len + 1,
                sizeof(guint32));
    /* Where the segment has one text only, they stay so. */
    for (guint i = 0; i < SEGMENT_TEXTS; i++)
        memset(bucket->texts[i].codes, 0, gather->largest * sizeof(guint32));
}

static void
bucket_release(SegmentBucket *bucket)
{
    release_columns(bucket);
    for (guint i = 0; i < SEGMENT_INTERNED; i++)
        g_free(bucket->locals[i]);
    g_free(bucket->local_kinds);
    g_free(bucket->starts);
    g_free(bucket->id_texts);
    g_free(bucket->request_texts);
    *bucket = (SegmentBucket){0};
}

static Maker *
maker_new(void)
{
    Maker *maker = spare_take(&spare_makers);

    if (maker)
        return maker;
    maker = g_new0(Maker, 1);
    column_encoder_init(&maker->encoder);
    return maker;
}

static void
maker_free(Maker *maker)
{
    if (spare_keep(&spare_makers, maker))
        return;
    bucket_release(&maker->bucket);
    column_encoder_release(&maker->encoder);
    g_free(maker);
}

static void
put_texts(Maker *maker, GByteArray *out, SegmentColumn column)
{
    const SegmentBucket *bucket = &maker->bucket;
    const SegmentGatheredTexts *texts = &bucket->texts[column];
    gboolean interned =
        column != SEGMENT_ID && column != SEGMENT_REQUEST && column != SEGMENT_EXTRA;
    SegmentTexts given = {.value_count = interned ? texts->value_count : bucket->count,
                          .values = texts->values,
                          .size_bytes = texts->size_bytes,
                          .codes = interned ? texts->codes : NULL};
    static const char *const empty[] = {""};
    static const guint32 empty_size[] = {0};

    if (column == SEGMENT_EXTRA && !bucket->has_extra)
        given = (SegmentTexts){.value_count = 1, .values = empty, .size_bytes = empty_size};
    column_put_texts(&maker->encoder, out, &given, bucket->count);
}

static void
put_column(Maker *maker, GByteArray *out, SegmentColumn column, const char *prefix)
{
    const SegmentBucket *bucket = &maker->bucket;
    const SegmentGatheredTexts *writers = &bucket->texts[SEGMENT_WRITER];
    const SegmentTexts writer_texts = {.value_count = writers->value_count,
                                       .values = writers->values,
                                       .size_bytes = writers->size_bytes,
                                       .codes = writers->codes};
    const gint64 *numbers = bucket->numbers[column];

    if (column == SEGMENT_ID && bucket->all_raw)
        column_put_ids(out, bucket->raw_ids, bucket->count);
    else if (column == SEGMENT_REQUEST && prefix)
        column_put_numbered(&maker->encoder, out, prefix, numbers, bucket->count);
    else if (column < SEGMENT_TEXTS)
        put_texts(maker, out, column);
    else if (column == SEGMENT_TIME)
        column_put_rising(&maker->encoder, out, numbers, bucket->count);
    else if (column == SEGMENT_SEQUENCE)
        column_put_sequences(&maker->encoder, out, numbers, bucket->count, &writer_texts);
    else
        column_put_numbers(&maker->encoder, out, numbers, bucket->count);
}

static void
put_bucket(Maker *maker, const SegmentGather *gather, guint number, Part *part)
{
    GByteArray *out = part->bytes;

    segment_gather_bucket(gather, number, &maker->bucket);
    bytes_put_u32(part->table, maker->bucket.count);
    for (guint column = 0; column < SEGMENT_COLUMNS; column++) {
        guint at = out->len;
        if (maker->bucket.count > 0)
            put_column(maker, out, (SegmentColumn)column, gather->prefix);
        gsize size = out->len - at;
        bytes_put_u32(part->table, (guint32)size);
        bytes_put_u64(part->table, segment_checksum(out->data + at, size, number, column));
    }
}

SegmentFinish *
segment_finish_begin(SegmentBuilder *builder)
{
    SegmentFinish *finish = g_new0(SegmentFinish, 1);

    finish->builder = builder;
    segment_gather_init(&finish->gather, builder);
    return finish;
}

guint
segment_finish_part_count(const SegmentFinish *finish)
{
    return MIN(PARTS_MAX, 1u << finish->gather.bucket_bits);
}

void
segment_finish_part(SegmentFinish *finish, guint part)
{
    guint bucket_count = (1u << finish->gather.bucket_bits) / segment_finish_part_count(finish);
    Part *made = &finish->parts[part];
    Maker *maker = maker_new();

    made->table = g_byte_array_new();
    made->bytes = spare_take(&spare_bytes);
    if (!made->bytes)
        made->bytes = g_byte_array_new();
    bucket_begin(&maker->bucket, &finish->gather);
    for (guint i = 0; i < bucket_count; i++)
        put_bucket(maker, &finish->gather, part * bucket_count + i, made);
    maker_free(maker);
}

/* Appends a part to the others. */
static void
join_part(Part *part, GByteArray *bytes, GByteArray *table)
{
    g_byte_array_append(bytes, part->bytes->data, part->bytes->len);
    g_byte_array_append(table, part->table->data, part->table->len);
    g_byte_array_unref(part->table);
    g_byte_array_set_size(part->bytes, 0);
    if (!spare_keep(&spare_bytes, part->bytes))
        g_byte_array_unref(part->bytes);
}

void
segment_finish_end(SegmentFinish *finish, GByteArray *bytes, char name[SEGMENT_NAME_CHARS + 1])
{
    g_autoptr(GByteArray) table = g_byte_array_new();

    g_byte_array_set_size(bytes, 0);
    bytes_put_blob(bytes, SEGMENT_MAGIC, SEGMENT_MAGIC_BYTES);
    for (guint i = 0; i < segment_finish_part_count(finish); i++)
        join_part(&finish->parts[i], bytes, table);
    segment_put_footer(bytes, finish->builder, finish->gather.bucket_bits, table);
    segment_gather_release(&finish->gather);
    segment_builder_clear(finish->builder);
    g_free(finish);
    sha256_hex(bytes->data, bytes->len, name);
}

GByteArray *
segment_builder_finish(SegmentBuilder *builder, char name[SEGMENT_NAME_CHARS + 1])
{
    GByteArray *bytes = g_byte_array_new();
    SegmentFinish *finish = segment_finish_begin(builder);

    for (guint i = 0; i < segment_finish_part_count(finish); i++)
        segment_finish_part(finish, i);
    segment_finish_end(finish, bytes, name);
    return bytes;
}
