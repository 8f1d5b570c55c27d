/* test_usage.c - usage events as lines and back. Ids were made by
 *     printf 'millrace.image.v1\0JOB\0ROW\0OUTPUT' | sha256sum | cut -c1-32
 * and seconds since the epoch by date -u -d TIME +%s.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/usage.h"

#include <criterion/criterion.h>
#include <string.h>

/* Put together by hand from the list of members in formats/README.md. */
static const char ok_line[] =
    "{\"specversion\":\"1.0\",\"id\":\"ad01c3ef0925141e713b6de4e2b3712e\","
    "\"source\":\"//millrace/job/job-1\",\"type\":\"millrace.image.v1\",\"subject\":\"acme\","
    "\"time\":\"2026-11-22T10:00:00.123456Z\",\"writer\":\"n07-3-1\","
    "\"sequence\":\"00000000000000000042\",\"data\":{\"request\":\"r-1\",\"op\":\"resize\","
    "\"format\":\"webp\",\"status\":\"ok\",\"bytes_in\":1000,\"bytes_out\":300,"
    "\"pixels_in\":307200,\"pixels_out\":76800,\"cpu_us\":5,\"wall_us\":9,\"node\":\"n07\"}}\n";

static const UsageEvent ok_event = {.id = "ad01c3ef0925141e713b6de4e2b3712e",
                                    .source = "//millrace/job/job-1",
                                    .type = "millrace.image.v1",
                                    .subject = "acme",
                                    .time_us = 1795341600123456,
                                    .writer = "n07-3-1",
                                    .sequence = 42,
                                    .request = "r-1",
                                    .op = "resize",
                                    .format = "webp",
                                    .status = "ok",
                                    .bytes_in = 1000,
                                    .bytes_out = 300,
                                    .pixels_in = 307200,
                                    .pixels_out = 76800,
                                    .cpu_us = 5,
                                    .wall_us = 9,
                                    .node = "n07",
                                    .extra = "",
                                    .present = USAGE_HAS_ALL};

static void
expect_equal(const UsageEvent *got, const UsageEvent *expected)
{
    cr_expect_str_eq(got->id, expected->id);
    cr_expect_str_eq(got->source, expected->source);
    cr_expect_str_eq(got->type, expected->type);
    cr_expect_str_eq(got->subject, expected->subject);
    cr_expect_eq(got->time_us, expected->time_us);
    cr_expect_str_eq(got->writer, expected->writer);
    cr_expect_eq(got->sequence, expected->sequence);
    cr_expect_str_eq(got->request, expected->request);
    cr_expect_str_eq(got->op, expected->op);
    cr_expect_str_eq(got->format, expected->format);
    cr_expect_str_eq(got->status, expected->status);
    cr_expect_eq(got->bytes_in, expected->bytes_in);
    cr_expect_eq(got->bytes_out, expected->bytes_out);
    cr_expect_eq(got->pixels_in, expected->pixels_in);
    cr_expect_eq(got->pixels_out, expected->pixels_out);
    cr_expect_eq(got->cpu_us, expected->cpu_us);
    cr_expect_eq(got->wall_us, expected->wall_us);
    cr_expect_str_eq(got->node, expected->node);
    cr_expect_str_eq(got->extra, expected->extra);
    cr_expect_eq(got->present, expected->present, "%#x", got->present);
}

/* A line read, and the memory that its event borrows from. */
typedef struct {
    char *text;
    GString *scratch;
    const char *reason;
    UsageEvent event;
} Line;

static void
line_free(Line *line)
{
    g_free(line->text);
    g_string_free(line->scratch, TRUE);
    g_free(line);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Line, line_free)

/* Reads a line, of size_bytes to the byte, so that sanitizers see what is read beyond. Refused:
 * with a reason. */
static Line *
read_line(const char *text, gsize size_bytes)
{
    Line *line = g_new0(Line, 1);

    line->text = g_malloc(size_bytes + 1);
    memcpy(line->text, text, size_bytes);
    line->text[size_bytes] = '\n';
    line->scratch = g_string_new("before");
    if (!usage_line_parse(line->text, size_bytes, line->scratch, &line->event, &line->reason))
        cr_assert_not_null(line->reason, "%s", text);
    return line;
}

static Line *
parsed(const char *text)
{
    gsize size_bytes = strlen(text);
    Line *line = read_line(text, size_bytes - (g_str_has_suffix(text, "\n") ? 1 : 0));

    cr_assert_null(line->reason, "%s: %s", text, line->reason);
    return line;
}

static void
expect_round_trip(const UsageEvent *event)
{
    g_autoptr(GString) text = g_string_new(NULL);

    usage_event_print(event, text);
    g_autoptr(Line) line = parsed(text->str);
    expect_equal(&line->event, event);
}

/* Replaces part of the good line. Returns: (transfer full). */
static char *
with(const char *part, const char *replacement)
{
    const char *at = strstr(ok_line, part);

    cr_assert_not_null(at, "%s", part);
    return g_strdup_printf("%.*s%s%s", (int)(at - ok_line), ok_line, replacement,
                           at + strlen(part));
}

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

