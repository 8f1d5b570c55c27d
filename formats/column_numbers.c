/* column_numbers.c - columns of numbers. Sums and differences are modulo 2^64, so that none of them
 * is undefined, whatever a file says.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "formats/column_internal.h"

enum { VALUES_MAX = 256, SLOTS = 512, NO_SLOT = 0xffff };

/* The few numbers of a column, found by hashing; which: code of each event. */
typedef struct {
    gint64 values[VALUES_MAX];
    guint count;
    guint16 slots[SLOTS];
} Values;

static guint64
zigzag(guint64 difference)
{
    return (difference << 1) ^ (0 - (difference >> 63));
}

static guint64
unzigzag(guint64 number)
{
    return (number >> 1) ^ (0 - (number & 1));
}

static guint
bit_count(guint64 number)
{
    return 64 - (guint)__builtin_clzll(number | 1);
}

/* How many bits the numbers have together: what they will take, more or less. */
static guint64
total_bits(const guint64 *numbers, gsize count)
{
    guint64 bits = 0;

    for (gsize i = 0; i < count; i++)
        bits += bit_count(numbers[i]);
    return bits;
}

/* Writes the lowest, how many planes there are of what is above it, and these. numbers: changed. */
static void
put_above_lowest(ColumnEncoder *encoder, GByteArray *out, guint64 *numbers, gsize count)
{
    guint64 lowest = count > 0 ? numbers[0] : 0;
    guint64 highest = lowest;

    for (gsize i = 1; i < count; i++) {
        lowest = MIN(lowest, numbers[i]);
        highest = MAX(highest, numbers[i]);
    }
    for (gsize i = 0; i < count; i++)
        numbers[i] -= lowest;
    guint plane_count = column_plane_count(highest - lowest);
    bytes_put_u64(out, lowest);
    bytes_put_u8(out, (guint8)plane_count);
    column_put_planes(encoder, out, numbers, count, plane_count);
}

static guint
slot_of(gint64 value)
{
    return (guint)(((guint64)value * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15)) >> 55);
}

/* Where the value is, or the free place for it. */
static guint
find_slot(const Values *found, gint64 value)
{
    guint slot = slot_of(value);

    while (found->slots[slot] != NO_SLOT && found->values[found->slots[slot]] != value)
        slot = (slot + 1) % SLOTS;
    return slot;
}

/* Returns FALSE when there are too many. */
static gboolean
find_values(Values *found, const gint64 *values, guint32 count)
{
    found->count = 0;
    memset(found->slots, 0xff, sizeof found->slots);
    for (guint32 i = 0; i < count; i++) {
        guint slot = find_slot(found, values[i]);
        if (found->slots[slot] != NO_SLOT)
            continue;
        if (found->count == VALUES_MAX)
            return FALSE;
        found->slots[slot] = (guint16)found->count;
        found->values[found->count++] = values[i];
    }
    return TRUE;
}

static int
compare_numbers(const void *a, const void *b)
{
    gint64 left = *(const gint64 *)a;
    gint64 right = *(const gint64 *)b;
    return (left > right) - (left < right);
}

static void
put_values(ColumnEncoder *encoder, GByteArray *out, Values *found, const gint64 *values,
           guint32 count)
{
    qsort(found->values, found->count, sizeof *found->values, compare_numbers);
    memset(found->slots, 0xff, sizeof found->slots);
    for (guint i = 0; i < found->count; i++)
        found->slots[find_slot(found, found->values[i])] = (guint16)i;

    bytes_put_u8(out, COLUMN_VALUES);
    bytes_put_u8(out, (guint8)(found->count - 1));
    bytes_put_u64(out, (guint64)found->values[0]);
    for (guint i = 1; i < found->count; i++)
        encoder->numbers[i - 1] = (guint64)found->values[i] - (guint64)found->values[i - 1];
    put_above_lowest(encoder, out, encoder->numbers, found->count - 1);
    for (guint32 i = 0; i < count; i++)
        encoder->plane[i] = (guint8)found->slots[find_slot(found, values[i])];
    column_put_part(encoder->entropy, out, encoder->plane, count);
}

/* Sets encoder->numbers to what each value is above the lowest. Returns: the lowest; *highest: of
 * encoder->numbers. */
static gint64
subtract_lowest(ColumnEncoder *encoder, const gint64 *values, guint32 count, guint64 *highest)
{
    gint64 lowest = values[0];
    gint64 top = values[0];

    column_encoder_reserve(encoder, MAX(count, VALUES_MAX));
    for (guint32 i = 1; i < count; i++) {
        lowest = MIN(lowest, values[i]);
        top = MAX(top, values[i]);
    }
    for (guint32 i = 0; i < count; i++)
        encoder->numbers[i] = (guint64)values[i] - (guint64)lowest;
    *highest = (guint64)top - (guint64)lowest;
    return lowest;
}

