/* duration.h - how long: 7y, 18mo, 2w, 30d, 12h, 30m, 45s; and points in time as people write them.
 * Years and months are those of the calendar (UTC).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_DURATION_H
#define MILLRACE_FORMATS_DURATION_H

#include <glib.h>

#include "formats/error.h"

typedef struct {
    gint months;
    gint64 us;
} Duration;

/* option: for the message. At most 1000 years. FALSE and MILLRACE_ERROR_USAGE. */
gboolean duration_parse(const char *option, const char *text, Duration *duration, GError **error);
/* That long after from_us, at most the end of the year 9999. The 29th to 31st of a month that has
 * none is its last day. */
gint64 duration_after(const Duration *duration, gint64 from_us);

/* Reads RFC 3339 with a zone, or a day as in 2033-12-01: its first microsecond in UTC. FALSE and
 * MILLRACE_ERROR_USAGE. */
gboolean time_parse(const char *option, const char *text, gint64 *time_us, GError **error);

#endif
