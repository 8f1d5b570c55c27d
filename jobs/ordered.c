/* ordered.c - tasks that threads work on side by side and that are taken in their order. A ring of
 * places: task i has place i mod places, and is begun when what was in it has been taken.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/ordered.h"

enum { TASKS_A_THREAD = 2 };

typedef struct {
    gboolean done;
    gpointer result;
    GError *error;
} Place;

struct _Ordered {
    const OrderedWork *work;
    gpointer data;
    guint64 count;
    guint64 begun; /* tasks that a thread has taken up */
    guint64 taken; /* results that the caller has */
    gboolean stopping;
    Place *places;
    guint place_count;
    GThread **threads;
    guint thread_count;
    GMutex lock;
    GCond has_room; /* for the threads: a place is free, or it is time to stop */
    GCond has_done; /* for the caller */
};

/* Returns FALSE when there is nothing more to do. */
static gboolean
take_up(Ordered *ordered, guint64 *index)
{
    g_mutex_lock(&ordered->lock);
    while (!ordered->stopping && ordered->begun < ordered->count &&
           ordered->begun >= ordered->taken + ordered->place_count)
        g_cond_wait(&ordered->has_room, &ordered->lock);
    gboolean more = !ordered->stopping && ordered->begun < ordered->count;
    if (more)
        *index = ordered->begun++;
    g_mutex_unlock(&ordered->lock);
    return more;
}

static gpointer
run_thread(gpointer data)
{
    Ordered *ordered = data;
    const OrderedWork *work = ordered->work;
    gpointer state = work->thread_new ? work->thread_new(ordered->data) : NULL;
    guint64 index = 0;

    while (take_up(ordered, &index)) {
        GError *error = NULL;
        gpointer result = work->work(state, index, ordered->data, &error);
        g_mutex_lock(&ordered->lock);
        ordered->places[index % ordered->place_count] =
            (Place){.done = TRUE, .result = result, .error = error};
        g_cond_signal(&ordered->has_done);
        g_mutex_unlock(&ordered->lock);
    }
    if (work->thread_free)
        work->thread_free(state);
    return NULL;
}

Ordered *
ordered_new(const OrderedWork *work, gpointer data, guint64 count, guint thread_count)
{
    Ordered *ordered = g_new0(Ordered, 1);

    ordered->work = work;
    ordered->data = data;
    ordered->count = count;
    ordered->thread_count = (guint)MIN(MAX(thread_count, 1), MAX(count, 1));
    ordered->place_count = ordered->thread_count * TASKS_A_THREAD;
    ordered->places = g_new0(Place, ordered->place_count);
    g_mutex_init(&ordered->lock);
    g_cond_init(&ordered->has_room);
    g_cond_init(&ordered->has_done);
    ordered->threads = g_new0(GThread *, ordered->thread_count);
    for (guint i = 0; i < ordered->thread_count; i++)
        ordered->threads[i] = g_thread_new("ordered", run_thread, ordered);
    return ordered;
}

void
ordered_free(Ordered *ordered)
{
    g_mutex_lock(&ordered->lock);
    ordered->stopping = TRUE;
    g_cond_broadcast(&ordered->has_room);
    g_mutex_unlock(&ordered->lock);
    for (guint i = 0; i < ordered->thread_count; i++)
        g_thread_join(ordered->threads[i]);
    for (guint i = 0; i < ordered->place_count; i++) {
        if (ordered->places[i].result)
            ordered->work->result_free(ordered->places[i].result);
        g_clear_error(&ordered->places[i].error);
    }
    g_mutex_clear(&ordered->lock);
    g_cond_clear(&ordered->has_room);
    g_cond_clear(&ordered->has_done);
    g_free(ordered->places);
    g_free(ordered->threads);
    g_free(ordered);
}

gpointer
ordered_next(Ordered *ordered, GError **error)
{
    g_mutex_lock(&ordered->lock);
    if (ordered->taken == ordered->count || ordered->stopping) {
        g_mutex_unlock(&ordered->lock);
        return NULL;
    }
    Place *place = &ordered->places[ordered->taken % ordered->place_count];
    while (!place->done)
        g_cond_wait(&ordered->has_done, &ordered->lock);
    Place got = *place;
    *place = (Place){0};
    ordered->taken++;
    ordered->stopping = got.result == NULL;
    g_cond_broadcast(&ordered->has_room);
    g_mutex_unlock(&ordered->lock);
    if (got.error)
        g_propagate_error(error, got.error);
    return got.result;
}
