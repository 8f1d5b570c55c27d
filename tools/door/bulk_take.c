/* bulk_take.c - a job is accepted: its folder is durable, the queue has confirmed its id, and only
 * then is it said, with a signed receipt.
 *
 *     bulk_take → hold → bulk_submit → put_in_queue → bulk_job_queued → 202
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bulk_submit.h"

#include "tools/door/bulk_internal.h"

enum { RETRY_QUEUE_S = 5 };

/* Two requests with one key must not be at it at once: one that gives up would take the job away
 * from the other. */
static gboolean
hold(BulkWork *work)
{
    DoorBulk *bulk = work->bulk;

    bulk_id_make(work->exchange->key.customer, work->key, work->id);
    g_mutex_lock(&bulk->mutex);
    gboolean held = g_hash_table_add(bulk->in_hand, g_strdup(work->id));
    g_mutex_unlock(&bulk->mutex);
    if (!held)
        door_problem(work->exchange, OUTCOME_CONFLICT, 409, "in-flight", 1,
                     "a request with this Idempotency-Key is being worked on: retry later");
    return held;
}

static void
let_go(DoorBulk *bulk, const char *id)
{
    g_mutex_lock(&bulk->mutex);
    g_hash_table_remove(bulk->in_hand, id);
    g_mutex_unlock(&bulk->mutex);
}

static void
refuse(BulkWork *work, const GError *error)
{
    if (error->domain == MILLRACE_ERROR && error->code == MILLRACE_ERROR_BAD_INPUT)
        door_problem(work->exchange, OUTCOME_BAD_REQUEST, 400, "bad-manifest", 0, "%s",
                     error->message);
    else
        bulk_fail(work, "storing a job", error);
}

/* A job that no queue will take is as if it had never been sent; but not one that an earlier
 * request may have told the queue of. */
static gboolean
put_in_queue(BulkWork *work, gboolean is_new)
{
    Door *door = work->bulk->door;
    g_autoptr(GError) error = NULL;

    if (!bulk_queue_put(work->bulk->queue, work->id, &error)) {
        if (is_new)
            bulk_job_forget(door->jobs, work->id, NULL);
        door_problem(work->exchange, OUTCOME_UNAVAILABLE, 503, "queue", RETRY_QUEUE_S,
                     "the queue takes no jobs at present (it is full, or out of reach): retry "
                     "after %d s",
                     RETRY_QUEUE_S);
        return FALSE;
    }
    if (bulk_job_queued(door->jobs, work->id, &error))
        return TRUE;
    bulk_fail(work, "storing a job", error);
    return FALSE;
}

/* The body becomes a job. FALSE: answered. */
static gboolean
submit(BulkWork *work, int *submitted, char **receipt)
{
    Door *door = work->bulk->door;
    HttpRequest *request = work->exchange->request;
    DoorConfig limits;
    g_autoptr(GError) error = NULL;

    if (http_body_bytes(request) == 0) {
        door_problem(work->exchange, OUTCOME_BAD_REQUEST, 400, "no-body", 0,
                     "the body is empty: send a manifest, or a tar of images");
        return FALSE;
    }
    door_limits(door, &limits);
    BulkRequest asked = {.customer = work->exchange->key.customer,
                         .key = work->key,
                         .to = work->to,
                         .cluster = work->bulk->cluster,
                         .sources = work->bulk->sources,
                         .secret = door->secret,
                         .limits = {.rows_max = limits.job_rows_max,
                                    .bytes_max = limits.job_bytes_max,
                                    .member_bytes_max = limits.bytes_max}};
    *submitted = bulk_submit(door->jobs, http_body_fd(request), http_body_bytes(request), &asked,
                             work->id, receipt, &error);
    if (*submitted < 0)
        refuse(work, error);
    else if (*submitted == BULK_DIFFERS)
        door_problem(work->exchange, OUTCOME_CONFLICT, 422, "key-reused", 0,
                     "this Idempotency-Key was used with another request: use a new one");
    return *submitted == BULK_NEW || *submitted == BULK_AGAIN;
}

static void
take_held(BulkWork *work)
{
    Door *door = work->bulk->door;
    g_autofree char *receipt = NULL;
    g_autoptr(GError) error = NULL;
    g_auto(BulkJob) job = {0};
    int submitted = -1;

    if (!submit(work, &submitted, &receipt))
        return;
    if (!bulk_jobs_read(door->jobs, work->id, &job, &error)) {
        bulk_fail(work, "storing a job", error);
        return;
    }
    if (job.state == BULK_ACCEPTED) {
        if (!put_in_queue(work, submitted == BULK_NEW))
            return;
        job.state = BULK_QUEUED;
    }
    bulk_answer_job(work, submitted == BULK_AGAIN ? OUTCOME_REPLAYED : OUTCOME_SERVED, 202, &job,
                    receipt);
}

void
bulk_take(BulkWork *work)
{
    DoorBulk *bulk = work->bulk;
    char id[JOB_ID_CHARS + 1];

    if (!hold(work))
        return;
    /* Once it is answered, nothing of the work may be touched. */
    g_strlcpy(id, work->id, sizeof id);
    take_held(work);
    let_go(bulk, id);
}
