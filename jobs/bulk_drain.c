/* bulk_drain.c - the consumer of the queue.
 *
 *     claim → lease (durable) → ack → resize, the lease renewed → results, by one rename → metered
 *
 * A drain that dies before the ack leaves the job to the queue; one that dies after it leaves a
 * lease that ends, and whoever looks for stranded jobs puts it into the queue again. To be
 * delivered twice is harmless everywhere: the lease tells.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bulk_drain.h"

#include <string.h>
#include <unistd.h>

#include "jobs/bulk_internal.h"
#include "jobs/bulk_run.h"

#define CLAIM_LEASE_US (30 * G_USEC_PER_SEC) /* it is held while a job's lease is taken */
#define CLAIM_WAIT_US  G_USEC_PER_SEC
#define GIVE_UP_US     (60 * G_USEC_PER_SEC)
#define BACKOFF_MIN_US (G_USEC_PER_SEC / 4)
#define BACKOFF_MAX_US (8 * G_USEC_PER_SEC)
#define SWEEP_EVERY_US (3600 * (gint64)G_USEC_PER_SEC)

typedef struct {
    BulkJobs *jobs;
    Queue *queue;
    const BulkDrain *drain;
    BulkDrained *drained;
    char *holder;
    gint64 look_us;  /* for stranded jobs, next */
    gint64 sweep_us; /* next */
} Drain;

static gboolean
stopped(const Drain *drain)
{
    return g_atomic_int_get(drain->drain->stop) != 0;
}

static void tell(const Drain *drain, const char *id, const char *format, ...) G_GNUC_PRINTF(3, 4);

static void
tell(const Drain *drain, const char *id, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);

    if (drain->drain->told)
        drain->drain->told(id, text, drain->drain->told_data);
}

/* Puts the job into the queue again. Should that fail, it is found stranded later. */
static gboolean
put_back(const Drain *drain, const char *id)
{
    g_autoptr(GError) error = NULL;

    if (queue_enqueue(drain->queue, id, &error) && bulk_job_requeued(drain->jobs, id, &error))
        return TRUE;
    tell(drain, id, "not put back: %s", error->message);
    return FALSE;
}

/* Looks for jobs that no queue has any more. A queue that does not tell what waits there is not
 * taken for an empty one, and one that takes nothing is not asked for each. */
static gboolean
put_back_stranded(Drain *drain, GError **error)
{
    QueueDepth depth;
    gboolean is_empty = queue_depth(drain->queue, &depth, NULL) && depth.ready == 0;
    g_autoptr(GPtrArray) ids =
        bulk_jobs_stranded(drain->jobs, drain->drain->lease_us, is_empty, error);
    gboolean taken = TRUE;

    for (guint i = 0; ids && i < ids->len && taken && !stopped(drain); i++) {
        taken = put_back(drain, ids->pdata[i]);
        if (taken)
            tell(drain, ids->pdata[i], "put into the queue again");
    }
    drain->look_us = g_get_monotonic_time() + drain->drain->lease_us / 2;
    return ids != NULL;
}

/* What may go, goes. */
static gboolean
sweep(Drain *drain, GError **error)
{
    guint64 count = 0;

    drain->sweep_us = g_get_monotonic_time() + SWEEP_EVERY_US;
    if (!bulk_jobs_sweep(drain->jobs, error) ||
        (drain->drain->keep && !bulk_jobs_expire(drain->jobs, drain->drain->keep, &count, error)))
        return FALSE;
    if (count > 0)
        tell(drain, NULL, "%" G_GUINT64_FORMAT " jobs removed, which ended long enough ago", count);
    return TRUE;
}

/* What there is to do now and then. */
static gboolean
keep_house(Drain *drain, GError **error)
{
    gint64 now_us = g_get_monotonic_time();

    if (now_us >= drain->sweep_us && !sweep(drain, error))
        return FALSE;
    return now_us < drain->look_us || put_back_stranded(drain, error);
}

/* Its results are there: whoever sees it first meters it. */
static void
meter(const Drain *drain, const char *id)
{
    g_autoptr(GError) error = NULL;

    if (!bulk_job_meter(drain->jobs, id, drain->drain->usage_dir, &error))
        tell(drain, id, "not metered yet: %s", error->message);
}

static void
finish(const Drain *drain, const char *id, BulkLease *lease)
{
    g_autoptr(GError) error = NULL;
    BulkJob job;

    if (!bulk_lease_finish(lease, &error)) {
        tell(drain, id, "not finished: %s", error->message);
        drain->drained->skipped++;
        bulk_job_tidy(drain->jobs, id, NULL);
        return;
    }
    meter(drain, id);
    drain->drained->done++;
    if (!bulk_jobs_read(drain->jobs, id, &job, &error))
        return;
    tell(drain, id, "done: %" G_GUINT64_FORMAT " rows, %" G_GUINT64_FORMAT " failed", job.row_count,
         job.failed_count);
    bulk_job_clear(&job);
}

/* A try that has come to nothing. The last one is the job's end, which comes with its next claim;
 * another waits, since what made it fail may pass. Takes the lease. */
static void
give_back(const Drain *drain, const char *id, BulkLease *lease, const char *failure)
{
    gboolean was_last = bulk_lease_drop(lease, failure);

    drain->drained->again += !was_last;
    if (was_last || stopped(drain))
        put_back(drain, id);
}

