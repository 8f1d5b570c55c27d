/* period.h - billing periods: calendar months in UTC.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_PERIOD_H
#define MILLRACE_FORMATS_PERIOD_H

#include <glib.h>

typedef struct {
    char name[8];    /* "2026-11" */
    gint64 start_us; /* of the first microsecond */
    gint64 end_us;   /* of the first microsecond behind it */
} Period;

/* Reads "2026-11", years 1970 to 9998. Returns FALSE and MILLRACE_ERROR_USAGE. */
gboolean period_parse(const char *text, Period *period, GError **error);

/* Appends a time as RFC 3339 in UTC with seconds, as in 2026-11-01T00:00:00Z; what is beyond the
 * second is cut. */
void period_print_time(GString *out, gint64 time_us);

#endif
