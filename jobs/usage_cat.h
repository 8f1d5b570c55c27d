/* usage_cat.h - events of a batch store as lines again.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_USAGE_CAT_H
#define MILLRACE_JOBS_USAGE_CAT_H

#include <glib.h>
#include <stdio.h>

/* Strings: borrowed. */
typedef struct {
    const char *store;           /* NULL when all segments are paths */
    const char *const *segments; /* names, begins of names, or paths; NULL = all of the store */
    const char *customer;        /* only whose subject this is; NULL = all */
    gint64 from_us;              /* only from then on */
    gint64 to_us;                /* and before then */
} UsageCatConfig;

/* Writes the events to out, segment by segment, bucket by bucket. A segment is checked before
 * anything of it is written; of one that does not hold, or cannot be read, the reason is appended
 * to bad, and the others follow. Returns FALSE and MILLRACE_ERROR_NO_INPUT (no such store or
 * segment), MILLRACE_ERROR_USAGE (a begin that several names have), MILLRACE_ERROR_IO. */
gboolean usage_cat(const UsageCatConfig *config, FILE *out, GPtrArray *bad, GError **error);

#endif
