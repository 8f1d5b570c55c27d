/* period.c - billing periods, and the count of days behind them, without a time zone or a locale.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/period.h"

#include <string.h>

#include "formats/error.h"
#include "formats/usage.h"

#define YEAR_MIN   1970
#define YEAR_MAX   9998
#define DAY_US     (G_GINT64_CONSTANT(86400) * G_USEC_PER_SEC)
#define NAME_CHARS 7
/* What is quoted of a wrong text: enough to find it. */
#define QUOTE_MAX_BYTES 40

/* Days from 1970-01-01 to the first of a month; month from 1, and 13 is the next year's first. */
static gint64
days_before(guint year, guint month)
{
    static const guint16 days_in_year[] = {0,   31,  59,  90,  120, 151, 181,
                                           212, 243, 273, 304, 334, 365};
    gboolean leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    guint before = year - 1; /* whole years since the year 1 */
    gint64 days = (gint64)before * 365 + before / 4 - before / 100 + before / 400;
    /* The year 1 begins 719,162 days before 1970. */
    return days - 719162 + days_in_year[month - 1] + (leap && month > 2);
}

/* Reads `count` digits. Returns FALSE when there are others. */
static gboolean
digits_parse(const char *text, guint count, guint *value)
{
    *value = 0;
    for (guint i = 0; i < count; i++) {
        if (!g_ascii_isdigit(text[i]))
            return FALSE;
        *value = *value * 10 + (guint)(text[i] - '0');
    }
    return TRUE;
}

gboolean
period_parse(const char *text, Period *period, GError **error)
{
    guint year;
    guint month;
    if (strlen(text) == NAME_CHARS && text[4] == '-' && digits_parse(text, 4, &year) &&
        digits_parse(text + 5, 2, &month) && year >= YEAR_MIN && year <= YEAR_MAX && month >= 1 &&
        month <= 12) {
        memcpy(period->name, text, NAME_CHARS + 1);
        period->start_us = days_before(year, month) * DAY_US;
        period->end_us = days_before(year, month + 1) * DAY_US;
        return TRUE;
    }
    g_autofree char *quoted = g_utf8_make_valid(text, (gssize)MIN(strlen(text), QUOTE_MAX_BYTES));
    for (char *at = quoted; *at != '\0'; at++)
        if (g_ascii_iscntrl(*at))
            *at = '?';
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                "period \"%s\": expected a month, as in 2026-11", quoted);
    return FALSE;
}

void
period_print_time(GString *out, gint64 time_us)
{
    usage_print_time(out, time_us);
    g_string_truncate(out, out->len - strlen(".000000Z"));
    g_string_append_c(out, 'Z');
}
