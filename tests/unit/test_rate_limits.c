/* test_rate_limits.c - what a key may, second by second and day by day; clocks are given.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/rate_limits.h"

#include <stdio.h>

#include <criterion/criterion.h>

#define SECOND ((gint64)G_USEC_PER_SEC)
#define DAY    (86400 * SECOND)
#define NOON   (20000 * DAY + DAY / 2)

static IdentityKey
key_of(const char *id, guint32 rate_per_s, guint32 burst, guint64 daily_quota)
{
    IdentityKey key = {.rate_per_s = rate_per_s, .burst = burst, .daily_quota = daily_quota};

    g_strlcpy(key.id, id, sizeof key.id);
    return key;
}

/* How many of count are allowed at a time; the last verdict stays. */
static guint
take(RateLimits *limits, const IdentityKey *key, gint64 now_us, gint64 monotonic_us, guint count,
     RateVerdict *verdict)
{
    guint allowed = 0;

    for (guint i = 0; i < count; i++) {
        rate_limits_take(limits, key, now_us, monotonic_us, verdict);
        allowed += verdict->allowed != FALSE;
    }
    return allowed;
}

Test(rate_limits, a_key_without_limits_is_allowed_anything)
{
    g_autoptr(RateLimits) limits = rate_limits_new(100);
    IdentityKey key = key_of("k", 0, 0, 0);
    RateVerdict verdict;

    cr_expect_eq(take(limits, &key, NOON, 0, 1000, &verdict), 1000);
    cr_expect_not(verdict.limited);
}

Test(rate_limits, a_burst_is_allowed_then_the_rate)
{
    g_autoptr(RateLimits) limits = rate_limits_new(100);
    IdentityKey key = key_of("k", 10, 30, 0);
    RateVerdict verdict;

    cr_expect_eq(take(limits, &key, NOON, 0, 1, &verdict), 1);
    cr_expect(verdict.limited);
    cr_expect_eq(verdict.limit, 30);
    cr_expect_eq(verdict.window_s, 3, "30 in 3 s are 10 a second");
    cr_expect_eq(verdict.remaining, 29);
    cr_expect_eq(verdict.reset_s, 1, "a tenth of a second, in whole ones");
    cr_expect_eq(take(limits, &key, NOON, 0, 100, &verdict), 29);
    cr_expect_not(verdict.allowed);
    cr_expect_not(verdict.by_quota);
    cr_expect_eq(verdict.remaining, 0);
    cr_expect_eq(verdict.retry_after_s, 1);
    cr_expect_eq(take(limits, &key, NOON, 99999, 100, &verdict), 0);
    cr_expect_eq(take(limits, &key, NOON, 100000, 100, &verdict), 1);
    cr_expect_eq(take(limits, &key, NOON, SECOND, 100, &verdict), 9);
    cr_expect_eq(take(limits, &key, NOON, 1000 * SECOND, 100, &verdict), 30,
                 "no more than a burst");
}

Test(rate_limits, a_slow_rate_says_how_long_to_wait)
{
    g_autoptr(RateLimits) limits = rate_limits_new(100);
    IdentityKey key = key_of("k", 1, 1, 0);
    RateVerdict verdict;

    take(limits, &key, NOON, 0, 1, &verdict);
    cr_expect_eq(take(limits, &key, NOON, SECOND / 2, 1, &verdict), 0);
    cr_expect_eq(verdict.retry_after_s, 1);
    cr_expect_eq(take(limits, &key, NOON, SECOND, 1, &verdict), 1);
}

Test(rate_limits, what_is_refused_costs_nothing)
{
    g_autoptr(RateLimits) limits = rate_limits_new(100);
    IdentityKey key = key_of("k", 1, 1, 2);
    RateVerdict verdict;

    cr_expect_eq(take(limits, &key, NOON, 0, 100, &verdict), 1);
    cr_expect_eq(take(limits, &key, NOON, SECOND, 100, &verdict), 1, "the quota has one left");
    cr_expect_eq(take(limits, &key, NOON, 2 * SECOND, 100, &verdict), 0);
    cr_expect(verdict.by_quota);
}

