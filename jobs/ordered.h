/* ordered.h - tasks that threads work on side by side and that are taken in their order: for frames
 * that are compressed or decompressed by all cores and go one behind the other.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_ORDERED_H
#define MILLRACE_JOBS_ORDERED_H

#include <glib.h>

typedef struct {
    /* Makes one thread's own state (a compressor, buffers). */
    gpointer (*thread_new)(gpointer data);
    void (*thread_free)(gpointer state);
    /* Does task index in any thread. Returns: its result, or NULL and error. */
    gpointer (*work)(gpointer state, guint64 index, gpointer data, GError **error);
    void (*result_free)(gpointer result); /* of results that were not taken */
} OrderedWork;

typedef struct _Ordered Ordered;

/* Works on tasks 0 to count - 1 with so many threads, at most two tasks a thread ahead of what was
 * taken; results lie in memory until then. work, data: borrowed until ordered_free().
 * Returns: (transfer full). */
Ordered *ordered_new(const OrderedWork *work, gpointer data, guint64 count, guint thread_count);
/* Ends the threads, whatever they are at. */
void ordered_free(Ordered *ordered);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Ordered, ordered_free)

/* Waits for the next task's result. (transfer full); NULL at the end, or with the task's error;
 * after an error nothing more comes. */
gpointer ordered_next(Ordered *ordered, GError **error);

#endif
