/* door_load.c - a client that loads an HTTP server and eats little of its cores: one thread, epoll,
 * connections that are kept. It sends what it is told at a fixed rate, whatever comes back (an open
 * loop: times are counted from when a request was due), or as fast as its connections answer.
 *
 *     door_load [-r RATE] [-c CONNECTIONS] [-t SECONDS] [-H HEADER]... [-x RETRIES] HOST:PORT PATH
 *         [BODY-FILE]...
 *
 * Prints lines "NAME VALUE": what was sent and answered, by status and by problem code, what got no
 * answer, and percentiles of the times of what was served (2xx), in microseconds.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <glib.h>

enum { HEAD_MAX_BYTES = 16 << 10, EVENTS = 256, STATUS_MAX = 600 };

/* One request that is due, or was. */
typedef struct {
    gint64 due_us;
    guint body;
    guint tries;
} Due;

typedef struct {
    int fd; /* -1: not connected */
    gboolean busy;
    gboolean fresh; /* nothing was answered on it yet */
    Due due;
    gsize sent_bytes; /* of head and body */
    char *head;       /* of the answer, and the begin of its body */
    gsize got_bytes;
    gsize body_at; /* 0: the head is not whole */
    guint64 body_bytes;
    guint64 body_got;
    guint status;
    gboolean closes;
} Connection;

typedef struct {
    struct sockaddr_in address;
    double rate;
    double seconds;
    guint retries;
    GPtrArray *heads;  /* of GString: the request's, for each body */
    GPtrArray *bodies; /* of GBytes */
    int epoll_fd;
    Connection *connections;
    guint connection_count;
    GQueue idle;    /* of Connection */
    GQueue waiting; /* of Due */
    guint64 drawn;  /* requests that became due */
    guint64 tries, answered, served, lost, unexplained, retried;
    guint64 by_status[STATUS_MAX];
    GHashTable *by_code; /* code -> count + 0 */
    GArray *times;       /* of guint32: microseconds of what was served */
    guint busy;
} Load;

static gint64
now_us(void)
{
    return g_get_monotonic_time();
}

static void
disconnect(Connection *connection)
{
    if (connection->fd >= 0)
        close(connection->fd);
    connection->fd = -1;
}

static gboolean
connect_to(Load *load, Connection *connection)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = connection};
    int one = 1;

    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->fd < 0)
        return FALSE;
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if ((connect(connection->fd, (struct sockaddr *)&load->address, sizeof load->address) != 0 &&
         errno != EINPROGRESS) ||
        epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) != 0) {
        disconnect(connection);
        return FALSE;
    }
    connection->fresh = TRUE;
    return TRUE;
}

static void
watch(const Load *load, Connection *connection, gboolean writing)
{
    struct epoll_event event = {.events = EPOLLIN | (writing ? EPOLLOUT : 0),
                                .data.ptr = connection};

    epoll_ctl(load->epoll_fd, EPOLL_CTL_MOD, connection->fd, &event);
}

static void
release(Load *load, Connection *connection)
{
    connection->busy = FALSE;
    load->busy--;
    g_queue_push_tail(&load->idle, connection);
}

static void
count_code(Load *load, const Connection *connection)
{
    g_autofree char *text = g_strndup(connection->head + connection->body_at,
                                      connection->got_bytes - connection->body_at);
    const char *at = strstr(text, "\"code\":");
    const char *begin = at ? strchr(at + 7, '"') : NULL;
    const char *end = begin ? strchr(begin + 1, '"') : NULL;

    if (!end) {
        load->unexplained++;
        return;
    }
    char *code = g_strndup(begin + 1, (gsize)(end - begin - 1));
    gsize count = GPOINTER_TO_SIZE(g_hash_table_lookup(load->by_code, code));
    g_hash_table_replace(load->by_code, code, GSIZE_TO_POINTER(count + 1));
}

