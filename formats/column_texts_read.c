/* column_texts_read.c - columns of texts, decoded from bytes that nobody vouches for.
 * Values come out one behind the other, each with a NUL, and are UTF-8 for certain.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/column_internal.h"

/* A block of zstd has four bytes at least and gives 128 KiB at most. */
#define ZSTD_RATIO_MAX (32 << 10)
#define HIGH_BITS      G_GUINT64_CONSTANT(0x8080808080808080)

void
column_texts_release(ColumnTexts *texts)
{
    g_free(texts->bytes);
    g_free(texts->values);
    g_free(texts->size_bytes);
    g_free(texts->codes);
    *texts = (ColumnTexts){0};
}

gsize
column_texts_size(const ColumnTexts *texts)
{
    return texts->bytes_capacity + texts->values_capacity * sizeof *texts->values +
           texts->size_bytes_capacity * sizeof *texts->size_bytes +
           texts->codes_capacity * sizeof *texts->codes;
}

static void
reserve_values(ColumnTexts *texts, guint32 count)
{
    column_grow(&texts->values, &texts->values_capacity, count, sizeof *texts->values);
    column_grow(&texts->size_bytes, &texts->size_bytes_capacity, count, sizeof *texts->size_bytes);
}

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
    reserve_values(texts, count);
    return split_values(texts, size, count);
}

static void
write_digits(char *to, const guint8 *packed, const guint8 *places, guint place_count)
{
    static const char digits[] = "0123456789abcdef";

    for (guint i = 0; i < place_count; i++)
        to[places[i]] = digits[i % 2 == 0 ? packed[i / 2] >> 4 : packed[i / 2] & 15];
}

/* The same for what nearly every id is: USAGE_ID_CHARS digits and nothing else. */
static void
write_ids(char *to, const guint8 *packed, guint32 count)
{
    static gsize once;
    static char pairs[256][2];

    if (g_once_init_enter(&once)) {
        static const guint8 places[] = {0, 1};
        for (guint i = 0; i < G_N_ELEMENTS(pairs); i++)
            write_digits(pairs[i], &(guint8){(guint8)i}, places, 2);
        g_once_init_leave(&once, 1);
    }
    for (guint32 i = 0; i < count; i++) {
        for (guint k = 0; k < COLUMN_ID_BYTES; k++)
            memcpy(to + 2 * k, pairs[packed[k]], 2);
        to[USAGE_ID_CHARS] = '\0';
        to += USAGE_ID_CHARS + 1;
        packed += COLUMN_ID_BYTES;
    }
}

static gboolean
get_hex(ByteReader *reader, ColumnTexts *texts, guint32 count)
{
    guint8 places[COLUMN_HEX_MAX_BYTES];
    char pattern[COLUMN_HEX_MAX_BYTES + 1] = {0};
    guint place_count = 0;
    guint32 size = bytes_get_u8(reader);
    const guint8 *given = bytes_get_blob(reader, size);

    if (!given || size > COLUMN_HEX_MAX_BYTES)
        return FALSE;
    for (guint i = 0; i < size; i++) {
        if (given[i] == 0)
            places[place_count++] = (guint8)i;
        pattern[i] = given[i] == 0 ? '0' : (char)given[i];
    }
    gsize packed_size = (place_count + 1) / 2;
    const guint8 *packed = bytes_get_blob(reader, packed_size * count);
    if (!packed || (guint64)count * (size + 1) > COLUMN_TEXT_MAX_BYTES ||
        !g_utf8_validate(pattern, size, NULL))
        return FALSE;

    reserve_values(texts, count);
    column_grow(&texts->bytes, &texts->bytes_capacity, (gsize)count * (size + 1), 1);
    if (size == USAGE_ID_CHARS && place_count == size)
        write_ids(texts->bytes, packed, count);
    for (guint32 i = 0; i < count; i++) {
        char *text = texts->bytes + (gsize)i * (size + 1);
        texts->values[i] = text;
        texts->size_bytes[i] = size;
        if (size == USAGE_ID_CHARS && place_count == size)
            continue;
        memcpy(text, pattern, size + 1);
        write_digits(text, packed + i * packed_size, places, place_count);
    }
    return TRUE;
}

/* The eight digits of a number below 10^8, the first in the lowest byte: it is halved into numbers
 * of four digits, these into numbers of two, these into digits, all halves of a step at once. A
 * multiplication and a shift stand for each division: 10486 / 2^20 for 1 / 100, 103 / 2^10 for 1 /
 * 10, exact for numbers this small. */
static guint64
split_digits(guint32 number)
{
    guint64 fours = number / 10000 | (guint64)(number % 10000) << 32;
    guint64 firsts = fours * 10486 >> 20 & G_GUINT64_CONSTANT(0x0000007f0000007f);
    guint64 twos = firsts | (fours - firsts * 100) << 16;
    firsts = twos * 103 >> 10 & G_GUINT64_CONSTANT(0x000f000f000f000f);
    return firsts | (twos - firsts * 10) << 8;
}

/* Writes a number of at least width digits, of which there are at most eight. Returns: how many;
 * behind them, eight bytes from to on are overwritten. */
static guint
write_short_number(char *to, guint32 number, guint width)
{
    guint64 digits = split_digits(number);
    guint zeros = digits ? (guint)__builtin_ctzll(digits) / 8 : 7;
    guint count = MAX(8 - zeros, width);
    guint64 text =
        GUINT64_TO_LE((digits | G_GUINT64_CONSTANT(0x3030303030303030)) >> (8 * (8 - count)));

    memcpy(to, &text, sizeof text);
    return count;
}

