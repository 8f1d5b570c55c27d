/* test_usage.c - usage events as lines and back. Ids were made by
 *     printf 'millrace.image.v1\0JOB\0ROW\0OUTPUT' | sha256sum | cut -c1-32
 * and hashes by libxxhash through Python's ctypes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/usage.h"

#include <criterion/criterion.h>
#include <string.h>

#include "tests/unit/usage_line.h"

static void
expect_round_trip(const UsageEvent *event)
{
    g_autoptr(GString) text = g_string_new(NULL);

    usage_event_print(event, text);
    g_autoptr(Line) line = parsed(text->str);
    expect_equal(&line->event, event);
}

Test(usage, a_line_is_what_the_format_says)
{
    g_autoptr(GString) line = g_string_new(NULL);

    usage_event_print(&ok_event, line);
    cr_expect_str_eq(line->str, ok_line);
}

Test(usage, a_line_is_appended)
{
    g_autoptr(GString) lines = g_string_new("before\n");
    g_autofree char *expected = g_strconcat("before\n", ok_line, ok_line, NULL);

    usage_event_print(&ok_event, lines);
    usage_event_print(&ok_event, lines);
    cr_expect_str_eq(lines->str, expected);
}

Test(usage, an_event_comes_back_from_its_line)
{
    UsageEvent failed = ok_event;
    UsageEvent most = ok_event;
    UsageEvent odd = ok_event;

    failed.status = "too-large";
    expect_round_trip(&failed);
    most.bytes_in = most.bytes_out = most.pixels_in = G_MAXINT64;
    most.pixels_out = most.cpu_us = most.wall_us = G_MAXINT64;
    most.sequence = G_MAXUINT64;
    most.time_us = 253402300799999999; /* the last of the year 9999 */
    expect_round_trip(&most);
    odd.subject = "\"\\ \n\t\x01\x7f / \xc3\xa9 \xf0\x9f\x98\x80";
    odd.request = odd.op = odd.format = odd.status = odd.writer = odd.node = "";
    odd.bytes_in = odd.bytes_out = odd.pixels_in = odd.sequence = 0;
    odd.time_us = -62135596800000000; /* the first of the year 1 */
    expect_round_trip(&odd);
}

Test(usage, a_customer_that_is_not_utf_8_is_percent_encoded)
{
    UsageEvent event = ok_event;
    g_autoptr(GString) text = g_string_new(NULL);

    event.subject = "a\xff%";
    usage_event_print(&event, text);
    g_autoptr(Line) line = parsed(text->str);
    cr_expect_str_eq(line->event.subject, "a%FF%25");
}

Test(usage, an_id_is_the_hash_of_job_row_and_output)
{
    static const struct {
        const char *job;
        guint64 row;
        guint output;
        const char *id;
    } cases[] = {{"job-1", 1, 0, "ad01c3ef0925141e713b6de4e2b3712e"},
                 {"job-1", 1, 1, "7d86401f9a35e17e8f44c4d7af6d5806"},
                 {"job-1", 100000000, 15, "dc9297a8d29052073962ca429f9fa5fc"},
                 {"job-1", G_MAXUINT64, 0, "601a1cff97105953e88a25d238305998"},
                 {"j.ob_X-9", 7, 3, "01857ad9d17e1189e8adc3c4c13aab4d"}};

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        char id[USAGE_ID_CHARS + 1];
        usage_event_id(cases[i].job, cases[i].row, cases[i].output, id);
        cr_expect_str_eq(id, cases[i].id);
    }
}

Test(usage, a_ledger_record_gives_a_line_for_each_output)
{
    /* As above, by hand; sides of 65,500 pixels, so that a product of 32 bits would be wrong. */
    static const char expected[] =
        "{\"specversion\":\"1.0\",\"id\":\"ad01c3ef0925141e713b6de4e2b3712e\","
        "\"source\":\"//millrace/job/job-1\",\"type\":\"millrace.image.v1\",\"subject\":\"acme\","
        "\"time\":\"2026-11-22T10:00:00.123456Z\",\"writer\":\"n07-3-1\","
        "\"sequence\":\"00000000000000000009\",\"data\":{\"request\":\"r-1\",\"op\":\"resize\","
        "\"format\":\"jpeg\",\"status\":\"ok\",\"bytes_in\":1000,\"bytes_out\":300,"
        "\"pixels_in\":307200,\"pixels_out\":4290250000,\"cpu_us\":3,\"wall_us\":9,"
        "\"node\":\"n07\"}}\n"
        "{\"specversion\":\"1.0\",\"id\":\"7d86401f9a35e17e8f44c4d7af6d5806\","
        "\"source\":\"//millrace/job/job-1\",\"type\":\"millrace.image.v1\",\"subject\":\"acme\","
        "\"time\":\"2026-11-22T10:00:00.123456Z\",\"writer\":\"n07-3-1\","
        "\"sequence\":\"00000000000000000010\",\"data\":{\"request\":\"r-1\",\"op\":\"resize\","
        "\"format\":\"avif\",\"status\":\"ok\",\"bytes_in\":1000,\"bytes_out\":200,"
        "\"pixels_in\":307200,\"pixels_out\":12,\"cpu_us\":2,\"wall_us\":9,\"node\":\"n07\"}}\n";
    LedgerHeader header = {.job = "job-1", .writer = "n07-3-1", .node = "n07"};
    LedgerRecord record = {
        .row = 1,
        .time_us = 1795341600123456,
        .customer = "acme",
        .request = "r-1",
        .bytes_in = 1000,
        .pixels_in = 307200,
        .cpu_us = 5,
        .wall_us = 9,
        .output_count = 2,
        .outputs = {{"x", "x", IMAGE_FORMAT_JPEG, 65500, 65500, 300, {0}, 3},
                    {"y", "y", IMAGE_FORMAT_AVIF, 3, 4, 200, {0}, 2}},
    };
    g_autoptr(GString) lines = g_string_new(NULL);

    usage_print_record(&header, &record, 9, lines);
    cr_expect_str_eq(lines->str, expected);
}

