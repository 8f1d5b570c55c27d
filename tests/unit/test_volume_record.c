/* test_volume_record.c - what a name tells of a record, and its line in the index.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/error.h"
#include "formats/volume.h"

#include <criterion/criterion.h>
#include <string.h>

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define REST                                                                                       \
    "\"from\":\"2026-11-03T00:00:00.000000Z\",\"to\":\"2026-11-03T23:59:59.999999Z\","             \
    "\"size\":81236,\"sha256\":\"" DIGEST "\",\"frame\":12,\"offset\":512}"

/* 2026-11-03 begins so many seconds after 1970. */
#define DAY_S G_GINT64_CONSTANT(1793664000)

static void
expect_usage(const char *name, const char *customer)
{
    g_autoptr(GString) keep = g_string_new(NULL);
    VolumeRecord record = {0};

    volume_record_describe(name, 5, keep, &record);
    cr_expect_str_eq(record.key, name);
    cr_assert_not_null(record.customer, "%s", name);
    cr_expect_str_eq(record.customer, customer);
    cr_expect_eq(record.from_us, DAY_S * G_USEC_PER_SEC);
    cr_expect_eq(record.to_us, (DAY_S + 86400) * G_USEC_PER_SEC - 1);
}

static void
expect_file(const char *name, const char *key)
{
    g_autoptr(GString) keep = g_string_new(NULL);
    VolumeRecord record = {0};

    volume_record_describe(name, 5, keep, &record);
    cr_expect_str_eq(record.key, key);
    cr_expect_null(record.customer, "%s", name);
    cr_expect_eq(record.from_us, 5 * G_USEC_PER_SEC);
    cr_expect_eq(record.to_us, record.from_us);
}

Test(volume_record, a_day_of_usage_tells_its_customer)
{
    expect_usage("usage/acme/2026-11-03.ndjson", "acme");
    expect_usage("usage/%/2026-11-03.ndjson", "");
    expect_usage("usage/x/2026-11-03.ndjson", "x");
    expect_usage("usage/%25/2026-11-03.ndjson", "%");
    expect_usage("usage/A%2F%C3%A9%20z_-9/2026-11-03.ndjson", "A/\xc3\xa9 z_-9");
}

Test(volume_record, only_names_that_we_would_give_are_usage)
{
    static const char *const others[] = {"usage/a%62/2026-11-03.ndjson",
                                         "usage/%2f/2026-11-03.ndjson",
                                         "usage/%00/2026-11-03.ndjson",
                                         "usage/%FF/2026-11-03.ndjson",
                                         "usage/.a/2026-11-03.ndjson",
                                         "usage/a%/2026-11-03.ndjson",
                                         "usage/a%2/2026-11-03.ndjson",
                                         "usage//2026-11-03.ndjson",
                                         "usage/a b/2026-11-03.ndjson",
                                         "usage/a/2026-11-31.ndjson",
                                         "usage/a/2026-11-03.ndjson.zst",
                                         "usage/a/2026-11-03.json",
                                         "usage/a/b/2026-11-03.ndjson",
                                         "usage/a",
                                         "usage/",
                                         "other/usage/a/2026-11-03.ndjson"};

    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
        expect_file(others[i], others[i]);
}

Test(volume_record, a_name_that_is_not_utf8_is_encoded_whole)
{
    expect_file("h\xc3\xa9 100%", "h\xc3\xa9 100%");
    expect_file("h\xe9 100%\n", "h%E9 100%25%0A");
}

Test(volume_record, an_absurd_mtime_counts_as_the_nearest_that_can_be_written)
{
    g_autoptr(GString) keep = g_string_new(NULL);
    g_autoptr(GString) line = g_string_new(NULL);
    VolumeRecord record = {0};

    volume_record_describe("a", G_MAXINT64, keep, &record);
    volume_record_print(&record, line);
    cr_expect_not_null(strstr(line->str, "\"to\":\"9999-12-31T23:59:59.000000Z\""));
    g_string_truncate(line, 0);
    volume_record_describe("a", G_MININT64, keep, &record);
    volume_record_print(&record, line);
    cr_expect_not_null(strstr(line->str, "\"from\":\"0001-01-01T00:00:00.000000Z\""));
}

Test(volume_record, a_line_is_as_the_format_says)
{
    g_autoptr(GString) line = g_string_new(NULL);
    VolumeRecord record = {.key = "usage/acme/2026-11-03.ndjson",
                           .customer = "acme",
                           .from_us = DAY_S * G_USEC_PER_SEC,
                           .to_us = (DAY_S + 86400) * G_USEC_PER_SEC - 1,
                           .size_bytes = 81236,
                           .sha256 = DIGEST,
                           .frame = 12,
                           .offset = 512};

    volume_record_print(&record, line);
    cr_expect_str_eq(line->str,
                     "{\"key\":\"usage/acme/2026-11-03.ndjson\",\"customer\":\"acme\"," REST "\n");
    g_string_truncate(line, 0);
    record.customer = NULL;
    record.key = "a\"\\\n\x01\xc3\xa9";
    volume_record_print(&record, line);
    cr_expect_str_eq(line->str, "{\"key\":\"a\\\"\\\\\\n\\u0001\xc3\xa9\"," REST "\n");
}

