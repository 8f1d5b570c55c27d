/* test_column_texts.c - texts of every kind come back; bytes that are no column are refused.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/column.h"

#include <criterion/criterion.h>
#include <string.h>

enum { COUNT_MAX = 3000 };

typedef struct {
    ColumnEncoder encoder;
    ColumnDecoder decoder;
    ColumnTexts decoded;
    GByteArray *out;
    GPtrArray *texts; /* one for each event */
} Columns;

static Columns *
columns_new(void)
{
    Columns *columns = g_new0(Columns, 1);

    column_encoder_init(&columns->encoder);
    column_decoder_init(&columns->decoder);
    columns->out = g_byte_array_new();
    columns->texts = g_ptr_array_new_with_free_func(g_free);
    return columns;
}

static void
columns_free(Columns *columns)
{
    column_encoder_release(&columns->encoder);
    column_decoder_release(&columns->decoder);
    column_texts_release(&columns->decoded);
    g_byte_array_unref(columns->out);
    g_ptr_array_unref(columns->texts);
    g_free(columns);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Columns, columns_free)

static void G_GNUC_PRINTF(2, 3) add(Columns *columns, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_ptr_array_add(columns->texts, g_strdup_vprintf(format, arguments));
    va_end(arguments);
}

/* Each text by itself is the same as among the others. */
static void
expect_single(Columns *columns)
{
    const GByteArray *out = columns->out;
    guint32 count = columns->texts->len;

    cr_assert(column_read_texts(&columns->decoder, out->data, out->len, &columns->decoded, count));
    for (guint32 i = 0; i < count; i++) {
        char room[COLUMN_TEXT_ROOM_BYTES];
        guint32 size_bytes = 0;
        const char *text = column_text(&columns->decoded, i, room, &size_bytes);
        const char *expected = g_ptr_array_index(columns->texts, i);
        cr_assert_str_eq(text, expected);
        cr_assert_eq(size_bytes, strlen(expected));
    }
}

/* The column in out gives the texts, and nothing shorter or longer does. */
static void
expect_decoded(Columns *columns)
{
    GByteArray *out = columns->out;
    guint32 count = columns->texts->len;

    expect_single(columns);
    cr_assert(column_get_texts(&columns->decoder, out->data, out->len, &columns->decoded, count));
    const SegmentTexts *texts = &columns->decoded.texts;
    for (guint32 i = 0; i < count; i++) {
        const char *expected = g_ptr_array_index(columns->texts, i);
        cr_assert_lt(texts->codes[i], texts->value_count);
        cr_assert_str_eq(texts->values[texts->codes[i]], expected);
        cr_assert_eq(texts->size_bytes[texts->codes[i]], strlen(expected));
    }
    for (guint size = 0; size < out->len; size += 1 + size / 16)
        cr_assert_not(
            column_get_texts(&columns->decoder, out->data, size, &columns->decoded, count));
    g_byte_array_set_size(out, out->len + 1);
    cr_assert_not(
        column_get_texts(&columns->decoder, out->data, out->len, &columns->decoded, count));
    g_byte_array_set_size(out, 0);
}

/* Encodes as texts that do not repeat, then as texts with codes. Returns: the size of the former;
 * *encoding: its. */
static guint
expect_return(Columns *columns, guint8 *encoding)
{
    guint32 count = columns->texts->len;
    g_autofree guint32 *sizes = g_new(guint32, count);
    g_autofree guint32 *codes = g_new(guint32, count);
    g_autoptr(GPtrArray) values = g_ptr_array_new();
    g_autoptr(GHashTable) found = g_hash_table_new(g_str_hash, g_str_equal);
    SegmentTexts texts = {.value_count = count,
                          .values = (const char *const *)columns->texts->pdata,
                          .size_bytes = sizes};

    for (guint32 i = 0; i < count; i++)
        sizes[i] = (guint32)strlen(texts.values[i]);
    column_put_texts(&columns->encoder, columns->out, &texts, count);
    guint size = columns->out->len;
    *encoding = columns->out->data[0];
    expect_decoded(columns);

    for (guint32 i = 0; i < count; i++) {
        gpointer text = g_ptr_array_index(columns->texts, i);
        gpointer code = NULL;
        if (!g_hash_table_lookup_extended(found, text, NULL, &code)) {
            code = GUINT_TO_POINTER(values->len);
            sizes[values->len] = (guint32)strlen(text);
            g_hash_table_insert(found, text, code);
            g_ptr_array_add(values, text);
        }
        codes[i] = GPOINTER_TO_UINT(code);
    }
    texts = (SegmentTexts){.value_count = values->len,
                           .values = (const char *const *)values->pdata,
                           .size_bytes = sizes,
                           .codes = codes};
    column_put_texts(&columns->encoder, columns->out, &texts, count);
    expect_decoded(columns);
    return size;
}

