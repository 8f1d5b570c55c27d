/* test_usage_parse.c - lines of anyone: what is taken, what is refused and why, and what is kept as
 * it was spelled. Expected lines were put together by hand.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/usage.h"

#include <criterion/criterion.h>
#include <string.h>

#include "tests/unit/usage_line.h"

/* The good line with part replaced is refused, and the message names the member. */
static void
expect_refused(const char *part, const char *replacement, const char *member)
{
    g_autofree char *text = with(part, replacement);
    g_autofree char *quoted = g_strdup_printf("\"%s\"", member);
    g_autoptr(Line) line = read_line(text, strlen(text) - 1);

    cr_assert_not_null(line->reason, "%s", text);
    cr_expect_not_null(strstr(line->reason, quoted), "%s", line->reason);
}

/* The good line with part replaced is printed as it stood, and again so when it is read again. */
static void
expect_kept(const char *part, const char *replacement)
{
    g_autofree char *text = with(part, replacement);
    g_autoptr(Line) line = parsed(text);
    g_autoptr(GString) once = g_string_new(NULL);
    g_autoptr(GString) twice = g_string_new(NULL);

    usage_event_print(&line->event, once);
    cr_expect_str_eq(once->str, text);
    g_autoptr(Line) again = parsed(once->str);
    expect_equal(&again->event, &line->event);
    usage_event_print(&again->event, twice);
    cr_expect_str_eq(twice->str, text);
}

/* A good event of few members, with more of them behind. */
static void
expect_whole(const char *members, gboolean good, const char *reason)
{
    g_autofree char *text =
        g_strdup_printf("{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"t\","
                        "\"time\":\"2026-11-22T10:00:00.123456Z\"%s}",
                        members);
    g_autoptr(Line) line = read_line(text, strlen(text));

    cr_expect_eq(line->reason == NULL, good, "%.200s: %s", text, line->reason);
    if (reason && line->reason)
        cr_expect_not_null(strstr(line->reason, reason), "%s", line->reason);
}

Test(usage_parse, a_line_parses_into_its_event)
{
    g_autoptr(Line) line = parsed(ok_line);

    expect_equal(&line->event, &ok_event);
}

Test(usage_parse, our_extensions_may_be_missing)
{
    UsageEvent expected = {.id = "1",
                           .source = "s",
                           .type = "t",
                           .subject = "",
                           .time_us = 0,
                           .writer = "",
                           .request = "",
                           .op = "",
                           .format = "",
                           .status = "",
                           .node = "",
                           .extra = ""};
    g_autoptr(Line) no_data = parsed(
        "{\"time\":\"1970-01-01T00:00:00.000000Z\",\"type\":\"t\",\"source\":\"s\",\"id\":\"1\","
        "\"specversion\":\"1.0\"}");
    g_autoptr(Line) empty_data = parsed(
        "{\"time\":\"1970-01-01T00:00:00.000000Z\",\"type\":\"t\",\"source\":\"s\",\"id\":\"1\","
        "\"specversion\":\"1.0\",\"data\":{}}");

    expect_equal(&no_data->event, &expected);
    expected.present = USAGE_HAS_DATA;
    expect_equal(&empty_data->event, &expected);
}

Test(usage_parse, members_that_are_not_ours_are_kept)
{
    g_autofree char *text = with("\"data\":{", "\"datacontenttype\":\"application/json\","
                                               "\"ours\":[1,{}],\"data\":{\"more\":-1.5,");
    UsageEvent expected = ok_event;
    g_autoptr(Line) line = parsed(text);

    expected.extra =
        "t\"datacontenttype\":\"application/json\"\nt\"ours\":[1,{}]\nd\"more\":-1.5\n";
    expect_equal(&line->event, &expected);
}

Test(usage_parse, members_that_are_not_ours_come_behind_those_that_are)
{
    g_autofree char *text = with("\"id\":", "\"x\" : [ 1, 2.50 ,{\"a\" : null}],\"id\":");
    g_autofree char *expected = with("\"data\":", "\"x\":[ 1, 2.50 ,{\"a\" : null}],\"data\":");
    g_autoptr(Line) line = parsed(text);
    g_autoptr(GString) printed = g_string_new(NULL);

    usage_event_print(&line->event, printed);
    cr_expect_str_eq(printed->str, expected);
}