/* Runs the job whose lease is held. Takes the lease. */
static void
run_job(const Drain *drain, const char *id, BulkLease *lease)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *reason = NULL;
    BulkJob job;

    BulkRan ran = BULK_FAILED;
    if (bulk_jobs_read(drain->jobs, id, &job, &error)) {
        tell(drain, id, "taken: try %u, %" G_GUINT64_FORMAT " rows", bulk_lease_try(lease),
             job.row_count);
        ran = bulk_run(drain->jobs, &job, lease, drain->drain, &reason);
        bulk_job_clear(&job);
    } else {
        reason = g_strdup(error->message);
    }
    switch (ran) {
    case BULK_RAN:
        finish(drain, id, lease);
        break;
    case BULK_LOST:
        tell(drain, id, "let go: %s", reason);
        bulk_lease_drop(lease, NULL);
        bulk_job_tidy(drain->jobs, id, NULL);
        drain->drained->skipped++;
        break;
    case BULK_STOPPED:
    case BULK_FAILED:
        tell(drain, id, "again: %s", reason);
        give_back(drain, id, lease, ran == BULK_FAILED ? reason : NULL);
        break;
    }
}

/* The job has used up its tries. Takes the lease. */
static gboolean
bury(const Drain *drain, const QueueClaim *claim, BulkLease *lease, GError **error)
{
    g_autofree char *reason = bulk_lease_reason(lease);
    g_autoptr(GError) failure = NULL;

    if (!bulk_lease_bury(lease, reason, &failure)) {
        if (!g_error_matches(failure, MILLRACE_ERROR, MILLRACE_ERROR_INTERRUPTED)) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return FALSE;
        }
        tell(drain, claim->id, "passed over: %s", failure->message);
        drain->drained->skipped++;
        return queue_ack(drain->queue, claim, error);
    }
    tell(drain, claim->id, "dead: %s", reason);
    drain->drained->dead++;
    return queue_nack(drain->queue, claim, TRUE, error);
}

/* A job that is not to be done now. */
static gboolean
pass_over(const Drain *drain, const QueueClaim *claim, BulkState state, GError **error)
{
    drain->drained->skipped++;
    tell(drain, claim->id, "passed over: it is %s", bulk_state_name(state));
    if (state == BULK_DONE)
        meter(drain, claim->id);
    if (state == BULK_DEAD)
        return queue_nack(drain->queue, claim, TRUE, error);
    return queue_ack(drain->queue, claim, error);
}

/* Does what a claim is for. Returns FALSE and MILLRACE_ERROR_UNAVAILABLE (the queue), or what keeps
 * the jobs' folder from working. */
static gboolean
handle(const Drain *drain, const QueueClaim *claim, GError **error)
{
    g_autoptr(GError) failure = NULL;
    BulkState state = BULK_QUEUED;
    BulkLease *lease = bulk_lease_take(drain->jobs, claim->id, drain->holder,
                                       drain->drain->lease_us, &state, &failure);

    if (g_error_matches(failure, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT)) {
        tell(drain, claim->id, "passed over: %s", failure->message);
        drain->drained->skipped++;
        return queue_ack(drain->queue, claim, error);
    }
    if (failure) {
        queue_nack(drain->queue, claim, FALSE, NULL);
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    if (!lease)
        return pass_over(drain, claim, state, error);
    if (bulk_lease_is_last(lease))
        return bury(drain, claim, lease, error);
    /* That it was delivered says that it was queued, whether or not the door got to know. */
    bulk_job_queued(drain->jobs, claim->id, NULL);
    /* Should this fail, it is delivered again, and passed over. */
    gboolean acked = queue_ack(drain->queue, claim, error);
    run_job(drain, claim->id, lease);
    return acked;
}

/* Waits so long, or until it is stopped. */
static void
wait_us(const Drain *drain, gint64 us)
{
    gint64 until_us = g_get_monotonic_time() + us;

    while (!stopped(drain) && g_get_monotonic_time() < until_us)
        g_usleep(G_USEC_PER_SEC / 20);
}

/* Until it is stopped, or, with once, nothing waits. */
static gboolean
drain_queue(Drain *drain, GError **error)
{
    gint64 good_us = g_get_monotonic_time();
    gint64 backoff_us = BACKOFF_MIN_US;
    QueueClaim claim;

    while (!stopped(drain)) {
        g_autoptr(GError) failure = NULL;
        int claimed = -1;
        if (keep_house(drain, &failure))
            claimed = queue_claim(drain->queue, MIN(CLAIM_LEASE_US, drain->drain->lease_us),
                                  drain->drain->once ? 0 : CLAIM_WAIT_US, &claim, &failure);
        if (claimed == 0 && drain->drain->once)
            return TRUE;
        if (claimed > 0) {
            claimed = handle(drain, &claim, &failure) ? 1 : -1;
            good_us = g_get_monotonic_time(); /* a job may take longer than patience lasts */
        }
        if (claimed >= 0) {
            good_us = g_get_monotonic_time();
            backoff_us = BACKOFF_MIN_US;
            continue;
        }
        if (!g_error_matches(failure, MILLRACE_ERROR, MILLRACE_ERROR_UNAVAILABLE) ||
            g_get_monotonic_time() - good_us > GIVE_UP_US) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return FALSE;
        }
        if (backoff_us == BACKOFF_MIN_US)
            tell(drain, NULL, "%s; trying on for a minute", failure->message);
        wait_us(drain, (gint64)((gdouble)backoff_us * g_random_double_range(0.5, 1.0)));
        backoff_us = MIN(backoff_us * 2, BACKOFF_MAX_US);
    }
    return TRUE;
}

gboolean
bulk_drain(BulkJobs *jobs, Queue *queue, const BulkDrain *drain, BulkDrained *drained,
           GError **error)
{
    g_autofree char *holder = g_strdup_printf("%s:%d", g_get_host_name(), (int)getpid());
    Drain run = {
        .jobs = jobs, .queue = queue, .drain = drain, .drained = drained, .holder = holder};

    *drained = (BulkDrained){0};
    return drain_queue(&run, error);
}
