/* bulk_lease.c - who does a job now. A lease is a file that only one can make; it holds as long as
 * its mtime is renewed. Clocks of hosts are not compared: both times are the file system's own.
 *
 * A lease alone does not keep two from working: a holder may be frozen and wake up later. What
 * does is that resize locks its folder, and that the end is one rename of that folder.
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

enum { LEASE_MAX_BYTES = 1 << 16, REASON_MAX_BYTES = 1 << 12 };

struct _BulkLease {
    BulkJobs *jobs;
    char id[JOB_ID_CHARS + 1];
    guint number;
    BulkLeaseRecord record;
};

void
bulk_lease_record_clear(BulkLeaseRecord *record)
{
    g_free(record->holder);
    g_free(record->reason);
    *record = (BulkLeaseRecord){0};
}

void
bulk_lease_seen_clear(BulkLeaseSeen *seen)
{
    bulk_lease_record_clear(&seen->now);
    *seen = (BulkLeaseSeen){0};
}

static char *
lease_name(const char *id, guint number)
{
    return g_strdup_printf("%s/lease-%u", id, number);
}

static GString *
print_record(const BulkLeaseRecord *record)
{
    GString *json = g_string_new(NULL);

    json_open(json, NULL, '{');
    json_put_string(json, "holder", record->holder);
    json_put_int(json, "lease_us", record->lease_us);
    json_put_uint(json, "progress_bytes", record->progress_bytes);
    json_put_uint(json, "failures", record->failures);
    json_put_uint(json, "deaths", record->deaths);
    json_put_bool(json, "ended", record->ended);
    if (record->reason)
        json_put_string(json, "reason", record->reason);
    g_string_append(json, "}\n");
    return json;
}

static guint64
member_uint(const JsonObject *object, const char *key)
{
    gint64 value = 0;

    return json_object_int(object, key, &value) && value > 0 ? (guint64)value : 0;
}

/* What cannot be read counts as a lease of the usual length: nobody is kept out for good. */
static void
parse_record(const char *text, gsize size_bytes, BulkLeaseRecord *record)
{
    g_autoptr(JsonObject) object = text ? json_object_parse(text, size_bytes, NULL) : NULL;

    *record = (BulkLeaseRecord){.lease_us = BULK_LEASE_DEFAULT_US};
    if (!object)
        return;
    record->holder = g_strdup(json_object_string(object, "holder", NULL));
    record->reason = g_strdup(json_object_string(object, "reason", NULL));
    record->lease_us = (gint64)MIN(member_uint(object, "lease_us"), (guint64)G_MAXINT64 / 4);
    record->progress_bytes = member_uint(object, "progress_bytes");
    record->failures = (guint)MIN(member_uint(object, "failures"), G_MAXUINT / 2);
    record->deaths = (guint)MIN(member_uint(object, "deaths"), G_MAXUINT / 2);
    json_object_bool(object, "ended", &record->ended);
}

static guint
last_number(const GPtrArray *names)
{
    guint highest = 0;

    for (guint i = 0; i < names->len; i++) {
        guint64 number = 0;
        if (g_ascii_string_to_unsigned((const char *)names->pdata[i] + strlen("lease-"), 10, 1,
                                       G_MAXUINT - 1, &number, NULL))
            highest = MAX(highest, (guint)number);
    }
    return highest;
}