Test(column_texts, a_text_that_all_have_is_there_once)
{
    g_autoptr(Columns) columns = columns_new();
    guint8 encoding = 0;

    for (guint i = 0; i < COUNT_MAX; i++)
        add(columns, "//millrace/job/nightly");
    cr_expect_lt(expect_return(columns, &encoding), 40);
    cr_expect_eq(encoding, COLUMN_DICTIONARY);
    cr_expect_eq(columns->decoded.texts.value_count, 1);
}

Test(column_texts, empty_texts_come_back)
{
    g_autoptr(Columns) columns = columns_new();
    guint8 encoding = 0;

    for (guint i = 0; i < 50; i++)
        add(columns, "%s", "");
    expect_return(columns, &encoding);
    for (guint i = 0; i < 50; i++)
        add(columns, "%s", i % 3 == 0 ? "a" : "");
    expect_return(columns, &encoding);
    cr_expect_eq(encoding, COLUMN_PLAIN);
}

Test(column_texts, texts_of_any_size_come_back)
{
    g_autoptr(Columns) columns = columns_new();
    guint8 encoding = 0;

    for (guint i = 0; i < 200; i++) {
        g_autofree char *text = g_strnfill(i * i, (char)('a' + i % 26));
        add(columns, "%s \xc3\xa4 %u", text, i);
    }
    expect_return(columns, &encoding);
    cr_expect_eq(encoding, COLUMN_PLAIN);
}

Test(column_texts, dictionaries_of_any_size_come_back)
{
    static const guint sizes[] = {2, 255, 256, 257, 1400, 1500, 1600};
    guint8 encoding = 0;

    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(Columns) columns = columns_new();
        for (guint k = 0; k < COUNT_MAX; k++)
            add(columns, "customer %u of many", k * k % sizes[i]);
        expect_return(columns, &encoding);
    }
}

/* The codes of more than 2^16 texts take three bytes. */
Test(column_texts, very_large_dictionaries_come_back)
{
    g_autoptr(Columns) columns = columns_new();
    guint8 encoding = 0;

    for (guint i = 0; i < 70000 * 2 + 2; i++)
        add(columns, "c%u.", i % 70000);
    expect_return(columns, &encoding);
    cr_expect_eq(columns->decoded.texts.value_count, 70000);
}

Test(column_texts, numbers_behind_a_prefix_are_kept_as_numbers)
{
    static const char *const formats[] = {"r-%u",   "%u",    "2026-11-%u",
                                          "r-%06u", "%018u", "\xc3\xa4%u"};
    guint8 encoding = 0;

    for (guint i = 0; i < G_N_ELEMENTS(formats); i++) {
        g_autoptr(Columns) columns = columns_new();
        for (guint k = 0; k < COUNT_MAX; k++) {
            char text[40];
            /* Formats are those above. */
            g_snprintf(text, sizeof text, formats[i], k * 3);
            add(columns, "%s", text);
        }
        guint size = expect_return(columns, &encoding);
        cr_expect_eq(encoding, COLUMN_NUMBERED, "%s", formats[i]);
        cr_expect_lt(size, 60, "%s: rising by three takes no room", formats[i]);
    }
}

/* Where numbers of eight digits end, which are written in another way than longer ones. */
Test(column_texts, numbers_of_every_length_come_back)
{
    for (guint width = 0; width <= 18; width++) {
        g_autoptr(Columns) columns = columns_new();
        guint64 power = 1;
        guint8 encoding = 0;
        for (guint digits = 1; digits <= (width > 0 ? width : 18); digits++) {
            for (guint k = 0; k < 4; k++) /* 1, 10, 100, …; 9, 99, 999, …; and others */
                add(columns, "\xc3\xa4-%0*" G_GUINT64_FORMAT, (int)width,
                    k == 0   ? power
                    : k == 1 ? power * 10 - 1
                             : power + (power * 9 - 1) / 7 * k);
            power *= 10;
        }
        add(columns, "\xc3\xa4-%0*u", (int)width, 0);
        expect_return(columns, &encoding);
        cr_expect_eq(encoding, COLUMN_NUMBERED, "width %u", width);
    }
}

