/* histogram.h - percentiles of integers that merge exactly: a log-linear histogram of 128 buckets
 * an octave. Merging adds counts, so the result is the same for any number of ranks in any order.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_HISTOGRAM_H
#define MILLRACE_FORMATS_HISTOGRAM_H

#include <glib.h>

#include "formats/bytes.h"

typedef struct _Histogram Histogram;

/* About 60 KiB, whatever is added. */
Histogram *histogram_new(void);
void histogram_free(Histogram *histogram);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Histogram, histogram_free)

void histogram_add(Histogram *histogram, guint64 value);
/* Adds the values at these indices, which are not negative. */
void histogram_add_at(Histogram *histogram, const gint64 *values, const guint32 *at, guint32 count);
/* Adds what from holds; from is borrowed until return, and unchanged. */
void histogram_merge(Histogram *into, const Histogram *from);

/* Appends what it holds, and merges what was appended so. Returns FALSE when it is malformed. */
void histogram_put(const Histogram *histogram, GByteArray *out);
gboolean histogram_get(Histogram *into, ByteReader *reader);

guint64 histogram_count(const Histogram *histogram);
/* Exact; stays at G_MAXUINT64 once it would be more. */
guint64 histogram_sum(const Histogram *histogram);
/* Exact; 0 when nothing was added. */
guint64 histogram_max(const Histogram *histogram);

/* The value that permille / 1000 of all values do not exceed, by nearest rank: 500 is the median,
 * 990 is P99, 1000 the maximum. At least the exact answer, and above it by less than 1/128 (0.78
 * %); exact up to 255. Returns 0 when nothing was added. */
guint64 histogram_percentile(const Histogram *histogram, guint permille);

#endif
