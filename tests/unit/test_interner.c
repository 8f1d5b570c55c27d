/* test_interner.c - texts and their numbers.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/interner.h"

#include <string.h>

#include <criterion/criterion.h>

Test(interner, texts_are_numbered_in_the_order_of_first_use)
{
    static const char *const texts[] = {"b", "a", "b", "", "a", "c", ""};
    static const guint32 expected[] = {0, 1, 0, 2, 1, 3, 2};
    g_autoptr(Interner) interner = interner_new();

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++)
        cr_expect_eq(interner_add(interner, texts[i], strlen(texts[i])), expected[i], "%u", i);
    cr_expect_eq(interner_count(interner), 4);
    cr_expect_str_eq(interner_text(interner, 0), "b");
    cr_expect_str_eq(interner_text(interner, 2), "");
    cr_expect_eq(interner_text_size(interner, 2), 0);
    cr_expect_eq(interner_text_size(interner, 3), 1);
}

Test(interner, the_size_is_part_of_a_text)
{
    g_autoptr(Interner) interner = interner_new();

    cr_expect_eq(interner_add(interner, "abc", 3), 0);
    cr_expect_eq(interner_add(interner, "abc", 2), 1);
    cr_expect_eq(interner_add(interner, "abX", 2), 1);
    cr_expect_str_eq(interner_text(interner, 1), "ab", "a NUL is put behind it");
}

Test(interner, a_text_is_copied)
{
    g_autoptr(Interner) interner = interner_new();
    char text[] = "short-lived";

    cr_expect_eq(interner_add(interner, text, strlen(text)), 0);
    memset(text, 'x', strlen(text));
    cr_expect_str_eq(interner_text(interner, 0), "short-lived");
    cr_expect_eq(interner_add(interner, "short-lived", 11), 0);
}

/* Beside GLib's table, through many sizes of ours. */
Test(interner, a_hundred_thousand_texts_keep_their_numbers)
{
    g_autoptr(Interner) interner = interner_new();
    g_autoptr(GHashTable) numbers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < 200000; i++) {
        char text[32];
        g_snprintf(text, sizeof text, "customer-%u", (i * 2654435761u) % 100003);
        guint32 number = interner_add(interner, text, strlen(text));
        gpointer known = NULL;
        if (g_hash_table_lookup_extended(numbers, text, NULL, &known))
            cr_assert_eq(number, GPOINTER_TO_UINT(known));
        else
            cr_assert_eq(number, g_hash_table_size(numbers));
        g_hash_table_insert(numbers, g_strdup(text), GUINT_TO_POINTER(number));
        cr_assert_str_eq(interner_text(interner, number), text);
    }
    cr_expect_eq(interner_count(interner), g_hash_table_size(numbers));
}

Test(interner, texts_of_any_size_stay_where_they_are)
{
    g_autoptr(Interner) interner = interner_new();
    const char *places[40];

    for (guint i = 0; i < G_N_ELEMENTS(places); i++) {
        g_autofree char *text = g_strnfill((gsize)i * 4000, (char)('a' + i % 26));
        guint32 number = interner_add(interner, text, (gsize)i * 4000);
        cr_assert_eq(number, i);
        places[i] = interner_text(interner, number);
    }
    for (guint i = 0; i < G_N_ELEMENTS(places); i++) {
        cr_expect_eq(interner_text(interner, i), places[i], "text %u has moved", i);
        cr_expect_eq(strlen(places[i]), (gsize)i * 4000);
        cr_expect(i == 0 || places[i][i * 4000 - 1] == (char)('a' + i % 26));
    }
    cr_expect_geq(interner_size(interner), 40 * 39 / 2 * 4000, "their memory is counted");
}

Test(interner, what_is_forgotten_is_numbered_anew)
{
    g_autoptr(Interner) interner = interner_new();
    gsize empty_bytes = interner_size(interner);

    for (guint i = 0; i < 50000; i++)
        interner_add(interner, (const char *)&i, sizeof i);
    cr_expect_gt(interner_size(interner), empty_bytes + 50000 * 5);
    interner_clear(interner);
    cr_expect_eq(interner_count(interner), 0);
    cr_expect_eq(interner_size(interner), empty_bytes, "the memory is given back");
    cr_expect_eq(interner_add(interner, "first", 5), 0);
}
