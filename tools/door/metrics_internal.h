/* metrics_internal.h - the sums of all threads' counters, for printing.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TOOLS_DOOR_METRICS_INTERNAL_H
#define MILLRACE_TOOLS_DOOR_METRICS_INTERNAL_H

#include "tools/door/metrics.h"

/* Upper bounds of the buckets of times. */
#define METRICS_BOUNDS 15
extern const guint64 metrics_bounds_us[METRICS_BOUNDS];

typedef struct {
    guint64 begun[ROUTE_COUNT];
    guint64 ended[ROUTE_COUNT][OUTCOME_COUNT];
    guint64 lost[ROUTE_COUNT];
    guint64 wall[ROUTE_COUNT][METRICS_BOUNDS + 1];
    guint64 wall_us[ROUTE_COUNT];
    guint64 cpu_us, bytes_out;
} MetricsSum;
void metrics_sum(const DoorMetrics *metrics, MetricsSum *sum);

#endif