gboolean
bulk_lease_look(const BulkJobs *jobs, const char *id, BulkLeaseSeen *seen, GError **error)
{
    struct stat status;
    int fd = bulk_open_folder(jobs, id, ".", error);

    *seen = (BulkLeaseSeen){0};
    if (fd < 0)
        return FALSE;
    g_autoptr(GPtrArray) names = durable_folder_list(fd, "lease-", error);
    close(fd);
    if (!names)
        return FALSE;
    seen->number = last_number(names);
    if (seen->number == 0)
        return TRUE;
    g_autofree char *name = lease_name(id, seen->number);
    gsize size = 0;
    g_autofree char *text = durable_read_file(jobs->fd, name, LEASE_MAX_BYTES, &size, error);
    if (!text)
        return FALSE;
    if (fstatat(jobs->fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "%s", name);
    parse_record(text, size, &seen->now);
    seen->renewed_us =
        (gint64)status.st_mtim.tv_sec * G_USEC_PER_SEC + status.st_mtim.tv_nsec / 1000;
    return TRUE;
}

gboolean
bulk_lease_look_fresh(const BulkJobs *jobs, const char *id, BulkLeaseSeen *seen, GError **error)
{
    if (!bulk_lease_look(jobs, id, seen, error))
        return FALSE;
    if (seen->number == 0 || seen->now.ended)
        return TRUE;
    gint64 now_us = bulk_clock_us(jobs, error);
    seen->fresh = now_us - seen->renewed_us < seen->now.lease_us;
    return now_us >= 0;
}

/* How much has been done: the size of all ledgers, as `millrace run` measures it. */
static guint64
measure_progress(const BulkJobs *jobs, const char *id)
{
    guint64 size_bytes = 0;
    int fd = bulk_open_folder(jobs, id, BULK_WORK "/.millrace", NULL);
    g_autoptr(GPtrArray) names = fd >= 0 ? durable_folder_list(fd, "ledger-", NULL) : NULL;

    for (guint i = 0; names && i < names->len; i++) {
        struct stat status;
        if (fstatat(fd, names->pdata[i], &status, AT_SYMLINK_NOFOLLOW) == 0)
            size_bytes += (guint64)status.st_size;
    }
    if (fd >= 0)
        close(fd);
    return size_bytes;
}

/* What the next lease begins with: a holder that has not let go has died over the job. */
static void
follow(const BulkLeaseSeen *last, guint64 progress_bytes, BulkLeaseRecord *record)
{
    gboolean progress = last->number == 0 || progress_bytes > last->now.progress_bytes;

    record->progress_bytes = progress_bytes;
    record->failures = progress ? 0 : last->now.failures;
    record->deaths = progress ? 0 : last->now.deaths + !last->now.ended;
    record->reason = g_strdup(last->now.reason);
}

static void
lease_free(BulkLease *lease)
{
    bulk_lease_record_clear(&lease->record);
    g_free(lease);
}

/* The job's end may have come while the lease was taken. */
static gboolean
take_back(BulkLease *lease, BulkState *state)
{
    if (!bulk_has_ended(lease->jobs, lease->id, state))
        return FALSE;
    bulk_lease_drop(lease, NULL);
    return TRUE;
}

BulkLease *
bulk_lease_take(BulkJobs *jobs, const char *id, const char *holder, gint64 lease_us,
                BulkState *state, GError **error)
{
    g_auto(BulkLeaseSeen) last = {0};

    if (!bulk_id_is_valid(id) || !bulk_has(jobs, id, "job.json")) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT, "there is no job %s", id);
        return NULL;
    }
    if (bulk_has_ended(jobs, id, state) || !bulk_lease_look_fresh(jobs, id, &last, error))
        return NULL;
    *state = BULK_RUNNING;
    if (last.fresh)
        return NULL;
    BulkLease *lease = g_new0(BulkLease, 1);
    lease->jobs = jobs;
    g_strlcpy(lease->id, id, sizeof lease->id);
    lease->number = last.number + 1;
    lease->record.holder = g_strdup(holder);
    lease->record.lease_us = lease_us;
    follow(&last, measure_progress(jobs, id), &lease->record);
    g_autoptr(GString) json = print_record(&lease->record);
    g_autofree char *name = g_strdup_printf("lease-%u", lease->number);
    if (bulk_publish(jobs, id, name, json->str, json->len, error) == PUBLISH_DONE)
        return take_back(lease, state) ? NULL : lease;
    lease_free(lease);
    return NULL;
}

guint
bulk_lease_try(const BulkLease *lease)
{
    return lease->number;
}

gboolean
bulk_lease_is_last(const BulkLease *lease)
{
    return lease->record.failures >= BULK_TRIES_MAX || lease->record.deaths >= BULK_DEATHS_MAX;
}

char *
bulk_lease_reason(const BulkLease *lease)
{
    if (lease->record.failures >= BULK_TRIES_MAX && lease->record.reason)
        return g_strdup_printf("%u tries got nothing done; the last: %s", lease->record.failures,
                               lease->record.reason);
    return g_strdup_printf("%u drains died over it", lease->record.deaths);
}

/* Is the lease still the last one, and the job without an end? */
static gboolean
is_held(const BulkLease *lease, GError **error)
{
    g_autofree char *own = g_strdup_printf("lease-%u", lease->number);
    g_autofree char *next = g_strdup_printf("lease-%u", lease->number + 1);
    BulkState state = BULK_RUNNING;

    if (bulk_has_ended(lease->jobs, lease->id, &state))
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_INTERRUPTED, "job %s is %s by now",
                    lease->id, bulk_state_name(state));
    else if (!bulk_has(lease->jobs, lease->id, own))
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_INTERRUPTED, "job %s is gone", lease->id);
    else if (bulk_has(lease->jobs, lease->id, next))
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_INTERRUPTED,
                    "another has taken job %s over", lease->id);
    else
        return TRUE;
    return FALSE;
}

