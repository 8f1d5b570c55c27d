/* column_texts_read.c - columns of texts, read from bytes that nobody vouches for.
 * What is read is UTF-8 for certain, spelt (column_spell.c) or not.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/column_internal.h"

/* A block of zstd has four bytes at least and gives 128 KiB at most. */
#define ZSTD_RATIO_MAX (32 << 10)
#define HIGH_BITS      G_GUINT64_CONSTANT(0x8080808080808080)

static guint64
load_word(const char *bytes)
{
    guint64 word = 0;

    memcpy(&word, bytes, sizeof word);
    return GUINT64_FROM_LE(word);
}

/* The high bit of each byte that is zero. */
static guint64
zero_bytes(guint64 word)
{
    return ~(((word & ~HIGH_BITS) + ~HIGH_BITS) | word) & HIGH_BITS;
}

/* Finds the values in size bytes that end with a NUL and have 8 more behind them.
 * Returns FALSE unless there are count. */
static gboolean
split_values(ColumnTexts *texts, gsize size, guint32 count)
{
    const char *bytes = texts->bytes;
    guint64 seen = 0;
    gsize begin = 0;
    guint32 found = 0;

    for (gsize at = 0; at < size; at += sizeof(guint64)) {
        guint64 word = load_word(bytes + at);
        if (size - at < sizeof word) /* what is behind the end is no value */
            word |= ~G_GUINT64_CONSTANT(0) << (8 * (size - at)) & ~HIGH_BITS;
        seen |= word;
        for (guint64 ends = zero_bytes(word); ends != 0; ends &= ends - 1) {
            gsize end = at + (gsize)__builtin_ctzll(ends) / 8;
            if (found == count)
                return FALSE;
            texts->values[found] = bytes + begin;
            texts->size_bytes[found++] = (guint32)(end - begin);
            begin = end + 1;
        }
    }
    if (found != count || begin != size)
        return FALSE;
    for (guint32 i = 0; (seen & HIGH_BITS) && i < count; i++)
        if (!g_utf8_validate(texts->values[i], texts->size_bytes[i], NULL))
            return FALSE;
    return TRUE;
}

static gboolean
get_plain(ColumnDecoder *decoder, ByteReader *reader, ColumnTexts *texts, guint32 count)
{
    gsize size = bytes_get_u32(reader);

    if (!reader->ok || size < count || size > COLUMN_TEXT_MAX_BYTES ||
        size / ZSTD_RATIO_MAX > (gsize)(reader->end - reader->at))
        return FALSE;
    column_grow(&texts->bytes, &texts->bytes_capacity, size + sizeof(guint64), 1);
    const guint8 *bytes = column_get_part(decoder, reader, (guint8 *)texts->bytes, size);
    if (!bytes)
        return FALSE;
    if (bytes != (const guint8 *)texts->bytes)
        memcpy(texts->bytes, bytes, size);
    memset(texts->bytes + size, 0, sizeof(guint64));
    column_texts_reserve(texts, count);
    return split_values(texts, size, count);
}

static gboolean
get_hex(ByteReader *reader, ColumnTexts *texts, guint32 count)
{
    ColumnSpelling *spelling = &texts->spelling;
    guint32 size = bytes_get_u8(reader);
    const guint8 *given = bytes_get_blob(reader, size);

    if (!given || size > COLUMN_HEX_MAX_BYTES)
        return FALSE;
    memset(spelling->pattern, 0, sizeof spelling->pattern);
    spelling->size_bytes = size;
    spelling->place_count = 0;
    for (guint i = 0; i < size; i++) {
        if (given[i] == 0)
            spelling->places[spelling->place_count++] = (guint8)i;
        spelling->pattern[i] = given[i] == 0 ? '0' : (char)given[i];
    }
    gsize packed_size = (gsize)(spelling->place_count + 1) / 2 * count;
    const guint8 *packed = bytes_get_blob(reader, packed_size);
    if (!packed || (guint64)count * (size + 1) > COLUMN_TEXT_MAX_BYTES ||
        !g_utf8_validate(spelling->pattern, size, NULL))
        return FALSE;
    column_grow(&spelling->packed, &spelling->packed_capacity, packed_size, 1);
    if (packed_size > 0)
        memcpy(spelling->packed, packed, packed_size);
    return TRUE;
}

static gboolean
get_numbered(ColumnDecoder *decoder, ByteReader *reader, ColumnTexts *texts, guint32 count)
{
    ColumnSpelling *spelling = &texts->spelling;
    guint64 bits = 0;
    gsize prefix_size = bytes_get_u8(reader);
    const guint8 *given = bytes_get_blob(reader, prefix_size);
    guint width = bytes_get_u8(reader);

    if (!reader->ok || prefix_size > COLUMN_PREFIX_MAX_BYTES || width > COLUMN_DIGITS_MAX ||
        !g_utf8_validate((const char *)given, (gssize)prefix_size, NULL) ||
        count * (prefix_size + COLUMN_DIGITS_MAX + 1) > COLUMN_TEXT_MAX_BYTES)
        return FALSE;
    memset(spelling->pattern, 0, sizeof spelling->pattern);
    memcpy(spelling->pattern, given, prefix_size);
    spelling->size_bytes = (guint32)prefix_size;
    spelling->width = width;
    column_grow(&spelling->numbers, &spelling->numbers_capacity, count, sizeof *spelling->numbers);
    if (!column_read_numbers(decoder, reader, spelling->numbers, count, NULL))
        return FALSE;
    for (guint32 i = 0; i < count; i++)
        bits |= spelling->numbers[i];
    for (guint32 i = 0; bits >= COLUMN_NUMBER_BEYOND && i < count; i++)
        if (spelling->numbers[i] >= COLUMN_NUMBER_BEYOND)
            return FALSE;
    return TRUE;
}

