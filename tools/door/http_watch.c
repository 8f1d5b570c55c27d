/* http_watch.c - deadlines of connections. The library knows idle ones only, so a client that sends
 * a byte a second would live for ever; here each phase of a request has its end. A connection is
 * ended by shutting its socket down, which its I/O thread then sees.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/door/http_internal.h"

#define TICK_MS         100
#define LINGER_MAX      64 /* sockets */
#define LINGER_US       (2 * G_USEC_PER_SEC)
#define LINGER_BYTES    (4 << 20) /* as much is read in vain, and no more */
#define SAME_MOMENT_US  50000     /* the kernel's clock of a socket is coarse */
#define EVENTS_AT_ONCE  32
#define DISCARD_AT_ONCE (64 << 10)

typedef struct {
    int fd;
    gint64 due_us;
    guint64 left_bytes;
} Linger;

struct _HttpWatch {
    Http *http;
    GMutex mutex;
    HttpConnection *first;
    guint count;
    GThread *thread;
    int epoll_fd;
    int stop_fd;
    GPtrArray *lingering; /* of Linger; under the mutex */
    char discarded[DISCARD_AT_ONCE];
};

void
http_phase(HttpConnection *connection, int phase)
{
    const HttpLimits *limits = &connection->http->limits;
    const gint64 allowed_us[] = {[PHASE_IDLE] = limits->idle_us,
                                 [PHASE_HEADER] = limits->header_deadline_us,
                                 [PHASE_BODY] = limits->body_deadline_us,
                                 [PHASE_ANSWER] = limits->answer_deadline_us};
    gint64 now_us = g_get_monotonic_time();

    atomic_store_explicit(&connection->due_us, 0, memory_order_relaxed);
    atomic_store_explicit(&connection->moved_bytes, 0, memory_order_release);
    atomic_store_explicit(&connection->since_us, now_us, memory_order_release);
    atomic_store_explicit(&connection->phase, phase, memory_order_release);
    if (phase != PHASE_WORK)
        atomic_store_explicit(&connection->due_us, now_us + allowed_us[phase],
                              memory_order_release);
}

void
http_moved(HttpConnection *connection, guint64 size_bytes)
{
    atomic_fetch_add_explicit(&connection->moved_bytes, size_bytes, memory_order_relaxed);
}

/* As the kernel numbers it; its own header has the newer struct, but not this. */
#define STATE_CLOSE_WAIT 8

static gboolean
ask_socket(const HttpConnection *connection, struct tcp_info *info)
{
    socklen_t size = sizeof(*info);

    return getsockopt(connection->fd, IPPROTO_TCP, TCP_INFO, info, &size) == 0;
}

/* Has a byte of the next request come since the connection fell idle? */
static gboolean
has_begun(const HttpConnection *connection, gint64 idle_us)
{
    struct tcp_info info = {0};

    return ask_socket(connection, &info) &&
           (gint64)info.tcpi_last_data_recv * 1000 + SAME_MOMENT_US < idle_us;
}

/* Does it wait for more from a client that has said that there is no more, and all of it is read?
 * The library does not see an end that comes in one piece with what is before it. */
static gboolean
waits_in_vain(const HttpConnection *connection)
{
    struct tcp_info info = {0};
    int unread = 0;

    return ask_socket(connection, &info) && info.tcpi_state == STATE_CLOSE_WAIT &&
           ioctl(connection->fd, FIONREAD, &unread) == 0 && unread == 0;
}

/* Bytes of the answer that the client has got: what it has not keeps no slow reader alive. */
static guint64
answered_bytes(HttpConnection *connection, gint64 since_us)
{
    struct tcp_info info = {0};

    if (!ask_socket(connection, &info))
        return 0;
    if (connection->begun_since_us != since_us) {
        connection->begun_since_us = since_us;
        connection->acked_bytes = info.tcpi_bytes_acked;
    }
    return info.tcpi_bytes_acked - connection->acked_bytes;
}

/* An idle connection whose next request has begun has as long for it as a new one. */
static void
look_after_idle(HttpConnection *connection, gint64 now_us, gint64 since_us)
{
    if (atomic_load(&connection->http->closing)) {
        shutdown(connection->fd, SHUT_RD); /* what has come by now is still answered */
    } else if (connection->begun_since_us != since_us) {
        if (now_us - since_us <= SAME_MOMENT_US || !has_begun(connection, now_us - since_us))
            return;
        connection->begun_since_us = since_us;
        connection->begun_us = now_us;
    } else if (now_us - connection->begun_us >= connection->http->limits.header_deadline_us) {
        shutdown(connection->fd, SHUT_RDWR);
    }
}

static void
look_after(HttpConnection *connection, gint64 now_us)
{
    gint64 due_us = atomic_load_explicit(&connection->due_us, memory_order_acquire);
    guint64 moved = atomic_load_explicit(&connection->moved_bytes, memory_order_acquire);
    gint64 since_us = atomic_load_explicit(&connection->since_us, memory_order_acquire);
    int phase = atomic_load_explicit(&connection->phase, memory_order_acquire);

    /* The I/O thread sets the deadline last: all of it belongs together, or is looked at again. */
    if (due_us == 0 || due_us != atomic_load_explicit(&connection->due_us, memory_order_acquire))
        return;
    if (phase == PHASE_ANSWER && now_us - since_us > SAME_MOMENT_US)
        moved = answered_bytes(connection, since_us);
    if (now_us >= due_us + (gint64)(moved / HTTP_SECOND_BYTES) * G_USEC_PER_SEC ||
        (phase != PHASE_ANSWER && now_us - since_us > SAME_MOMENT_US && waits_in_vain(connection)))
        shutdown(connection->fd, SHUT_RDWR);
    else if (phase == PHASE_IDLE)
        look_after_idle(connection, now_us, since_us);
}

