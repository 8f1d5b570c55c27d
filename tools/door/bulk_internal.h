/* bulk_internal.h - what the parts of bulk jobs over HTTP share: bulk.c finds out what is asked,
 * and lets a thread that may block do it; bulk_take.c takes jobs, bulk_show.c tells of them,
 * bulk_tar.c streams their outputs, bulk_queue.c keeps the queue at hand.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TOOLS_DOOR_BULK_INTERNAL_H
#define MILLRACE_TOOLS_DOOR_BULK_INTERNAL_H

#include "jobs/queue.h"
#include "tools/door/door.h"
#include "tools/door/keyed.h"

typedef struct _BulkQueue BulkQueue;

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BulkJob, bulk_job_clear)

struct _DoorBulk {
    Door *door;
    char *cluster; /* of the configuration */
    char *sources;
    BulkQueue *queue;
    GThreadPool *takers;  /* of jobs: each may be at it for a while */
    GThreadPool *tellers; /* of all else */
    GMutex mutex;         /* guards the next */
    GHashTable *in_hand;  /* ids of jobs that are being taken; owns */
};

/* One request. */
typedef struct _BulkWork BulkWork;
struct _BulkWork {
    DoorBulk *bulk;
    DoorExchange *exchange;
    void (*run)(BulkWork *work); /* must answer */
    char id[JOB_ID_CHARS + 1];   /* of the job that is asked for, or made */
    const char *key;             /* the client's idempotency key, or drawn */
    gboolean keyed;              /* it is the client's */
    char drawn[DOOR_NAME_CHARS + 1];
    char *to; /* owned; canonical; NULL: rows say */
};

void bulk_take(BulkWork *work);
void bulk_list(BulkWork *work);
void bulk_show(BulkWork *work);
void bulk_results(BulkWork *work);
void bulk_outputs(BulkWork *work);
void bulk_cancel(BulkWork *work);

/* The job that is asked for, when it is the caller's own. FALSE: answered; whether there is none,
 * or it is another's, cannot be told apart. */
gboolean bulk_find(BulkWork *work, BulkJob *job);
/* Answers with what is known of the job. receipt: may be NULL, then it is read. */
void bulk_answer_job(BulkWork *work, DoorOutcome outcome, guint status, const BulkJob *job,
                     const char *receipt);
/* Answers an error that is ours, and tells the operator. */
void bulk_fail(BulkWork *work, const char *what, const GError *error);

/* Answers with the outputs of the job's folder results/, as a tar in the order of results.ndjson.
 * FALSE and error when they cannot be read; nothing was answered then. */
gboolean bulk_tar_answer(DoorExchange *exchange, const char *results, gint64 mtime_s,
                         GError **error);

/* bulk_queue.c: handles of the queue for threads that need one, its depth, and what is to be tidied
 * up now and then. */
BulkQueue *bulk_queue_new(Door *door, GError **error);
void bulk_queue_free(BulkQueue *queue);
gboolean bulk_queue_put(BulkQueue *queue, const char *id, GError **error);
gboolean bulk_queue_depth(BulkQueue *queue, QueueDepth *depth);

#endif
