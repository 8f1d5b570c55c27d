/* histogram.c - percentiles of integers that merge exactly. A value's bucket is its octave and its
 * next seven bits, found by clz and a shift, so adding costs nanoseconds and no floating point.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/histogram.h"

#define SUB_BITS  7
#define SUB_COUNT (1u << SUB_BITS)
/* Octaves that need a shift, and the values below 2 * SUB_COUNT, each in a bucket of its own. */
#define BUCKET_COUNT ((64 - SUB_BITS - 1) * SUB_COUNT + 2 * SUB_COUNT)

struct _Histogram {
    guint64 count;
    guint64 sum;
    guint64 max;
    guint64 buckets[BUCKET_COUNT];
};

static guint
bucket_of(guint64 value)
{
    if (value < 2 * SUB_COUNT)
        return (guint)value;
    guint shift = 63 - (guint)__builtin_clzll(value) - SUB_BITS;
    return (shift << SUB_BITS) + (guint)(value >> shift);
}

/* The largest value of a bucket. The last one's is 2^64 - 1, by wrapping round. */
static guint64
bucket_upper(guint bucket)
{
    if (bucket < 2 * SUB_COUNT)
        return bucket;
    guint shift = (bucket >> SUB_BITS) - 1;
    guint64 leading = (bucket & (SUB_COUNT - 1)) + SUB_COUNT;
    return ((leading + 1) << shift) - 1;
}

static guint64
add_saturating(guint64 a, guint64 b)
{
    guint64 sum;
    return __builtin_add_overflow(a, b, &sum) ? G_MAXUINT64 : sum;
}

Histogram *
histogram_new(void)
{
    return g_new0(Histogram, 1);
}

void
histogram_free(Histogram *histogram)
{
    g_free(histogram);
}

void
histogram_add(Histogram *histogram, guint64 value)
{
    histogram->buckets[bucket_of(value)]++;
    histogram->count++;
    histogram->sum = add_saturating(histogram->sum, value);
    histogram->max = MAX(histogram->max, value);
}

void
histogram_add_at(Histogram *histogram, const gint64 *values, const guint32 *at, guint32 count)
{
    guint64 sum = histogram->sum;
    guint64 max = histogram->max;

    for (guint32 i = 0; i < count; i++) {
        guint64 value = (guint64)values[at[i]];
        histogram->buckets[bucket_of(value)]++;
        sum = add_saturating(sum, value);
        max = MAX(max, value);
    }
    histogram->sum = sum;
    histogram->max = max;
    histogram->count += count;
}

void
histogram_merge(Histogram *into, const Histogram *from)
{
    for (guint i = 0; i < BUCKET_COUNT; i++)
        into->buckets[i] += from->buckets[i];
    into->count += from->count;
    into->sum = add_saturating(into->sum, from->sum);
    into->max = MAX(into->max, from->max);
}

void
histogram_put(const Histogram *histogram, GByteArray *out)
{
    guint32 used = 0;

    for (guint i = 0; i < BUCKET_COUNT; i++)
        used += histogram->buckets[i] > 0;
    bytes_put_u64(out, histogram->sum);
    bytes_put_u64(out, histogram->max);
    bytes_put_u32(out, used);
    for (guint i = 0; i < BUCKET_COUNT; i++)
        if (histogram->buckets[i] > 0) {
            bytes_put_u32(out, i);
            bytes_put_u64(out, histogram->buckets[i]);
        }
}

gboolean
histogram_get(Histogram *into, ByteReader *reader)
{
    guint64 sum = bytes_get_u64(reader);
    guint64 max = bytes_get_u64(reader);

    into->sum = add_saturating(into->sum, sum);
    into->max = MAX(into->max, max);
    for (guint32 left = bytes_get_u32(reader); left > 0 && reader->ok; left--) {
        guint32 bucket = bytes_get_u32(reader);
        guint64 count = bytes_get_u64(reader);
        if (bucket >= BUCKET_COUNT)
            return FALSE;
        into->buckets[bucket] += count;
        into->count += count;
    }
    return reader->ok;
}

guint64
histogram_count(const Histogram *histogram)
{
    return histogram->count;
}

guint64
histogram_sum(const Histogram *histogram)
{
    return histogram->sum;
}

guint64
histogram_max(const Histogram *histogram)
{
    return histogram->max;
}

guint64
histogram_percentile(const Histogram *histogram, guint permille)
{
    g_assert(permille <= 1000);
    if (histogram->count == 0)
        return 0;

    /* 128 bits: the product may be over 2^64. */
    guint64 rank = (guint64)(((unsigned __int128)histogram->count * permille + 999) / 1000);
    rank = MAX(rank, 1);
    guint64 seen = 0;
    guint bucket = 0;
    while ((seen += histogram->buckets[bucket]) < rank)
        bucket++;
    g_assert(bucket < BUCKET_COUNT);
    return MIN(bucket_upper(bucket), histogram->max);
}
