/* bulk_job.c - the shared jobs folder: what is known of jobs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bulk_job.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/durable.h"
#include "formats/json.h"
#include "formats/sha256.h"
#include "jobs/bulk_internal.h"

enum { JOB_MAX_BYTES = 1 << 20, TREE_DEPTH_MAX = 4096 };

const char *
bulk_state_name(BulkState state)
{
    static const char *const names[] = {"accepted", "queued",    "running",
                                        "done",     "cancelled", "dead"};

    g_assert(state < G_N_ELEMENTS(names));
    return names[state];
}

BulkJobs *
bulk_jobs_open(const char *path, GError **error)
{
    int fd = durable_folder_open(path, TRUE, error);
    int tmp_fd = fd >= 0 ? durable_folder_beneath(fd, ".tmp", error) : -1;

    if (tmp_fd < 0) {
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    BulkJobs *jobs = g_new0(BulkJobs, 1);
    jobs->path = g_canonicalize_filename(path, NULL);
    jobs->fd = fd;
    jobs->tmp_fd = tmp_fd;
    return jobs;
}

void
bulk_jobs_free(BulkJobs *jobs)
{
    close(jobs->tmp_fd);
    close(jobs->fd);
    g_free(jobs->path);
    g_free(jobs);
}

const char *
bulk_jobs_path(const BulkJobs *jobs)
{
    return jobs->path;
}

gboolean
bulk_id_is_valid(const char *id)
{
    return *id == 'j' && strlen(id) == JOB_ID_CHARS &&
           strspn(id + 1, "0123456789abcdef") == JOB_ID_CHARS - 1;
}

void
bulk_id_make(const char *customer, const char *key, char id[JOB_ID_CHARS + 1])
{
    static const char version[] = "millrace.job.v1";
    g_autoptr(Sha256) sha256 = sha256_new();
    char hex[SHA256_CHARS + 1];

    sha256_add(sha256, version, sizeof version);
    sha256_add(sha256, customer, strlen(customer) + 1);
    sha256_add(sha256, key, strlen(key));
    sha256_finish(sha256, hex);
    id[0] = 'j';
    g_strlcpy(id + 1, hex, JOB_ID_CHARS);
}

char *
bulk_name(const char *id, const char *name)
{
    return g_strconcat(id, "/", name, NULL);
}

char *
bulk_job_path(const BulkJobs *jobs, const char *id, const char *name)
{
    return g_build_filename(jobs->path, id, name, NULL);
}

gboolean
bulk_has(const BulkJobs *jobs, const char *id, const char *name)
{
    g_autofree char *path = bulk_name(id, name);

    return faccessat(jobs->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

gboolean
bulk_has_ended(const BulkJobs *jobs, const char *id, BulkState *state)
{
    if (bulk_has(jobs, id, BULK_RESULTS))
        *state = BULK_DONE;
    else if (bulk_has(jobs, id, "cancelled"))
        *state = BULK_CANCELLED;
    else if (bulk_has(jobs, id, "dead.json"))
        *state = BULK_DEAD;
    else
        return FALSE;
    return TRUE;
}

static gboolean
no_such_job(const char *id, GError **error)
{
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT, "there is no job %s", id);
    return FALSE;
}

int
bulk_open_folder(const BulkJobs *jobs, const char *id, const char *name, GError **error)
{
    g_autofree char *path = bulk_name(id, name);
    int fd = openat(jobs->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0 && errno == ENOENT && strcmp(name, ".") == 0)
        no_such_job(id, error);
    else if (fd < 0)
        millrace_error_set_errno(error,
                                 errno == ENOENT ? MILLRACE_ERROR_NO_INPUT : MILLRACE_ERROR_IO,
                                 errno, "opening %s/%s", jobs->path, path);
    return fd;
}

gboolean
bulk_sync(const BulkJobs *jobs, const char *id, GError **error)
{
    int fd = bulk_open_folder(jobs, id, ".", error);
    gboolean synced = fd >= 0 && durable_sync(fd, id, error);

    if (fd >= 0)
        close(fd);
    return synced;
}

char *
bulk_temporary(const char *what)
{
    return g_strdup_printf("%s-%08x%08x", what, g_random_int(), g_random_int());
}

int
bulk_publish(const BulkJobs *jobs, const char *id, const char *name, const char *bytes,
             gsize size_bytes, GError **error)
{
    g_autofree char *temporary = bulk_temporary(name);
    g_autofree char *path = bulk_name(id, name);

    if (!durable_write_file(jobs->tmp_fd, temporary, bytes, size_bytes, error))
        return PUBLISH_FAILED;
    PublishResult result = durable_publish(jobs->tmp_fd, temporary, jobs->fd, path, error);
    if (result != PUBLISH_DONE)
        unlinkat(jobs->tmp_fd, temporary, 0);
    if (result == PUBLISH_FAILED && !bulk_has(jobs, id, "job.json")) {
        g_clear_error(error);
        no_such_job(id, error);
    }
    return result != PUBLISH_DONE || bulk_sync(jobs, id, error) ? result : PUBLISH_FAILED;
}

int
bulk_rename(int from_fd, const char *from, int to_fd, const char *to)
{
    if (renameat2(from_fd, from, to_fd, to, RENAME_NOREPLACE) == 0)
        return 0;
    /* Where the file system does not know that: a plain rename does not replace a folder that has
     * anything in it. */
    if ((errno == EINVAL || errno == ENOSYS) && renameat(from_fd, from, to_fd, to) == 0)
        return 0;
    return errno == ENOTEMPTY ? EEXIST : errno;
}

