/* segment_block.c - a bucket's columns, decoded. What a column says is checked before anybody sees
 * it: the checksum first, then each size and code, then what the columns mean together.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "formats/column_id.h"
#include "formats/segment_internal.h"

#define BIT(column) (1u << (column))
#define IDENTITY_OF (BIT(SEGMENT_ID) | BIT(SEGMENT_SOURCE))
/* Columns that are not wanted are read along where they are smaller than another read costs. */
enum { GAP_MAX_BYTES = 4096 };

typedef struct {
    gint64 *values;
    gsize capacity;
} Numbers;

struct _SegmentBlock {
    guint64 reader_serial; /* 0: nothing has been read */
    guint bucket;
    guint32 count;
    guint32 columns; /* that it has */
    ColumnDecoder decoder;
    ColumnTexts texts[SEGMENT_TEXTS];
    char rooms[SEGMENT_TEXTS][COLUMN_TEXT_ROOM_BYTES]; /* for a text of each */
    Numbers numbers[SEGMENT_COLUMNS];                  /* those of numbers */
    guint64 *identities;
    gsize identities_capacity;
    gboolean has_identities;
    guint64 *seeds;
    gsize seeds_capacity;
    guint8 *stored; /* columns as they are in the file */
    gsize stored_capacity;
};

SegmentBlock *
segment_block_new(void)
{
    SegmentBlock *block = g_new0(SegmentBlock, 1);

    column_decoder_init(&block->decoder);
    return block;
}

void
segment_block_free(SegmentBlock *block)
{
    for (guint i = 0; i < SEGMENT_TEXTS; i++)
        column_texts_release(&block->texts[i]);
    for (guint i = SEGMENT_TEXTS; i < SEGMENT_COLUMNS; i++)
        g_free(block->numbers[i].values);
    column_decoder_release(&block->decoder);
    g_free(block->identities);
    g_free(block->seeds);
    g_free(block->stored);
    g_free(block);
}

gsize
segment_block_size(const SegmentBlock *block)
{
    gsize size = sizeof *block + column_decoder_size(&block->decoder) + block->stored_capacity +
                 (block->identities_capacity + block->seeds_capacity) * sizeof(guint64);

    for (guint i = 0; i < SEGMENT_TEXTS; i++)
        size += column_texts_size(&block->texts[i]);
    for (guint i = SEGMENT_TEXTS; i < SEGMENT_COLUMNS; i++)
        size += block->numbers[i].capacity * sizeof *block->numbers[i].values;
    return size;
}

/* Times within what the footer says; counts not negative; present no wider than it is. */
static gboolean
numbers_hold(const SegmentFooter *footer, guint column, const gint64 *values, guint32 count)
{
    guint64 span = (guint64)footer->time_max_us - (guint64)footer->time_min_us;
    guint64 bits = 0;
    guint64 wrong = 0;

    if (column == SEGMENT_SEQUENCE)
        return TRUE;
    if (column == SEGMENT_TIME) {
        for (guint32 i = 0; i < count; i++)
            wrong |= (guint64)values[i] - (guint64)footer->time_min_us > span;
        return !wrong && footer->time_max_us >= footer->time_min_us;
    }
    for (guint32 i = 0; i < count; i++)
        bits |= (guint64)values[i];
    return bits <= (column == SEGMENT_PRESENT ? USAGE_HAS_ALL : G_MAXINT64);
}

static gboolean
decode_column(SegmentBlock *block, const SegmentFooter *footer, guint column, const guint8 *bytes,
              gsize size_bytes)
{
    if (column < SEGMENT_TEXTS)
        return column_read_texts(&block->decoder, bytes, size_bytes, &block->texts[column],
                                 block->count);
    Numbers *numbers = &block->numbers[column];
    column_grow(&numbers->values, &numbers->capacity, block->count, sizeof *numbers->values);
    gboolean decoded =
        column == SEGMENT_SEQUENCE
            ? column_get_sequences(&block->decoder, bytes, size_bytes, numbers->values,
                                   block->count, &block->texts[SEGMENT_WRITER].texts)
            : column_get_numbers(&block->decoder, bytes, size_bytes, numbers->values, block->count);
    return decoded && numbers_hold(footer, column, numbers->values, block->count);
}

static gboolean
check_and_decode(SegmentBlock *block, SegmentReader *reader, guint column,
                 const SegmentColumnPlace *place, const guint8 *bytes, GError **error)
{
    const SegmentContents *contents = segment_reader_contents(reader);

    if (segment_checksum(bytes, place->size_bytes, block->bucket, column) != place->checksum)
        return segment_reader_corrupt(reader, error, block->bucket, column,
                                      "the checksum does not hold");
    if (!decode_column(block, &contents->footer, column, bytes, place->size_bytes))
        return segment_reader_corrupt(reader, error, block->bucket, column, "it cannot be decoded");
    block->columns |= BIT(column);
    return TRUE;
}