/* Reads a list; texts->texts has its values where they are spelt. */
static gboolean
get_list(ColumnDecoder *decoder, ByteReader *reader, guint8 encoding, ColumnTexts *texts,
         guint32 count)
{
    gboolean good = FALSE;

    texts->texts = (SegmentTexts){.value_count = count};
    texts->spelling.encoding = encoding;
    switch (encoding) {
    case COLUMN_PLAIN:
        good = get_plain(decoder, reader, texts, count);
        texts->texts.values = texts->values;
        texts->texts.size_bytes = texts->size_bytes;
        return good;
    case COLUMN_HEX:
        return get_hex(reader, texts, count);
    case COLUMN_NUMBERED:
        return get_numbered(decoder, reader, texts, count);
    default:
        return FALSE;
    }
}

/* Codes of a plane or two. Blocks of a fixed size, as in column_numbers.c. */
static void
join_codes(const guint8 *restrict low, const guint8 *restrict high, guint32 *restrict codes,
           guint32 count)
{
    guint32 i = 0;

    if (high)
        for (; i + COLUMN_BLOCK <= count; i += COLUMN_BLOCK)
            for (guint k = 0; k < COLUMN_BLOCK; k++)
                codes[i + k] = low[i + k] | (guint32)high[i + k] << 8;
    else
        for (; i + COLUMN_BLOCK <= count; i += COLUMN_BLOCK)
            for (guint k = 0; k < COLUMN_BLOCK; k++)
                codes[i + k] = low[i + k];
    for (; i < count; i++)
        codes[i] = low[i] | (high ? (guint32)high[i] << 8 : 0);
}

static gboolean
all_below(const guint32 *codes, guint32 count, guint32 value_count)
{
    guint32 wrong[COLUMN_BLOCK] = {0};
    guint32 i = 0;

    /* Both are at most 2^31, so a code that is not below leaves the high bit clear. */
    for (; i + COLUMN_BLOCK <= count; i += COLUMN_BLOCK)
        for (guint k = 0; k < COLUMN_BLOCK; k++)
            wrong[k] |= ~(codes[i + k] - value_count);
    for (; i < count; i++)
        wrong[0] |= ~(codes[i] - value_count);
    for (guint k = 1; k < COLUMN_BLOCK; k++)
        wrong[0] |= wrong[k];
    return wrong[0] >> 31 == 0;
}

static gboolean
get_codes(ColumnDecoder *decoder, ByteReader *reader, guint32 value_count, guint32 *codes,
          guint32 count)
{
    const guint8 *planes[COLUMN_PLANES_MAX] = {NULL};
    guint plane_count = 0;

    for (guint32 rest = value_count - 1; rest > 0; rest >>= 8)
        plane_count++;
    if (!column_get_planes(decoder, reader, count, plane_count, planes))
        return FALSE;
    if (plane_count == 0) {
        memset(codes, 0, count * sizeof *codes);
        return TRUE;
    }
    join_codes(planes[0], planes[1], codes, count);
    for (guint plane = 2; plane < plane_count; plane++)
        for (guint32 i = 0; i < count; i++)
            codes[i] |= (guint32)planes[plane][i] << (8 * plane);
    return all_below(codes, count, value_count);
}

static const guint32 *
ascending_codes(ColumnDecoder *decoder, guint32 count)
{
    if (count > decoder->ascending_capacity) {
        column_grow(&decoder->ascending, &decoder->ascending_capacity, count,
                    sizeof *decoder->ascending);
        for (gsize i = 0; i < decoder->ascending_capacity; i++)
            decoder->ascending[i] = (guint32)i;
    }
    return decoder->ascending;
}

gboolean
column_read_texts(ColumnDecoder *decoder, const guint8 *bytes, gsize size_bytes, ColumnTexts *texts,
                  guint32 count)
{
    ByteReader reader = byte_reader(bytes, size_bytes);
    guint8 encoding = bytes_get_u8(&reader);

    if (encoding == COLUMN_DICTIONARY) {
        guint32 value_count = bytes_get_u32(&reader);
        if (value_count == 0 || value_count > count ||
            !get_list(decoder, &reader, bytes_get_u8(&reader), texts, value_count))
            return FALSE;
        column_spell(texts);
        column_grow(&texts->codes, &texts->codes_capacity, count, sizeof *texts->codes);
        if (!get_codes(decoder, &reader, value_count, texts->codes, count))
            return FALSE;
        texts->texts.codes = texts->codes;
    } else {
        if (!get_list(decoder, &reader, encoding, texts, count))
            return FALSE;
        texts->texts.codes = ascending_codes(decoder, count);
    }
    return reader.at == reader.end;
}

gboolean
column_get_texts(ColumnDecoder *decoder, const guint8 *bytes, gsize size_bytes, ColumnTexts *texts,
                 guint32 count)
{
    if (!column_read_texts(decoder, bytes, size_bytes, texts, count))
        return FALSE;
    column_spell(texts);
    return TRUE;
}
