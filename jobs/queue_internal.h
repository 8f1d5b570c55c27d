/* queue_internal.h - what an engine of the queue provides.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_QUEUE_INTERNAL_H
#define MILLRACE_JOBS_QUEUE_INTERNAL_H

#include "jobs/queue.h"

typedef struct {
    gboolean (*enqueue)(Queue *queue, const char *id, GError **error);
    int (*claim)(Queue *queue, gint64 lease_us, gint64 wait_us, QueueClaim *claim, GError **error);
    gboolean (*ack)(Queue *queue, const QueueClaim *claim, GError **error);
    gboolean (*nack)(Queue *queue, const QueueClaim *claim, gboolean dead, GError **error);
    gboolean (*depth)(Queue *queue, QueueDepth *depth, GError **error);
    void (*free)(Queue *queue);
} QueueEngine;

/* An engine's own struct begins with this. */
struct _Queue {
    const QueueEngine *engine;
    guint length_max;
};

Queue *queue_sqlite_open(const char *path, guint length_max, GError **error);
Queue *queue_amqp_open(const char *url, guint length_max, GError **error);

#endif
