/* test_usage_time.c - times as lines have them. Seconds since the epoch were made by
 *     date -u -d TIME +%s
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/usage.h"

#include <criterion/criterion.h>
#include <string.h>

#include "formats/usage_internal.h"

static void
expect_time(const char *text, gint64 expected_us)
{
    gint64 time_us = 0;
    g_autofree char *bytes = g_memdup2(text, strlen(text)); /* no NUL behind them */

    cr_assert(usage_parse_time(bytes, strlen(text), &time_us), "%s", text);
    cr_expect_eq(time_us, expected_us, "%s: %" G_GINT64_FORMAT, text, time_us);
}

static void
expect_no_time(const char *text)
{
    gint64 time_us = 0;
    g_autofree char *bytes = g_memdup2(text, strlen(text));

    cr_expect_not(usage_parse_time(bytes, strlen(text), &time_us), "%s", text);
}

Test(usage_time, times_have_offsets_and_any_precision)
{
    expect_time("2026-11-22T10:00:00Z", 1795341600000000);
    expect_time("2026-11-22T12:00:00.123456+02:00", 1795341600123456);
    expect_time("2026-11-21T23:30:00-10:30", 1795341600000000);
    expect_time("2026-11-22T10:00:00.5Z", 1795341600500000);
    expect_time("2026-11-22T10:00:00.000001Z", 1795341600000001);
    expect_time("2026-11-22T10:00:00.999999Z", 1795341600999999);
    expect_time("2024-02-29T00:00:00Z", 1709164800000000);
}

Test(usage_time, times_before_1970_are_negative)
{
    expect_time("1969-12-31T23:59:59Z", -1000000);
    expect_time("1969-12-31T23:59:59.999999Z", -1);
    expect_time("1960-02-29T12:34:56.000001Z", -310476304000000 + 1);
    expect_time("0001-01-01T00:00:00Z", -62135596800000000);
}

Test(usage_time, times_print_in_utc_with_microseconds)
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

/* What nearly all lines have is read in a way of its own; it must not tell another time. */
Test(usage_time, a_printed_time_with_any_character_changed_is_no_other_time)
{
    static const char *const texts[] = {
        "2026-11-22T10:00:00.123456Z", "2024-02-29T19:39:49.000000Z", "9999-12-31T23:59:59.999999Z",
        "0001-01-01T00:00:00.000001Z", "2023-02-28T08:08:08.080808Z"};

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++)
        for (guint at = 0; at < USAGE_TIME_CHARS; at++)
            for (guint byte = 0; byte < 256; byte++) {
                g_autofree char *bytes = g_memdup2(texts[i], USAGE_TIME_CHARS);
                gint64 got_us = 0;
                gint64 expected_us = 0;
                bytes[at] = (char)byte;
                gboolean got = usage_parse_printed_time(bytes, &got_us);
                gboolean good = usage_parse_time(bytes, USAGE_TIME_CHARS, &expected_us) &&
                                usage_is_printed_time(bytes);
                cr_assert_eq(got, good, "%.27s", bytes);
                cr_assert_eq(got_us, got ? expected_us : 0, "%.27s", bytes);
            }
}

Test(usage_time, digits_beyond_the_microsecond_are_cut)
{
    expect_time("2026-11-22T10:00:00.1234569Z", 1795341600123456);
    expect_time("2026-11-22T10:00:00.9999999999999999999999Z", 1795341600999999);
    expect_time("1969-12-31T23:59:59.0000009Z", -1000000);
}

Test(usage_time, a_leap_second_is_the_next_second)
{
    expect_time("2016-12-31T23:59:60Z", 1483228800000000);
    expect_time("2016-12-31T23:59:60.5Z", 1483228800500000);
    expect_time("2017-01-01T01:59:60+02:00", 1483228800000000);
}

Test(usage_time, letters_may_be_small)
{
    expect_time("2026-11-22t10:00:00z", 1795341600000000);
    expect_time("2026-11-22t10:00:00.5z", 1795341600500000);
}