/* Puts the same column once by its texts, once by its numbers: 0, step, 2 * step, … */
static void
expect_numbered(const char *prefix, guint32 step, guint32 count)
{
    g_autoptr(Columns) columns = columns_new();
    g_autoptr(GByteArray) out = g_byte_array_new();
    gint64 numbers[COUNT_MAX];
    guint32 sizes[COUNT_MAX];

    for (guint32 i = 0; i < count; i++) {
        numbers[i] = (gint64)i * step;
        add(columns, "%s%" G_GINT64_FORMAT, prefix, numbers[i]);
        sizes[i] = (guint32)strlen(g_ptr_array_index(columns->texts, i));
    }
    const SegmentTexts texts = {.value_count = count,
                                .values = (const char *const *)columns->texts->pdata,
                                .size_bytes = sizes};
    column_put_texts(&columns->encoder, columns->out, &texts, count);
    column_put_numbered(&columns->encoder, out, prefix, numbers, count);
    cr_assert_eq(out->len, columns->out->len);
    cr_assert_arr_eq(out->data, columns->out->data, out->len);
}

Test(column_texts, numbers_behind_a_prefix_are_the_same_bytes_as_their_texts)
{
    static const char *const prefixes[] = {"", "r-", "\xc3\xa4"};
    static const guint32 steps[] = {0, 1, 3, 1000003};

    for (guint i = 0; i < G_N_ELEMENTS(prefixes); i++) {
        for (guint k = 0; k < G_N_ELEMENTS(steps); k++) {
            expect_numbered(prefixes[i], steps[k], 1);
            expect_numbered(prefixes[i], steps[k], COUNT_MAX);
        }
    }
}

Test(column_texts, what_only_looks_like_a_number_comes_back)
{
    static const char *const odd[] = {"r-007", "r-",  "r-1x", "r-99999999999999999999", "r-0",
                                      "r-00",  "s-1", "r",    "r-1234567890123456789",  "\xd9\xa1"};
    guint8 encoding = 0;

    for (guint i = 0; i < G_N_ELEMENTS(odd); i++) {
        for (guint place = 0; place < 3; place++) {
            g_autoptr(Columns) columns = columns_new();
            for (guint k = 0; k < 40; k++)
                add(columns, "r-%u", k + 1);
            guint at = place * 39 / 2;
            g_free(g_ptr_array_steal_index(columns->texts, at));
            g_ptr_array_insert(columns->texts, (gint)at, g_strdup(odd[i]));
            expect_return(columns, &encoding);
        }
    }
}

Test(column_texts, a_character_that_is_no_digit_makes_no_number)
{
    static const char *const numbers[] = {"1", "12", "1234", "r-1234", "r-123456", "r-123456789"};
    static const char others[] = "/:\x01\x2f\x3a\x60\x7f";
    guint8 encoding = 0;

    for (guint i = 0; i < G_N_ELEMENTS(numbers); i++)
        for (guint at = 0; at < strlen(numbers[i]); at++)
            for (guint k = 0; k < sizeof others - 1; k++) {
                g_autoptr(Columns) columns = columns_new();
                g_autofree char *text = g_strdup(numbers[i]);
                text[at] = others[k];
                for (guint copy = 0; copy < 9; copy++)
                    add(columns, "%s", numbers[i]);
                add(columns, "%s", text);
                expect_return(columns, &encoding);
                cr_assert_neq(encoding, COLUMN_NUMBERED, "%s", text);
            }
}

Test(column_texts, hexadecimal_digits_take_half_a_byte)
{
    static const char *const formats[] = {"%08x-0000-4000-8000-%012x", "req_%08x%08x", "%08x%08x",
                                          "a%07xz%08x"};
    guint8 encoding = 0;

    for (guint i = 0; i < G_N_ELEMENTS(formats); i++) {
        g_autoptr(Columns) columns = columns_new();
        guint32 state = 1;
        for (guint k = 0; k < COUNT_MAX; k++) {
            char text[64];
            state = state * 1664525 + 1013904223;
            g_snprintf(text, sizeof text, formats[i], state & 0xfffffff, state);
            add(columns, "%s", text);
        }
        guint size = expect_return(columns, &encoding);
        cr_expect_eq(encoding, COLUMN_HEX, "%s", formats[i]);
        cr_expect_leq(size, 70 + COUNT_MAX * 8);
    }
}

Test(column_texts, digits_in_upper_case_or_of_another_size_come_back)
{
    static const char *const odd[] = {"DEADBEEF", "deadbee", "deadbeef0", "deadbeeg", ""};
    guint8 encoding = 0;

    for (guint i = 0; i < G_N_ELEMENTS(odd); i++) {
        g_autoptr(Columns) columns = columns_new();
        for (guint k = 0; k < 40; k++)
            add(columns, "%08x", k * 0x1a2b3c4d);
        add(columns, "%s", odd[i]);
        expect_return(columns, &encoding);
        cr_expect_eq(encoding, COLUMN_PLAIN);
    }
}

