/* access_log.c - lines are gathered in one buffer while another is written.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/door/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_MAX_BYTES (4 << 20)
#define INTERVAL_US      100000

struct _AccessLog {
    char *path; /* NULL: stderr */
    int fd;     /* -1: nothing is written */
    GMutex mutex;
    GCond cond;
    GString *gathered; /* under the mutex */
    gboolean stop, reopen;
    _Atomic guint64 dropped;
    GThread *thread;
};

static int
open_path(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
}

static void
write_out(AccessLog *log, const GString *lines)
{
    const char *at = lines->str;
    gsize left = lines->len;

    while (left > 0) {
        ssize_t size = write(log->fd, at, left);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            break;
        at += size;
        left -= (gsize)size;
    }
    for (; left > 0; at++, left--)
        if (*at == '\n')
            atomic_fetch_add(&log->dropped, 1);
}

static void
open_again(AccessLog *log)
{
    int fd = open_path(log->path);

    if (fd < 0)
        return; /* the old one is written on */
    close(log->fd);
    log->fd = fd;
}

static gpointer
log_main(gpointer data)
{
    AccessLog *log = data;
    GString *lines = g_string_new(NULL);

    g_mutex_lock(&log->mutex);
    for (gboolean stop = FALSE; !stop;) {
        gint64 until_us = g_get_monotonic_time() + INTERVAL_US;
        while (!log->stop && log->gathered->len < BUFFER_MAX_BYTES / 4 &&
               g_cond_wait_until(&log->cond, &log->mutex, until_us))
            ;
        stop = log->stop;
        gboolean reopen = log->reopen;
        log->reopen = FALSE;
        GString *gathered = log->gathered;
        log->gathered = lines;
        lines = gathered;
        g_mutex_unlock(&log->mutex);
        if (reopen && log->path)
            open_again(log);
        write_out(log, lines);
        g_string_truncate(lines, 0);
        g_mutex_lock(&log->mutex);
    }
    g_mutex_unlock(&log->mutex);
    g_string_free(lines, TRUE);
    return NULL;
}

AccessLog *
access_log_open(const char *where, GError **error)
{
    AccessLog *log = g_new0(AccessLog, 1);

    g_mutex_init(&log->mutex);
    g_cond_init(&log->cond);
    log->gathered = g_string_new(NULL);
    log->fd = -1;
    if (strcmp(where, "none") == 0)
        return log;
    log->path = strcmp(where, "-") == 0 ? NULL : g_strdup(where);
    log->fd = log->path ? open_path(log->path) : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (log->fd < 0) {
        millrace_error_set_errno(error, MILLRACE_ERROR_CANT_CREATE, errno, "--access-log=%s",
                                 where);
        access_log_close(log);
        return NULL;
    }
    log->thread = g_thread_new("access-log", log_main, log);
    return log;
}

void
access_log_close(AccessLog *log)
{
    if (!log)
        return;
    if (log->thread) {
        g_mutex_lock(&log->mutex);
        log->stop = TRUE;
        g_cond_signal(&log->cond);
        g_mutex_unlock(&log->mutex);
        g_thread_join(log->thread);
    }
    if (log->fd >= 0)
        close(log->fd);
    g_string_free(log->gathered, TRUE);
    g_mutex_clear(&log->mutex);
    g_cond_clear(&log->cond);
    g_free(log->path);
    g_free(log);
}

void
access_log_reopen(AccessLog *log)
{
    g_mutex_lock(&log->mutex);
    log->reopen = TRUE;
    g_mutex_unlock(&log->mutex);
}

gboolean
access_log_is_on(const AccessLog *log)
{
    return log->thread != NULL;
}

void
access_log_put(AccessLog *log, const char *line, gsize size_bytes)
{
    g_mutex_lock(&log->mutex);
    gsize before = log->gathered->len;
    if (before + size_bytes <= BUFFER_MAX_BYTES) {
        g_string_append_len(log->gathered, line, (gssize)size_bytes);
        /* A signal each time would cost more than the line. */
        if (before < BUFFER_MAX_BYTES / 4 && log->gathered->len >= BUFFER_MAX_BYTES / 4)
            g_cond_signal(&log->cond);
    } else {
        atomic_fetch_add(&log->dropped, 1);
    }
    g_mutex_unlock(&log->mutex);
}

guint64
access_log_dropped(const AccessLog *log)
{
    return atomic_load(&((AccessLog *)(gintptr)log)->dropped);
}
