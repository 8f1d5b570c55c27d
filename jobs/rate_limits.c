/* rate_limits.c - token buckets by key. Keys are spread over shards, each with its own lock, so
 * that threads seldom meet. In a shard, who was not seen for longest is forgotten first, which
 * gives the key a full bucket when it comes back: there should be room for all that are in use.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/rate_limits.h"

#include <string.h>

enum { SHARDS = 16 };
/* Tokens are counted in millionths, so that a microsecond brings rate_per_s of them. */
#define TOKEN  ((guint64)1000000)
#define DAY_US (86400 * (gint64)G_USEC_PER_SEC)

typedef struct {
    char id[API_KEY_ID_CHARS + 1];
    guint64 tokens;
    gint64 filled_us; /* when, by the clock that only goes forward */
    gint64 day;       /* of the count; never an earlier one */
    guint64 day_count;
    GList link;
} Bucket;

typedef struct {
    GMutex mutex;
    GHashTable *buckets; /* id -> Bucket */
    GQueue seen;         /* the one that was seen last is the tail */
} Shard;

struct _RateLimits {
    guint shard_max;
    Shard shards[SHARDS];
};

RateLimits *
rate_limits_new(guint keys_max)
{
    RateLimits *limits = g_new0(RateLimits, 1);

    limits->shard_max = MAX(keys_max / SHARDS, 1);
    for (guint i = 0; i < SHARDS; i++) {
        g_mutex_init(&limits->shards[i].mutex);
        limits->shards[i].buckets = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
    }
    return limits;
}

void
rate_limits_free(RateLimits *limits)
{
    if (!limits)
        return;
    for (guint i = 0; i < SHARDS; i++) {
        g_hash_table_unref(limits->shards[i].buckets);
        g_mutex_clear(&limits->shards[i].mutex);
    }
    g_free(limits);
}

static guint64
capacity_of(const IdentityKey *key)
{
    return MAX(key->burst, 1) * TOKEN;
}

static void
forget_oldest(Shard *shard)
{
    Bucket *oldest = shard->seen.head->data;

    g_queue_unlink(&shard->seen, &oldest->link);
    g_hash_table_remove(shard->buckets, oldest->id);
}

/* The key's bucket, filled up to now. Locked. */
static Bucket *
bucket_get(RateLimits *limits, Shard *shard, const IdentityKey *key, gint64 day,
           gint64 monotonic_us)
{
    Bucket *bucket = g_hash_table_lookup(shard->buckets, key->id);
    guint64 capacity = capacity_of(key);

    if (bucket) {
        g_queue_unlink(&shard->seen, &bucket->link);
    } else {
        if (shard->seen.length >= limits->shard_max)
            forget_oldest(shard);
        bucket = g_new(Bucket, 1);
        *bucket = (Bucket){.tokens = capacity, .filled_us = monotonic_us, .day = day};
        memcpy(bucket->id, key->id, sizeof bucket->id);
        bucket->link.data = bucket;
        g_hash_table_insert(shard->buckets, bucket->id, bucket);
    }
    g_queue_push_tail_link(&shard->seen, &bucket->link);
    if (monotonic_us > bucket->filled_us && key->rate_per_s > 0) {
        /* What is longer than it takes to fill it might overflow. */
        guint64 passed_us = (guint64)(monotonic_us - bucket->filled_us);
        passed_us = MIN(passed_us, capacity / key->rate_per_s + 1);
        bucket->tokens += passed_us * key->rate_per_s;
        bucket->filled_us = monotonic_us;
    }
    bucket->tokens = MIN(bucket->tokens, capacity);
    if (day > bucket->day) {
        bucket->day = day;
        bucket->day_count = 0;
    }
    return bucket;
}

static guint32
seconds_up(guint64 us)
{
    return (guint32)MIN((us + G_USEC_PER_SEC - 1) / G_USEC_PER_SEC, G_MAXINT32);
}

/* What the rate leaves, and when there is one more. */
static void
tell_rate(const Bucket *bucket, const IdentityKey *key, RateVerdict *verdict)
{
    guint64 capacity = capacity_of(key);

    verdict->limit = (guint32)(capacity / TOKEN);
    verdict->window_s = (verdict->limit + key->rate_per_s - 1) / key->rate_per_s;
    verdict->remaining = (guint32)(bucket->tokens / TOKEN);
    guint64 missing = bucket->tokens == capacity ? 0 : TOKEN - bucket->tokens % TOKEN;
    verdict->reset_s = seconds_up((missing + key->rate_per_s - 1) / key->rate_per_s);
}

static void
tell_quota(const Bucket *bucket, const IdentityKey *key, gint64 now_us, RateVerdict *verdict)
{
    guint64 left = key->daily_quota - MIN(bucket->day_count, key->daily_quota);

    verdict->limit = (guint32)MIN(key->daily_quota, G_MAXUINT32);
    verdict->window_s = DAY_US / G_USEC_PER_SEC;
    verdict->remaining = (guint32)MIN(left, G_MAXUINT32);
    verdict->reset_s = seconds_up((guint64)((bucket->day + 1) * DAY_US - now_us));
}

void
rate_limits_take(RateLimits *limits, const IdentityKey *key, gint64 now_us, gint64 monotonic_us,
                 RateVerdict *verdict)
{
    Shard *shard = &limits->shards[g_str_hash(key->id) % SHARDS];
    gboolean by_rate = key->rate_per_s > 0;
    gboolean by_quota = key->daily_quota > 0;

    *verdict = (RateVerdict){.limited = by_rate || by_quota, .allowed = TRUE};
    if (!verdict->limited)
        return;
    g_mutex_lock(&shard->mutex);
    Bucket *bucket = bucket_get(limits, shard, key, now_us / DAY_US, monotonic_us);
    verdict->by_quota = by_quota && bucket->day_count >= key->daily_quota;
    verdict->allowed = !verdict->by_quota && (!by_rate || bucket->tokens >= TOKEN);
    if (verdict->allowed) {
        bucket->tokens -= by_rate ? TOKEN : 0;
        bucket->day_count++;
    }
    /* Told is what will say no first. */
    if (by_rate)
        tell_rate(bucket, key, verdict);
    if (verdict->by_quota ||
        (by_quota && verdict->allowed &&
         (!by_rate || key->daily_quota - bucket->day_count < verdict->remaining)))
        tell_quota(bucket, key, now_us, verdict);
    g_mutex_unlock(&shard->mutex);
    if (!verdict->allowed)
        verdict->retry_after_s = MAX(verdict->reset_s, 1);
}