Test(column_texts, ids_come_back_from_their_bytes)
{
    g_autoptr(Columns) columns = columns_new();
    guint8 raw[2 * COLUMN_ID_BYTES];

    for (guint i = 0; i < sizeof raw; i++)
        raw[i] = (guint8)(i * 8);
    add(columns, "00081018202830384048505860687078");
    add(columns, "80889098a0a8b0b8c0c8d0d8e0e8f0f8");
    column_put_ids(columns->out, raw, 2);
    expect_decoded(columns);
}

static gboolean
decodes(Columns *columns, const void *bytes, gsize size_bytes, guint32 count)
{
    return column_get_texts(&columns->decoder, bytes, size_bytes, &columns->decoded, count);
}

Test(column_texts, plain_texts_that_do_not_add_up_are_refused)
{
    g_autoptr(Columns) columns = columns_new();
    /* Encoding 17: size of the texts, the part's size, "ab" and "c". */
    guint8 bytes[] = {17, 5, 0, 0, 0, 5, 0, 0, 0, 'a', 'b', 0, 'c', 0};

    cr_expect(decodes(columns, bytes, sizeof bytes, 2));
    cr_expect_not(decodes(columns, bytes, sizeof bytes, 1), "two texts are not one");
    cr_expect_not(decodes(columns, bytes, sizeof bytes, 3), "nor three");
    bytes[13] = 'd';
    cr_expect_not(decodes(columns, bytes, sizeof bytes, 2), "the last has no NUL");
    bytes[13] = 0;
    bytes[9] = 0xff;
    cr_expect_not(decodes(columns, bytes, sizeof bytes, 2), "no UTF-8");
}

Test(column_texts, dictionaries_that_do_not_add_up_are_refused)
{
    g_autoptr(Columns) columns = columns_new();
    /* Encoding 16: two values, plain "a" and "b"; a plane of three codes. */
    guint8 bytes[] = {16, 2,   0, 0,   0, 17, 4, 0, 0, 0, 4, 0, 0,
                      0,  'a', 0, 'b', 0, 3,  0, 0, 0, 1, 0, 1};

    cr_assert(decodes(columns, bytes, sizeof bytes, 3));
    cr_expect_str_eq(columns->decoded.texts.values[columns->decoded.texts.codes[0]], "b");
    bytes[24] = 2;
    cr_expect_not(decodes(columns, bytes, sizeof bytes, 3), "a code beyond");
    bytes[24] = 1;
    bytes[5] = 16;
    cr_expect_not(decodes(columns, bytes, sizeof bytes, 3), "a dictionary of dictionaries");
    bytes[5] = 17;
    bytes[1] = 0;
    cr_expect_not(decodes(columns, bytes, sizeof bytes, 3), "no values");
    bytes[1] = 4;
    cr_expect_not(decodes(columns, bytes, sizeof bytes, 3), "more values than events");
}

Test(column_texts, numbered_and_digits_that_do_not_add_up_are_refused)
{
    g_autoptr(Columns) columns = columns_new();
    /* Encoding 19: "r", at least two digits, offsets from 7 without planes. */
    guint8 numbered[] = {19, 1, 'r', 2, 1, 7, 0, 0, 0, 0, 0, 0, 0, 0};
    /* Encoding 18: "x" and a digit; of two texts. */
    guint8 hex[] = {18, 2, 'x', 0, 0xa0, 0xb0};

    cr_assert(decodes(columns, numbered, sizeof numbered, 1));
    cr_expect_str_eq(columns->decoded.texts.values[0], "r07");
    numbered[12] = 0x0f; /* above 10^18 */
    cr_expect_not(decodes(columns, numbered, sizeof numbered, 1));
    numbered[12] = 0;
    numbered[3] = 19;
    cr_expect_not(decodes(columns, numbered, sizeof numbered, 1), "19 digits");
    numbered[3] = 2;
    numbered[2] = 0xc3;
    cr_expect_not(decodes(columns, numbered, sizeof numbered, 1), "no UTF-8");

    cr_assert(decodes(columns, hex, sizeof hex, 2));
    cr_expect_str_eq(columns->decoded.texts.values[0], "xa");
    cr_expect_str_eq(columns->decoded.texts.values[1], "xb");
    hex[2] = 0xc3;
    cr_expect_not(decodes(columns, hex, sizeof hex, 2), "no UTF-8");
    hex[1] = 64;
    cr_expect_not(decodes(columns, hex, sizeof hex, 2), "too long");
}
