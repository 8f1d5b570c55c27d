/* bulk_queue.c - the queue as a door needs it: a handle for each thread that puts a job in, kept
 * for the next, and a thread that looks at the queue's depth every other second, so that nobody who
 * asks for it waits for a broker. The same thread tidies up what is too old.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/door/bulk_internal.h"
#include "tools/tool.h"

enum {
    LOOK_US = 2 * G_USEC_PER_SEC,
    SWEEP_US = 600 * (gint64)G_USEC_PER_SEC,
};

struct _BulkQueue {
    Door *door;
    char *where;
    GThread *thread;
    gboolean is_lost; /* the thread's: as it was told last */
    GMutex mutex;     /* guards all below */
    GCond cond;
    GPtrArray *idle; /* of Queue, opened with length_max; owns */
    guint length_max;
    gboolean stopping;
    gboolean known; /* depth is as the queue has said lately */
    QueueDepth depth;
};

/* A handle that nobody uses. SIGHUP may have changed how many jobs may wait. length_max: (out) what
 * it was opened with. */
static Queue *
borrow(BulkQueue *queue, guint *length_max, GError **error)
{
    DoorConfig limits;
    Queue *handle = NULL;

    door_limits(queue->door, &limits);
    *length_max = limits.queue_length_max;
    g_mutex_lock(&queue->mutex);
    if (queue->length_max != limits.queue_length_max)
        g_ptr_array_set_size(queue->idle, 0);
    queue->length_max = limits.queue_length_max;
    if (queue->idle->len > 0)
        handle = g_ptr_array_steal_index_fast(queue->idle, queue->idle->len - 1);
    g_mutex_unlock(&queue->mutex);
    return handle ? handle : queue_open(queue->where, limits.queue_length_max, error);
}

static void
give_back(BulkQueue *queue, Queue *handle, guint length_max)
{
    g_mutex_lock(&queue->mutex);
    gboolean kept = length_max == queue->length_max;
    if (kept)
        g_ptr_array_add(queue->idle, handle);
    g_mutex_unlock(&queue->mutex);
    if (!kept)
        queue_free(handle);
}

gboolean
bulk_queue_put(BulkQueue *queue, const char *id, GError **error)
{
    guint length_max = 0;
    Queue *handle = borrow(queue, &length_max, error);

    if (!handle)
        return FALSE;
    gboolean put = queue_enqueue(handle, id, error);
    give_back(queue, handle, length_max);
    return put;
}

gboolean
bulk_queue_depth(BulkQueue *queue, QueueDepth *depth)
{
    g_mutex_lock(&queue->mutex);
    gboolean known = queue->known;
    *depth = queue->depth;
    g_mutex_unlock(&queue->mutex);
    return known;
}

/* Tells the operator when that changes whether the queue answers. */
static void
tell(BulkQueue *queue, const GError *error)
{
    gboolean is_lost = error != NULL;

    if (is_lost == queue->is_lost)
        return;
    queue->is_lost = is_lost;
    if (is_lost)
        tool_log("the queue does not answer: %s; no jobs are taken until it does", error->message);
    else
        tool_log("the queue answers again");
}

static void
look(BulkQueue *queue)
{
    g_autoptr(GError) error = NULL;
    QueueDepth depth = {0};
    guint length_max = 0;
    Queue *handle = borrow(queue, &length_max, &error);
    gboolean known = handle && queue_depth(handle, &depth, &error);

    if (handle)
        give_back(queue, handle, length_max);
    tell(queue, error);
    g_mutex_lock(&queue->mutex);
    queue->known = known;
    queue->depth = depth;
    g_mutex_unlock(&queue->mutex);
}

/* What cannot be removed now will be the next time. */
static void
sweep(Door *door)
{
    answers_sweep(door->answers);
    bulk_jobs_sweep(door->jobs, NULL);
}

static gpointer
run(gpointer data)
{
    BulkQueue *queue = data;
    gint64 swept_us = 0;
    gboolean stopping = FALSE;

    while (!stopping) {
        look(queue);
        gint64 now_us = g_get_monotonic_time();
        if (swept_us == 0 || now_us - swept_us >= SWEEP_US) {
            sweep(queue->door);
            swept_us = now_us;
        }
        gint64 until_us = g_get_monotonic_time() + LOOK_US;
        g_mutex_lock(&queue->mutex);
        while (!queue->stopping && g_cond_wait_until(&queue->cond, &queue->mutex, until_us))
            ;
        stopping = queue->stopping;
        g_mutex_unlock(&queue->mutex);
    }
    return NULL;
}

BulkQueue *
bulk_queue_new(Door *door, GError **error)
{
    Queue *first = queue_open(door->config->queue, door->config->queue_length_max, error);

    if (!first)
        return NULL;
    BulkQueue *queue = g_new0(BulkQueue, 1);
    queue->door = door;
    queue->where = g_strdup(door->config->queue);
    queue->length_max = door->config->queue_length_max;
    g_mutex_init(&queue->mutex);
    g_cond_init(&queue->cond);
    queue->idle = g_ptr_array_new_with_free_func((GDestroyNotify)queue_free);
    g_ptr_array_add(queue->idle, first);
    queue->thread = g_thread_new("queue", run, queue);
    return queue;
}

void
bulk_queue_free(BulkQueue *queue)
{
    g_mutex_lock(&queue->mutex);
    queue->stopping = TRUE;
    g_cond_signal(&queue->cond);
    g_mutex_unlock(&queue->mutex);
    g_thread_join(queue->thread);
    g_ptr_array_unref(queue->idle);
    g_cond_clear(&queue->cond);
    g_mutex_clear(&queue->mutex);
    g_free(queue->where);
    g_free(queue);
}
