/* usage_log.c - the local usage log of a process that answers requests. One thread writes: what was
 * put while it synced goes out together with the next sync, so that the disk sets the size of the
 * groups and no clock does.
 *
 * A number is given to an event only when it is written, and is given again when that failed: so
 * the sequences on disk have no gaps, and a seal may say that they are all there is. Disk space is
 * reserved behind the file's end before anything is written, so that a full disk is seen before a
 * reader of the log can see half a group.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/usage_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "formats/durable.h"
#include "formats/error.h"

#define OPEN_SUFFIX   ".open.ndjson"
#define CLOSED_SUFFIX ".ndjson"

/* How long after a failure the disk is tried again though nobody waits, and how far ahead space is
 * reserved. */
enum { MEND_US = G_USEC_PER_SEC / 2, AHEAD_BYTES = 1 << 20, HOST_CHARS = 48 };

/* An event that waits; its strings lie behind it. */
typedef struct {
    UsageEvent event;
    UsageLogged logged;
    gpointer data;
    char texts[];
} Pending;

struct _UsageLog {
    int dir_fd;
    char *source;
    guint64 rotate_bytes;
    gint64 rotate_us;
    GThread *thread;

    /* The thread's own. */
    char *process; /* what the names of its writers begin with */
    guint64 writer_count;
    char *writer; /* the present one */
    int fd;       /* of its file; -1: it begins with the next event */
    guint64 size_bytes;
    guint64 reserved_bytes;
    guint64 sequence; /* of the last durable event */
    gint64 begun_us;
    gboolean dirty; /* something may lie behind size_bytes */
    GString *text;
    GError *close_error;

    /* For all. */
    gint failing;
    GMutex mutex;
    GCond wake;
    GPtrArray *waiting; /* of Pending */
    guint64 pending_count;
    guint64 count;
    guint64 sync_us;
    gboolean closing;
};

static char *
file_name(const UsageLog *log, const char *suffix)
{
    return g_strconcat("usage-", log->writer, suffix, NULL);
}

/* A host's name may be anything; a writer's is part of a file's. */
static char *
process_name(void)
{
    g_autofree char *host = g_strndup(g_get_host_name(), HOST_CHARS);

    g_strcanon(host, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "-.", '_');
    return g_strdup_printf("%s-%d-%" G_GINT64_FORMAT, host, (int)getpid(), g_get_real_time());
}

static gboolean
begin_file(UsageLog *log, GError **error)
{
    g_free(log->writer);
    log->writer = g_strdup_printf("%s-%" G_GUINT64_FORMAT, log->process, ++log->writer_count);
    g_autofree char *name = file_name(log, OPEN_SUFFIX);
    log->fd = openat(log->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (log->fd < 0)
        return millrace_error_set_errno(error, durable_creation_error(errno), errno, "creating %s",
                                        name);
    log->size_bytes = log->reserved_bytes = log->sequence = 0;
    log->begun_us = g_get_monotonic_time();
    log->dirty = FALSE;
    if (durable_sync(log->dir_fd, "the folder of usage logs", error))
        return TRUE;
    close(log->fd);
    log->fd = -1;
    unlinkat(log->dir_fd, name, 0);
    return FALSE;
}

static gboolean
sync_data(UsageLog *log, GError **error)
{
    gint64 begun_us = g_get_monotonic_time();
    gboolean good = fdatasync(log->fd) == 0;
    int errnum = errno;

    g_mutex_lock(&log->mutex);
    log->sync_us = (guint64)(g_get_monotonic_time() - begun_us);
    g_mutex_unlock(&log->mutex);
    return good || millrace_error_set_errno(error, MILLRACE_ERROR_IO, errnum,
                                            "syncing the usage log of %s", log->writer);
}

/* Reserves room for size_bytes more; nothing that a reader could see changes. */
static gboolean
reserve(UsageLog *log, guint64 size_bytes, GError **error)
{
    static const guint64 ahead[] = {AHEAD_BYTES, 0};
    guint64 end_bytes = log->size_bytes + size_bytes;

    if (end_bytes <= log->reserved_bytes)
        return TRUE;
    for (guint i = 0; i < G_N_ELEMENTS(ahead); i++) {
        guint64 room = size_bytes + ahead[i];
        if (fallocate(log->fd, FALLOC_FL_KEEP_SIZE, (off_t)log->size_bytes, (off_t)room) == 0) {
            log->reserved_bytes = log->size_bytes + room;
            return TRUE;
        }
    }
    /* Not every file system can; one that cannot tells of its end when it is written to. */
    if (errno == EOPNOTSUPP || errno == ENOSYS)
        return TRUE;
    return millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno,
                                    "reserving room for the usage log of %s", log->writer);
}