Test(usage_parse, a_missing_or_empty_member_is_named)
{
    expect_refused("\"specversion\":\"1.0\",", "", "specversion");
    expect_refused("\"specversion\":\"1.0\"", "\"specversion\":\"0.3\"", "specversion");
    expect_refused("\"specversion\":\"1.0\"", "\"specversion\":1.0", "specversion");
    expect_refused("\"id\":\"ad01c3ef0925141e713b6de4e2b3712e\",", "", "id");
    expect_refused("\"ad01c3ef0925141e713b6de4e2b3712e\"", "\"\"", "id");
    expect_refused("\"ad01c3ef0925141e713b6de4e2b3712e\"", "null", "id");
    expect_refused("\"ad01c3ef0925141e713b6de4e2b3712e\"", "7", "id");
    expect_refused("\"source\":\"//millrace/job/job-1\",", "", "source");
    expect_refused("\"//millrace/job/job-1\"", "\"\"", "source");
    expect_refused("\"type\":\"millrace.image.v1\",", "", "type");
    expect_refused("\"time\":\"2026-11-22T10:00:00.123456Z\",", "", "time");
}

Test(usage_parse, counts_are_whole_numbers_from_0)
{
    static const char *const wrong[] = {"-1",
                                        "-0",
                                        "1.5",
                                        "1.0",
                                        "1e3",
                                        "1E3",
                                        "01",
                                        "00",
                                        "+1",
                                        "9223372036854775808",
                                        "18446744073709551616",
                                        "99999999999999999999",
                                        "\"1\"",
                                        "null",
                                        "true",
                                        "[]"};
    static const char *const keys[] = {"bytes_in",   "bytes_out", "pixels_in",
                                       "pixels_out", "cpu_us",    "wall_us"};

    for (guint k = 0; k < G_N_ELEMENTS(keys); k++) {
        const char *begin = strstr(strstr(ok_line, keys[k]), ":");
        g_autofree char *part =
            g_strdup_printf("%s\":%.*s", keys[k], (int)strcspn(begin + 1, ","), begin + 1);
        for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
            g_autofree char *replacement = g_strdup_printf("%s\":%s", keys[k], wrong[i]);
            expect_refused(part, replacement, keys[k]);
        }
    }
}

Test(usage_parse, counts_of_any_length_are_read)
{
    static const char digits[] = "9223372036854775807";

    for (guint size = 1; size < sizeof digits; size++) {
        g_autofree char *bytes_in = g_strdup_printf("\"bytes_in\":%.*s", (int)size, digits);
        g_autofree char *wall_us = g_strdup_printf("\"wall_us\":%.*s}}", (int)size, digits);
        g_autofree char *first = with("\"bytes_in\":1000", bytes_in);
        g_autofree char *last = with("\"wall_us\":9,\"node\":\"n07\"}}", wall_us);
        g_autoptr(Line) first_line = parsed(first);
        g_autoptr(Line) last_line = parsed(last);
        guint64 expected = g_ascii_strtoull(strchr(bytes_in, ':') + 1, NULL, 10);
        cr_expect_eq(first_line->event.bytes_in, expected);
        cr_expect_eq(first_line->event.bytes_out, 300);
        cr_expect_eq(last_line->event.wall_us, expected);
        cr_expect_eq(last_line->event.cpu_us, 5);
    }
}

Test(usage_parse, sequences_of_any_length_are_read)
{
    static const char digits[] = "18446744073709551615";

    for (guint size = 1; size < sizeof digits; size++) {
        char text[sizeof digits + 2] = "";
        memset(text, '0', sizeof digits - 1);
        memcpy(text + sizeof digits - 1 - size, digits, size);
        g_autofree char *line_text = with("00000000000000000042", text);
        g_autoptr(Line) line = parsed(line_text);
        cr_expect_eq(line->event.sequence, g_ascii_strtoull(text, NULL, 10));
        cr_expect_str_eq(line->event.extra, "");
    }
}

Test(usage_parse, strings_and_sequences_of_another_kind_are_refused)
{
    expect_refused("\"acme\"", "7", "subject");
    expect_refused("\"n07-3-1\"", "[]", "writer");
    expect_refused("\"00000000000000000042\"", "42", "sequence");
    expect_refused("\"00000000000000000042\"", "\"-1\"", "sequence");
    expect_refused("\"00000000000000000042\"", "\"4x\"", "sequence");
    expect_refused("\"00000000000000000042\"", "\"18446744073709551616\"", "sequence");
    expect_refused("\"resize\"", "{}", "op");
    expect_refused("\"webp\"", "1", "format");
    expect_refused("\"n07\"", "true", "node");
}

Test(usage_parse, what_is_no_object_is_refused)
{
    static const char *const texts[] = {
        "", " ", "7", "[]", "null", "{", "{}{}", "{} x", "{\"id\":\"a\",\"id\":\"b\"}"};

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(Line) line = read_line(texts[i], strlen(texts[i]));
        cr_expect_not_null(line->reason, "%s", texts[i]);
    }
}