/* GLib counts days in another way. */
Test(usage_time, every_week_of_the_calendar_is_that_of_glib)
{
    g_autoptr(GString) text = g_string_new(NULL);
    const gint64 week_us = G_TIME_SPAN_DAY * 7;

    for (gint64 us = -62135596800000000; us < 253402300800000000; us += week_us + 3723000001) {
        gint64 got_us = 0;
        gint64 seconds = us / G_USEC_PER_SEC - (us % G_USEC_PER_SEC < 0);
        g_autoptr(GDateTime) date = g_date_time_new_from_unix_utc(seconds);
        g_autofree char *expected = g_strdup_printf(
            "%04d-%02d-%02dT%02d:%02d:%02d.", g_date_time_get_year(date),
            g_date_time_get_month(date), g_date_time_get_day_of_month(date),
            g_date_time_get_hour(date), g_date_time_get_minute(date), g_date_time_get_second(date));
        g_string_truncate(text, 0);
        usage_print_time(text, us);
        cr_assert_eq(strncmp(text->str, expected, strlen(expected)), 0, "%s, not %s", text->str,
                     expected);
        cr_assert(usage_parse_time(text->str, text->len, &got_us));
        cr_assert_eq(got_us, us, "%s", text->str);
        cr_assert(usage_parse_printed_time(text->str, &got_us));
        cr_assert_eq(got_us, us, "%s", text->str);
    }
}

Test(usage_time, every_microsecond_comes_back)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (gint64 us = -1000000; us < 1000000; us += 331) { /* a prime, so that all digits come */
        gint64 got_us = 0;
        g_string_truncate(text, 0);
        usage_print_time(text, us);
        cr_assert(usage_parse_time(text->str, text->len, &got_us));
        cr_assert_eq(got_us, us, "%s", text->str);
    }
}

Test(usage_time, a_time_that_is_none_is_refused)
{
    static const char *const wrong[] = {"",
                                        "now",
                                        "2026-11-22",
                                        "2026-11-22T10:00:00",
                                        "2026-02-30T10:00:00Z",
                                        "2026-02-29T10:00:00Z",
                                        "2100-02-29T10:00:00Z",
                                        "2026-04-31T10:00:00Z",
                                        "2026-00-22T10:00:00Z",
                                        "2026-13-22T10:00:00Z",
                                        "2026-11-00T10:00:00Z",
                                        "2026-11-22T24:00:00Z",
                                        "2026-11-22T24:00:01Z",
                                        "2026-11-22T10:60:00Z",
                                        "2026-11-22T10:00:61Z",
                                        "2026-11-22T10:00:00.Z",
                                        "2026-11-22T10:00:00.5",
                                        "2026-11-22T10:00:00Zx",
                                        "2026-11-22 10:00:00Z",
                                        "2026/11/22T10:00:00Z",
                                        "2026-11-22T10-00-00Z",
                                        "2026-11-22T10:00:00+0200",
                                        "2026-11-22T10:00:00+02",
                                        "2026-11-22T10:00:00+24:00",
                                        "2026-11-22T10:00:00+02:60",
                                        "2026-11-22T10:00:00+0a:00",
                                        "2026-11-22T10:00:00 02:00",
                                        "2o26-11-22T10:00:00Z",
                                        "2026-11-2 T10:00:00Z",
                                        "\xff\xff\xff\xff-11-22T10:00:00Z",
                                        "12026-11-22T10:00:00Z",
                                        "1795341600"};

    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++)
        expect_no_time(wrong[i]);
}

Test(usage_time, a_time_outside_of_four_digit_years_is_refused)
{
    /* In their zones these are of the years 9999 and 1; in UTC, of 10000 and 0. */
    expect_no_time("9999-12-31T23:59:59-00:01");
    expect_no_time("9999-12-31T23:59:60Z");
    expect_no_time("0001-01-01T00:00:00+00:01");
    expect_no_time("0000-01-01T00:00:00Z");
    /* And the other way round. */
    expect_time("0000-12-31T23:59:00-00:01", -62135596800000000);
}
