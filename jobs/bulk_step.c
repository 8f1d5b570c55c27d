/* bulk_step.c - the steps of a job outside its leases: into the queue and back, cancelled, metered,
 * found again when it was lost, swept away.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/durable.h"
#include "formats/json.h"
#include "jobs/bulk_internal.h"
#include "jobs/bulk_job.h"

#define SWEEP_AFTER_US (G_GINT64_CONSTANT(86400) * G_USEC_PER_SEC)
enum { COPY_BYTES = 64 << 10 };

gboolean
bulk_job_queued(BulkJobs *jobs, const char *id, GError **error)
{
    return bulk_publish(jobs, id, "queued", "", 0, error) != PUBLISH_FAILED;
}

gboolean
bulk_job_requeued(BulkJobs *jobs, const char *id, GError **error)
{
    g_autofree char *path = bulk_name(id, "queued");

    if (utimensat(jobs->fd, path, NULL, AT_SYMLINK_NOFOLLOW) == 0)
        return TRUE;
    return bulk_job_queued(jobs, id, error);
}

/* Gives a job that was taken away its name back. Should another have it by now, it is the same
 * request again, which is in the queue as well, then. */
static gboolean
put_back(BulkJobs *jobs, const char *id, const char *temporary, GError **error)
{
    int failed = bulk_rename(jobs->tmp_fd, temporary, jobs->fd, id);

    if (failed == EEXIST)
        return bulk_job_queued(jobs, id, error) && bulk_tree_remove(jobs->tmp_fd, temporary, error);
    if (failed)
        return millrace_error_set_errno(error, MILLRACE_ERROR_IO, failed, "putting back job %s",
                                        id);
    return durable_sync(jobs->fd, "the jobs' folder", error);
}

static gboolean
refuse_forget(const char *id, GError **error)
{
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE, "job %s is in the queue", id);
    return FALSE;
}

gboolean
bulk_job_forget(BulkJobs *jobs, const char *id, GError **error)
{
    g_autofree char *temporary = bulk_temporary(id);
    g_autofree char *queued = bulk_name(temporary, "queued");

    g_assert(bulk_id_is_valid(id));
    if (bulk_has(jobs, id, "queued"))
        return refuse_forget(id, error);
    int failed = bulk_rename(jobs->fd, id, jobs->tmp_fd, temporary);
    if (failed == ENOENT)
        return TRUE;
    if (failed)
        return millrace_error_set_errno(error, MILLRACE_ERROR_IO, failed, "forgetting job %s", id);
    /* Another door may have put it into the queue, and said so, since that was looked at. From now
     * on none can. */
    if (faccessat(jobs->tmp_fd, queued, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return put_back(jobs, id, temporary, error) && refuse_forget(id, error);
    return durable_sync(jobs->fd, "the jobs' folder", error) &&
           bulk_tree_remove(jobs->tmp_fd, temporary, error);
}

static gboolean
refuse_cancel(const char *id, BulkState state, GError **error)
{
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE, "job %s is %s: it cannot be cancelled",
                id, bulk_state_name(state));
    return FALSE;
}

/* Where a cancelled job's work goes, beneath .tmp/, so that a finisher does not find it. */
static char *
cancelled_work(const char *id)
{
    return g_strconcat(id, ".cancelled", NULL);
}

/* Returns: 0 or errno. That there is nothing to take, or that another took it, is fine. */
static int
take_work_away(const BulkJobs *jobs, const char *id)
{
    g_autofree char *work = bulk_name(id, BULK_WORK);
    g_autofree char *away = cancelled_work(id);
    int failed = bulk_rename(jobs->fd, work, jobs->tmp_fd, away);

    return failed == ENOENT || failed == EEXIST ? 0 : failed;
}

gboolean
bulk_job_cancel(BulkJobs *jobs, const char *id, const char *by, GError **error)
{
    g_autoptr(GString) json = g_string_new(NULL);
    BulkState state = BULK_QUEUED;

    if (!bulk_id_is_valid(id) || !bulk_has(jobs, id, "job.json")) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT, "there is no job %s", id);
        return FALSE;
    }
    if (bulk_has_ended(jobs, id, &state) && state != BULK_CANCELLED)
        return refuse_cancel(id, state, error);
    json_open(json, NULL, '{');
    json_put_string(json, "by", by);
    g_string_append(json, "}\n");
    if (bulk_publish(jobs, id, "cancelled", json->str, json->len, error) == PUBLISH_FAILED)
        return FALSE;
    /* From here on nobody begins to finish. Who had begun has moved work/, or does not find it.
     * Another's tombstone decides nothing yet: he may be about to see that he came too late. */
    int failed = take_work_away(jobs, id);
    if (failed)
        return millrace_error_set_errno(error, MILLRACE_ERROR_IO, failed, "cancelling job %s", id);
    g_auto(BulkLeaseSeen) lease = {0};
    if (!bulk_has(jobs, id, BULK_RESULTS)) {
        if (bulk_lease_look_fresh(jobs, id, &lease, NULL) && !lease.fresh)
            bulk_job_tidy(jobs, id, NULL);
        return TRUE;
    }
    g_autofree char *tombstone = bulk_name(id, "cancelled");
    unlinkat(jobs->fd, tombstone, 0);
    return refuse_cancel(id, BULK_DONE, error);
}

