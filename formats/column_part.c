/* column_part.c - parts and planes: bytes of numbers side by side, compressed where it helps.
 * The low bytes of most counts are as good as random. zstd would find that out too, but it takes
 * longer for it than a look at a sample does, and that is most of what building a segment costs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/column_internal.h"

#include <string.h>

enum {
    PART_MIN_BYTES = 24, /* below that a frame is never smaller */
    SAMPLE_BYTES = 1024,
    SAMPLE_RUNS = 4, /* that it is taken from */
    SKEWED = 32,
    RANDOM_LOGS = SAMPLE_BYTES * (160 - 110), /* 10 bits less 6 7/8, in 16ths */
    LEVEL = 1
};

void
column_grow(gpointer memory, gsize *capacity, gsize count, gsize item_size_bytes)
{
    gpointer *items = memory;

    if (count <= *capacity)
        return;
    g_free(*items);
    *capacity = MAX(count, *capacity + *capacity / 2);
    *items = g_malloc_n(*capacity, item_size_bytes);
}

void
column_encoder_init(ColumnEncoder *encoder)
{
    *encoder = (ColumnEncoder){.compressor = compressor_new(LEVEL),
                               .entropy = compressor_new_entropy(),
                               .bytes = g_byte_array_new()};
}

void
column_encoder_release(ColumnEncoder *encoder)
{
    compressor_free(encoder->compressor);
    compressor_free(encoder->entropy);
    g_byte_array_unref(encoder->bytes);
    g_free(encoder->plane);
    g_free(encoder->numbers);
    g_free(encoder->others);
    *encoder = (ColumnEncoder){0};
}

void
column_encoder_reserve(ColumnEncoder *encoder, gsize count)
{
    gsize capacity = encoder->capacity;

    column_grow(&encoder->plane, &capacity, count, sizeof *encoder->plane);
    capacity = encoder->capacity;
    column_grow(&encoder->numbers, &capacity, count, sizeof *encoder->numbers);
    column_grow(&encoder->others, &encoder->capacity, count, sizeof *encoder->others);
}

void
column_decoder_init(ColumnDecoder *decoder)
{
    *decoder = (ColumnDecoder){.decompressor = decompressor_new()};
}

void
column_decoder_release(ColumnDecoder *decoder)
{
    decompressor_free(decoder->decompressor);
    g_free(decoder->planes);
    g_free(decoder->ascending);
    *decoder = (ColumnDecoder){0};
}

gsize
column_decoder_size(const ColumnDecoder *decoder)
{
    return decoder->planes_capacity + decoder->ascending_capacity * sizeof *decoder->ascending;
}

/* count * log2(count) in 16ths, between powers of two by a straight line, which is at most a 12th
 * of count below it. Whole numbers, so that every machine writes the same bytes. */
static guint32
weighted_log(guint32 count)
{
    guint32 log = count > 1 ? 31 - (guint32)__builtin_clz(count) : 0;

    return (16 * log + (16 * (count - (1u << log)) >> log)) * count;
}

/* Are these bytes so evenly spread that compressing them, and back, is not worth it? Of n random
 * bytes, the squares of how often each value occurs add up to n + n (n - 1) / 256; a quarter more
 * of the second term means that about 0.2 bits of 8 can be saved. A full sample also tells how many
 * bits a byte has: log2(n) less the mean of log2(count). From 6 7/8 on they stay as they are: a
 * segment is a hundredth larger for it, but these are what takes longest. */