/* Cuts off what a failure left: nobody was told that it is there. */
static gboolean
mend(UsageLog *log, GError **error)
{
    if (log->fd < 0)
        return begin_file(log, error);
    if (!log->dirty)
        return TRUE;
    if (ftruncate(log->fd, (off_t)log->size_bytes) != 0)
        return millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno,
                                        "cutting the usage log of %s", log->writer);
    log->reserved_bytes = 0;
    if (!sync_data(log, error))
        return FALSE;
    log->dirty = FALSE;
    return TRUE;
}

static gboolean
write_group(UsageLog *log, GPtrArray *group, GError **error)
{
    if (!mend(log, error))
        return FALSE;
    g_string_truncate(log->text, 0);
    for (guint i = 0; i < group->len; i++) {
        Pending *pending = group->pdata[i];
        pending->event.writer = log->writer;
        pending->event.sequence = log->sequence + 1 + i;
        usage_event_print(&pending->event, log->text);
    }
    if (!reserve(log, log->text->len, error))
        return FALSE;
    log->dirty = TRUE;
    if (!durable_write_at(log->fd, "the usage log", log->size_bytes, log->text->str, log->text->len,
                          error) ||
        !sync_data(log, error)) {
        mend(log, NULL); /* at once, as far as it can be; else before the next group */
        return FALSE;
    }
    log->dirty = FALSE;
    log->size_bytes += log->text->len;
    log->sequence += group->len;
    return TRUE;
}

/* Ends the present writer's file: it gets the name of one that grows no more. */
static gboolean
end_file(UsageLog *log, GError **error)
{
    g_autofree char *from = file_name(log, OPEN_SUFFIX);
    g_autofree char *to = file_name(log, CLOSED_SUFFIX);
    gboolean good = mend(log, error);
    int errnum = 0;

    /* Gives back what was reserved. */
    if (good && ftruncate(log->fd, (off_t)log->size_bytes) != 0)
        errnum = errno;
    if (close(log->fd) != 0)
        errnum = errno;
    log->fd = -1;
    if (!good)
        return FALSE;
    if (log->sequence == 0) {
        unlinkat(log->dir_fd, from, 0);
        return TRUE;
    }
    if (renameat(log->dir_fd, from, log->dir_fd, to) != 0)
        errnum = errno;
    if (errnum != 0)
        return millrace_error_set_errno(error, MILLRACE_ERROR_IO, errnum, "closing %s", from);
    return durable_sync(log->dir_fd, "the folder of usage logs", error);
}

static gboolean
is_due(const UsageLog *log)
{
    return log->sequence > 0 && !log->dirty &&
           (log->size_bytes >= log->rotate_bytes ||
            g_get_monotonic_time() - log->begun_us >= log->rotate_us);
}

/* Waits for events, the end, or what time brings. Returns: (transfer full) what came, maybe
 * nothing. */
static GPtrArray *
next_group(UsageLog *log, gboolean *closing)
{
    gint64 until_us = G_MAXINT64;
    GPtrArray *group = NULL;

    if (g_atomic_int_get(&log->failing))
        until_us = g_get_monotonic_time() + MEND_US;
    else if (log->fd >= 0 && log->sequence > 0)
        until_us = log->begun_us + log->rotate_us;
    g_mutex_lock(&log->mutex);
    while (log->waiting->len == 0 && !log->closing) {
        if (until_us == G_MAXINT64)
            g_cond_wait(&log->wake, &log->mutex);
        else if (!g_cond_wait_until(&log->wake, &log->mutex, until_us))
            break;
    }
    group = log->waiting;
    log->waiting = g_ptr_array_new_with_free_func(g_free);
    *closing = log->closing && group->len == 0;
    g_mutex_unlock(&log->mutex);
    return group;
}

static void
log_group(UsageLog *log, GPtrArray *group)
{
    g_autoptr(GError) error = NULL;
    gboolean good = group->len > 0 ? write_group(log, group, &error)
                                   : mend(log, &error) && reserve(log, USAGE_LINE_MAX_BYTES, NULL);

    g_atomic_int_set(&log->failing, !good);
    g_mutex_lock(&log->mutex);
    log->pending_count -= group->len;
    if (good)
        log->count += group->len;
    g_mutex_unlock(&log->mutex);
    for (guint i = 0; i < group->len; i++) {
        const Pending *pending = group->pdata[i];
        pending->logged(error, pending->data);
    }
}

static gpointer
run(gpointer data)
{
    UsageLog *log = data;
    gboolean closing = FALSE;

    while (!closing) {
        g_autoptr(GPtrArray) group = next_group(log, &closing);
        if (group->len > 0 || (!closing && g_atomic_int_get(&log->failing)))
            log_group(log, group);
        /* A writer that cannot be ended well is left as it is: its events are durable. */
        if (log->fd >= 0 && (closing || is_due(log)))
            end_file(log, closing ? &log->close_error : NULL);
    }
    return NULL;
}