/* Where the columns end that are read together with that at first. */
static guint
find_end(const SegmentColumnPlace *places, guint first, guint32 wanted)
{
    guint end = first + 1;
    gsize gap_bytes = 0;

    for (guint column = end; column < SEGMENT_COLUMNS; column++) {
        if (wanted & BIT(column)) {
            end = column + 1;
            gap_bytes = 0;
            continue;
        }
        gap_bytes += places[column].size_bytes;
        if (gap_bytes > GAP_MAX_BYTES)
            break;
    }
    return end;
}

/* Reads what is wanted of the columns from first up to end, which lie one behind the other. */
static gboolean
read_columns(SegmentBlock *block, SegmentReader *reader, const SegmentColumnPlace *places,
             guint first, guint end, guint32 wanted, GError **error)
{
    const SegmentColumnPlace *last = &places[end - 1];
    gsize size = last->offset + last->size_bytes - places[first].offset;

    column_grow(&block->stored, &block->stored_capacity, size, 1);
    if (!segment_reader_fetch(reader, places[first].offset, block->stored, size, error))
        return FALSE;
    for (guint column = first; column < end; column++) {
        const guint8 *bytes = block->stored + (places[column].offset - places[first].offset);
        if (wanted & BIT(column) &&
            !check_and_decode(block, reader, column, &places[column], bytes, error))
            return FALSE;
    }
    return TRUE;
}

/* The same as below, for ids of USAGE_ID_CHARS digits: nearly all of them. */
static void
hash_ids(SegmentBlock *block, const guint8 *ids, const guint32 *sources)
{
    for (guint32 i = 0; i < block->count; i++) {
        char id[USAGE_ID_CHARS];
        column_id_spell(ids + (gsize)i * COLUMN_ID_BYTES, id);
        block->identities[i] = XXH3_64bits_withSeed(id, sizeof id, block->seeds[sources[i]]);
    }
}

/* The usage_identity_hash() of each. */
static void
hash_texts(SegmentBlock *block, const guint32 *sources)
{
    for (guint32 i = 0; i < block->count; i++) {
        guint32 size = 0;
        const char *id = segment_block_text(block, SEGMENT_ID, i, &size);
        block->identities[i] = usage_identity_hash(block->seeds[sources[i]], id, size);
    }
}

/* Makes the identities, and checks that they belong into the bucket. */
static gboolean
make_identities(SegmentBlock *block, SegmentReader *reader, GError **error)
{
    const SegmentTexts *sources = segment_block_texts(block, SEGMENT_SOURCE);
    const guint8 *ids = column_ids(&block->texts[SEGMENT_ID]);
    guint bucket_bits = segment_reader_footer(reader)->bucket_bits;
    guint64 wrong = 0;

    column_grow(&block->identities, &block->identities_capacity, block->count,
                sizeof *block->identities);
    column_grow(&block->seeds, &block->seeds_capacity, sources->value_count, sizeof *block->seeds);
    for (guint32 i = 0; i < sources->value_count; i++)
        block->seeds[i] = usage_source_seed(sources->values[i]);
    if (ids)
        hash_ids(block, ids, sources->codes);
    else
        hash_texts(block, sources->codes);
    for (guint32 i = 0; bucket_bits > 0 && i < block->count; i++)
        wrong |= block->identities[i] >> (64 - bucket_bits) ^ block->bucket;
    if (wrong != 0)
        return segment_reader_corrupt(reader, error, block->bucket, SEGMENT_ID,
                                      "an event is of another bucket");
    block->has_identities = TRUE;
    return TRUE;
}

