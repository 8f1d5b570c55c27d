/* queue_amqp_where.h - amqp://[USER[:PASSWORD]@]HOST[:PORT][,HOST..][/VHOST][?queue=NAME] taken
 * apart. What comes before the '@' is in no message.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_QUEUE_AMQP_WHERE_H
#define MILLRACE_JOBS_QUEUE_AMQP_WHERE_H

#include <glib.h>

#include "formats/error.h"

#define AMQP_HOSTS_MAX 16

typedef struct {
    char *host; /* an IPv6 address without its brackets */
    guint port;
} AmqpHost;

/* Strings: owned. */
typedef struct {
    char *name; /* for messages: all but user and password */
    AmqpHost hosts[AMQP_HOSTS_MAX];
    guint host_count;
    char *user;
    char *password;
    char *vhost;
    char *queue;
    char *dead; /* the queue of dead letters */
} AmqpWhere;

/* where: zeroed. FALSE and MILLRACE_ERROR_USAGE. */
gboolean amqp_where_parse(const char *text, AmqpWhere *where, GError **error);
void amqp_where_clear(AmqpWhere *where);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AmqpWhere, amqp_where_clear)

#endif