/* The mtime that the file system gives to a file now. All may touch the same one. */
gint64
bulk_clock_us(const BulkJobs *jobs, GError **error)
{
    struct stat status;
    int fd = openat(jobs->tmp_fd, "clock", O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    gboolean told = fd >= 0 && futimens(fd, NULL) == 0 && fstat(fd, &status) == 0;

    if (!told)
        millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "%s/.tmp/clock", jobs->path);
    if (fd >= 0)
        close(fd);
    return told ? (gint64)status.st_mtim.tv_sec * G_USEC_PER_SEC + status.st_mtim.tv_nsec / 1000
                : -1;
}

static gboolean
remove_tree(int dir_fd, const char *name, guint depth, GError **error)
{
    if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
        return TRUE;
    int fd = errno == EISDIR || errno == EPERM
                 ? openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
                 : -1;
    DIR *listing = fd >= 0 && depth < TREE_DEPTH_MAX ? fdopendir(fd) : NULL;
    const struct dirent *entry = NULL;
    gboolean good = TRUE;
    if (!listing && fd < 0 && errno == ENOENT)
        return TRUE; /* another removes it as well */
    if (!listing) {
        millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "removing %s", name);
        if (fd >= 0)
            close(fd);
        return FALSE;
    }
    while (good && (entry = readdir(listing)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            good = remove_tree(dirfd(listing), entry->d_name, depth + 1, error);
    closedir(listing);
    if (!good || unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return good;
    return millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "removing %s", name);
}

gboolean
bulk_tree_remove(int dir_fd, const char *name, GError **error)
{
    return remove_tree(dir_fd, name, 0, error);
}

void
bulk_job_clear(BulkJob *job)
{
    g_free(job->customer);
    g_free(job->to);
    g_free(job->reason);
    *job = (BulkJob){0};
}

/* (transfer full) the object that a file of the job holds; NULL and MILLRACE_ERROR_NO_INPUT,
 * MILLRACE_ERROR_CORRUPT, MILLRACE_ERROR_IO. */
static JsonObject *
read_object(const BulkJobs *jobs, const char *id, const char *name, GError **error)
{
    g_autofree char *path = bulk_name(id, name);
    gsize size = 0;
    g_autofree char *text = durable_read_file(jobs->fd, path, JOB_MAX_BYTES, &size, error);
    g_autoptr(GError) wrong = NULL;
    JsonObject *object = text ? json_object_parse(text, size, &wrong) : NULL;

    if (text && !object)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT, "%s/%s: %s", jobs->path, path,
                    wrong->message);
    return object;
}

static gboolean
fill_asked(const BulkJobs *jobs, const JsonObject *object, BulkJob *job, GError **error)
{
    const char *customer = json_object_string(object, "customer", NULL);
    const char *digest = json_object_string(object, "manifest", NULL);
    gint64 rows = -1;
    gint64 version = 0;

    if (!json_object_int(object, "version", &version) || version != 1 || !customer || !digest ||
        strlen(digest) != SHA256_CHARS || !json_object_int(object, "rows", &rows) || rows < 0 ||
        !json_object_bool(object, "inputs", &job->has_inputs) ||
        !json_object_int(object, "accepted_us", &job->accepted_us)) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                    "%s/%s/job.json: it is not of version 1: move the folder away", jobs->path,
                    job->id);
        return FALSE;
    }
    job->customer = g_strdup(customer);
    job->to = g_strdup(json_object_string(object, "to", NULL));
    g_strlcpy(job->manifest, digest, sizeof job->manifest);
    job->row_count = (guint64)rows;
    return TRUE;
}