gboolean
segment_block_read(SegmentBlock *block, SegmentReader *reader, guint bucket, guint32 columns,
                   GError **error)
{
    guint32 count = segment_bucket_count(reader, bucket);

    if (block->reader_serial != segment_reader_serial(reader) || block->bucket != bucket) {
        block->reader_serial = segment_reader_serial(reader);
        block->bucket = bucket;
        block->count = count;
        block->columns = 0;
        block->has_identities = FALSE;
    }
    if (columns & BIT(SEGMENT_SEQUENCE))
        columns |= BIT(SEGMENT_WRITER); /* which they are counted by */
    guint32 wanted = columns & ~block->columns & SEGMENT_ALL_COLUMNS;
    if (count == 0) {
        for (guint i = 0; i < SEGMENT_TEXTS; i++)
            block->texts[i].texts = (SegmentTexts){0};
        block->columns |= wanted;
        block->has_identities = TRUE;
        return TRUE;
    }
    SegmentColumnPlace places[SEGMENT_COLUMNS];
    segment_contents_places(segment_reader_contents(reader), bucket, places);
    for (guint first = 0; first < SEGMENT_COLUMNS; first++) {
        if (!(wanted & BIT(first)))
            continue;
        guint end = find_end(places, first, wanted);
        if (!read_columns(block, reader, places, first, end, wanted, error))
            return FALSE;
        first = end;
    }
    if (columns & SEGMENT_UNHASHED || block->has_identities ||
        (block->columns & IDENTITY_OF) != IDENTITY_OF)
        return TRUE;
    return make_identities(block, reader, error);
}

guint32
segment_block_count(const SegmentBlock *block)
{
    return block->count;
}

const SegmentTexts *
segment_block_texts(SegmentBlock *block, SegmentColumn column)
{
    g_assert(column < SEGMENT_TEXTS && block->columns & BIT(column));
    if (block->count > 0)
        column_spell(&block->texts[column]);
    return &block->texts[column].texts;
}

const char *
segment_block_text(SegmentBlock *block, SegmentColumn column, guint32 row, guint32 *size_bytes)
{
    g_assert(column < SEGMENT_TEXTS && block->columns & BIT(column) && row < block->count);
    return column_text(&block->texts[column], row, block->rooms[column], size_bytes);
}

gboolean
segment_block_numbered(const SegmentBlock *block, SegmentColumn column, SegmentNumbered *numbered)
{
    const ColumnTexts *texts = &block->texts[column];
    const ColumnSpelling *spelling = &texts->spelling;

    g_assert(column < SEGMENT_TEXTS && block->columns & BIT(column));
    if (block->count == 0 || texts->texts.values || spelling->encoding != COLUMN_NUMBERED)
        return FALSE;
    *numbered = (SegmentNumbered){spelling->pattern, spelling->size_bytes, spelling->width,
                                  spelling->numbers};
    return TRUE;
}

const gint64 *
segment_block_numbers(const SegmentBlock *block, SegmentColumn column)
{
    g_assert(column >= SEGMENT_TEXTS && column < SEGMENT_COLUMNS && block->columns & BIT(column));
    return block->numbers[column].values;
}

const guint64 *
segment_block_identities(SegmentBlock *block)
{
    g_assert(block->has_identities);
    return block->identities;
}

static const char *
text_of(SegmentBlock *block, SegmentColumn column, guint32 row)
{
    const SegmentTexts *texts = segment_block_texts(block, column);

    return texts->values[texts->codes[row]];
}

static gint64
number_of(const SegmentBlock *block, SegmentColumn column, guint32 row)
{
    return block->numbers[column].values[row];
}

void
segment_block_event(SegmentBlock *block, guint32 row, UsageEvent *event)
{
    g_assert(row < block->count && block->columns == SEGMENT_ALL_COLUMNS);
    *event = (UsageEvent){
        .id = text_of(block, SEGMENT_ID, row),
        .source = text_of(block, SEGMENT_SOURCE, row),
        .type = text_of(block, SEGMENT_TYPE, row),
        .subject = text_of(block, SEGMENT_SUBJECT, row),
        .time_us = number_of(block, SEGMENT_TIME, row),
        .writer = text_of(block, SEGMENT_WRITER, row),
        .sequence = (guint64)number_of(block, SEGMENT_SEQUENCE, row),
        .request = text_of(block, SEGMENT_REQUEST, row),
        .op = text_of(block, SEGMENT_OP, row),
        .format = text_of(block, SEGMENT_FORMAT, row),
        .status = text_of(block, SEGMENT_STATUS, row),
        .bytes_in = (guint64)number_of(block, SEGMENT_BYTES_IN, row),
        .bytes_out = (guint64)number_of(block, SEGMENT_BYTES_OUT, row),
        .pixels_in = (guint64)number_of(block, SEGMENT_PIXELS_IN, row),
        .pixels_out = (guint64)number_of(block, SEGMENT_PIXELS_OUT, row),
        .cpu_us = (guint64)number_of(block, SEGMENT_CPU_US, row),
        .wall_us = (guint64)number_of(block, SEGMENT_WALL_US, row),
        .node = text_of(block, SEGMENT_NODE, row),
        .extra = text_of(block, SEGMENT_EXTRA, row),
        .present = (guint32)number_of(block, SEGMENT_PRESENT, row),
    };
}
