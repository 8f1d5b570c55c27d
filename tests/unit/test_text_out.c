/* test_text_out.c - pieces of every size, numbers at their ends.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/text_out.h"

#include <criterion/criterion.h>

static void
expect_uint(guint64 value, const char *expected)
{
    char text[TEXT_UINT_MAX_BYTES + 1];
    *text_put_uint(text, value) = '\0';
    cr_expect_str_eq(text, expected);
}

Test(text_out, numbers_are_written_to_their_last_digit)
{
    expect_uint(0, "0");
    expect_uint(7, "7");
    expect_uint(10, "10");
    expect_uint(99, "99");
    expect_uint(100, "100");
    expect_uint(101, "101");
    expect_uint(1234567, "1234567");
    expect_uint(G_MAXUINT64, "18446744073709551615");
}

Test(text_out, pieces_of_every_size_are_copied_whole_and_nothing_else)
{
    char source[80];
    for (guint i = 0; i < sizeof source; i++)
        source[i] = (char)('!' + i);
    for (gsize size = 0; size < sizeof source; size++) {
        char target[sizeof source + 1];
        memset(target, '.', sizeof target);
        cr_expect_eq(text_put(target, source, size), target + size);
        cr_expect_eq(memcmp(target, source, size), 0, "size %zu", size);
        cr_expect_eq(target[size], '.', "size %zu", size);
    }
}

Test(text_out, room_is_made_behind_what_is_there)
{
    g_autoptr(GString) out = g_string_new("a,");
    for (guint i = 0; i < 1000; i++) {
        char *at = text_reserve(out, 10);
        text_commit(out, text_put(at, "0123456789", 10));
    }
    cr_expect_eq(out->len, 10002);
    cr_expect_eq(strlen(out->str), 10002);
    cr_expect(g_str_has_prefix(out->str, "a,01234567890123456789"));
    text_commit(out, text_reserve(out, 0));
    cr_expect_eq(out->len, 10002);
}