Test(usage, a_failed_row_has_events_that_name_its_class)
{
    LedgerHeader header = {.job = "job-1", .writer = "n07-3-1", .node = "n07"};
    LedgerRecord record = {
        .row = 1, .class = ROW_TIMEOUT, .customer = "acme", .request = "r-1", .output_count = 1};
    g_autoptr(GString) text = g_string_new(NULL);

    usage_print_record(&header, &record, 1, text);
    cr_expect_not_null(strstr(text->str, "\"status\":\"timeout\",\"bytes_in\":0"));
    g_autoptr(Line) line = parsed(text->str);
    cr_expect_str_eq(line->event.status, "timeout");
    cr_expect_str_eq(line->event.format, "");
    cr_expect_eq(line->event.pixels_out, 0);
}

Test(usage, only_what_is_there_is_printed)
{
    UsageEvent event = ok_event;
    g_autoptr(GString) text = g_string_new(NULL);

    event.present = USAGE_HAS_SEQUENCE | USAGE_HAS_DATA | USAGE_HAS_STATUS | USAGE_HAS_WALL_US;
    usage_event_print(&event, text);
    event.present = 0;
    usage_event_print(&event, text);
    cr_expect_str_eq(text->str,
                     "{\"specversion\":\"1.0\",\"id\":\"ad01c3ef0925141e713b6de4e2b3712e\","
                     "\"source\":\"//millrace/job/job-1\",\"type\":\"millrace.image.v1\","
                     "\"time\":\"2026-11-22T10:00:00.123456Z\","
                     "\"sequence\":\"00000000000000000042\","
                     "\"data\":{\"status\":\"ok\",\"wall_us\":9}}\n"
                     "{\"specversion\":\"1.0\",\"id\":\"ad01c3ef0925141e713b6de4e2b3712e\","
                     "\"source\":\"//millrace/job/job-1\",\"type\":\"millrace.image.v1\","
                     "\"time\":\"2026-11-22T10:00:00.123456Z\"}\n");
}

/* From a store's file may come anything: it is printed, and nothing else happens. */
Test(usage, members_that_cannot_be_are_printed_as_they_are)
{
    static const char *const extras[] = {"t",        "t\n",        "\n\n",        "d\"",
                                         "t\"\\",    "t\"id\\u00", "x\"id\":1\n", "t\"\\ud800\":1",
                                         "tid\":2\n"};

    for (guint i = 0; i < G_N_ELEMENTS(extras); i++) {
        g_autofree char *extra = g_strdup(extras[i]);
        UsageEvent event = ok_event;
        g_autoptr(GString) text = g_string_new(NULL);
        event.extra = extra;
        usage_event_print(&event, text);
        cr_expect(g_str_has_prefix(text->str, "{\"specversion\":\"1.0\",\"id\":\"ad01"));
        cr_expect(g_str_has_suffix(text->str, "}}\n"));
    }
}

Test(usage, long_strings_print_and_come_back)
{
    g_autofree char *controls = g_strnfill(5000, '\x01');
    g_autofree char *letters = g_strnfill(30000, 'x');
    UsageEvent event = ok_event;

    event.subject = controls;
    event.node = letters;
    expect_round_trip(&event);
}

Test(usage, an_identity_is_hashed_by_xxh3)
{
    guint64 seed = usage_source_seed("//millrace/job/job-1");

    cr_expect_eq(seed, G_GUINT64_CONSTANT(0xd9a7954cd4bc892f));
    cr_expect_eq(usage_identity_hash(seed, "ad01c3ef0925141e713b6de4e2b3712e", 32),
                 G_GUINT64_CONSTANT(0xc7557ef31e86d199));
    cr_expect_eq(usage_identity_hash(usage_source_seed("s"), "1", 1),
                 G_GUINT64_CONSTANT(0xc43f36ade119e8a2));
}