Test(usage, a_line_parses_into_its_event)
{
    g_autoptr(Line) line = parsed(ok_line);

    expect_equal(&line->event, &ok_event);
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

Test(usage, our_extensions_may_be_missing)
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
    g_autoptr(Line) no_data =
        parsed("{\"time\":\"1970-01-01T00:00:00Z\",\"type\":\"t\",\"source\":\"s\",\"id\":\"1\","
               "\"specversion\":\"1.0\"}");
    g_autoptr(Line) empty_data =
        parsed("{\"time\":\"1970-01-01T00:00:00Z\",\"type\":\"t\",\"source\":\"s\",\"id\":\"1\","
               "\"specversion\":\"1.0\",\"data\":{}}");

    expect_equal(&no_data->event, &expected);
    expected.present = USAGE_HAS_DATA;
    expect_equal(&empty_data->event, &expected);
}

Test(usage, unknown_members_are_ignored)
{
    g_autofree char *text = with("\"data\":{", "\"datacontenttype\":\"application/json\","
                                               "\"ours\":[1,{}],\"data\":{\"more\":-1.5,");
    g_autoptr(Line) line = parsed(text);

    expect_equal(&line->event, &ok_event);
}

Test(usage, a_missing_or_empty_member_is_named)
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

Test(usage, counts_are_whole_numbers_from_0)
{
    static const char *const wrong[] = {"-1", "1.5", "1.0", "1e3", "\"1\"", "null", "true"};
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

Test(usage, strings_and_sequences_of_another_kind_are_refused)
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

Test(usage, what_is_no_object_is_refused)
{
    static const char *const texts[] = {
        "", " ", "7", "[]", "null", "{", "{}{}", "{} x", "{\"id\":\"a\",\"id\":\"b\"}"};

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(Line) line = read_line(texts[i], strlen(texts[i]));
        cr_expect_not_null(line->reason, "%s", texts[i]);
    }
}

Test(usage, a_line_cut_anywhere_is_refused)
{
    for (gsize size = 0; size + 2 < sizeof ok_line; size++) { /* without } newline NUL */
        g_autoptr(Line) line = read_line(ok_line, size);
        cr_expect_not_null(line->reason, "%zu bytes", size);
    }
}

static void
expect_time(const char *text, gint64 expected_us)
{
    g_autofree char *replaced = with("2026-11-22T10:00:00.123456Z", text);
    g_autoptr(Line) line = parsed(replaced);

    cr_expect_eq(line->event.time_us, expected_us, "%s", text);
}

Test(usage, times_have_offsets_and_any_precision)
{
    expect_time("2026-11-22T10:00:00Z", 1795341600000000);
    expect_time("2026-11-22T12:00:00.123456+02:00", 1795341600123456);
    expect_time("2026-11-21T23:30:00-10:30", 1795341600000000);
    expect_time("2026-11-22T10:00:00.5Z", 1795341600500000);
    expect_time("2026-11-22T10:00:00.000001Z", 1795341600000001);
    expect_time("2026-11-22T10:00:00.999999Z", 1795341600999999);
    expect_time("2024-02-29T00:00:00Z", 1709164800000000);
}

Test(usage, times_before_1970_are_negative)
{
    expect_time("1969-12-31T23:59:59Z", -1000000);
    expect_time("1969-12-31T23:59:59.999999Z", -1);
    expect_time("1960-02-29T12:34:56.000001Z", -310476304000000 + 1);
    expect_time("0001-01-01T00:00:00Z", -62135596800000000);
}

Test(usage, times_print_in_utc_with_microseconds)
{
    static const struct {
        gint64 time_us;
        const char *text;
    } cases[] = {{0, "1970-01-01T00:00:00.000000Z"},
                 {-1, "1969-12-31T23:59:59.999999Z"},
                 {-1000000, "1969-12-31T23:59:59.000000Z"},
                 {1795341600123456, "2026-11-22T10:00:00.123456Z"},
                 {1709164800000007, "2024-02-29T00:00:00.000007Z"},
                 {-62135596800000000, "0001-01-01T00:00:00.000000Z"},
                 {253402300799999999, "9999-12-31T23:59:59.999999Z"}};

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GString) text = g_string_new(NULL);
        usage_print_time(text, cases[i].time_us);
        cr_expect_str_eq(text->str, cases[i].text);
    }
}

Test(usage, every_microsecond_comes_back)
{
    UsageEvent event = ok_event;

    for (gint64 us = 0; us < 1000000; us += 331) { /* a prime, so that all last digits come */
        event.time_us = 1795341659000000 + us;
        expect_round_trip(&event);
        event.time_us = -1000000 + us;
        expect_round_trip(&event);
    }
}

Test(usage, a_time_that_is_none_is_refused)
{
    static const char *const wrong[] = {"",
                                        "now",
                                        "2026-11-22",
                                        "2026-11-22T10:00:00",
                                        "2026-02-30T10:00:00Z",
                                        "2026-11-22T24:00:01Z",
                                        "2026-11-22T10:00:00.Z",
                                        "2026-11-22T10:00:00Zx",
                                        "1795341600"};

    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++)
        expect_refused("2026-11-22T10:00:00.123456Z", wrong[i], "time");
}

Test(usage, a_time_outside_of_four_digit_years_is_refused)
{
    /* In their zones these are of the years 9999 and 1; in UTC, of 10000 and 0. */
    expect_refused("2026-11-22T10:00:00.123456Z", "9999-12-31T23:59:59-00:01", "time");
    expect_refused("2026-11-22T10:00:00.123456Z", "0001-01-01T00:00:00+00:01", "time");
    expect_refused("2026-11-22T10:00:00.123456Z", "0000-01-01T00:00:00Z", "time");
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