Test(usage_parse, a_line_cut_anywhere_is_refused)
{
    for (gsize size = 0; size + 2 < sizeof ok_line; size++) { /* without } newline NUL */
        g_autoptr(Line) line = read_line(ok_line, size);
        cr_expect_not_null(line->reason, "%zu bytes", size);
    }
}

Test(usage_parse, a_string_of_another_spelling_is_kept_so)
{
    expect_kept("\"acme\"", "\"\\u0061cme\"");
    expect_kept("\"acme\"", "\"a\\/b\"");
    expect_kept("\"acme\"", "\"\\u00e9\"");
    expect_kept("\"acme\"", "\"\\ud83d\\ude00\"");
    expect_kept("\"acme\"", "\"\\u001F\"");
    expect_kept("\"acme\"", "\"\\u000a\"");
    expect_kept("\"acme\"", "\"\\u007f\"");
    expect_kept("\"resize\"", "\"resi\\u007ae\"");
    expect_kept("\"1.0\"", "\"1\\u002e0\"");
    expect_kept("\"2026-11-22T10:00:00.123456Z\"", "\"2026-11-22T10:00:00.123456\\u005a\"");
    expect_kept("\"00000000000000000042\"", "\"0000000000000000004\\u0032\"");
}

Test(usage_parse, a_string_of_another_spelling_says_the_same)
{
    g_autofree char *text = with("\"acme\"", "\"\\u00e9\\ud83d\\ude00\\/\\t\\\"\"");
    g_autoptr(Line) line = parsed(text);

    cr_expect_str_eq(line->event.subject, "\xc3\xa9\xf0\x9f\x98\x80/\t\"");
    cr_expect_str_eq(line->event.extra, "t\"subject\":\"\\u00e9\\ud83d\\ude00\\/\\t\\\"\"\n");
}

Test(usage_parse, escapes_that_we_write_too_are_not_kept)
{
    g_autofree char *text = with("\"acme\"", "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"");
    g_autoptr(Line) line = parsed(text);
    g_autoptr(GString) printed = g_string_new(NULL);

    cr_expect_str_eq(line->event.subject, "\"\\\b\f\n\r\t\x01\x1f\x7f");
    cr_expect_str_eq(line->event.extra, "");
    usage_event_print(&line->event, printed);
    cr_expect_str_eq(printed->str, text);
}

Test(usage_parse, a_key_of_another_spelling_is_kept_so)
{
    expect_kept("\"subject\"", "\"s\\u0075bject\"");
    expect_kept("\"specversion\"", "\"specversio\\u006e\"");
    expect_kept("\"data\"", "\"d\\u0061ta\"");
    expect_kept("\"bytes_in\"", "\"\\u0062\\u0079\\u0074\\u0065\\u0073\\u005f\\u0069\\u006e\"");
    expect_kept("\"node\":\"n07\"", "\"\\u006eode\":\"n\\u00307\"");
}

Test(usage_parse, a_time_of_another_spelling_is_kept_so)
{
    static const char *const times[] = {
        "2026-11-22T10:00:00Z",          "2026-11-22T12:00:00.123456+02:00",
        "2026-11-22T10:00:00.12345678Z", "2026-11-22t10:00:00.123456z",
        "2026-11-22T10:00:60.123456Z",   "2026-11-22T10:00:00.123456z",
        "2026-11-22T10:00:00.1234567",   "2026-11-22T10:00:00.123+00:00"};

    for (guint i = 0; i < G_N_ELEMENTS(times); i++)
        if (i != 6) /* that one has no zone */
            expect_kept("2026-11-22T10:00:00.123456Z", times[i]);
    expect_refused("2026-11-22T10:00:00.123456Z", times[6], "time");
    expect_refused("2026-11-22T10:00:00.123456Z", "", "time");
    expect_refused("\"2026-11-22T10:00:00.123456Z\"", "1795341600", "time");
    expect_refused("\"2026-11-22T10:00:00.123456Z\"", "null", "time");
}

Test(usage_parse, a_sequence_of_another_spelling_is_kept_so)
{
    g_autofree char *text = with("\"00000000000000000042\"", "\"42\"");
    g_autoptr(Line) line = parsed(text);

    cr_expect_eq(line->event.sequence, 42);
    cr_expect_str_eq(line->event.extra, "t\"sequence\":\"42\"\n");
    expect_kept("\"00000000000000000042\"", "\"42\"");
    expect_kept("\"00000000000000000042\"", "\"0000000000000000000000042\"");
    expect_kept("\"00000000000000000042\"", "\"18446744073709551615\"");
    expect_refused("\"00000000000000000042\"", "\"\"", "sequence");
    expect_refused("\"00000000000000000042\"", "\"99999999999999999999\"", "sequence");
}

/* The JSON format of CloudEvents: an attribute that is null is one that is not set. */
Test(usage_parse, an_attribute_that_is_null_is_not_there)
{
    g_autofree char *text = with("\"acme\"", "null");
    g_autoptr(Line) line = parsed(text);

    cr_expect_str_eq(line->event.subject, "");
    cr_expect_eq(line->event.present, USAGE_HAS_ALL & ~USAGE_HAS_SUBJECT);
    expect_kept("\"acme\"", "null");
    expect_kept("\"n07-3-1\"", "null");
    expect_kept("\"00000000000000000042\"", "null");
    expect_refused("\"n07\"", "null", "node");
    expect_refused("\"webp\"", "null", "format");
    expect_whole(",\"subject\":nul", FALSE, "not JSON: expected a value at byte 102");
}

Test(usage_parse, data_is_an_object)
{
    static const char *const wrong[] = {"null", "[]", "\"{}\"", "7", "true"};

    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autofree char *members = g_strconcat(",\"data\":", wrong[i], NULL);
        expect_whole(members, FALSE, "\"data\": expected an object");
    }
    expect_whole(",\"data\":{}", TRUE, NULL);
    expect_whole(",\"data_base64\":\"AA==\"", TRUE, NULL);
}

