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

/* A claim that is returned so often, by drains that die or give it back, is a dead letter. */
#define QUEUE_DELIVERIES_MAX 20

/* 'j' and 32 lower-case hexadecimal digits; a broker may hold what others have put there. */
gboolean queue_id_is_valid(const char *id, gsize length);

Queue *queue_sqlite_open(const char *path, guint length_max, GError **error);
Queue *queue_amqp_open(const char *url, guint length_max, GError **error);

#endif
