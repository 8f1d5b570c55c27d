/* pool.h - a rank's image workers: fed by descriptors, watched by deadlines, replaced when they
 * die. Everything happens in GLib's default main context; nothing here blocks on a worker.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_POOL_H
#define MILLRACE_JOBS_POOL_H

#include "jobs/worker_wire.h"

#define POOL_ATTEMPTS_MAX 3 /* a row that kills this many workers is given up */

typedef struct _Pool Pool;

/* Called once for each submission, never from inside pool_submit(). reply: borrowed until return;
 * its class may be ROW_TIMEOUT or ROW_WORKER_CRASH too. wall_us: from the sending to the answer.
 * error: not NULL when workers do not even start; then nothing is known of the row. */
typedef void (*PoolDone)(const WorkerReply *reply, guint64 wall_us, const GError *error,
                         gpointer data);

/* worker_program: path, copied. deadline_us: for one attempt at one row. Workers are started when
 * there is work for them. Returns: (transfer full). */
Pool *pool_new(const char *worker_program, guint worker_count, gint64 deadline_us);
/* Ends the workers; what they were at, or what waits for them, is not answered any more. */
void pool_free(Pool *pool);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Pool, pool_free)

/* For what workers are given from now on. */
void pool_set_deadline(Pool *pool, gint64 deadline_us);

/* How many submissions it can take now: one for each worker that has nothing to do, and as many
 * more to wait as there are workers, so that one that answers is given its next row at once. */
guint pool_free_count(const Pool *pool);

/* Who gave a row, and what it has cost before. */
typedef struct {
    PoolDone done;
    /* Called when a worker has died of the row, before it is tried again. Returns FALSE and error
     * when it should not be, which done is then told. May be NULL. */
    gboolean (*died)(gpointer data, GError **error);
    /* Is a reply of ROW_OK true, as far as the owner can see? A worker that says what is not so has
     * been taken over: it is ended, and the row is ROW_WORKER_CRASH. May be NULL. */
    gboolean (*holds)(const WorkerReply *reply, gpointer data);
    guint deaths; /* of workers at this row in earlier runs */
    gpointer data;
} PoolOwner;

/* Gives a row to a free worker, or lets it wait for one; pool_free_count() must not be 0. request,
 * owner: copied. fds: the input and an output for each spec; borrowed until done is called, so that
 * another worker can be given them too. */
void pool_submit(Pool *pool, const WorkerRequest *request, const int *fds, const PoolOwner *owner);

/* Takes back a row that no worker has been given yet; done will not be called for it. Returns: its
 * owner's data, or NULL when none waits. */
gpointer pool_take_back(Pool *pool);

#endif
