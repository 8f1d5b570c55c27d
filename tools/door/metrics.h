/* metrics.h - what a door counts: outcomes per route, times by histogram, over all and over the
 * last minute; printed for Prometheus (text format 0.0.4) and for the page.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TOOLS_DOOR_METRICS_H
#define MILLRACE_TOOLS_DOOR_METRICS_H

#include "tools/door/door.h"

DoorMetrics *door_metrics_new(void);
void door_metrics_free(DoorMetrics *metrics);
/* A request has begun: offered. Any thread. */
void door_metrics_begin(DoorMetrics *metrics, DoorRoute route);
/* It has its outcome. wall_us: since begin. */
void door_metrics_end(DoorMetrics *metrics, DoorRoute route, DoorOutcome outcome, guint64 wall_us,
                      guint64 cpu_us, guint64 bytes_out);
/* Its answer did not leave whole. */
void door_metrics_lost(DoorMetrics *metrics, DoorRoute route);

/* The last minute of /v1/resize. yield = served / answered, shed = shed / answered. */
typedef struct {
    guint64 offered, answered, served, shed;
    guint64 wall_us[3]; /* P50, P99, P99.9 of what was served */
    guint64 cpu_us, bytes_out;
} DoorMinute;
void door_metrics_minute(DoorMetrics *metrics, DoorMinute *minute);
/* Appends the exposition; the rest (identity, queue, usage) is read from door. */
void door_metrics_print(DoorMetrics *metrics, Door *door, GString *out);

#endif
