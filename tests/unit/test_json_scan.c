/* test_json_scan.c - what RFC 8259 takes for a value, and what it does not.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/json_scan.h"

#include <criterion/criterion.h>
#include <string.h>

/* Whether text, in memory of its own, is one value. */
static gboolean
is_value(const char *text)
{
    g_autofree char *copy = g_strdup(text);
    JsonScan scan = {.at = copy, .end = copy + strlen(copy)};

    return json_scan_value(&scan, JSON_SCAN_DEPTH_MAX) && scan.at == scan.end;
}

static void
expect_string(const char *text, const char *expected, guint expected_flags)
{
    g_autofree char *copy = g_strdup(text);
    JsonScan scan = {.at = copy, .end = copy + strlen(copy)};
    guint flags = 0;

    cr_assert(json_scan_string(&scan, &flags), "%s: expected %s", text, scan.expected);
    cr_expect_eq(scan.at, scan.end);
    cr_expect_eq(flags, expected_flags, "%s: %u", text, flags);
    gsize size_bytes = json_unescape(copy + 1, strlen(text) - 2);
    cr_expect_eq(size_bytes, strlen(expected), "%s", text);
    cr_expect_eq(memcmp(copy + 1, expected, size_bytes), 0, "%s", text);
}

Test(json_scan, values_are_taken)
{
    static const char *const good[] = {"0",
                                       "-0",
                                       "1",
                                       "-1",
                                       "10",
                                       "1.5",
                                       "-0.0",
                                       "1e3",
                                       "1E+3",
                                       "1e-3",
                                       "0.1e10",
                                       "123456789012",
                                       "1e999",
                                       "true",
                                       "false",
                                       "null",
                                       "\"\"",
                                       "\"a\"",
                                       "[]",
                                       "{}",
                                       "[ ]",
                                       "{ }",
                                       "[1]",
                                       "[1,2]",
                                       "[ 1 ,\t2\r]",
                                       "{\"a\":1}",
                                       "{ \"a\" : 1 , \"b\" : [ { } ] }",
                                       "[[[]],{}]",
                                       "[{\"a\":{}}]",
                                       "{\"\":\"\"}",
                                       "\"\xc3\xa9\"",
                                       "\"\xf4\x8f\xbf\xbf\"",
                                       "\"\x7f\"",
                                       "[null,true]"};

    for (guint i = 0; i < G_N_ELEMENTS(good); i++)
        cr_expect(is_value(good[i]), "%s", good[i]);
}

Test(json_scan, what_is_no_value_is_refused)
{
    static const char *const bad[] = {"",
                                      " ",
                                      "-",
                                      "+1",
                                      "01",
                                      "-01",
                                      ".5",
                                      "1.",
                                      "1.e3",
                                      "1e",
                                      "1e+",
                                      "0x1",
                                      "NaN",
                                      "Infinity",
                                      "tru",
                                      "True",
                                      "nul",
                                      "nulll",
                                      "'a'",
                                      "\"",
                                      "\"a",
                                      "a\"",
                                      "\"\t\"",
                                      "\"\n\"",
                                      "\"\x1f\"",
                                      "[",
                                      "]",
                                      "[1",
                                      "[1,",
                                      "[1,]",
                                      "[,1]",
                                      "[,]",
                                      "[1 2]",
                                      "[1]]",
                                      "[1}",
                                      "{",
                                      "}",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\":1",
                                      "{\"a\":1,",
                                      "{\"a\":1,}",
                                      "{,}",
                                      "{a:1}",
                                      "{1:1}",
                                      "{\"a\" 1}",
                                      "{\"a\":1]",
                                      "{\"a\":1 \"b\":2}",
                                      "{\"a\":1}}",
                                      "[\n]",
                                      "1 ",
                                      "\"\\\"",
                                      "\"\\a\"",
                                      "\"\\u\"",
                                      "\"\\u12\"",
                                      "\"\\u123\"",
                                      "\"\\u123g\"",
                                      "\"\\U1234\"",
                                      "\"\\u 123\"",
                                      "\"\\ud800\"",
                                      "\"\\udc00\"",
                                      "\"\\ud800\\ud800\"",
                                      "\"\\ud800x\"",
                                      "\"\\ud800\\n\"",
                                      "\"\\ud800\\u\"",
                                      "\"\\udc00\\ud800\"",
                                      "\"\\ud800\\u0041\"",
                                      "{\"\\u0000\":1}",
                                      "\"\x80\"",
                                      "\"\xc0\x80\"",
                                      "\"\xc3\"",
                                      "\"\xed\xa0\x80\"",
                                      "\"\xf4\x90\x80\x80\"",
                                      "\"\xff\"",
                                      "\"\xe2\x82\"",
                                      "//",
                                      "[1,/**/2]"};

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
        cr_expect_not(is_value(bad[i]), "%s", bad[i]);
}