static void
put_plain(ColumnEncoder *encoder, GByteArray *out, gint64 lowest, guint64 highest, guint32 count)
{
    guint plane_count = column_plane_count(highest);

    bytes_put_u8(out, COLUMN_PLANES);
    bytes_put_u64(out, (guint64)lowest);
    bytes_put_u8(out, (guint8)plane_count);
    column_put_planes(encoder, out, encoder->numbers, count, plane_count);
}

void
column_put_numbers(ColumnEncoder *encoder, GByteArray *out, const gint64 *values, guint32 count)
{
    guint64 highest = 0;
    gint64 lowest = subtract_lowest(encoder, values, count, &highest);
    guint plane_count = column_plane_count(highest);
    Values found;

    /* Of values that few, no plane tells what the others have not told already. */
    if (plane_count > 1 && find_values(&found, values, count) &&
        found.count * 4 < (plane_count - 1) * count) {
        put_values(encoder, out, &found, values, count);
        return;
    }
    put_plain(encoder, out, lowest, highest, count);
}

void
column_put_rising(ColumnEncoder *encoder, GByteArray *out, const gint64 *values, guint32 count)
{
    guint64 highest = 0;
    gint64 lowest = subtract_lowest(encoder, values, count, &highest);

    for (guint32 i = 1; i < count; i++)
        encoder->others[i - 1] = zigzag((guint64)values[i] - (guint64)values[i - 1]);
    if (highest == 0 ||
        total_bits(encoder->others, count - 1) >= total_bits(encoder->numbers, count)) {
        put_plain(encoder, out, lowest, highest, count);
        return;
    }
    bytes_put_u8(out, COLUMN_DELTAS);
    bytes_put_u64(out, (guint64)values[0]);
    put_above_lowest(encoder, out, encoder->others, count - 1);
}

void
column_put_sequences(ColumnEncoder *encoder, GByteArray *out, const gint64 *values, guint32 count,
                     const SegmentTexts *writers)
{
    guint64 highest = 0;
    gint64 lowest = subtract_lowest(encoder, values, count, &highest);
    g_autofree guint64 *last = g_new0(guint64, writers->value_count);

    for (guint32 i = 0; i < count; i++) {
        guint64 *before = &last[writers->codes[i]];
        encoder->others[i] = zigzag((guint64)values[i] - *before);
        *before = (guint64)values[i];
    }
    if (highest == 0 || !column_repeats(writers, count) ||
        total_bits(encoder->others, count) >= total_bits(encoder->numbers, count)) {
        put_plain(encoder, out, lowest, highest, count);
        return;
    }
    bytes_put_u8(out, COLUMN_WRITER_DELTAS);
    put_above_lowest(encoder, out, encoder->others, count);
}

/* Adds the number that up to three planes make. Blocks of a fixed size, so that a compiler sees
 * vectors in them: this is where readers spend their time. */
static void
join_three(const guint8 *restrict a, const guint8 *restrict b, const guint8 *restrict c,
           guint64 lowest, guint64 *restrict numbers, gsize count)
{
    gsize i = 0;

    for (; i + COLUMN_BLOCK <= count; i += COLUMN_BLOCK)
        for (guint k = 0; k < COLUMN_BLOCK; k++)
            numbers[i + k] = lowest + (a[i + k] | (guint32)b[i + k] << 8 | (guint32)c[i + k] << 16);
    for (; i < count; i++)
        numbers[i] = lowest + (a[i] | (guint32)b[i] << 8 | (guint32)c[i] << 16);
}

static void
join_two(const guint8 *restrict a, const guint8 *restrict b, guint64 lowest,
         guint64 *restrict numbers, gsize count)
{
    gsize i = 0;

    for (; i + COLUMN_BLOCK <= count; i += COLUMN_BLOCK)
        for (guint k = 0; k < COLUMN_BLOCK; k++)
            numbers[i + k] = lowest + (a[i + k] | (guint32)b[i + k] << 8);
    for (; i < count; i++)
        numbers[i] = lowest + (a[i] | (guint32)b[i] << 8);
}

static void
join_one(const guint8 *restrict a, guint64 lowest, guint64 *restrict numbers, gsize count)
{
    gsize i = 0;

    for (; i + COLUMN_BLOCK <= count; i += COLUMN_BLOCK)
        for (guint k = 0; k < COLUMN_BLOCK; k++)
            numbers[i + k] = lowest + a[i + k];
    for (; i < count; i++)
        numbers[i] = lowest + a[i];
}

