/* metrics.c - counters that many threads add to without a lock, and the last minute of resizing
 * second by second.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/door/metrics.h"

#include <stdatomic.h>

#include "formats/histogram.h"
#include "tools/door/metrics_internal.h"

#define SHARDS     8
#define SECONDS    60
#define CACHE_LINE 64

/* What one thread adds to, or some do. */
typedef struct {
    _Alignas(CACHE_LINE) _Atomic guint64 begun[ROUTE_COUNT];
    _Atomic guint64 ended[ROUTE_COUNT][OUTCOME_COUNT];
    _Atomic guint64 lost[ROUTE_COUNT];
    _Atomic guint64 wall[ROUTE_COUNT][METRICS_BOUNDS + 1];
    _Atomic guint64 wall_us[ROUTE_COUNT];
    _Atomic guint64 cpu_us, bytes_out;
} Shard;

/* One second of /v1/resize. */
typedef struct {
    gint64 second;
    guint64 offered, answered, served, shed, cpu_us, bytes_out;
    Histogram *wall; /* of what was served; made when needed */
} Second;

struct _DoorMetrics {
    Shard shards[SHARDS];
    GMutex mutex; /* of the seconds */
    Second seconds[SECONDS];
};

const guint64 metrics_bounds_us[METRICS_BOUNDS] = {500,     1000,    2500,    5000,     10000,
                                                   25000,   50000,   100000,  250000,   500000,
                                                   1000000, 2500000, 5000000, 10000000, 30000000};

DoorMetrics *
door_metrics_new(void)
{
    DoorMetrics *metrics = g_aligned_alloc0(1, sizeof(DoorMetrics), CACHE_LINE);

    g_mutex_init(&metrics->mutex);
    return metrics;
}

void
door_metrics_free(DoorMetrics *metrics)
{
    if (!metrics)
        return;
    for (guint i = 0; i < SECONDS; i++)
        if (metrics->seconds[i].wall)
            histogram_free(metrics->seconds[i].wall);
    g_mutex_clear(&metrics->mutex);
    g_aligned_free(metrics);
}

static Shard *
shard_of_thread(DoorMetrics *metrics)
{
    static atomic_uint threads;
    static _Thread_local guint mine;

    if (mine == 0)
        mine = 1 + atomic_fetch_add(&threads, 1) % SHARDS;
    return &metrics->shards[mine - 1];
}

static void
add(_Atomic guint64 *counter, guint64 value)
{
    atomic_fetch_add_explicit(counter, value, memory_order_relaxed);
}

static guint64
get(const _Atomic guint64 *counter)
{
    return atomic_load_explicit((_Atomic guint64 *)(gintptr)counter, memory_order_relaxed);
}

/* The second that is now; under the mutex. */
static Second *
second_now(DoorMetrics *metrics)
{
    gint64 now = g_get_monotonic_time() / G_USEC_PER_SEC;
    Second *second = &metrics->seconds[now % SECONDS];

    if (second->second != now) {
        if (second->wall)
            histogram_free(second->wall);
        *second = (Second){.second = now};
    }
    return second;
}

void
door_metrics_begin(DoorMetrics *metrics, DoorRoute route)
{
    add(&shard_of_thread(metrics)->begun[route], 1);
    if (route != ROUTE_RESIZE)
        return;
    g_mutex_lock(&metrics->mutex);
    second_now(metrics)->offered++;
    g_mutex_unlock(&metrics->mutex);
}

static void
end_in_second(Second *second, DoorOutcome outcome, guint64 wall_us, guint64 cpu_us,
              guint64 bytes_out)
{
    second->answered++;
    second->shed += outcome == OUTCOME_SHED;
    if (outcome != OUTCOME_SERVED)
        return;
    second->served++;
    second->cpu_us += cpu_us;
    second->bytes_out += bytes_out;
    if (!second->wall)
        second->wall = histogram_new();
    histogram_add(second->wall, wall_us);
}

void
door_metrics_end(DoorMetrics *metrics, DoorRoute route, DoorOutcome outcome, guint64 wall_us,
                 guint64 cpu_us, guint64 bytes_out)
{
    Shard *shard = shard_of_thread(metrics);
    guint bound = 0;

    while (bound < METRICS_BOUNDS && wall_us > metrics_bounds_us[bound])
        bound++;
    add(&shard->ended[route][outcome], 1);
    add(&shard->wall[route][bound], 1);
    add(&shard->wall_us[route], wall_us);
    add(&shard->bytes_out, bytes_out);
    if (cpu_us > 0)
        add(&shard->cpu_us, cpu_us);
    if (route != ROUTE_RESIZE)
        return;
    g_mutex_lock(&metrics->mutex);
    end_in_second(second_now(metrics), outcome, wall_us, cpu_us, bytes_out);
    g_mutex_unlock(&metrics->mutex);
}

void
door_metrics_lost(DoorMetrics *metrics, DoorRoute route)
{
    add(&shard_of_thread(metrics)->lost[route], 1);
}

void
door_metrics_minute(DoorMetrics *metrics, DoorMinute *minute)
{
    static const guint permille[] = {500, 990, 999};
    g_autoptr(Histogram) wall = histogram_new();

    *minute = (DoorMinute){0};
    g_mutex_lock(&metrics->mutex);
    gint64 now = g_get_monotonic_time() / G_USEC_PER_SEC;
    for (guint i = 0; i < SECONDS; i++) {
        const Second *second = &metrics->seconds[i];
        if (second->second <= now - SECONDS)
            continue;
        minute->offered += second->offered;
        minute->answered += second->answered;
        minute->served += second->served;
        minute->shed += second->shed;
        minute->cpu_us += second->cpu_us;
        minute->bytes_out += second->bytes_out;
        if (second->wall)
            histogram_merge(wall, second->wall);
    }
    g_mutex_unlock(&metrics->mutex);
    for (guint i = 0; i < G_N_ELEMENTS(permille); i++)
        minute->wall_us[i] = histogram_percentile(wall, permille[i]);
}

void
metrics_sum(const DoorMetrics *metrics, MetricsSum *sum)
{
    *sum = (MetricsSum){0};
    for (guint i = 0; i < SHARDS; i++) {
        const Shard *shard = &metrics->shards[i];
        sum->cpu_us += get(&shard->cpu_us);
        sum->bytes_out += get(&shard->bytes_out);
        for (guint route = 0; route < ROUTE_COUNT; route++) {
            for (guint outcome = 0; outcome < OUTCOME_COUNT; outcome++)
                sum->ended[route][outcome] += get(&shard->ended[route][outcome]);
            for (guint bound = 0; bound <= METRICS_BOUNDS; bound++)
                sum->wall[route][bound] += get(&shard->wall[route][bound]);
            sum->lost[route] += get(&shard->lost[route]);
            sum->wall_us[route] += get(&shard->wall_us[route]);
        }
    }
    /* Last: what ends meanwhile has begun, so that never more has ended than begun. */
    for (guint i = 0; i < SHARDS; i++)
        for (guint route = 0; route < ROUTE_COUNT; route++)
            sum->begun[route] += get(&metrics->shards[i].begun[route]);
}