Test(json_scan, a_string_ends_wherever_its_quote_stands)
{
    for (guint length = 0; length < 40; length++) {
        g_autofree char *letters = g_strnfill(length, 'x');
        g_autofree char *quoted = g_strdup_printf("\"%s\"", letters);
        expect_string(quoted, letters, 0);
        g_autofree char *with_escape = g_strdup_printf("\"%s\\n%s\"", letters, letters);
        g_autofree char *unescaped = g_strdup_printf("%s\n%s", letters, letters);
        expect_string(with_escape, unescaped, JSON_STRING_ESCAPES);
        g_autofree char *control = g_strdup_printf("\"%s\x1f%s\"", letters, letters);
        cr_expect_not(is_value(control), "%s", control);
        g_autofree char *torn = g_strdup_printf("\"%s\xc3%s\"", letters, letters);
        cr_expect_not(is_value(torn), "%s", torn);
        g_autofree char *open = g_strdup_printf("\"%s", letters);
        cr_expect_not(is_value(open), "%s", open);
    }
}

Test(json_scan, strings_are_told_by_their_escapes)
{
    expect_string("\"a b\"", "a b", 0);
    expect_string("\"\\\"\\\\\\b\\f\\n\\r\\t\"", "\"\\\b\f\n\r\t", JSON_STRING_ESCAPES);
    expect_string("\"\\u0001\\u001f\"", "\x01\x1f", JSON_STRING_ESCAPES);
    expect_string("\"\\/\"", "/", JSON_STRING_ESCAPES | JSON_STRING_FOREIGN);
    expect_string("\"\\u000a\"", "\n", JSON_STRING_ESCAPES | JSON_STRING_FOREIGN);
    expect_string("\"\\u001F\"", "\x1f", JSON_STRING_ESCAPES | JSON_STRING_FOREIGN);
    expect_string("\"\\u20ac\"", "\xe2\x82\xac", JSON_STRING_ESCAPES | JSON_STRING_FOREIGN);
    expect_string("\"\\uD83D\\uDE00\"", "\xf0\x9f\x98\x80",
                  JSON_STRING_ESCAPES | JSON_STRING_FOREIGN);
    expect_string("\"\\udbff\\udfff\"", "\xf4\x8f\xbf\xbf",
                  JSON_STRING_ESCAPES | JSON_STRING_FOREIGN);
}

Test(json_scan, nesting_ends_where_it_is_told)
{
    char text[] = "[{\"a\":[]}]";

    for (guint depth = 0; depth < 6; depth++) {
        g_autofree char *copy = g_strdup(text);
        JsonScan scan = {.at = copy, .end = copy + strlen(copy)};
        cr_expect_eq(json_scan_value(&scan, depth), depth >= 3, "%u", depth);
    }
}

Test(json_scan, plain_text_needs_no_escapes)
{
    cr_expect(json_is_plain("", 0));
    cr_expect(json_is_plain("a /\x7f", 4));
    cr_expect(json_is_plain("0123456789abcdef", 16));
    cr_expect_not(json_is_plain("0123456789abcde\"", 16));
    cr_expect_not(json_is_plain("01234567\\", 9));
    cr_expect_not(json_is_plain("\xc3\xa9", 2));
    cr_expect_not(json_is_plain("0123456789abcd\xc3\xa9", 16));
    cr_expect_not(json_is_plain("a\nb", 3));
}