gboolean
bulk_job_tidy(BulkJobs *jobs, const char *id, GError **error)
{
    g_autofree char *work = bulk_name(id, BULK_WORK);
    BulkState state = BULK_QUEUED;

    g_autofree char *away = cancelled_work(id);

    return !bulk_has_ended(jobs, id, &state) ||
           (bulk_tree_remove(jobs->fd, work, error) && bulk_tree_remove(jobs->tmp_fd, away, error));
}

static gboolean
copy_log(int from_dir_fd, const char *from, int to_dir_fd, const char *to, GError **error)
{
    g_autoptr(DurableStream) stream = durable_stream_open(to_dir_fd, to, error);
    g_autofree guint8 *piece = g_malloc(COPY_BYTES);
    int fd = stream ? openat(from_dir_fd, from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    gssize got = fd >= 0 ? 1 : -1;

    if (stream && fd < 0)
        millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "opening %s", from);
    for (guint64 offset = 0; got > 0; offset += (guint64)got) {
        got = durable_read_at(fd, from, offset, piece, COPY_BYTES, error);
        if (got > 0 && !durable_stream_write(stream, piece, (gsize)got, error))
            got = -1;
    }
    if (fd >= 0)
        close(fd);
    return got == 0 && durable_stream_close(g_steal_pointer(&stream), error);
}

/* One name for a log of a job, whoever gives it, so that to do it again changes nothing. */
static gboolean
meter_log(const char *id, int from_dir_fd, const char *log, int to_dir_fd, GError **error)
{
    g_autofree char *name = g_strdup_printf("usage-job-%s-%s", id, log + strlen("usage-"));

    if (linkat(from_dir_fd, log, to_dir_fd, name, 0) == 0 || errno == EEXIST)
        return TRUE;
    if (errno != EXDEV && errno != EPERM && errno != EMLINK && errno != EOPNOTSUPP)
        return millrace_error_set_errno(error, durable_creation_error(errno), errno, "linking %s",
                                        name);
    return copy_log(from_dir_fd, log, to_dir_fd, name, error);
}

gboolean
bulk_job_meter(BulkJobs *jobs, const char *id, const char *usage_dir, GError **error)
{
    if (bulk_has(jobs, id, "metered"))
        return TRUE;
    int from_fd = bulk_open_folder(jobs, id, BULK_RESULTS "/.millrace", error);
    int to_fd = from_fd >= 0 ? durable_folder_open(usage_dir, TRUE, error) : -1;
    g_autoptr(GPtrArray) logs = to_fd >= 0 ? durable_folder_list(from_fd, "usage-", error) : NULL;
    gboolean metered = logs != NULL;

    for (guint i = 0; metered && i < logs->len; i++)
        metered = meter_log(id, from_fd, logs->pdata[i], to_fd, error);
    metered = metered && durable_sync(to_fd, usage_dir, error);
    if (from_fd >= 0)
        close(from_fd);
    if (to_fd >= 0)
        close(to_fd);
    return metered && bulk_publish(jobs, id, "metered", "", 0, error) != PUBLISH_FAILED;
}

