/* queue.c - which engine a queue has, and what holds for all of them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/queue.h"

#include <string.h>

#include "jobs/queue_internal.h"

Queue *
queue_open(const char *where, guint length_max, GError **error)
{
    g_assert(length_max > 0);
    if (g_str_has_prefix(where, "sqlite:"))
        return queue_sqlite_open(where + strlen("sqlite:"), length_max, error);
    if (g_str_has_prefix(where, "amqp:"))
        return queue_amqp_open(where, length_max, error);
    /* No more of it is shown than its scheme: a password may follow. */
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                "\"%.*s\": expected a queue as in sqlite:PATH or "
                "amqp://USER:PASSWORD@HOST,HOST/VHOST",
                (int)MIN(strcspn(where, ":@"), 40), where);
    return NULL;
}

void
queue_free(Queue *queue)
{
    if (queue)
        queue->engine->free(queue);
}

gboolean
queue_id_is_valid(const char *id, gsize length)
{
    if (length != JOB_ID_CHARS || *id != 'j')
        return FALSE;
    for (gsize i = 1; i < length; i++)
        if (!g_ascii_isdigit(id[i]) && (id[i] < 'a' || id[i] > 'f'))
            return FALSE;
    return TRUE;
}

gboolean
queue_enqueue(Queue *queue, const char *id, GError **error)
{
    g_assert(queue_id_is_valid(id, strlen(id)));
    return queue->engine->enqueue(queue, id, error);
}

int
queue_claim(Queue *queue, gint64 lease_us, gint64 wait_us, QueueClaim *claim, GError **error)
{
    g_assert(lease_us > 0);
    *claim = (QueueClaim){0};
    return queue->engine->claim(queue, lease_us, MAX(wait_us, 0), claim, error);
}

gboolean
queue_ack(Queue *queue, const QueueClaim *claim, GError **error)
{
    return queue->engine->ack(queue, claim, error);
}

gboolean
queue_nack(Queue *queue, const QueueClaim *claim, gboolean dead, GError **error)
{
    return queue->engine->nack(queue, claim, dead, error);
}

gboolean
queue_depth(Queue *queue, QueueDepth *depth, GError **error)
{
    *depth = (QueueDepth){0};
    return queue->engine->depth(queue, depth, error);
}