/* An answer is whole. */
static void
finish(Load *load, Connection *connection)
{
    gboolean whole = connection->sent_bytes == G_MAXSIZE;

    load->answered++;
    load->by_status[MIN(connection->status, STATUS_MAX - 1)]++;
    if (connection->status / 100 == 2) {
        guint32 took_us = (guint32)MIN(now_us() - connection->due.due_us, G_MAXUINT32);
        g_array_append_val(load->times, took_us);
        load->served++;
    } else {
        count_code(load, connection);
        if ((connection->status == 503 || connection->status == 429) &&
            connection->due.tries < load->retries) {
            Due *again = g_memdup2(&connection->due, sizeof connection->due);
            again->tries++;
            again->due_us = now_us();
            load->retried++;
            g_queue_push_tail(&load->waiting, again);
        }
    }
    connection->fresh = FALSE;
    if (connection->closes || !whole)
        disconnect(connection);
    release(load, connection);
}

/* The connection has ended within a request. A kept one may have been closed while the request was
 * on its way: that is tried again. */
static void
lose(Load *load, Connection *connection)
{
    gboolean again = !connection->fresh && connection->got_bytes == 0;

    disconnect(connection);
    if (again)
        g_queue_push_head(&load->waiting, g_memdup2(&connection->due, sizeof connection->due));
    else
        load->lost++;
    load->tries -= again;
    release(load, connection);
}

/* Reads the answer's head when it is there. */
static void
read_head(Connection *connection)
{
    char *end = memmem(connection->head, connection->got_bytes, "\r\n\r\n", 4);

    if (!end)
        return;
    connection->body_at = (gsize)(end + 4 - connection->head);
    connection->body_got = connection->got_bytes - connection->body_at;
    *end = '\0'; /* what is before it is text now */
    connection->status = (guint)g_ascii_strtoull(connection->head + 9, NULL, 10);
    connection->body_bytes = 0;
    connection->closes = FALSE;
    for (char *line = connection->head; (line = strstr(line, "\r\n"));) {
        line += 2;
        if (g_ascii_strncasecmp(line, "content-length:", 15) == 0)
            connection->body_bytes = g_ascii_strtoull(line + 15, NULL, 10);
        if (g_ascii_strncasecmp(line, "connection: close", 17) == 0)
            connection->closes = TRUE;
    }
}