Test(usage_parse, a_failure_of_the_older_spelling_keeps_its_class)
{
    g_autofree char *text = with("\"ok\"", "\"failed\",\"class\":\"timeout\"");
    g_autoptr(Line) line = parsed(text);

    cr_expect_str_eq(line->event.status, "failed");
    cr_expect_str_eq(line->event.extra, "d\"class\":\"timeout\"\n");
}

Test(usage_parse, white_space_and_order_do_not_matter)
{
    g_autoptr(Line) line =
        parsed(" { \"data\" : { \"wall_us\" : 9 ,\t\"op\":\"resize\" , \"x\" : 1 } ,\r\"time\" :"
               "\t\"2026-11-22T10:00:00.123456Z\" , \"type\": \"t\" , \"source\":\"s\", \"y\":[ ] ,"
               "\"id\":\"1\" , \"specversion\":\t\"1.0\" } \r");
    g_autoptr(GString) printed = g_string_new(NULL);

    cr_expect_str_eq(line->event.extra, "d\"x\":1\nt\"y\":[ ]\n");
    usage_event_print(&line->event, printed);
    cr_expect_str_eq(printed->str,
                     "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"t\","
                     "\"time\":\"2026-11-22T10:00:00.123456Z\",\"y\":[ ],"
                     "\"data\":{\"op\":\"resize\",\"wall_us\":9,\"x\":1}}\n");
}

/* Reading is quick as long as a line stands as we print it: here that ends at each place once. */
Test(usage_parse, a_space_between_tokens_changes_nothing)
{
    gboolean quoted = FALSE;

    for (gsize i = 0; i + 2 < sizeof ok_line; i++) {
        if (!quoted && !g_ascii_isdigit(ok_line[i])) {
            g_autofree char *text = g_strdup_printf("%.*s %s", (int)i, ok_line, ok_line + i);
            g_autoptr(Line) line = parsed(text);
            expect_equal(&line->event, &ok_event);
        }
        quoted = quoted != (ok_line[i] == '"');
    }
}

Test(usage_parse, each_member_may_be_missing)
{
    static const struct {
        const char *part;
        guint32 bit;
    } members[] = {{"\"subject\":\"acme\",", USAGE_HAS_SUBJECT},
                   {"\"writer\":\"n07-3-1\",", USAGE_HAS_WRITER},
                   {"\"sequence\":\"00000000000000000042\",", USAGE_HAS_SEQUENCE},
                   {"\"request\":\"r-1\",", USAGE_HAS_REQUEST},
                   {"\"op\":\"resize\",", USAGE_HAS_OP},
                   {"\"format\":\"webp\",", USAGE_HAS_FORMAT},
                   {"\"status\":\"ok\",", USAGE_HAS_STATUS},
                   {"\"bytes_in\":1000,", USAGE_HAS_BYTES_IN},
                   {"\"bytes_out\":300,", USAGE_HAS_BYTES_OUT},
                   {"\"pixels_in\":307200,", USAGE_HAS_PIXELS_IN},
                   {"\"pixels_out\":76800,", USAGE_HAS_PIXELS_OUT},
                   {"\"cpu_us\":5,", USAGE_HAS_CPU_US},
                   {"\"wall_us\":9,", USAGE_HAS_WALL_US},
                   {",\"node\":\"n07\"", USAGE_HAS_NODE}};

    for (guint i = 0; i < G_N_ELEMENTS(members); i++) {
        g_autofree char *text = with(members[i].part, "");
        g_autoptr(Line) line = parsed(text);
        g_autoptr(GString) printed = g_string_new(NULL);
        cr_expect_eq(line->event.present, USAGE_HAS_ALL & ~members[i].bit, "%s", text);
        usage_event_print(&line->event, printed);
        cr_expect_str_eq(printed->str, text);
    }
}