static gboolean
looks_random(const guint8 *bytes, gsize size_bytes)
{
    guint16 counts[256] = {0};
    gsize sample = MIN(size_bytes, SAMPLE_BYTES) / SAMPLE_RUNS;
    gsize stride = size_bytes / SAMPLE_RUNS;
    guint32 squares = 0; /* at most those of SAMPLE_BYTES */
    guint32 logs = 0;

    for (guint run = 0; run < SAMPLE_RUNS; run++)
        for (gsize i = 0; i < sample; i++)
            counts[bytes[run * stride + i]]++;
    for (guint i = 0; i < G_N_ELEMENTS(counts); i++)
        squares += (guint32)counts[i] * counts[i];
    guint64 n = sample * SAMPLE_RUNS;
    if ((squares - n) * 256 * 4 < n * (n - 1) * 5)
        return TRUE;
    /* Where most are one value, no logarithms are needed to see that. */
    if (n < SAMPLE_BYTES || squares > SAMPLE_BYTES * SAMPLE_BYTES / SKEWED)
        return FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(counts); i++)
        logs += weighted_log(counts[i]);
    return logs < RANDOM_LOGS;
}

void
column_put_part(Compressor *compressor, GByteArray *out, const guint8 *bytes, gsize size_bytes)
{
    guint at = out->len;
    gsize stored = 0;

    g_assert(size_bytes <= COLUMN_TEXT_MAX_BYTES);
    g_byte_array_set_size(out, at + sizeof(guint32) + (guint)size_bytes);
    guint8 *to = out->data + at + sizeof(guint32);
    if (size_bytes >= PART_MIN_BYTES && !looks_random(bytes, size_bytes))
        stored = compressor_block(compressor, bytes, size_bytes, to, size_bytes - 1);
    if (stored == 0) {
        memcpy(to, bytes, size_bytes);
        stored = size_bytes;
    }
    guint32 little = GUINT32_TO_LE((guint32)stored);
    memcpy(out->data + at, &little, sizeof little);
    g_byte_array_set_size(out, at + sizeof little + (guint)stored);
}

const guint8 *
column_get_part(ColumnDecoder *decoder, ByteReader *reader, guint8 *room, gsize size_bytes)
{
    gsize stored = bytes_get_u32(reader);
    const guint8 *bytes = bytes_get_blob(reader, stored);

    if (!bytes || stored > size_bytes)
        return NULL;
    if (stored == size_bytes)
        return bytes;
    if (!decompressor_block(decoder->decompressor, bytes, stored, room, size_bytes))
        return NULL;
    return room;
}

guint
column_plane_count(guint64 highest)
{
    guint count = 0;

    for (; highest > 0; highest >>= 8)
        count++;
    return count;
}

/* Byte k / 8 of each number. Blocks of a fixed size, so that a compiler sees vectors in them. */
static void
split_plane(guint8 *restrict plane, const guint64 *restrict numbers, gsize count, guint shift)
{
    gsize i = 0;

    for (; i + COLUMN_BLOCK <= count; i += COLUMN_BLOCK)
        for (guint k = 0; k < COLUMN_BLOCK; k++)
            plane[i + k] = (guint8)(numbers[i + k] >> shift);
    for (; i < count; i++)
        plane[i] = (guint8)(numbers[i] >> shift);
}

void
column_put_planes(ColumnEncoder *encoder, GByteArray *out, const guint64 *numbers, gsize count,
                  guint plane_count)
{
    for (guint plane = 0; plane < plane_count; plane++) {
        split_plane(encoder->plane, numbers, count, 8 * plane);
        column_put_part(encoder->entropy, out, encoder->plane, count);
    }
}

gboolean
column_get_planes(ColumnDecoder *decoder, ByteReader *reader, gsize count, guint plane_count,
                  const guint8 *planes[COLUMN_PLANES_MAX])
{
    if (plane_count > COLUMN_PLANES_MAX)
        return FALSE;
    /* Every plane is at least a few bytes of the column, so a lie about their number ends soon. */
    column_grow(&decoder->planes, &decoder->planes_capacity, MAX(1, count * plane_count), 1);
    for (guint plane = 0; plane < plane_count; plane++) {
        planes[plane] = column_get_part(decoder, reader, decoder->planes + plane * count, count);
        if (!planes[plane])
            return FALSE;
    }
    return TRUE;
}
