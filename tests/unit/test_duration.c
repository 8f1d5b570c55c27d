/* Tests of formats/duration.c; expected seconds are those of GNU date.
 * SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "formats/duration.h"

#define SECOND G_TIME_SPAN_SECOND

static gint64
after(const char *duration, gint64 from_s)
{
    Duration parsed;

    cr_assert(duration_parse("--retain", duration, &parsed, NULL));
    return duration_after(&parsed, from_s * SECOND);
}

Test(duration, years_and_months_are_of_the_calendar)
{
    /* date -ud 2026-12-01T02:00:00Z +%s; date -ud 2033-12-01T02:00:00Z +%s; ... */
    cr_assert_eq(after("7y", 1796090400), 2017015200 * SECOND);
    cr_assert_eq(after("84mo", 1796090400), 2017015200 * SECOND);
    /* 2028-02-29 and a year is 2029-02-28. */
    cr_assert_eq(after("1y", 1835395200), 1866931200 * SECOND);
}

Test(duration, others_are_of_the_clock)
{
    cr_assert_eq(after("30d", 0), 2592000 * SECOND);
    cr_assert_eq(after("2w", 0), 1209600 * SECOND);
    cr_assert_eq(after("12h", 0), 43200 * SECOND);
    cr_assert_eq(after("30m", 0), 1800 * SECOND);
    cr_assert_eq(after("45s", -60), -15 * SECOND);
    cr_assert_eq(after("0s", 7), 7 * SECOND);
}

Test(duration, keeps_microseconds_before_and_after_the_epoch)
{
    const Duration year = {.months = 12};

    cr_assert_eq(duration_after(&year, 1), 31536000 * SECOND + 1);
    cr_assert_eq(duration_after(&year, -1), 31536000 * SECOND - 1);
}

Test(duration, ends_with_the_year_9999)
{
    /* date -ud 9999-12-31T23:59:59Z +%s */
    gint64 end_us = 253402300799 * SECOND + 999999;

    cr_assert_eq(after("1000y", 253370764800), end_us);
    cr_assert_eq(after("365000d", 253370764800), end_us);
}

Test(duration, refuses_what_is_none)
{
    static const char *const bad[] = {"",
                                      "7",
                                      "y",
                                      "-7y",
                                      "7 y",
                                      "7yy",
                                      "1.5y",
                                      "1001y",
                                      "7y1d",
                                      "+1d",
                                      "0x10d",
                                      "366000d",
                                      "99999999999999999999d"};

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        Duration duration;
        cr_expect_not(duration_parse("--retain", bad[i], &duration, &error), "%s", bad[i]);
        cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE), "%s", bad[i]);
    }
}

Test(duration, times_are_rfc_3339_or_days)
{
    gint64 time_us = 0;

    cr_assert(time_parse("--time", "2026-12-01", &time_us, NULL));
    cr_assert_eq(time_us, 1796083200 * SECOND);
    cr_assert(time_parse("--time", "2026-12-01T02:00:00+01:00", &time_us, NULL));
    cr_assert_eq(time_us, 1796086800 * SECOND);
    cr_assert_not(time_parse("--time", "2026-13-01", &time_us, NULL));
    cr_assert_not(time_parse("--time", "tomorrow", &time_us, NULL));
    cr_assert_not(time_parse("--time", "2026-12-01T02:00:00", &time_us, NULL));
}