Test(usage_parse, a_name_of_ours_in_another_place_is_not_ours)
{
    expect_whole(",\"op\":7,\"status\":[],\"data\":{\"id\":1,\"time\":null,\"data\":2}", TRUE,
                 NULL);
}

Test(usage_parse, a_member_comes_once)
{
    expect_whole(",\"id\":\"1\"", FALSE, "\"id\" comes twice");
    expect_whole(",\"i\\u0064\":\"1\"", FALSE, "\"id\" comes twice");
    expect_whole(",\"data\":{},\"data\":{}", FALSE, "\"data\" comes twice");
    expect_whole(",\"data\":{\"op\":\"a\",\"op\":\"a\"}", FALSE, "\"op\" comes twice");
    expect_whole(",\"subject\":null,\"subject\":null", FALSE, "\"subject\" comes twice");
    expect_whole(",\"x\":1,\"y\":2,\"x\":1", FALSE, "twice");
    expect_whole(",\"x\":1,\"\\u0078\":1", FALSE, "twice");
    expect_whole(",\"data\":{\"x\":1,\"x\":1}", FALSE, "twice");
    expect_whole(",\"x\":1,\"data\":{\"x\":1}", TRUE, NULL);
}

Test(usage_parse, there_are_limits)
{
    g_autoptr(GString) many = g_string_new(NULL);
    g_autofree char *spaces = g_strnfill(USAGE_LINE_MAX_BYTES - 91, ' ');
    g_autofree char *open = g_strnfill(63, '[');
    g_autofree char *close = g_strnfill(63, ']');
    g_autofree char *deep = g_strconcat(",\"x\":", open, close, NULL);
    g_autofree char *deeper = g_strconcat(",\"x\":[", open, close, "]", NULL);
    g_autofree char *in_data = g_strconcat(",\"data\":{\"x\":", open, close, "}", NULL);

    for (guint i = 0; i < 256; i++)
        g_string_append_printf(many, ",\"x%u\":0", i);
    expect_whole(many->str, TRUE, NULL);
    g_string_append(many, ",\"y\":0");
    expect_whole(many->str, FALSE, "more than 256");
    expect_whole(spaces, TRUE, NULL);
    spaces[0] = ',';
    expect_whole(spaces, FALSE, "a key");
    g_autofree char *longer = g_strnfill(USAGE_LINE_MAX_BYTES - 90, ' ');
    expect_whole(longer, FALSE, "more than 65536 bytes");
    expect_whole(deep, TRUE, NULL);
    expect_whole(deeper, FALSE, "64 levels");
    expect_whole(in_data, FALSE, "64 levels");
}

Test(usage_parse, strings_of_ours_have_no_nul)
{
    expect_refused("\"acme\"", "\"a\\u0000b\"", "subject");
    expect_refused("\"n07\"", "\"\\u0000\"", "node");
    expect_whole(",\"x\":\"\\u0000\"", TRUE, NULL);
    expect_whole(",\"\\u0000\":1", FALSE, "a key without NUL");
}

Test(usage_parse, what_is_not_json_is_told_with_its_place)
{
    expect_whole(",", FALSE, "not JSON: expected a key at byte 92");
    expect_whole(",\"x\"", FALSE, "not JSON: expected \":\" at byte 95");
    expect_whole(",\"x\":1]", FALSE, "not JSON: expected \",\" or \"}\" at byte 97");
    expect_whole("}", FALSE, "not JSON: expected nothing more at byte 92");
    expect_whole(",\"x\":\"\xc3\x28\"", FALSE, "not JSON: expected UTF-8 at byte 97");
    expect_whole(",\"x\":\"\\q\"", FALSE, "not JSON: expected an escape of JSON at byte 97");
    expect_whole(",\"x\":\"\n\"", FALSE, "not JSON: expected no control character");
    expect_whole(",\"x\":\"", FALSE, "not JSON: expected the end of a string at the end");
    expect_whole(",\"x\":\"\xed\xa0\x80\"", FALSE, "not JSON: expected UTF-8");
}
