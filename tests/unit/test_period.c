/* test_period.c - months against GLib's calendar, and what is no month.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/period.h"

#include <criterion/criterion.h>

#include "formats/error.h"

static gint64
calendar_us(int year, int month)
{
    g_autoptr(GDateTime) time = g_date_time_new_utc(year, month, 1, 0, 0, 0);
    return g_date_time_to_unix(time) * G_USEC_PER_SEC;
}

Test(period, a_month_is_from_its_first_microsecond_until_before_the_next_months)
{
    Period period;
    cr_assert(period_parse("2026-11", &period, NULL));
    cr_expect_str_eq(period.name, "2026-11");
    /* date -u -d 2026-11-01 +%s, and of 2026-12-01 */
    cr_expect_eq(period.start_us, G_GINT64_CONSTANT(1793491200000000));
    cr_expect_eq(period.end_us, G_GINT64_CONSTANT(1796083200000000));
}

Test(period, every_month_is_where_the_calendar_has_it)
{
    gint64 end_us = 0;
    for (int year = 1970; year <= 9998; year++)
        for (int month = 1; month <= 12; month++) {
            g_autofree char *name = g_strdup_printf("%04d-%02d", year, month);
            Period period;
            cr_assert(period_parse(name, &period, NULL));
            cr_assert_eq(period.start_us, end_us, "%s does not begin where the last ended", name);
            cr_assert_eq(period.start_us, calendar_us(year, month), "%s", name);
            end_us = period.end_us;
        }
    cr_expect_eq(end_us, calendar_us(9999, 1));
}

Test(period, what_is_no_month_is_refused)
{
    static const char *const wrong[] = {
        "",        "2026",     "2026-1",   "2026-00",   "2026-13", "1969-12", "9999-01",
        "2026/11", "2026-11-", "+026-11",  "2026-+1",   " 2026-1", "26-11",   "2026-11-01",
        "2026- 1", "202x-11",  "\xff\xff", "2026-11\n", "0000-00",
    };
    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;
        Period period;
        cr_assert(!period_parse(wrong[i], &period, &error), "%s was accepted", wrong[i]);
        cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE));
        cr_expect(g_utf8_validate(error->message, -1, NULL));
        cr_expect_null(strchr(error->message, '\n'));
    }
}

Test(period, times_are_printed_to_the_second)
{
    g_autoptr(GString) out = g_string_new("from ");
    period_print_time(out, G_GINT64_CONSTANT(1793491200999999));
    cr_expect_str_eq(out->str, "from 2026-11-01T00:00:00Z");
}
