/* customer_usage.h - what each customer used, by day: sums in memory of the usage logs in a folder,
 * whoever writes them: this door, others that share its state, drains. A thread of its own follows
 * the logs. For customers to look at; bills come from the store. Any thread. Bounded: 31 days, and
 * as many customers as have keys.
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
 * what is not "ok" is not what somebody used. An event of two files (a job's log that was copied, a
 * request that two doors worked on) is summed twice, and one stays that a full disk took back. */
CustomerUsage *customer_usage_open(const char *dir, GError **error);
void customer_usage_free(CustomerUsage *usage);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CustomerUsage, customer_usage_free)
guint64 customer_usage_bad_lines(CustomerUsage *usage);
/* Reads on, for some milliseconds at most, so that what is durable now is summed. Returns: the
 * harvest, which is the share of the logs' bytes that has been looked at. */
gdouble customer_usage_refresh(CustomerUsage *usage);
/* Calls visit for each UTC day that has something, oldest first. day: "2026-11-23". */
void customer_usage_visit(CustomerUsage *usage, const char *customer,
                          void (*visit)(const char *day, const CustomerSums *sums, gpointer data),
                          gpointer data);

#endif
