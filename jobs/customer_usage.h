/* customer_usage.h - what each customer used at this door, by day: sums in memory, made anew from
 * the local usage logs when the door starts. For customers to look at; bills come from the store.
 * Any thread. Bounded: 31 days, and as many customers as have keys.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_CUSTOMER_USAGE_H
#define MILLRACE_JOBS_CUSTOMER_USAGE_H

#include "formats/usage.h"

#define CUSTOMER_USAGE_DAYS 31

typedef struct {
    guint64 requests;
    guint64 bytes_in, bytes_out;
    guint64 pixels_in, pixels_out;
    guint64 cpu_us;
} CustomerSums;

typedef struct _CustomerUsage CustomerUsage;
/* dir: of usage_log.h; made when missing. Lines that are no events are passed over and counted;
 * what is not "ok" is not what somebody used. An event of two files (a job's log that was copied)
 * is summed twice. */
CustomerUsage *customer_usage_open(const char *dir, gint64 now_us, GError **error);
guint64 customer_usage_bad_lines(const CustomerUsage *usage);
void customer_usage_free(CustomerUsage *usage);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CustomerUsage, customer_usage_free)
/* An event without a time is of now. */
void customer_usage_add(CustomerUsage *usage, const UsageEvent *event);
/* Calls visit for each UTC day that has something, oldest first. day: "2026-11-23". */
void customer_usage_visit(CustomerUsage *usage, const char *customer,
                          void (*visit)(const char *day, const CustomerSums *sums, gpointer data),
                          gpointer data);

#endif
