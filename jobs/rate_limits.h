/* rate_limits.h - requests a second and a day, per key: token buckets in memory.
 * Any thread. Bounded: keys that were not seen for a while are forgotten first.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_RATE_LIMITS_H
#define MILLRACE_JOBS_RATE_LIMITS_H

#include "formats/identity.h"

typedef struct _RateLimits RateLimits;

RateLimits *rate_limits_new(guint keys_max);
void rate_limits_free(RateLimits *limits);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RateLimits, rate_limits_free)

/* What is left, for the RateLimit header; limited is FALSE for a key without limits. */
typedef struct {
    gboolean limited;
    gboolean allowed;
    gboolean by_quota; /* it is the day's quota that says no */
    guint32 limit;     /* requests in a window */
    guint32 window_s;
    guint32 remaining;
    guint32 reset_s;       /* until there is one more, or the day ends */
    guint32 retry_after_s; /* at least 1, when not allowed */
} RateVerdict;

/* Takes one request of the key's, if it may. now_us: of the wall clock (the day is UTC's);
 * monotonic_us: of a clock that only goes forward. */
void rate_limits_take(RateLimits *limits, const IdentityKey *key, gint64 now_us,
                      gint64 monotonic_us, RateVerdict *verdict);

#endif
