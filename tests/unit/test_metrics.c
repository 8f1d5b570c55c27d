/* test_metrics.c - the door's books: what has begun, how it ended, and the last minute.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/door/metrics.h"

#include <criterion/criterion.h>

#include "tools/door/metrics_internal.h"

Test(metrics, every_request_is_counted_by_route_and_outcome)
{
    DoorMetrics *metrics = door_metrics_new();
    MetricsSum sum;

    for (guint i = 0; i < 5; i++)
        door_metrics_begin(metrics, ROUTE_RESIZE);
    door_metrics_begin(metrics, ROUTE_KEY);
    door_metrics_end(metrics, ROUTE_RESIZE, OUTCOME_SERVED, 900, 700, 11);
    door_metrics_end(metrics, ROUTE_RESIZE, OUTCOME_SERVED, 1100, 300, 22);
    door_metrics_end(metrics, ROUTE_RESIZE, OUTCOME_SHED, 10, 0, 33);
    door_metrics_lost(metrics, ROUTE_RESIZE);
    metrics_sum(metrics, &sum);
    cr_expect_eq(sum.begun[ROUTE_RESIZE], 5);
    cr_expect_eq(sum.begun[ROUTE_KEY], 1);
    cr_expect_eq(sum.ended[ROUTE_RESIZE][OUTCOME_SERVED], 2);
    cr_expect_eq(sum.ended[ROUTE_RESIZE][OUTCOME_SHED], 1);
    cr_expect_eq(sum.ended[ROUTE_KEY][OUTCOME_SERVED], 0);
    cr_expect_eq(sum.lost[ROUTE_RESIZE], 1);
    cr_expect_eq(sum.cpu_us, 1000);
    cr_expect_eq(sum.bytes_out, 66);
    cr_expect_eq(sum.wall_us[ROUTE_RESIZE], 2010);
    cr_expect_eq(sum.wall[ROUTE_RESIZE][0], 1, "10 us are below 500");
    cr_expect_eq(sum.wall[ROUTE_RESIZE][1], 1, "900 us are below 1000");
    cr_expect_eq(sum.wall[ROUTE_RESIZE][2], 1, "1100 us are below 2500");
    door_metrics_free(metrics);
}

Test(metrics, the_last_minute_has_percentiles_of_what_was_served)
{
    DoorMetrics *metrics = door_metrics_new();
    DoorMinute minute;

    for (guint i = 1; i <= 1000; i++) {
        door_metrics_begin(metrics, ROUTE_RESIZE);
        door_metrics_end(metrics, ROUTE_RESIZE, OUTCOME_SERVED, i * 1000, 5, 7);
    }
    door_metrics_begin(metrics, ROUTE_RESIZE);
    door_metrics_end(metrics, ROUTE_RESIZE, OUTCOME_SHED, 1, 0, 0);
    door_metrics_begin(metrics, ROUTE_RESIZE);
    door_metrics_begin(metrics, ROUTE_KEY);
    door_metrics_minute(metrics, &minute);
    cr_expect_eq(minute.offered, 1002, "those of other routes are not in it");
    cr_expect_eq(minute.answered, 1001);
    cr_expect_eq(minute.served, 1000);
    cr_expect_eq(minute.shed, 1);
    cr_expect_eq(minute.cpu_us, 5000);
    cr_expect_eq(minute.bytes_out, 7000);
    /* The histogram is exact to 1/128. */
    const guint64 exact[] = {500000, 990000, 999000};
    for (guint i = 0; i < G_N_ELEMENTS(exact); i++) {
        cr_expect_geq(minute.wall_us[i], exact[i]);
        cr_expect_lt(minute.wall_us[i], exact[i] + exact[i] / 128 + 1);
    }
    door_metrics_free(metrics);
}

Test(metrics, a_minute_without_requests_is_zeros)
{
    DoorMetrics *metrics = door_metrics_new();
    DoorMinute minute;

    door_metrics_minute(metrics, &minute);
    cr_expect_eq(minute.offered, 0);
    cr_expect_eq(minute.wall_us[2], 0);
    door_metrics_free(metrics);
}

static gpointer
count_many(gpointer data)
{
    for (guint i = 0; i < 20000; i++) {
        door_metrics_begin(data, ROUTE_KEY);
        door_metrics_end(data, ROUTE_KEY, OUTCOME_SERVED, 1, 0, 1);
    }
    return NULL;
}

Test(metrics, nothing_is_lost_between_threads)
{
    DoorMetrics *metrics = door_metrics_new();
    GThread *threads[12];
    MetricsSum sum;

    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("count", count_many, metrics);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        g_thread_join(threads[i]);
    metrics_sum(metrics, &sum);
    cr_expect_eq(sum.begun[ROUTE_KEY], 240000);
    cr_expect_eq(sum.ended[ROUTE_KEY][OUTCOME_SERVED], 240000);
    cr_expect_eq(sum.bytes_out, 240000);
    door_metrics_free(metrics);
}
