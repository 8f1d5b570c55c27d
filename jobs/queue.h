/* queue.h - the queue of bulk jobs: ids, in order, at least once. What a job is, and how far it has
 * come, lies in its folder (bulk_job.h), so a queue may deliver twice and holds nothing that cannot
 * be put in again. Two engines: SQLite on one host, RabbitMQ's quorum queues in a cluster.
 * A Queue is for one thread at a time; its owner opens one a thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_QUEUE_H
#define MILLRACE_JOBS_QUEUE_H

#include <glib.h>

#include "formats/error.h"
#include "formats/receipt.h"

#define QUEUE_LENGTH_MAX_DEFAULT 100000

typedef struct _Queue Queue;

/* where: "sqlite:PATH" (made when missing), or
 * "amqp://[USER[:PASSWORD]@]HOST[:PORT][,HOST..][/VHOST]
 * [?queue=NAME]". length_max: jobs that may wait; beyond that an enqueue is refused.
 * Connects when first needed, with time limits of seconds, and again after a failure with
 * back-off. NULL and MILLRACE_ERROR_USAGE. */
Queue *queue_open(const char *where, guint length_max, GError **error);
void queue_free(Queue *queue);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Queue, queue_free)

/* TRUE: it is durable (committed; confirmed by a quorum). An id that waits or is claimed already is
 * not put in twice where the engine can tell. FALSE and MILLRACE_ERROR_UNAVAILABLE: the engine is
 * out of reach or the queue is full; it may be there all the same. */
gboolean queue_enqueue(Queue *queue, const char *id, GError **error);

/* A job in hand. */
typedef struct {
    char id[JOB_ID_CHARS + 1];
    guint64 tag;      /* the engine's */
    guint deliveries; /* this one included, as far as the engine counts */
} QueueClaim;

/* Takes the first that waits, for lease_us, after which it returns to the queue unless it was
 * acknowledged. Waits up to wait_us for one. Returns 1, 0 when there is none, -1 and
 * MILLRACE_ERROR_UNAVAILABLE. */
int queue_claim(Queue *queue, gint64 lease_us, gint64 wait_us, QueueClaim *claim, GError **error);
/* It is taken care of: the job's lease is durable in its folder, or it is at its end. FALSE and
 * MILLRACE_ERROR_UNAVAILABLE: the engine is out of reach, or the claim was lost (its lease is over
 * and another has it; the connection it came by is gone): the id is delivered again. */
gboolean queue_ack(Queue *queue, const QueueClaim *claim, GError **error);
/* Back to where it was in the queue, or, when dead, to the list of dead letters. As queue_ack(). An
 * id that was given back twenty times is a dead letter. A dead one that is enqueued is alive again.
 */
gboolean queue_nack(Queue *queue, const QueueClaim *claim, gboolean dead, GError **error);

/* What a broker tells; while a queue has no majority it may tell 0. */
typedef struct {
    guint64 ready;
    guint64 claimed; /* 0 where the engine does not tell */
    guint64 dead;
} QueueDepth;
gboolean queue_depth(Queue *queue, QueueDepth *depth, GError **error);

#endif
