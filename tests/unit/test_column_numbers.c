/* test_column_numbers.c - numbers of every kind come back; bytes that are no column are refused.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/column.h"

#include <criterion/criterion.h>
#include <string.h>

enum { COUNT_MAX = 3000 };

typedef struct {
    ColumnEncoder encoder;
    ColumnDecoder decoder;
    GByteArray *out;
    gint64 values[COUNT_MAX];
    gint64 decoded[COUNT_MAX];
} Columns;

static Columns *
columns_new(void)
{
    Columns *columns = g_new0(Columns, 1);

    column_encoder_init(&columns->encoder);
    column_decoder_init(&columns->decoder);
    columns->out = g_byte_array_new();
    return columns;
}

static void
columns_free(Columns *columns)
{
    column_encoder_release(&columns->encoder);
    column_decoder_release(&columns->decoder);
    g_byte_array_unref(columns->out);
    g_free(columns);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Columns, columns_free)

/* The column in out gives the values, and nothing shorter or longer does. */
static void
expect_decoded(Columns *columns, guint32 count, const SegmentTexts *writers)
{
    GByteArray *out = columns->out;

    memset(columns->decoded, 0xa5, sizeof columns->decoded);
    cr_assert(column_get_sequences(&columns->decoder, out->data, out->len, columns->decoded, count,
                                   writers));
    cr_assert_arr_eq(columns->decoded, columns->values, count * sizeof(gint64));
    for (guint size = 0; size < out->len; size += 1 + size / 16)
        cr_assert_not(column_get_sequences(&columns->decoder, out->data, size, columns->decoded,
                                           count, writers));
    g_byte_array_set_size(out, out->len + 1);
    cr_assert_not(column_get_sequences(&columns->decoder, out->data, out->len, columns->decoded,
                                       count, writers));
    g_byte_array_set_size(out, 0);
}

/* By each encoder. Returns: the size by column_put_numbers(). */
static guint
expect_return(Columns *columns, guint32 count)
{
    column_put_rising(&columns->encoder, columns->out, columns->values, count);
    expect_decoded(columns, count, NULL);
    column_put_numbers(&columns->encoder, columns->out, columns->values, count);
    guint size = columns->out->len;
    expect_decoded(columns, count, NULL);
    return size;
}

Test(column_numbers, constants_take_no_room)
{
    g_autoptr(Columns) columns = columns_new();
    static const gint64 constants[] = {0, 1, -1, G_MININT64, G_MAXINT64};

    for (guint i = 0; i < G_N_ELEMENTS(constants); i++) {
        for (guint k = 0; k < COUNT_MAX; k++)
            columns->values[k] = constants[i];
        cr_expect_eq(expect_return(columns, 1), 10);
        cr_expect_eq(expect_return(columns, COUNT_MAX), 10);
    }
}

Test(column_numbers, numbers_of_every_width_come_back)
{
    g_autoptr(Columns) columns = columns_new();

    for (guint bits = 1; bits <= 64; bits++) {
        guint64 state = bits;
        for (guint32 i = 0; i < COUNT_MAX; i++) {
            state = state * G_GUINT64_CONSTANT(6364136223846793005) + 1;
            columns->values[i] = (gint64)(state >> (64 - bits));
        }
        guint size = expect_return(columns, COUNT_MAX);
        cr_expect_leq(size, 10 + (bits + 7) / 8 * (COUNT_MAX + 4));
        expect_return(columns, 1);
        expect_return(columns, 2);
        expect_return(columns, 23);
    }
}

Test(column_numbers, the_whole_range_comes_back)
{
    g_autoptr(Columns) columns = columns_new();
    static const gint64 extremes[] = {G_MAXINT64, G_MININT64, 0, G_MAXINT64, -1, G_MININT64};

    memcpy(columns->values, extremes, sizeof extremes);
    expect_return(columns, G_N_ELEMENTS(extremes));
}