static void
linger_end(HttpWatch *watch, Linger *linger)
{
    /* Closing alone would leave it in the set while its I/O thread has not closed its own. */
    epoll_ctl(watch->epoll_fd, EPOLL_CTL_DEL, linger->fd, NULL);
    close(linger->fd);
    g_ptr_array_remove_fast(watch->lingering, linger);
    g_free(linger);
}

/* Reads what nobody wants, until the client has seen the answer and closes. */
static void
linger_read(HttpWatch *watch, Linger *linger)
{
    ssize_t size = recv(linger->fd, watch->discarded, sizeof(watch->discarded), MSG_DONTWAIT);

    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size <= 0 || (guint64)size >= linger->left_bytes) {
        linger_end(watch, linger);
        return;
    }
    linger->left_bytes -= (guint64)size;
}

static void
tick(HttpWatch *watch, gint64 now_us)
{
    for (HttpConnection *at = watch->first; at; at = at->next)
        look_after(at, now_us);
    for (guint i = watch->lingering->len; i-- > 0;) {
        Linger *linger = g_ptr_array_index(watch->lingering, i);
        if (now_us >= linger->due_us)
            linger_end(watch, linger);
    }
}

static gpointer
watch_main(gpointer data)
{
    HttpWatch *watch = data;
    struct epoll_event events[EVENTS_AT_ONCE];
    gint64 last_us = 0;
    gboolean stop = FALSE;

    while (!stop) {
        int count = epoll_wait(watch->epoll_fd, events, EVENTS_AT_ONCE, TICK_MS);
        g_mutex_lock(&watch->mutex);
        for (int i = 0; i < count; i++) {
            stop = stop || !events[i].data.ptr;
            if (events[i].data.ptr)
                linger_read(watch, events[i].data.ptr);
        }
        gint64 now_us = g_get_monotonic_time();
        if (now_us - last_us >= TICK_MS * 1000) {
            tick(watch, now_us);
            last_us = now_us;
        }
        g_mutex_unlock(&watch->mutex);
    }
    return NULL;
}

HttpWatch *
http_watch_new(Http *http, GError **error)
{
    HttpWatch *watch = g_new0(HttpWatch, 1);
    struct epoll_event event = {.events = EPOLLIN};

    watch->http = http;
    g_mutex_init(&watch->mutex);
    watch->lingering = g_ptr_array_new();
    watch->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    watch->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (watch->epoll_fd < 0 || watch->stop_fd < 0 ||
        epoll_ctl(watch->epoll_fd, EPOLL_CTL_ADD, watch->stop_fd, &event) != 0) {
        millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "watching connections");
        http_watch_free(watch);
        return NULL;
    }
    watch->thread = g_thread_new("watch", watch_main, watch);
    return watch;
}

void
http_watch_free(HttpWatch *watch)
{
    guint64 one = 1;

    if (!watch)
        return;
    if (watch->thread && write(watch->stop_fd, &one, sizeof(one)) == sizeof(one))
        g_thread_join(watch->thread);
    while (watch->lingering->len > 0)
        linger_end(watch, g_ptr_array_index(watch->lingering, 0));
    g_ptr_array_free(watch->lingering, TRUE);
    if (watch->epoll_fd >= 0)
        close(watch->epoll_fd);
    if (watch->stop_fd >= 0)
        close(watch->stop_fd);
    g_mutex_clear(&watch->mutex);
    g_free(watch);
}

void
http_watch_add(HttpWatch *watch, HttpConnection *connection)
{
    g_mutex_lock(&watch->mutex);
    connection->next = watch->first;
    if (watch->first)
        watch->first->previous = connection;
    watch->first = connection;
    watch->count++;
    g_mutex_unlock(&watch->mutex);
}

/* Closing a socket with unread bytes makes the kernel throw the answer away that the client has not
 * read yet. A copy of the descriptor keeps it open until the client is through. */
static void
linger_begin(HttpWatch *watch, int connection_fd)
{
    if (watch->lingering->len >= LINGER_MAX)
        return;
    int fd = fcntl(connection_fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return;
    Linger *linger = g_new(Linger, 1);
    *linger = (Linger){fd, g_get_monotonic_time() + LINGER_US, LINGER_BYTES};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = linger};
    shutdown(fd, SHUT_WR);
    g_ptr_array_add(watch->lingering, linger);
    if (epoll_ctl(watch->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        linger_end(watch, linger);
}

void
http_watch_remove(HttpWatch *watch, HttpConnection *connection)
{
    g_mutex_lock(&watch->mutex);
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        watch->first = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    watch->count--;
    if (connection->linger)
        linger_begin(watch, connection->fd);
    g_mutex_unlock(&watch->mutex);
}

guint
http_watch_count(HttpWatch *watch)
{
    g_mutex_lock(&watch->mutex);
    guint count = watch->count;
    g_mutex_unlock(&watch->mutex);
    return count;
}