Test(volume_record, a_line_is_read_back)
{
    static const char line[] = "{\"key\":\"a\\\"\\u0001\xc3\xa9\",\"customer\":\"\\\\\"," REST;
    g_autoptr(GString) keep = g_string_new("before");
    g_autoptr(GError) error = NULL;
    VolumeRecord record = {0};

    cr_assert(volume_record_parse(line, strlen(line), keep, &record, &error));
    cr_expect_str_eq(record.key, "a\"\x01\xc3\xa9");
    cr_expect_str_eq(record.customer, "\\");
    cr_expect_eq(record.from_us, DAY_S * G_USEC_PER_SEC);
    cr_expect_eq(record.to_us, (DAY_S + 86400) * G_USEC_PER_SEC - 1);
    cr_expect_eq(record.size_bytes, 81236);
    cr_expect_str_eq(record.sha256, DIGEST);
    cr_expect_eq(record.frame, 12);
    cr_expect_eq(record.offset, 512);
}

Test(volume_record, another_spelling_of_a_line_is_refused)
{
#define TIMES "\"from\":\"2026-11-03T00:00:00.000000Z\",\"to\":\"2026-11-03T00:00:00.000000Z\","
    static const char *const lines[] = {
        "",
        "{}",
        "{\"key\":\"\"," REST,
        "{\"key\":\"a\"," REST " ",
        " {\"key\":\"a\"," REST,
        "{\"key\":\"\\u0061\"," REST,
        "{\"key\":\"\\/\"," REST,
        "{\"key\":\"\\u0000\"," REST,
        "{\"key\":\"\xff\"," REST,
        "{\"key\":\"a\",\"customer\":null," REST,
        "{\"key\":\"a\",\"more\":1," REST,
        "{\"key\":\"a\"," TIMES "\"size\":01,\"sha256\":\"" DIGEST "\",\"frame\":0,\"offset\":0}",
        "{\"key\":\"a\"," TIMES "\"size\":-1,\"sha256\":\"" DIGEST "\",\"frame\":0,\"offset\":0}",
        "{\"key\":\"a\"," TIMES "\"size\":4611686018427387905,\"sha256\":\"" DIGEST
        "\",\"frame\":0,\"offset\":0}",
        "{\"key\":\"a\"," TIMES "\"size\":99999999999999999999,\"sha256\":\"" DIGEST
        "\",\"frame\":0,\"offset\":0}",
        "{\"key\":\"a\"," TIMES "\"size\":1,\"sha256\":\"" DIGEST
        "\",\"frame\":134217728,\"offset\":0}",
        "{\"key\":\"a\"," TIMES "\"size\":1,\"sha256\":\"" DIGEST
        "\",\"frame\":0,\"offset\":4194304}",
        "{\"key\":\"a\"," TIMES "\"size\":1,\"sha256\":\"0123\",\"frame\":0,\"offset\":0}",
        "{\"key\":\"a\",\"from\":\"2026-11-03T01:00:00.000000+01:00\",\"to\":"
        "\"2026-11-03T00:00:00.000000Z\",\"size\":1,\"sha256\":\"" DIGEST
        "\",\"frame\":0,\"offset\":0}",
        "{\"key\":\"a\",\"from\":\"2026-11-03T00:00:01.000000Z\",\"to\":"
        "\"2026-11-03T00:00:00.000000Z\",\"size\":1,\"sha256\":\"" DIGEST
        "\",\"frame\":0,\"offset\":0}",
    };

    for (guint i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autoptr(GString) keep = g_string_new(NULL);
        g_autoptr(GError) error = NULL;
        VolumeRecord record = {0};
        cr_expect_not(volume_record_parse(lines[i], strlen(lines[i]), keep, &record, &error), "%s",
                      lines[i]);
        cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT));
    }
}

Test(volume_record, is_found_by_customer_glob_and_time)
{
    VolumeRecord record = {
        .key = "usage/acme/2026-11-03.ndjson", .customer = "acme", .from_us = 1000, .to_us = 1999};
    VolumeRecord other = {.key = "bills/2026-11/lines.csv", .from_us = 1000, .to_us = 1000};
    gint64 first = G_MININT64;
    gint64 last = G_MAXINT64;

    cr_expect(volume_record_matches(&record, NULL, NULL, first, last));
    cr_expect(volume_record_matches(&record, "acme", "usage/*", first, last));
    cr_expect(volume_record_matches(&record, NULL, "*2026-11-0[1-3]*", first, last));
    cr_expect_not(volume_record_matches(&record, "acm", NULL, first, last));
    cr_expect_not(volume_record_matches(&record, NULL, "acme", first, last));
    cr_expect_not(volume_record_matches(&other, "", NULL, first, last));
    cr_expect(volume_record_matches(&record, NULL, NULL, 1999, 5000));
    cr_expect(volume_record_matches(&record, NULL, NULL, 0, 1000));
    cr_expect_not(volume_record_matches(&record, NULL, NULL, 2000, 5000));
    cr_expect_not(volume_record_matches(&record, NULL, NULL, 0, 999));
}