/* 8 values of 24 bits: three bits each are the information in them. */
Test(column_numbers, few_values_take_little_room)
{
    g_autoptr(Columns) columns = columns_new();

    for (guint32 i = 0; i < COUNT_MAX; i++)
        columns->values[i] = (gint64)(i * i % 8) * 1234567;
    cr_expect_lt(expect_return(columns, COUNT_MAX), COUNT_MAX / 2);
    for (guint32 i = 0; i < COUNT_MAX; i++) /* as many as can be, and one more */
        columns->values[i] = (gint64)(i % 256) * -1234567;
    expect_return(columns, COUNT_MAX);
    for (guint32 i = 0; i < COUNT_MAX; i++)
        columns->values[i] = (gint64)(i % 257) * 1234567;
    expect_return(columns, COUNT_MAX);
}

Test(column_numbers, times_that_rise_take_the_room_of_their_steps)
{
    g_autoptr(Columns) columns = columns_new();

    for (guint32 i = 0; i < COUNT_MAX; i++)
        columns->values[i] = 1793491200000000 + (gint64)i * 1000000 + i * 37 % 100;
    column_put_rising(&columns->encoder, columns->out, columns->values, COUNT_MAX);
    cr_expect_lt(columns->out->len, COUNT_MAX * 2);
    expect_decoded(columns, COUNT_MAX, NULL);
}

Test(column_numbers, sequences_are_small_beside_those_of_their_writer)
{
    g_autoptr(Columns) columns = columns_new();
    static const char *const names[] = {"a", "b", "c"};
    static const guint32 sizes[] = {1, 1, 1};
    guint32 codes[COUNT_MAX];
    SegmentTexts writers = {.value_count = 3, .values = names, .size_bytes = sizes, .codes = codes};

    for (guint32 i = 0; i < COUNT_MAX; i++) {
        codes[i] = i % 3;
        columns->values[i] = (gint64)(i % 3) * 123456789012 + i / 3;
    }
    column_put_sequences(&columns->encoder, columns->out, columns->values, COUNT_MAX, &writers);
    cr_expect_lt(columns->out->len, 400);
    cr_expect_not(column_get_numbers(&columns->decoder, columns->out->data, columns->out->len,
                                     columns->decoded, COUNT_MAX),
                  "without writers there is nothing to add to");
    expect_decoded(columns, COUNT_MAX, &writers);

    columns->values[7] = (gint64)G_MAXUINT64;
    columns->values[8] = G_MININT64;
    column_put_sequences(&columns->encoder, columns->out, columns->values, COUNT_MAX, &writers);
    expect_decoded(columns, COUNT_MAX, &writers);
}

Test(column_numbers, a_code_beyond_the_values_is_refused)
{
    g_autoptr(Columns) columns = columns_new();
    /* Encoding 2: two values, 5 and 6; a part of three codes. */
    guint8 bytes[] = {2, 1, 5, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 1, 1};
    static const gint64 expected[] = {5, 6, 6};

    cr_assert(column_get_numbers(&columns->decoder, bytes, sizeof bytes, columns->decoded, 3));
    cr_expect_arr_eq(columns->decoded, expected, sizeof expected);
    bytes[sizeof bytes - 1] = 2;
    cr_expect_not(column_get_numbers(&columns->decoder, bytes, sizeof bytes, columns->decoded, 3));
}

Test(column_numbers, planes_beyond_the_eighth_and_unknown_encodings_are_refused)
{
    g_autoptr(Columns) columns = columns_new();
    guint8 bytes[10 + 9 * 5] = {1, [9] = 9};

    for (guint plane = 0; plane < 9; plane++)
        bytes[10 + 5 * plane] = 1; /* a part of one byte */
    cr_expect_not(column_get_numbers(&columns->decoder, bytes, sizeof bytes, columns->decoded, 1));
    bytes[9] = 8;
    cr_expect(column_get_numbers(&columns->decoder, bytes, sizeof bytes - 5, columns->decoded, 1));
    bytes[9] = 0;
    for (guint encoding = 0; encoding < 256; encoding++) {
        bytes[0] = (guint8)encoding;
        cr_expect_eq(column_get_numbers(&columns->decoder, bytes, 10, columns->decoded, 1),
                     encoding == 1, "%u", encoding);
    }
}