static void
log_free(UsageLog *log)
{
    if (log->fd >= 0)
        close(log->fd);
    if (log->dir_fd >= 0)
        close(log->dir_fd);
    g_ptr_array_unref(log->waiting);
    g_string_free(log->text, TRUE);
    g_free(log->source);
    g_free(log->process);
    g_free(log->writer);
    g_mutex_clear(&log->mutex);
    g_cond_clear(&log->wake);
    g_free(log);
}

UsageLog *
usage_log_open(const char *dir, const char *source, guint64 rotate_bytes, gint64 rotate_us,
               GError **error)
{
    UsageLog *log = g_new0(UsageLog, 1);

    g_assert(rotate_bytes > 0 && rotate_us > 0);
    log->source = g_strdup(source);
    log->rotate_bytes = rotate_bytes;
    log->rotate_us = rotate_us;
    log->process = process_name();
    log->waiting = g_ptr_array_new_with_free_func(g_free);
    log->text = g_string_new(NULL);
    log->fd = -1;
    g_mutex_init(&log->mutex);
    g_cond_init(&log->wake);
    log->dir_fd = durable_folder_open(dir, TRUE, error);
    /* The first file at once, so that a folder that cannot be written to is seen now. */
    if (log->dir_fd < 0 || !begin_file(log, error)) {
        log_free(log);
        return NULL;
    }
    log->thread = g_thread_new("usage-log", run, log);
    return log;
}

/* Copies an event with its strings. */
static Pending *
pending_new(const UsageLog *log, const UsageEvent *event)
{
    static const gsize strings[] = {
        G_STRUCT_OFFSET(UsageEvent, id),      G_STRUCT_OFFSET(UsageEvent, type),
        G_STRUCT_OFFSET(UsageEvent, subject), G_STRUCT_OFFSET(UsageEvent, request),
        G_STRUCT_OFFSET(UsageEvent, op),      G_STRUCT_OFFSET(UsageEvent, format),
        G_STRUCT_OFFSET(UsageEvent, status),  G_STRUCT_OFFSET(UsageEvent, node),
    };
    gsize sizes[G_N_ELEMENTS(strings)];
    gsize size_bytes = 0;

    for (guint i = 0; i < G_N_ELEMENTS(strings); i++) {
        const char *text = G_STRUCT_MEMBER(const char *, event, strings[i]);
        sizes[i] = text ? strlen(text) + 1 : 1;
        size_bytes += sizes[i];
    }
    Pending *pending = g_malloc(sizeof *pending + size_bytes);
    char *at = pending->texts;
    pending->event = *event;
    for (guint i = 0; i < G_N_ELEMENTS(strings); i++) {
        const char *text = G_STRUCT_MEMBER(const char *, event, strings[i]);
        memcpy(at, text ? text : "", sizes[i]);
        G_STRUCT_MEMBER(const char *, &pending->event, strings[i]) = at;
        at += sizes[i];
    }
    pending->event.source = log->source;
    pending->event.time_us = g_get_real_time();
    pending->event.extra = "";
    pending->event.present |= USAGE_HAS_WRITER | USAGE_HAS_SEQUENCE;
    return pending;
}

void
usage_log_put(UsageLog *log, const UsageEvent *event, UsageLogged logged, gpointer data)
{
    Pending *pending = pending_new(log, event);

    pending->logged = logged;
    pending->data = data;
    g_mutex_lock(&log->mutex);
    g_assert(!log->closing);
    g_ptr_array_add(log->waiting, pending);
    log->pending_count++;
    if (log->waiting->len == 1)
        g_cond_signal(&log->wake);
    g_mutex_unlock(&log->mutex);
}

static guint64
read_locked(const UsageLog *log, const guint64 *value)
{
    GMutex *mutex = (GMutex *)&log->mutex;

    g_mutex_lock(mutex);
    guint64 copy = *value;
    g_mutex_unlock(mutex);
    return copy;
}

guint64
usage_log_count(const UsageLog *log)
{
    return read_locked(log, &log->count);
}

guint64
usage_log_pending(const UsageLog *log)
{
    return read_locked(log, &log->pending_count);
}

gboolean
usage_log_failing(const UsageLog *log)
{
    return g_atomic_int_get(&log->failing);
}

guint64
usage_log_sync_us(const UsageLog *log)
{
    return read_locked(log, &log->sync_us);
}

gboolean
usage_log_close(UsageLog *log, GError **error)
{
    g_mutex_lock(&log->mutex);
    log->closing = TRUE;
    g_cond_signal(&log->wake);
    g_mutex_unlock(&log->mutex);
    g_thread_join(log->thread);
    gboolean good = log->close_error == NULL;
    if (!good)
        g_propagate_error(error, g_steal_pointer(&log->close_error));
    log_free(log);
    return good;
}