/* When a file was last changed or renamed, by the file system's clock; 0 when it is not there. */
static gint64
changed_us(const BulkJobs *jobs, const char *id, const char *name, gboolean renamed)
{
    g_autofree char *path = bulk_name(id, name);
    struct stat status;

    if (fstatat(jobs->fd, path, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return 0;
    const struct timespec *at = renamed ? &status.st_ctim : &status.st_mtim;
    return (gint64)at->tv_sec * G_USEC_PER_SEC + at->tv_nsec / 1000;
}

/* Ought the job to be in the queue, as far as can be seen, and is it not? */
static gboolean
is_stranded(const BulkJobs *jobs, const char *id, gint64 stale_us, gboolean queue_is_empty)
{
    g_auto(BulkLeaseSeen) lease = {0};
    BulkState state = BULK_QUEUED;
    gint64 queued_us = changed_us(jobs, id, "queued", FALSE);
    gboolean ended = bulk_has_ended(jobs, id, &state);

    if (queued_us == 0 || (ended && (state != BULK_DONE || bulk_has(jobs, id, "metered"))))
        return FALSE;
    if (!bulk_lease_look_fresh(jobs, id, &lease, NULL) || lease.fresh)
        return FALSE;
    gint64 delivered_us =
        MAX(lease.renewed_us, ended ? changed_us(jobs, id, BULK_RESULTS, TRUE) : 0);
    gint64 now_us = bulk_clock_us(jobs, NULL);
    if (now_us - MAX(queued_us, delivered_us) < stale_us)
        return FALSE;
    return queue_is_empty || delivered_us >= queued_us;
}

GPtrArray *
bulk_jobs_stranded(BulkJobs *jobs, gint64 stale_us, gboolean queue_is_empty, GError **error)
{
    g_autoptr(GPtrArray) names = durable_folder_list(jobs->fd, "j", error);
    g_autoptr(GPtrArray) stranded = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; names && i < names->len; i++)
        if (bulk_id_is_valid(names->pdata[i]) &&
            is_stranded(jobs, names->pdata[i], stale_us, queue_is_empty))
            g_ptr_array_add(stranded, g_strdup(names->pdata[i]));
    return names ? g_steal_pointer(&stranded) : NULL;
}

/* When a job came to its end, when nothing is left to do for it; otherwise 0. */
static gint64
ended_us(const BulkJobs *jobs, const char *id)
{
    g_auto(BulkLeaseSeen) lease = {0};
    BulkState state = BULK_QUEUED;

    if (!bulk_has_ended(jobs, id, &state) || !bulk_lease_look_fresh(jobs, id, &lease, NULL) ||
        lease.fresh)
        return 0;
    switch (state) {
    case BULK_DONE:
        return changed_us(jobs, id, "metered", FALSE);
    case BULK_CANCELLED:
        return changed_us(jobs, id, "cancelled", FALSE);
    case BULK_DEAD:
        return changed_us(jobs, id, "dead.json", FALSE);
    default:
        return 0;
    }
}

gboolean
bulk_jobs_expire(BulkJobs *jobs, const Duration *keep, guint64 *count, GError **error)
{
    gint64 now_us = bulk_clock_us(jobs, error);
    g_autoptr(GPtrArray) names = now_us >= 0 ? durable_folder_list(jobs->fd, "j", error) : NULL;
    gboolean good = names != NULL;

    *count = 0;
    for (guint i = 0; good && i < names->len; i++) {
        const char *id = names->pdata[i];
        gint64 end_us = bulk_id_is_valid(id) ? ended_us(jobs, id) : 0;
        if (end_us == 0 || duration_after(keep, end_us) >= now_us)
            continue;
        g_autofree char *temporary = bulk_temporary(id);
        int failed = bulk_rename(jobs->fd, id, jobs->tmp_fd, temporary);
        if (failed && failed != ENOENT)
            return millrace_error_set_errno(error, MILLRACE_ERROR_IO, failed, "removing job %s",
                                            id);
        good = bulk_tree_remove(jobs->tmp_fd, temporary, error);
        *count += good && !failed;
    }
    return good;
}

gboolean
bulk_jobs_sweep(BulkJobs *jobs, GError **error)
{
    gint64 now_us = bulk_clock_us(jobs, error);
    g_autoptr(GPtrArray) left = now_us >= 0 ? durable_folder_list(jobs->tmp_fd, "", error) : NULL;
    g_autoptr(GPtrArray) names = left ? durable_folder_list(jobs->fd, "j", error) : NULL;
    gboolean swept = names != NULL;

    for (guint i = 0; swept && i < left->len; i++) {
        struct stat status;
        if (fstatat(jobs->tmp_fd, left->pdata[i], &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            now_us - (gint64)status.st_ctim.tv_sec * G_USEC_PER_SEC > SWEEP_AFTER_US)
            swept = bulk_tree_remove(jobs->tmp_fd, left->pdata[i], error);
    }
    for (guint i = 0; swept && i < names->len; i++) {
        const char *id = names->pdata[i];
        gint64 made_us = bulk_id_is_valid(id) ? changed_us(jobs, id, "job.json", FALSE) : 0;
        if (made_us > 0 && now_us - made_us > SWEEP_AFTER_US && !bulk_has(jobs, id, "queued"))
            bulk_job_forget(jobs, id, NULL); /* or it is queued just now */
    }
    return swept;
}
