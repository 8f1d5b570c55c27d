/* test_json.c - what the appender writes, character by character, and what the reader refuses.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/json.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <string.h>

#include "formats/error.h"

static void
expect_text(const char *got, const char *expected)
{
    gboolean same = strcmp(got, expected) == 0;
    cr_expect(same, "got:\n%s\nexpected:\n%s", got, expected);
}

static void
expect_string(const char *value, const char *expected)
{
    g_autoptr(GString) out = g_string_new(NULL);
    json_put_string(out, NULL, value);
    expect_text(out->str, expected);
}

static JsonObject *
parsed(const char *text)
{
    g_autoptr(GError) error = NULL;
    JsonObject *object = json_object_parse(text, strlen(text), &error);
    cr_assert(object != NULL, "%s: %s", text, error != NULL ? error->message : "");
    return object;
}

static void
expect_refused(const char *text)
{
    g_autoptr(GError) error = NULL;
    JsonObject *object = json_object_parse(text, strlen(text), &error);
    cr_assert(object == NULL, "%s was accepted", text);
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT));
    cr_expect(g_utf8_validate(error->message, -1, NULL));
}

Test(json, commas_stand_between_members_only)
{
    g_autoptr(GString) out = g_string_new("before\n");
    json_open(out, NULL, '{');
    json_put_string(out, "a", "x,{[");
    json_put_int(out, "b", -1);
    json_open(out, "c", '[');
    json_put_uint(out, NULL, 0);
    json_open(out, NULL, '{');
    g_string_append_c(out, '}');
    json_put_bool(out, NULL, TRUE);
    g_string_append_c(out, ']');
    json_put_bool(out, "d", FALSE);
    json_put_string(out, "e", "");
    json_put_string(out, "f", NULL);
    g_string_append(out, "}\n");
    json_open(out, NULL, '{');
    cr_expect_str_eq(out->str, "before\n{\"a\":\"x,{[\",\"b\":-1,\"c\":[0,{},true],\"d\":false,"
                               "\"e\":\"\",\"f\":null}\n{");
}

Test(json, strings_are_escaped_as_rfc_8259_has_it)
{
    expect_string("", "\"\"");
    expect_string("plain", "\"plain\"");
    expect_string("\"\\/", "\"\\\"\\\\/\"");
    expect_string("\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\"");
    expect_string("\x01\x1f\x7f", "\"\\u0001\\u001f\x7f\"");
    expect_string("é 😀", "\"é 😀\"");
}

Test(json, keys_are_escaped_too)
{
    g_autoptr(GString) out = g_string_new("{");
    json_put_int(out, "a\"b", 1);
    cr_expect_str_eq(out->str, "{\"a\\\"b\":1");
}

Test(json, a_string_that_is_not_utf_8_is_percent_encoded_whole)
{
    expect_string("a b\xff", "\"a b%FF\"");
    expect_string("100%\xc3", "\"100%25%C3\"");
    expect_string("é\xff", "\"%C3%A9%FF\"");
    expect_string("\n\x7f\"\\\x80", "\"%0A%7F\\\"\\\\%80\"");
    expect_string("100%", "\"100%\"");
    expect_string("\xed\xa0\x80", "\"%ED%A0%80\""); /* a surrogate is not UTF-8 */
}

Test(json, integers_keep_every_digit)
{
    g_autoptr(GString) out = g_string_new("[");
    json_put_int(out, NULL, G_MININT64);
    json_put_int(out, NULL, G_MAXINT64);
    json_put_uint(out, NULL, G_MAXUINT64);
    json_put_int(out, NULL, 0);
    json_put_uint(out, NULL, 1000);
    cr_expect_str_eq(out->str, "[-9223372036854775808,9223372036854775807,"
                               "18446744073709551615,0,1000");
}

Test(json, doubles_have_the_decimals_asked_for)
{
    g_autoptr(GString) out = g_string_new("[");
    json_put_double(out, NULL, 1.5, 3);
    json_put_double(out, NULL, -0.25, 1);
    json_put_double(out, NULL, 2, 0);
    json_put_double(out, NULL, 0.5, 12);
    json_put_double(out, NULL, NAN, 2);
    json_put_double(out, NULL, -INFINITY, 2);
    /* -0.25 lies between two, and IEEE 754 rounds it to the even digit. */
    cr_expect_str_eq(out->str, "[1.500,-0.2,2,0.500000000000,null,null");
    g_string_assign(out, "");
    json_put_double(out, NULL, 1e308, 17);
    cr_expect_eq(out->len, 309 + 1 + 17);
}

Test(json, what_is_written_reads_back)
{
    g_autoptr(GString) out = g_string_new(NULL);
    char every[256];
    for (int i = 1; i < 128; i++)
        every[i - 1] = (char)i;
    every[127] = '\0';
    json_open(out, NULL, '{');
    json_put_string(out, every, every);
    json_put_int(out, "min", G_MININT64);
    g_string_append_c(out, '}');
    g_autoptr(JsonObject) object = parsed(out->str);
    gint64 min = 0;
    cr_expect_str_eq(json_object_string(object, every, NULL), every);
    cr_expect(json_object_int(object, "min", &min));
    cr_expect_eq(min, G_MININT64);
}