Test(rate_limits, a_quota_ends_with_the_day_of_utc)
{
    g_autoptr(RateLimits) limits = rate_limits_new(100);
    IdentityKey key = key_of("k", 0, 0, 5);
    RateVerdict verdict;

    cr_expect_eq(take(limits, &key, NOON, 0, 1, &verdict), 1);
    cr_expect_eq(verdict.limit, 5);
    cr_expect_eq(verdict.window_s, 86400);
    cr_expect_eq(verdict.remaining, 4);
    cr_expect_eq(verdict.reset_s, 43200);
    cr_expect_eq(take(limits, &key, NOON, 0, 10, &verdict), 4);
    cr_expect(verdict.by_quota);
    cr_expect_eq(verdict.retry_after_s, 43200);
    cr_expect_eq(take(limits, &key, NOON + DAY / 2 - 1, 0, 10, &verdict), 0);
    cr_expect_eq(verdict.retry_after_s, 1);
    cr_expect_eq(take(limits, &key, NOON + DAY / 2, 0, 10, &verdict), 5);
    cr_expect_eq(take(limits, &key, NOON, 0, 10, &verdict), 0, "a clock set back gives no more");
}

Test(rate_limits, the_nearer_limit_is_told)
{
    g_autoptr(RateLimits) limits = rate_limits_new(100);
    IdentityKey key = key_of("k", 10, 10, 8);
    RateVerdict verdict;

    take(limits, &key, NOON, 0, 1, &verdict);
    cr_expect_eq(verdict.limit, 8);
    cr_expect_eq(verdict.remaining, 7);
    key.daily_quota = 1000;
    take(limits, &key, NOON, 0, 1, &verdict);
    cr_expect_eq(verdict.limit, 10);
    cr_expect_eq(verdict.remaining, 8);
}

Test(rate_limits, keys_do_not_share_and_new_limits_hold_at_once)
{
    g_autoptr(RateLimits) limits = rate_limits_new(100);
    IdentityKey one = key_of("one", 1, 5, 0);
    IdentityKey other = key_of("other", 1, 5, 0);
    RateVerdict verdict;

    cr_expect_eq(take(limits, &one, NOON, 0, 10, &verdict), 5);
    cr_expect_eq(take(limits, &other, NOON, 0, 2, &verdict), 2);
    other.burst = 1;
    cr_expect_eq(take(limits, &other, NOON, 0, 10, &verdict), 1);
}

Test(rate_limits, extremes_do_not_overflow)
{
    g_autoptr(RateLimits) limits = rate_limits_new(100);
    IdentityKey key = key_of("k", G_MAXUINT32, G_MAXUINT32, G_MAXUINT64);
    RateVerdict verdict;

    cr_expect_eq(take(limits, &key, NOON, G_MININT64 / 2, 3, &verdict), 3);
    cr_expect_eq(take(limits, &key, NOON, G_MAXINT64 / 2, 3, &verdict), 3);
    cr_expect_eq(verdict.remaining, G_MAXUINT32 - 3);
    key.burst = 0;
    cr_expect_eq(take(limits, &key, NOON, G_MAXINT64 / 2, 3, &verdict), 1, "at least one");
}

Test(rate_limits, few_are_remembered_and_the_last_seen_longest)
{
    g_autoptr(RateLimits) limits = rate_limits_new(16 * 8);
    IdentityKey steady = key_of("steady", 1, 1, 0);
    RateVerdict verdict;

    cr_expect_eq(take(limits, &steady, NOON, 0, 1, &verdict), 1);
    for (guint i = 0; i < 10000; i++) {
        char id[16];
        g_snprintf(id, sizeof id, "key%u", i);
        IdentityKey key = key_of(id, 1, 1, 0);
        cr_assert_eq(take(limits, &key, NOON, 0, 2, &verdict), 1);
        cr_assert_eq(take(limits, &steady, NOON, 0, 1, &verdict), 0);
    }
}

typedef struct {
    RateLimits *limits;
    gint allowed;
} Takers;

static gpointer
take_many(gpointer data)
{
    Takers *takers = data;
    IdentityKey key = key_of("k", 1, 5000, 0);
    RateVerdict verdict;

    g_atomic_int_add(&takers->allowed, (gint)take(takers->limits, &key, NOON, 0, 4000, &verdict));
    return NULL;
}

Test(rate_limits, threads_together_get_no_more_than_there_is)
{
    g_autoptr(RateLimits) limits = rate_limits_new(100);
    Takers takers = {limits, 0};
    GThread *threads[4];

    for (guint i = 0; i < 4; i++)
        threads[i] = g_thread_new("take", take_many, &takers);
    for (guint i = 0; i < 4; i++)
        g_thread_join(threads[i]);
    cr_expect_eq(takers.allowed, 5000);
}
