/* test_usage_quick.c - lines read the quick way are read as the strict parser reads them, or are
 * left as they were.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/usage.h"

#include <criterion/criterion.h>
#include <string.h>

#include "tests/unit/usage_line.h"

enum { GOOD_BYTES = sizeof ok_line - 1 };

/* Reads text, of size_bytes to the byte, where sizes are guess. Returns: whether it is a line of
 * ours; then its event is what the strict parser says, else it is as it was. */
static gboolean
quick_guessed(const char *text, gsize size_bytes, const UsageSizes *guess)
{
    g_autofree char *copy = g_malloc(size_bytes + 1);
    UsageEvent event = {.sizes = *guess};

    memcpy(copy, text, size_bytes);
    copy[size_bytes] = '\0';
    const char *behind = usage_line_quick(copy, copy + size_bytes, &event);
    if (!behind) {
        cr_assert_arr_eq(copy, text, size_bytes, "%.*s", (int)size_bytes, text);
        return FALSE;
    }
    gsize line_bytes = (gsize)(behind - copy);
    cr_assert(line_bytes >= 1 && line_bytes <= size_bytes);
    cr_assert_eq(text[line_bytes - 1], '\n');
    cr_assert_null(memchr(text, '\n', line_bytes - 1));
    g_autoptr(Line) line = read_line(text, line_bytes - 1);
    cr_assert_null(line->reason, "%.*s: %s", (int)size_bytes, text, line->reason);
    expect_equal(&event, &line->event);
    expect_measured(&event);
    return TRUE;
}

/* The same, whatever the line before was like. */
static gboolean
quick(const char *text, gsize size_bytes)
{
    UsageEvent good = ok_event;

    usage_event_measure(&good);
    gboolean read = quick_guessed(text, size_bytes, &good.sizes);
    for (guint32 i = 0; i < 36; i++) {
        const UsageSizes guess = {i, i, i, i, i, i, i, i, i, i, i};
        cr_expect_eq(quick_guessed(text, size_bytes, &guess), read, "%u: %s", i, text);
    }
    return read;
}

static void
expect_quick(const char *part, const char *replacement, gboolean expected)
{
    g_autofree char *text = with(part, replacement);

    cr_expect_eq(quick(text, strlen(text)), expected, "%s", text);
}

Test(usage_quick, a_printed_line_is_read_to_behind_its_end)
{
    g_autofree char *two = g_strconcat(ok_line, ok_line, NULL);
    UsageEvent event = {0};

    cr_assert_eq(usage_line_quick(two, two + strlen(two), &event), two + GOOD_BYTES);
    expect_equal(&event, &ok_event);
    expect_measured(&event);
    cr_expect_str_eq(two + GOOD_BYTES, ok_line);
}

/* The end of a text is looked for in blocks of 16 bytes. */
Test(usage_quick, texts_of_any_size_are_read)
{
    for (gsize i = 1; i < 70; i++) {
        g_autofree char *text = g_strnfill(i, 'x');
        g_autofree char *quoted = g_strconcat("\"", text, "\"", NULL);
        expect_quick("\"ad01c3ef0925141e713b6de4e2b3712e\"", quoted, TRUE);
        expect_quick("\"acme\"", quoted, TRUE);
        expect_quick("\"n07\"", quoted, TRUE);
        g_autofree char *beyond = g_strconcat("\"", text, "\xc3\xbc\"", NULL);
        expect_quick("\"acme\"", beyond, FALSE);
        g_autofree char *control = g_strconcat("\"", text, "\x1f\"", NULL);
        expect_quick("\"n07\"", control, FALSE);
    }
}

Test(usage_quick, members_that_are_not_there_are_empty)
{
    expect_quick("\"subject\":\"acme\",", "", TRUE);
    expect_quick("\"writer\":\"n07-3-1\",\"sequence\":\"00000000000000000042\",", "", TRUE);
    expect_quick("\"request\":\"r-1\",", "", TRUE);
    expect_quick("\"bytes_in\":1000,\"bytes_out\":300,\"pixels_in\":307200,", "", TRUE);
    expect_quick(",\"cpu_us\":5,\"wall_us\":9,\"node\":\"n07\"", "", TRUE);
    expect_quick("\"op\":\"resize\",\"format\":\"webp\",\"status\":\"ok\",", "", TRUE);
    expect_quick("\"pixels_out\":76800,", "", TRUE);
}

Test(usage_quick, what_we_do_not_print_is_left_as_it_was)
{
    expect_quick("\"id\":\"ad01c3ef0925141e713b6de4e2b3712e\",", "", FALSE);
    expect_quick("\"time\":\"2026-11-22T10:00:00.123456Z\",", "", FALSE);
    expect_quick("\"acme\"", "\"a\\\"me\"", FALSE);
    expect_quick("\"n07\"", "\"m\xc3\xbcnchen\"", FALSE);
    expect_quick("\"n07\"", "\"\\\"data\\\":,\"", FALSE);
    expect_quick("\"n07\"}", "\"n07\",\"more\":1}", FALSE);
    expect_quick("}}\n", "}} \n", FALSE);
    expect_quick("}}\n", "},\"more\":1}\n", FALSE);
    expect_quick("}}\n", "}}", FALSE);
    g_autofree char *digits = g_strnfill(USAGE_LINE_MAX_BYTES, 'x');
    g_autofree char *longer = g_strconcat("\"", digits, "\"", NULL);
    expect_quick("\"r-1\"", longer, FALSE);
}

Test(usage_quick, a_line_cut_or_changed_anywhere_is_read_alike_or_left)
{
    static const char others[] = {'\0', '\n', '"', '\\', '{', '}', ',', ':', '0', '9', 'a', '\x80'};

    cr_assert(quick(ok_line, GOOD_BYTES));
    for (gsize i = 0; i < GOOD_BYTES; i++)
        cr_expect_not(quick(ok_line, i));
    for (gsize i = 0; i < GOOD_BYTES; i++) {
        char text[sizeof ok_line];
        memcpy(text, ok_line, sizeof text);
        for (gsize k = 0; k < sizeof others; k++) {
            text[i] = others[k];
            quick(text, GOOD_BYTES);
        }
    }
}
