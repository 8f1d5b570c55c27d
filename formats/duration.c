/* duration.c - how long, and when, as people write it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/duration.h"

#include <string.h>

#include "formats/usage.h"

static const struct {
    const char *unit;
    gint months;
    gint64 us;
} units[] = {
    {"y", 12, 0},
    {"mo", 1, 0},
    {"w", 0, 7 * G_TIME_SPAN_DAY},
    {"d", 0, G_TIME_SPAN_DAY},
    {"h", 0, G_TIME_SPAN_HOUR},
    {"m", 0, G_TIME_SPAN_MINUTE},
    {"s", 0, G_TIME_SPAN_SECOND},
};

/* Days of a thousand years, rounded up. */
static const gint64 max_us = 365243 * G_TIME_SPAN_DAY;
enum { MAX_MONTHS = 12000 };

gboolean
duration_parse(const char *option, const char *text, Duration *duration, GError **error)
{
    char *unit = NULL;
    guint64 count = g_ascii_isdigit(*text) ? g_ascii_strtoull(text, &unit, 10) : 0;

    for (guint i = 0; unit && i < G_N_ELEMENTS(units); i++) {
        if (strcmp(unit, units[i].unit) != 0)
            continue;
        guint64 max = units[i].months ? (guint64)MAX_MONTHS / (guint64)units[i].months
                                      : (guint64)(max_us / units[i].us);
        if (count > max)
            break;
        *duration =
            (Duration){.months = (gint)count * units[i].months, .us = (gint64)count * units[i].us};
        return TRUE;
    }
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                "%s=%s: expected a number of y, mo, w, d, h, m or s, as in 7y or 30d", option,
                text);
    return FALSE;
}

gint64
duration_after(const Duration *duration, gint64 from_us)
{
    static const char end[] = "9999-12-31T23:59:59.999999Z";
    gint64 end_us = 0;
    gint64 seconds = from_us / G_USEC_PER_SEC - (from_us % G_USEC_PER_SEC < 0);
    gint64 rest_us = from_us - seconds * G_USEC_PER_SEC;

    usage_parse_time(end, sizeof end - 1, &end_us);
    g_autoptr(GDateTime) from = g_date_time_new_from_unix_utc(seconds);
    g_autoptr(GDateTime) moved = from ? g_date_time_add_months(from, duration->months) : NULL;
    if (!moved)
        return end_us;
    gint64 moved_us = g_date_time_to_unix(moved) * G_USEC_PER_SEC + rest_us;
    return moved_us > end_us - duration->us ? end_us : moved_us + duration->us;
}

gboolean
time_parse(const char *option, const char *text, gint64 *time_us, GError **error)
{
    g_autofree char *midnight = g_strconcat(text, "T00:00:00Z", NULL);

    if (usage_parse_time(text, strlen(text), time_us) ||
        usage_parse_time(midnight, strlen(midnight), time_us))
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                "%s=%s: expected a time as in 2033-12-01 or 2033-12-01T02:00:00Z", option, text);
    return FALSE;
}