static void
on_readable(Load *load, Connection *connection)
{
    char rest[64 << 10];
    gssize got = 0;

    for (;;) {
        gsize room = HEAD_MAX_BYTES - connection->got_bytes;
        gboolean kept = room > 0;
        got = kept ? recv(connection->fd, connection->head + connection->got_bytes, room, 0)
                   : recv(connection->fd, rest, sizeof rest, 0);
        if (got <= 0)
            break;
        if (!connection->busy) { /* an answer that nobody asked for */
            disconnect(connection);
            return;
        }
        connection->got_bytes += kept ? (gsize)got : 0;
        if (connection->body_at > 0)
            connection->body_got += (guint64)got;
        else
            read_head(connection);
        if (connection->body_at > 0 && connection->body_got >= connection->body_bytes) {
            finish(load, connection);
            return;
        }
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (connection->busy)
        lose(load, connection);
    else
        disconnect(connection);
}

static void
on_writable(Load *load, Connection *connection)
{
    const GString *head = load->heads->pdata[connection->due.body];
    gsize body_bytes = 0;
    const char *body = g_bytes_get_data(load->bodies->pdata[connection->due.body], &body_bytes);

    while (connection->busy && connection->sent_bytes < head->len + body_bytes) {
        gsize sent = connection->sent_bytes;
        struct iovec parts[2] = {
            {head->str + MIN(sent, head->len), head->len - MIN(sent, head->len)},
            {(char *)body, body_bytes}};
        if (sent > head->len) {
            parts[1].iov_base = (char *)body + (sent - head->len);
            parts[1].iov_len = body_bytes - (sent - head->len);
        }
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
        gssize wrote = sendmsg(connection->fd, &message, MSG_NOSIGNAL);
        if (wrote < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (wrote < 0) /* it may have answered before it closed: that is read */
            break;
        connection->sent_bytes += (gsize)wrote;
    }
    if (connection->busy && connection->sent_bytes == head->len + body_bytes)
        connection->sent_bytes = G_MAXSIZE;
    watch(load, connection, FALSE);
}

static void
give(Load *load, Connection *connection, const Due *due)
{
    connection->busy = TRUE;
    load->busy++;
    load->tries++;
    connection->due = *due;
    connection->sent_bytes = connection->got_bytes = connection->body_at = 0;
    if (connection->fd < 0 && !connect_to(load, connection)) {
        connection->fresh = TRUE;
        lose(load, connection);
        return;
    }
    watch(load, connection, TRUE);
    if (!connection->fresh)
        on_writable(load, connection);
}

/* Draws what has become due, and gives it to connections that are free. */
static void
dispatch(Load *load, gint64 begun_us, gboolean over)
{
    gint64 now = now_us();
    guint body_count = load->bodies->len;

    while (!over && load->rate > 0 &&
           (double)load->drawn < (double)(now - begun_us) / 1e6 * load->rate) {
        Due due = {begun_us + (gint64)((double)load->drawn * 1e6 / load->rate),
                   (guint)(load->drawn % body_count), 0};
        g_queue_push_tail(&load->waiting, g_memdup2(&due, sizeof due));
        load->drawn++;
    }
    while (load->idle.length > 0) {
        g_autofree Due *due = g_queue_pop_head(&load->waiting);
        if (!due && (over || load->rate > 0))
            return;
        Due at_once = {now, (guint)(load->drawn % body_count), 0};
        load->drawn += due == NULL;
        give(load, g_queue_pop_head(&load->idle), due ? due : &at_once);
    }
}

static void
run(Load *load)
{
    struct epoll_event events[EVENTS];
    gint64 begun_us = now_us();
    gint64 end_us = begun_us + (gint64)(load->seconds * 1e6);

    for (;;) {
        gint64 now = now_us();
        gboolean over = now >= end_us;
        dispatch(load, begun_us, over);
        if ((over && load->busy == 0 && load->waiting.length == 0) ||
            now >= end_us + 30 * G_USEC_PER_SEC)
            break;
        int count = epoll_wait(load->epoll_fd, events, EVENTS, load->rate > 0 ? 1 : 10);
        for (int i = 0; i < count; i++) {
            Connection *connection = events[i].data.ptr;
            if (connection->fd >= 0 && connection->busy && (events[i].events & EPOLLOUT))
                on_writable(load, connection);
            if (connection->fd >= 0 && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
                on_readable(load, connection);
        }
    }
    load->lost += load->busy + load->waiting.length;
    load->seconds = (double)(MIN(now_us(), end_us) - begun_us) / 1e6;
}

static gint
compare_times(gconstpointer a, gconstpointer b)
{
    guint32 one = *(const guint32 *)a;
    guint32 other = *(const guint32 *)b;

    return (one > other) - (one < other);
}

static guint32
percentile(const Load *load, double share)
{
    if (load->times->len == 0)
        return 0;
    guint at = (guint)(share * load->times->len);
    return g_array_index(load->times, guint32, MIN(at, load->times->len - 1));
}

static void
print(const Load *load)
{
    GHashTableIter iter;
    gpointer code = NULL;
    gpointer count = NULL;

    g_array_sort(load->times, compare_times);
    printf("seconds %.3f\nsent %" G_GUINT64_FORMAT "\nanswered %" G_GUINT64_FORMAT
           "\nserved %" G_GUINT64_FORMAT "\nlost %" G_GUINT64_FORMAT
           "\nunexplained %" G_GUINT64_FORMAT "\nretried %" G_GUINT64_FORMAT "\n",
           load->seconds, load->tries, load->answered, load->served, load->lost, load->unexplained,
           load->retried);
    printf("served_per_s %.1f\n", (double)load->served / load->seconds);
    for (guint i = 0; i < STATUS_MAX; i++)
        if (load->by_status[i] > 0)
            printf("status_%u %" G_GUINT64_FORMAT "\n", i, load->by_status[i]);
    g_hash_table_iter_init(&iter, load->by_code);
    while (g_hash_table_iter_next(&iter, &code, &count))
        printf("code_%s %zu\n", (const char *)code, GPOINTER_TO_SIZE(count));
    printf("p50_us %u\np99_us %u\np999_us %u\nmax_us %u\n", percentile(load, 0.5),
           percentile(load, 0.99), percentile(load, 0.999), percentile(load, 1));
}

/* Reads the bodies and makes the heads. */
static gboolean
prepare(Load *load, char **arguments, char **headers)
{
    char **files = arguments + 2;
    gboolean has_body = *files != NULL;

    for (guint i = 0; i == 0 || (has_body && files[i]); i++) {
        g_autoptr(GError) error = NULL;
        char *bytes = NULL;
        gsize size_bytes = 0;
        if (has_body && !g_file_get_contents(files[i], &bytes, &size_bytes, &error)) {
            fprintf(stderr, "door_load: %s\n", error->message);
            return FALSE;
        }
        GString *head = g_string_new(NULL);
        g_string_append_printf(head, "%s %s HTTP/1.1\r\nHost: %s\r\n", has_body ? "POST" : "GET",
                               arguments[1], arguments[0]);
        for (char **header = headers; header && *header; header++)
            g_string_append_printf(head, "%s\r\n", *header);
        if (has_body)
            g_string_append_printf(head, "Content-Length: %zu\r\n", size_bytes);
        g_string_append(head, "\r\n");
        g_ptr_array_add(load->heads, head);
        g_ptr_array_add(load->bodies, g_bytes_new_take(bytes, size_bytes));
    }
    g_autofree char *host = g_strdup(arguments[0]);
    char *port = strrchr(host, ':');
    if (!port) {
        fprintf(stderr, "door_load: %s: expected HOST:PORT\n", host);
        return FALSE;
    }
    *port++ = '\0';
    load->address = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((guint16)g_ascii_strtoull(port, NULL, 10))};
    return inet_pton(AF_INET, host, &load->address.sin_addr) == 1;
}

int
main(int argc, char **argv)
{
    Load load = {.seconds = 5};
    gint connections = 64;
    gint retries = 0;
    g_auto(GStrv) headers = NULL;
    g_autoptr(GError) error = NULL;
    const GOptionEntry entries[] = {
        {"rate", 'r', 0, G_OPTION_ARG_DOUBLE, &load.rate, "requests a second; 0: closed", "N"},
        {"connections", 'c', 0, G_OPTION_ARG_INT, &connections, "kept open", "N"},
        {"time", 't', 0, G_OPTION_ARG_DOUBLE, &load.seconds, "how long", "SECONDS"},
        {"header", 'H', 0, G_OPTION_ARG_STRING_ARRAY, &headers, "of each request", "TEXT"},
        {"retries", 'x', 0, G_OPTION_ARG_INT, &retries, "at once, of 429 and 503", "N"},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new("HOST:PORT PATH [BODY-FILE]...");
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || argc < 3 || connections < 1) {
        fprintf(stderr, "door_load: %s\n", error ? error->message : "expected HOST:PORT PATH");
        return 64;
    }
    load.retries = (guint)retries;
    load.heads = g_ptr_array_new();
    load.bodies = g_ptr_array_new_with_free_func((GDestroyNotify)(void (*)(void))g_bytes_unref);
    if (!prepare(&load, argv + 1, headers))
        return 66;
    load.by_code = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    load.times = g_array_new(FALSE, FALSE, sizeof(guint32));
    load.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    load.connection_count = (guint)connections;
    load.connections = g_new0(Connection, load.connection_count);
    for (guint i = 0; i < load.connection_count; i++) {
        load.connections[i].fd = -1;
        load.connections[i].head = g_malloc(HEAD_MAX_BYTES);
        g_queue_push_tail(&load.idle, &load.connections[i]);
    }
    run(&load);
    print(&load);
    return 0;
}
