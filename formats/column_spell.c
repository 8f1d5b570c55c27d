/* column_spell.c - texts from the digits and numbers that columns hold in their place.
 * Values come out one behind the other, each with a NUL.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/column_id.h"
#include "formats/column_internal.h"

void
column_texts_release(ColumnTexts *texts)
{
    g_free(texts->bytes);
    g_free(texts->values);
    g_free(texts->size_bytes);
    g_free(texts->codes);
    g_free(texts->spelling.packed);
    g_free(texts->spelling.numbers);
    *texts = (ColumnTexts){0};
}

gsize
column_texts_size(const ColumnTexts *texts)
{
    return texts->bytes_capacity + texts->values_capacity * sizeof *texts->values +
           texts->size_bytes_capacity * sizeof *texts->size_bytes +
           texts->codes_capacity * sizeof *texts->codes + texts->spelling.packed_capacity +
           texts->spelling.numbers_capacity * sizeof *texts->spelling.numbers;
}

void
column_texts_reserve(ColumnTexts *texts, guint32 count)
{
    column_grow(&texts->values, &texts->values_capacity, count, sizeof *texts->values);
    column_grow(&texts->size_bytes, &texts->size_bytes_capacity, count, sizeof *texts->size_bytes);
}

static void
write_digits(char *to, const guint8 *packed, const guint8 *places, guint place_count)
{
    static const char digits[] = "0123456789abcdef";

    for (guint i = 0; i < place_count; i++)
        to[places[i]] = digits[i % 2 == 0 ? packed[i / 2] >> 4 : packed[i / 2] & 15];
}

static gboolean
is_ids(const ColumnSpelling *spelling)
{
    return spelling->encoding == COLUMN_HEX && spelling->size_bytes == USAGE_ID_CHARS &&
           spelling->place_count == USAGE_ID_CHARS;
}

const guint8 *
column_ids(const ColumnTexts *texts)
{
    return !texts->texts.values && is_ids(&texts->spelling) ? texts->spelling.packed : NULL;
}

/* Returns: its size; the NUL is written, too. */
static guint32
spell_hex(const ColumnSpelling *spelling, guint32 row, char *to)
{
    gsize packed_size = (spelling->place_count + 1) / 2;
    const guint8 *packed = spelling->packed + row * packed_size;

    memcpy(to, spelling->pattern, (gsize)spelling->size_bytes + 1);
    if (is_ids(spelling))
        column_id_spell(packed, to); /* what nearly every id is */
    else
        write_digits(to, packed, spelling->places, spelling->place_count);
    return spelling->size_bytes;
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

/* Overwrites up to eight bytes behind the NUL. */
static guint32
spell_numbered(const ColumnSpelling *spelling, guint32 row, char *to)
{
    for (gsize k = 0; k < spelling->size_bytes; k += sizeof(guint64))
        memcpy(to + k, spelling->pattern + k,
               sizeof(guint64)); /* the digits need the room anyway */
    guint32 size = spelling->size_bytes +
                   write_number(to + spelling->size_bytes, spelling->numbers[row], spelling->width);
    to[size] = '\0';
    return size;
}

void
column_spell(ColumnTexts *texts)
{
    const ColumnSpelling *spelling = &texts->spelling;
    gboolean is_hex = spelling->encoding == COLUMN_HEX;
    guint32 count = texts->texts.value_count;

    if (texts->texts.values)
        return;
    gsize text_max = (gsize)spelling->size_bytes + 1 + (is_hex ? 0 : COLUMN_DIGITS_MAX);
    column_texts_reserve(texts, count);
    column_grow(&texts->bytes, &texts->bytes_capacity, count * text_max, 1);
    char *to = texts->bytes;
    for (guint32 i = 0; i < count; i++) {
        guint32 size = is_hex ? spell_hex(spelling, i, to) : spell_numbered(spelling, i, to);
        texts->values[i] = to;
        texts->size_bytes[i] = size;
        to += size + 1;
    }
    texts->texts.values = texts->values;
    texts->texts.size_bytes = texts->size_bytes;
}

const char *
column_text(const ColumnTexts *texts, guint32 row, char room[COLUMN_TEXT_ROOM_BYTES],
            guint32 *size_bytes)
{
    const ColumnSpelling *spelling = &texts->spelling;

    if (texts->texts.values) {
        guint32 code = texts->texts.codes[row];
        *size_bytes = texts->texts.size_bytes[code];
        return texts->texts.values[code];
    }
    *size_bytes = spelling->encoding == COLUMN_HEX ? spell_hex(spelling, row, room)
                                                   : spell_numbered(spelling, row, room);
    return room;
}