/* Counts from a file where they are: the report of a job that is done, or what its drain tells. A
 * file that is not there leaves them at 0. */
static void
fill_counts(const BulkJobs *jobs, BulkJob *job, const char *file)
{
    g_autoptr(JsonObject) object = read_object(jobs, job->id, file, NULL);
    g_autoptr(JsonObject) rows = object ? json_object_object(object, "rows") : NULL;
    gint64 resized = 0;
    gint64 failed = 0;

    if (!rows || !json_object_int(rows, "resized", &resized) ||
        !json_object_int(rows, "failed", &failed) || resized < 0 || failed < 0)
        return;
    job->done_count = (guint64)resized + (guint64)failed;
    job->failed_count = (guint64)failed;
}

static char *
reason_of(const BulkJobs *jobs, const char *id, const char *file, const char *key)
{
    g_autoptr(JsonObject) object = read_object(jobs, id, file, NULL);

    return object ? g_strdup(json_object_string(object, key, NULL)) : NULL;
}

static gboolean
fill_state(const BulkJobs *jobs, BulkJob *job, GError **error)
{
    g_auto(BulkLeaseSeen) lease = {0};

    gboolean ended = bulk_has_ended(jobs, job->id, &job->state);
    if (!(ended ? bulk_lease_look : bulk_lease_look_fresh)(jobs, job->id, &lease, error))
        return FALSE;
    job->tries = lease.number;
    if (!ended) {
        job->state = bulk_has(jobs, job->id, "queued") ? BULK_QUEUED : BULK_ACCEPTED;
        if (lease.fresh)
            job->state = BULK_RUNNING;
        job->reason = g_strdup(lease.now.reason);
    }
    if (job->state == BULK_DONE)
        fill_counts(jobs, job, BULK_RESULTS "/.millrace/report.json");
    else if (lease.number > 0)
        fill_counts(jobs, job, "progress.json");
    if (job->state == BULK_DEAD)
        job->reason = reason_of(jobs, job->id, "dead.json", "reason");
    else if (job->state == BULK_CANCELLED)
        job->reason = reason_of(jobs, job->id, "cancelled", "by");
    return TRUE;
}

/* Reads a job, if it is customer's; of any, for NULL. FALSE without error: it is another's. */
static gboolean
read_job(BulkJobs *jobs, const char *id, const char *customer, BulkJob *job, GError **error)
{
    g_autoptr(GError) failure = NULL;

    *job = (BulkJob){0};
    if (!bulk_id_is_valid(id))
        return no_such_job(id, error);
    g_strlcpy(job->id, id, sizeof job->id);
    g_autoptr(JsonObject) object = read_object(jobs, id, "job.json", &failure);
    gboolean asked = object && fill_asked(jobs, object, job, &failure);
    gboolean is_others = asked && customer && strcmp(customer, job->customer) != 0;
    if (asked && !is_others && fill_state(jobs, job, &failure))
        return TRUE;
    bulk_job_clear(job);
    if (g_error_matches(failure, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT))
        return no_such_job(id, error);
    if (failure)
        g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
}

gboolean
bulk_jobs_read(BulkJobs *jobs, const char *id, BulkJob *job, GError **error)
{
    return read_job(jobs, id, NULL, job, error);
}

gboolean
bulk_jobs_list(BulkJobs *jobs, const char *customer,
               gboolean (*visit)(const BulkJob *job, gpointer data), gpointer data, GError **error)
{
    g_autoptr(GPtrArray) names = durable_folder_list(jobs->fd, "j", error);
    g_autoptr(GError) damaged = NULL;
    gboolean more = names != NULL;

    for (guint i = 0; more && i < names->len; i++) {
        BulkJob job;
        g_autoptr(GError) failure = NULL;
        if (!bulk_id_is_valid(names->pdata[i]))
            continue;
        if (read_job(jobs, names->pdata[i], customer, &job, &failure)) {
            more = visit(&job, data);
            bulk_job_clear(&job);
        } else if (failure && !damaged &&
                   !g_error_matches(failure, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT)) {
            damaged = g_steal_pointer(&failure);
        }
    }
    /* A customer's list is not ended by a folder that nobody knows the owner of. */
    gboolean good = names && (!damaged || (customer && damaged->code == MILLRACE_ERROR_CORRUPT));
    if (!good && damaged)
        g_propagate_error(error, g_steal_pointer(&damaged));
    return good;
}
