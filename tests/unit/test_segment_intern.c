/* test_segment_intern.c - one code for equal texts, another for any other.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/segment_intern.h"

#include <criterion/criterion.h>

typedef struct {
    SegmentIntern intern;
    GStringChunk *copies;
} Table;

static void
table_clear(Table *table)
{
    segment_intern_release(&table->intern);
    if (table->copies)
        g_string_chunk_free(table->copies);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Table, table_clear)

/* The text lies in memory of its own, to the byte, so that sanitizers see what is read beyond. */
static guint32
add(Table *table, const char *text)
{
    g_autofree char *bytes = g_strdup(text);
    guint32 code = segment_intern_add(&table->intern, bytes, (guint32)strlen(bytes), table->copies);

    cr_assert_lt(code, table->intern.count);
    cr_assert_str_eq(table->intern.entries[code].text, text);
    return code;
}

enum { SIZE_MAX_BYTES = 70 };

/* A text of size bytes, with another letter at one place, if it has that place. */
static void
put_text(char text[SIZE_MAX_BYTES + 1], guint size, guint changed)
{
    memset(text, 'a', size);
    text[size] = '\0';
    if (changed < size)
        text[changed] = 'b';
}

Test(segment_intern, texts_that_differ_in_a_byte_or_in_length_have_codes_of_their_own)
{
    g_auto(Table) table = {.copies = g_string_chunk_new(4096)};
    char text[SIZE_MAX_BYTES + 1];
    guint32 expected = 0;

    for (guint round = 0; round < 2; round++) {
        expected = 0;
        for (guint size = 0; size <= SIZE_MAX_BYTES; size++)
            for (guint changed = 0; changed <= size; changed++) {
                put_text(text, size, changed);
                cr_assert_eq(add(&table, text), expected, "%s", text);
                expected++;
            }
    }
    cr_expect_eq(table.intern.count, expected);
}

Test(segment_intern, a_long_text_again_has_its_code)
{
    g_auto(Table) table = {.copies = g_string_chunk_new(4096)};

    cr_expect_eq(add(&table, "//millrace/job/nightly-01"), 0);
    cr_expect_eq(add(&table, "//millrace/job/nightly-01"), 0);
    cr_expect_eq(add(&table, "//millrace/job/nightly-02"), 1);
    cr_expect_eq(add(&table, "//millrace/job/nightly-01"), 0);
    cr_expect_eq(add(&table, "short"), 2);
    cr_expect_eq(add(&table, "//millrace/job/nightly-01"), 0);
}

Test(segment_intern, united_tables_have_one_code_for_a_text)
{
    g_auto(Table) left = {.copies = g_string_chunk_new(4096)};
    g_auto(Table) right = {.copies = g_string_chunk_new(4096)};
    SegmentIntern all = {0};
    guint32 codes[4] = {0};

    add(&left, "acme");
    add(&left, "//millrace/job/nightly-01");
    add(&left, "");
    add(&right, "//millrace/job/nightly-01");
    add(&right, "globex");
    add(&right, "");
    add(&right, "acme");
    segment_intern_unite(&all, &left.intern, codes);
    cr_expect(codes[0] == 0 && codes[1] == 1 && codes[2] == 2);
    segment_intern_unite(&all, &right.intern, codes);
    cr_expect(codes[0] == 1 && codes[1] == 3 && codes[2] == 2 && codes[3] == 0);
    cr_expect_eq(all.count, 4);
    segment_intern_release(&all);
}

/* With a secret that is known, texts whose head is the secret would all have the hash 0. */
Test(segment_intern, texts_made_to_collide_do_not)
{
    enum { TEXTS = 1000 };
    guint64 known = segment_intern_secret[0];
    guint32 words[4] = {(guint32)(known >> 32), 0, (guint32)known, 0};
    guint same = 0;

    for (guint32 drawn = 0; drawn < 2; drawn++) {
        same = 0;
        for (words[1] = 0; words[1] < TEXTS; words[1]++)
            same += segment_intern_key((const char *)words, sizeof words).hash == 0;
        cr_assert_eq(same, drawn ? 0 : TEXTS);
        segment_intern_draw();
    }
}
