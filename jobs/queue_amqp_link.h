/* queue_amqp_link.h - a connection to one of several brokers: made when it is needed, given up when
 * it is silent for too long, made again to the next one.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_QUEUE_AMQP_LINK_H
#define MILLRACE_JOBS_QUEUE_AMQP_LINK_H

#include <amqp.h>

#include "jobs/queue_amqp_where.h"

#define AMQP_LINK_CHANNEL 1

typedef struct {
    AmqpWhere where;
    guint length_max;              /* of the queue, as it is declared */
    guint dead_length_max;         /* of that of dead letters, likewise */
    amqp_connection_state_t state; /* NULL: none */
    guint host;                    /* the broker of this connection, or the next to try */
    guint64 generation;            /* counts connections */
    guint64 published_count;       /* of this connection: the broker's tags of confirms */
    gboolean is_declared;          /* both queues were seen */
    gint64 used_us;
    gint64 call_until_us; /* when the present call has to be at its end */
    guint failures;       /* calls in a row that have failed */
    gint64 retry_us;      /* not before, after a failure */
} AmqpLink;

/* A call begins: nothing of it takes longer than some seconds. */
void amqp_link_begin(AmqpLink *link);
/* Is the time of the call over? */
gboolean amqp_link_is_late(const AmqpLink *link);
/* Makes a connection, a channel that confirms, and both queues, unless all are there. Tries every
 * broker once. FALSE and MILLRACE_ERROR_UNAVAILABLE. */
gboolean amqp_link_connect(AmqpLink *link, GError **error);
/* How the call has ended: after failures the next ones have to wait a little. */
void amqp_link_end(AmqpLink *link, gboolean good);
/* Gives up the connection without a word; the next goes to another broker. */
void amqp_link_drop(AmqpLink *link);
/* Ends the connection in good order, so that what was sent last arrives. */
void amqp_link_close(AmqpLink *link);

/* Sets error to what has gone wrong with the broker in hand while it was asked to do what. FALSE.
 */
gboolean amqp_link_fail(const AmqpLink *link, const char *what, int status, GError **error);
gboolean amqp_link_fail_reply(const AmqpLink *link, const char *what, amqp_rpc_reply_t reply,
                              GError **error);
gboolean amqp_link_refused(const AmqpLink *link, const char *what, const char *why, GError **error);
/* The next frame of the channel; FALSE and error when the connection is lost or none comes in
 * time. */
gboolean amqp_link_frame(AmqpLink *link, const char *what, amqp_frame_t *frame, GError **error);

/* The next request to the broker has to be answered soon. */
void amqp_link_limit_step(AmqpLink *link);
/* How many messages wait in a queue, as far as its leader can be asked. */
gboolean amqp_link_count(AmqpLink *link, const char *queue, guint64 *count, GError **error);

#endif