static void
join_planes(const guint8 *const *planes, guint plane_count, guint64 lowest, guint64 *numbers,
            gsize count)
{
    switch (plane_count) {
    case 0:
        for (gsize i = 0; i < count; i++)
            numbers[i] = lowest;
        return;
    case 1:
        join_one(planes[0], lowest, numbers, count);
        return;
    case 2:
        join_two(planes[0], planes[1], lowest, numbers, count);
        return;
    default:
        join_three(planes[0], planes[1], planes[2], lowest, numbers, count);
    }
    for (guint plane = 3; plane < plane_count; plane++)
        for (gsize i = 0; i < count; i++)
            numbers[i] += (guint64)planes[plane][i] << (8 * plane);
}

static gboolean
get_above_lowest(ColumnDecoder *decoder, ByteReader *reader, guint64 *numbers, gsize count)
{
    const guint8 *planes[COLUMN_PLANES_MAX] = {NULL};
    guint64 lowest = bytes_get_u64(reader);
    guint plane_count = bytes_get_u8(reader);

    if (!reader->ok || !column_get_planes(decoder, reader, count, plane_count, planes))
        return FALSE;
    join_planes(planes, plane_count, lowest, numbers, count);
    return TRUE;
}

static gboolean
get_values(ColumnDecoder *decoder, ByteReader *reader, guint64 *numbers, guint32 count)
{
    guint64 values[VALUES_MAX];
    const guint8 *codes[COLUMN_PLANES_MAX] = {NULL};
    guint value_count = bytes_get_u8(reader) + 1u;
    guint highest = 0;

    values[0] = bytes_get_u64(reader);
    if (!get_above_lowest(decoder, reader, values + 1, value_count - 1) ||
        !column_get_planes(decoder, reader, count, 1, codes))
        return FALSE;
    for (guint i = 1; i < value_count; i++)
        values[i] += values[i - 1];
    for (guint32 i = 0; i < count; i++)
        highest = MAX(highest, codes[0][i]);
    if (highest >= value_count)
        return FALSE;
    for (guint32 i = 0; i < count; i++)
        numbers[i] = values[codes[0][i]];
    return TRUE;
}

static gboolean
get_deltas(ColumnDecoder *decoder, ByteReader *reader, guint64 *numbers, guint32 count)
{
    numbers[0] = bytes_get_u64(reader);
    if (!get_above_lowest(decoder, reader, numbers + 1, count - 1))
        return FALSE;
    for (guint32 i = 1; i < count; i++)
        numbers[i] = numbers[i - 1] + unzigzag(numbers[i]);
    return TRUE;
}

static gboolean
get_writer_deltas(ColumnDecoder *decoder, ByteReader *reader, guint64 *numbers, guint32 count,
                  const SegmentTexts *writers)
{
    if (!writers || !get_above_lowest(decoder, reader, numbers, count))
        return FALSE;
    g_autofree guint64 *last = g_new0(guint64, writers->value_count);
    for (guint32 i = 0; i < count; i++) {
        guint64 *before = &last[writers->codes[i]];
        numbers[i] = *before += unzigzag(numbers[i]);
    }
    return TRUE;
}

gboolean
column_read_numbers(ColumnDecoder *decoder, ByteReader *reader, guint64 *numbers, guint32 count,
                    const SegmentTexts *writers)
{
    switch (bytes_get_u8(reader)) {
    case COLUMN_PLANES:
        return get_above_lowest(decoder, reader, numbers, count);
    case COLUMN_VALUES:
        return get_values(decoder, reader, numbers, count);
    case COLUMN_DELTAS:
        return get_deltas(decoder, reader, numbers, count);
    case COLUMN_WRITER_DELTAS:
        return get_writer_deltas(decoder, reader, numbers, count, writers);
    default:
        return FALSE;
    }
}

gboolean
column_get_sequences(ColumnDecoder *decoder, const guint8 *bytes, gsize size_bytes, gint64 *values,
                     guint32 count, const SegmentTexts *writers)
{
    ByteReader reader = byte_reader(bytes, size_bytes);

    return column_read_numbers(decoder, &reader, (guint64 *)values, count, writers) &&
           reader.at == reader.end;
}

gboolean
column_get_numbers(ColumnDecoder *decoder, const guint8 *bytes, gsize size_bytes, gint64 *values,
                   guint32 count)
{
    return column_get_sequences(decoder, bytes, size_bytes, values, count, NULL);
}