Test(json, a_member_is_what_its_type_says)
{
    g_autoptr(JsonObject) object = parsed(" {\"s\":\"\\u00e9\",\"i\":7,\"d\":7.0,\"r\":1e-1,\"n\":"
                                          "null,\"o\":{\"k\":\"v\"},\"l\":[]} \n");
    gboolean wrong = TRUE;
    gint64 number = -1;
    cr_expect_str_eq(json_object_string(object, "s", &wrong), "é");
    cr_expect_not(wrong);
    cr_expect_null(json_object_string(object, "i", &wrong));
    cr_expect(wrong);
    cr_expect_null(json_object_string(object, "n", &wrong));
    cr_expect_not(wrong);
    cr_expect_null(json_object_string(object, "absent", &wrong));
    cr_expect_not(wrong);
    cr_expect_not(json_object_int(object, "s", &number));
    cr_expect_not(json_object_int(object, "d", &number));
    cr_expect_eq(number, -1);
    cr_expect(json_object_int(object, "i", &number));
    cr_expect_eq(number, 7);
    g_autofree char *integer = json_object_number(object, "i");
    g_autofree char *real = json_object_number(object, "r");
    cr_expect_str_eq(integer, "7");
    cr_expect_str_eq(real, "0.1");
    cr_expect_null(json_object_number(object, "s"));
    cr_expect_null(json_object_number(object, "absent"));
    cr_expect(json_object_has(object, "n"));
    cr_expect_not(json_object_has(object, "absent"));
    cr_expect_null(json_object_object(object, "l"));
    g_autoptr(JsonObject) child = json_object_object(object, "o");
    cr_expect_str_eq(json_object_string(child, "k", NULL), "v");
}

Test(json, members_and_elements_come_in_the_order_of_the_text)
{
    g_autoptr(JsonObject) object =
        parsed("{\"z\":[\"b\",{\"k\":\"v\"},7],\"a\":null,\"m\":[],\"\":{}}");
    g_autofree const char **keys = json_object_keys(object);
    g_autofree char *joined = g_strjoinv(" ", (char **)keys);
    cr_expect_str_eq(joined, "z a m ");

    g_autoptr(JsonList) list = json_object_list(object, "z");
    cr_assert_eq(json_list_length(list), 3);
    cr_expect_str_eq(json_list_string(list, 0), "b");
    cr_expect_null(json_list_object(list, 0));
    cr_expect_null(json_list_string(list, 1));
    g_autoptr(JsonObject) element = json_list_object(list, 1);
    cr_expect_str_eq(json_object_string(element, "k", NULL), "v");
    cr_expect_null(json_list_string(list, 2));
    cr_expect_null(json_list_object(list, 2));

    g_autoptr(JsonList) empty = json_object_list(object, "m");
    cr_expect_eq(json_list_length(empty), 0);
    cr_expect_null(json_object_list(object, "a"));
    cr_expect_null(json_object_list(object, "absent"));
    cr_expect_null(json_object_list(object, ""));
}

Test(json, only_true_and_false_are_booleans)
{
    gboolean value = 7;
    g_autoptr(JsonObject) object = parsed("{\"t\":true,\"f\":false,\"n\":null,\"i\":1}");
    cr_expect_not(json_object_bool(object, "n", &value));
    cr_expect_not(json_object_bool(object, "i", &value));
    cr_expect_not(json_object_bool(object, "absent", &value));
    cr_expect_eq(value, 7);
    cr_expect(json_object_bool(object, "f", &value));
    cr_expect_not(value);
    cr_expect(json_object_bool(object, "t", &value));
    cr_expect(value);
}

Test(json, an_object_is_printed_for_people)
{
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(JsonObject) object = parsed("{\"z\":[1,\"\u00e9/\"],\"a\":{}}");
    json_object_print_pretty(object, out);
    expect_text(out->str, "{\n  \"z\": [\n    1,\n    \"é/\"\n  ],\n  \"a\": {}\n}\n");
}

Test(json, what_is_not_one_strict_object_is_refused)
{
    expect_refused("");
    expect_refused("[]");
    expect_refused("\"s\"");
    expect_refused("{} {}");
    expect_refused("{}x");
    expect_refused("{\"a\":1,\"a\":1}");
    expect_refused("{\"a\":1,}");
    expect_refused("{'a':1}");
    expect_refused("{\"a\":\"\\u0000\"}");
    expect_refused("{\"a\":\"\xff\"}");
    expect_refused("{\"a\":\"\x01\x1b\"}");
    expect_refused("{\"a\":9223372036854775808}");
}

Test(json, nesting_without_end_is_refused_and_not_followed)
{
    g_autofree char *brackets = g_strnfill(1000000, '[');
    g_autofree char *text = g_strconcat("{\"a\":", brackets, NULL);
    expect_refused(text);
}