static guint
write_number(char *to, guint64 number, guint width)
{
    char digits[COLUMN_DIGITS_MAX];
    guint count = 0;

    if (number < 100000000 && width <= 8)
        return write_short_number(to, (guint32)number, width);
    do {
        digits[COLUMN_DIGITS_MAX - ++count] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0 || count < width);
    memcpy(to, digits + COLUMN_DIGITS_MAX - count, count);
    return count;
}

static gboolean
get_numbered(ColumnDecoder *decoder, ByteReader *reader, ColumnTexts *texts, guint32 count)
{
    char prefix[COLUMN_PREFIX_MAX_BYTES + 1] = {0};
    guint64 beyond = 1;
    gsize prefix_size = bytes_get_u8(reader);
    const guint8 *given = bytes_get_blob(reader, prefix_size);
    guint width = bytes_get_u8(reader);

    if (!reader->ok || prefix_size > COLUMN_PREFIX_MAX_BYTES || width > COLUMN_DIGITS_MAX ||
        !g_utf8_validate((const char *)given, (gssize)prefix_size, NULL))
        return FALSE;
    memcpy(prefix, given, prefix_size);
    column_grow(&decoder->numbers, &decoder->numbers_capacity, count, sizeof *decoder->numbers);
    guint64 *numbers = (guint64 *)decoder->numbers;
    if (!column_read_numbers(decoder, reader, numbers, count, NULL))
        return FALSE;
    gsize text_max = prefix_size + COLUMN_DIGITS_MAX + 1;
    if (count * text_max > COLUMN_TEXT_MAX_BYTES)
        return FALSE;
    for (guint i = 0; i < COLUMN_DIGITS_MAX; i++)
        beyond *= 10;

    reserve_values(texts, count);
    column_grow(&texts->bytes, &texts->bytes_capacity, count * text_max, 1);
    char *to = texts->bytes;
    for (guint32 i = 0; i < count; i++) {
        if (numbers[i] >= beyond)
            return FALSE;
        for (gsize k = 0; k < prefix_size; k += sizeof(guint64))
            memcpy(to + k, prefix + k, sizeof(guint64)); /* there is room for the digits anyway */
        guint32 size = (guint32)prefix_size + write_number(to + prefix_size, numbers[i], width);
        to[size] = '\0';
        texts->values[i] = to;
        texts->size_bytes[i] = size;
        to += size + 1;
    }
    return TRUE;
}

static gboolean
get_list(ColumnDecoder *decoder, ByteReader *reader, guint8 encoding, ColumnTexts *texts,
         guint32 count)
{
    switch (encoding) {
    case COLUMN_PLAIN:
        return get_plain(decoder, reader, texts, count);
    case COLUMN_HEX:
        return get_hex(reader, texts, count);
    case COLUMN_NUMBERED:
        return get_numbered(decoder, reader, texts, count);
    default:
        return FALSE;
    }
}

static gboolean
get_codes(ColumnDecoder *decoder, ByteReader *reader, guint32 value_count, guint32 *codes,
          guint32 count)
{
    const guint8 *planes[COLUMN_PLANES_MAX] = {NULL};
    guint plane_count = 0;
    guint32 highest = 0;

    for (guint32 rest = value_count - 1; rest > 0; rest >>= 8)
        plane_count++;
    if (!column_get_planes(decoder, reader, count, plane_count, planes))
        return FALSE;
    switch (plane_count) {
    case 0:
        memset(codes, 0, count * sizeof *codes);
        break;
    case 1:
        for (guint32 i = 0; i < count; i++)
            codes[i] = planes[0][i];
        break;
    case 2:
        for (guint32 i = 0; i < count; i++)
            codes[i] = planes[0][i] | (guint32)planes[1][i] << 8;
        break;
    default:
        for (guint32 i = 0; i < count; i++)
            codes[i] = planes[0][i] | (guint32)planes[1][i] << 8 | (guint32)planes[2][i] << 16;
    }
    for (guint32 i = 0; i < count; i++)
        highest = MAX(highest, codes[i]);
    return highest < value_count;
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
column_get_texts(ColumnDecoder *decoder, const guint8 *bytes, gsize size_bytes, ColumnTexts *texts,
                 guint32 count)
{
    ByteReader reader = byte_reader(bytes, size_bytes);
    guint8 encoding = bytes_get_u8(&reader);
    guint32 value_count = count;
    const guint32 *codes = NULL;

    if (encoding == COLUMN_DICTIONARY) {
        value_count = bytes_get_u32(&reader);
        if (value_count == 0 || value_count > count ||
            !get_list(decoder, &reader, bytes_get_u8(&reader), texts, value_count))
            return FALSE;
        column_grow(&texts->codes, &texts->codes_capacity, count, sizeof *texts->codes);
        if (!get_codes(decoder, &reader, value_count, texts->codes, count))
            return FALSE;
        codes = texts->codes;
    } else {
        if (!get_list(decoder, &reader, encoding, texts, count))
            return FALSE;
        codes = ascending_codes(decoder, count);
    }
    texts->texts = (SegmentTexts){.value_count = value_count,
                                  .values = texts->values,
                                  .size_bytes = texts->size_bytes,
                                  .codes = codes};
    return reader.at == reader.end;
}