gboolean
bulk_lease_renew(BulkLease *lease, GError **error)
{
    g_autofree char *name = lease_name(lease->id, lease->number);

    if (!is_held(lease, error))
        return FALSE;
    if (utimensat(lease->jobs->fd, name, NULL, AT_SYMLINK_NOFOLLOW) == 0)
        return TRUE;
    return millrace_error_set_errno(
        error, errno == ENOENT ? MILLRACE_ERROR_INTERRUPTED : MILLRACE_ERROR_IO, errno,
        "renewing %s", name);
}

/* The usage logs are on the disk before the results are, since nobody completes them afterwards. */
static gboolean
sync_usage(const BulkLease *lease, GError **error)
{
    int folder_fd = bulk_open_folder(lease->jobs, lease->id, BULK_WORK "/.millrace", error);
    g_autoptr(GPtrArray) names =
        folder_fd >= 0 ? durable_folder_list(folder_fd, "usage-", error) : NULL;
    gboolean synced = names != NULL;

    for (guint i = 0; synced && i < names->len; i++) {
        int fd = openat(folder_fd, names->pdata[i], O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        synced = fd >= 0 ? durable_sync(fd, names->pdata[i], error)
                         : millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "opening %s",
                                                    (const char *)names->pdata[i]);
        if (fd >= 0)
            close(fd);
    }
    if (folder_fd >= 0)
        close(folder_fd);
    return synced;
}

gboolean
bulk_lease_finish(BulkLease *lease, GError **error)
{
    g_autofree char *work = bulk_name(lease->id, BULK_WORK);
    g_autofree char *results = bulk_name(lease->id, BULK_RESULTS);
    gboolean done = is_held(lease, error) && sync_usage(lease, error);
    int failed = done ? bulk_rename(lease->jobs->fd, work, lease->jobs->fd, results) : 0;

    if (failed)
        done = millrace_error_set_errno(
            error,
            failed == ENOENT || failed == EEXIST ? MILLRACE_ERROR_INTERRUPTED : MILLRACE_ERROR_IO,
            failed, "another was first to end job %s", lease->id);
    done = done && bulk_sync(lease->jobs, lease->id, error);
    lease_free(lease);
    return done;
}

gboolean
bulk_lease_bury(BulkLease *lease, const char *reason, GError **error)
{
    g_autoptr(GString) json = g_string_new(NULL);
    g_autofree char *valid = g_utf8_make_valid(reason, (gssize)strnlen(reason, REASON_MAX_BYTES));
    gboolean buried = is_held(lease, error);

    json_open(json, NULL, '{');
    json_put_string(json, "reason", valid);
    json_put_uint(json, "tries", lease->number);
    g_string_append(json, "}\n");
    buried = buried && bulk_publish(lease->jobs, lease->id, "dead.json", json->str, json->len,
                                    error) != PUBLISH_FAILED;
    lease_free(lease);
    return buried;
}

gboolean
bulk_lease_drop(BulkLease *lease, const char *failure)
{
    g_autofree char *name = g_strdup_printf("lease-%u", lease->number);

    lease->record.ended = TRUE;
    if (failure) {
        guint64 progress_bytes = measure_progress(lease->jobs, lease->id);
        gboolean progress = progress_bytes > lease->record.progress_bytes;
        lease->record.progress_bytes = MAX(progress_bytes, lease->record.progress_bytes);
        lease->record.failures = progress ? 1 : lease->record.failures + 1;
        lease->record.deaths = progress ? 0 : lease->record.deaths;
        g_free(lease->record.reason);
        lease->record.reason =
            g_utf8_make_valid(failure, (gssize)strnlen(failure, REASON_MAX_BYTES));
    }
    gboolean was_last = bulk_lease_is_last(lease);
    g_autoptr(GString) json = print_record(&lease->record);
    /* A lease that cannot be let go ends by itself. One that is gone does not come back. */
    int fd = bulk_open_folder(lease->jobs, lease->id, ".", NULL);
    if (fd >= 0) {
        durable_write_file(fd, name, json->str, json->len, NULL);
        close(fd);
    }
    lease_free(lease);
    return was_last;
}
