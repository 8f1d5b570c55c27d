/* http.c - the server: libmicrohttpd's threads read requests and write answers; everything else is
 * the handler's. A request that is not answered when its handler returns is suspended, and
 * resumed by http_answer().
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "formats/durable.h"
#include "tools/door/http_internal.h"

#define BACKLOG 1024
/* For all headers, and a piece of the body. The library clears it for each request: twice as much
 * costs a light request as long as the look at its key. */
#define CONNECTION_MEMORY_BYTES (16 << 10)

/* --- Bodies --- */

/* A file for a body of that size, which has no name. */
static int
body_file(const Http *http, guint64 announced)
{
    if (http->spool_fd >= 0 && announced > HTTP_MEMORY_BODY_MAX)
        return openat(http->spool_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
    return memfd_create("body", MFD_CLOEXEC);
}

/* Keeps a piece. Returns 0 or an errno. */
static int
body_keep(HttpRequest *request, const char *bytes, gsize size_bytes)
{
    if (request->body_fd < 0)
        request->body_fd = body_file(request->http, request->announced);
    if (request->body_fd < 0)
        return errno;
    while (size_bytes > 0) {
        ssize_t size = write(request->body_fd, bytes, size_bytes);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return errno;
        bytes += size;
        size_bytes -= (gsize)size;
    }
    return 0;
}

/* In the midst of a body the library takes no answer, so it goes to the socket as it is: nothing
 * else has been written there for this request. */
static enum MHD_Result
refuse_body(HttpRequest *request)
{
    request->body_state = BODY_REFUSED;
    request->connection->linger = TRUE;
    request->too_large(request, request->http->handler.data);
    g_assert(request->raw);
    ssize_t size = send(request->connection->fd, request->raw->str, request->raw->len,
                        MSG_DONTWAIT | MSG_NOSIGNAL);
    request->raw_sent = size == (ssize_t)request->raw->len;
    return MHD_NO; /* the connection ends */
}

static enum MHD_Result
body_piece(HttpRequest *request, const char *bytes, size_t *size_bytes)
{
    http_moved(request->connection, *size_bytes);
    if (*size_bytes > request->body_max - request->body_bytes)
        return refuse_body(request);
    request->body_errno = body_keep(request, bytes, *size_bytes);
    if (request->body_errno != 0)
        return refuse_body(request);
    request->body_bytes += *size_bytes;
    *size_bytes = 0;
    return MHD_YES;
}

/* --- A request's way --- */

static enum MHD_Result
queue_answer(HttpRequest *request)
{
    http_phase(request->connection, PHASE_ANSWER);
    return request->response ? MHD_queue_response(request->mhd, request->status, request->response)
                             : MHD_NO;
}

/* The handler has returned: its answer goes out, or is waited for. */
static enum MHD_Result
answer_or_wait(HttpRequest *request)
{
    int expected = ANSWER_NONE;

    if (atomic_load(&request->answer) == ANSWER_GIVEN)
        return queue_answer(request);
    MHD_suspend_connection(request->mhd);
    if (!atomic_compare_exchange_strong(&request->answer, &expected, ANSWER_AWAITED))
        MHD_resume_connection(request->mhd); /* it came just now */
    return MHD_YES;
}

static guint64
announced(HttpRequest *request)
{
    const char *length = http_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);

    if (http_header(request, MHD_HTTP_HEADER_TRANSFER_ENCODING))
        return G_MAXUINT64;
    return length ? g_ascii_strtoull(length, NULL, 10) : 0;
}

static void
tell_handler(HttpRequest *request)
{
    request->is_begun = TRUE;
    request->http->handler.begin(request, request->http->handler.data);
}

static enum MHD_Result
begin(HttpConnection *connection, struct MHD_Connection *mhd, const char *url, const char *method,
      void **state)
{
    HttpRequest *request = &connection->request;

    *request = (HttpRequest){.http = connection->http,
                             .connection = connection,
                             .mhd = mhd,
                             .method = method,
                             .path = url,
                             .begun_us = g_get_monotonic_time(),
                             .body_fd = -1};
    *state = request;
    request->announced = announced(request);
    http_phase(connection, PHASE_WORK);
    /* An answer now, before the body, would make the library close the connection behind it, even
     * when there is no body: it is asked for at the second call, which then comes at once. */
    if (request->announced == 0)
        return MHD_YES;
    tell_handler(request);
    if (request->body_state == BODY_NONE)
        return answer_or_wait(request);
    http_phase(connection, PHASE_BODY);
    return MHD_YES;
}

static enum MHD_Result
on_request(void *data, struct MHD_Connection *mhd, const char *url, const char *method,
           const char *version G_GNUC_UNUSED, const char *bytes, size_t *size_bytes, void **state)
{
    const Http *http = data;
    HttpRequest *request = *state;

    if (!request) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
        return begin(info->socket_context, mhd, url, method, state);
    }
    if (*size_bytes > 0) {
        if (request->body_state == BODY_TAKEN)
            return body_piece(request, bytes, size_bytes);
        *size_bytes = 0; /* of one that was answered without it */
        return MHD_YES;
    }
    if (atomic_load(&request->answer) == ANSWER_GIVEN)
        return queue_answer(request); /* resumed */
    if (request->announced == 0)
        tell_handler(request);
    if (request->body_state == BODY_TAKEN) {
        request->body_state = BODY_WHOLE;
        http_phase(request->connection, PHASE_WORK);
        http->handler.body_done(request, http->handler.data);
    }
    return answer_or_wait(request);
}

static void
on_completed(void *data G_GNUC_UNUSED, struct MHD_Connection *mhd G_GNUC_UNUSED, void **state,
             enum MHD_RequestTerminationCode code)
{
    HttpRequest *request = *state;

    if (!request || !request->is_begun)
        return;
    request->is_begun = FALSE;
    http_phase(request->connection, PHASE_IDLE);
    request->http->handler.ended(request,
                                 code == MHD_REQUEST_TERMINATED_COMPLETED_OK || request->raw_sent,
                                 request->http->handler.data);
    if (request->response)
        MHD_destroy_response(request->response);
    if (request->raw)
        g_string_free(request->raw, TRUE);
    if (request->body_fd >= 0)
        close(request->body_fd);
    *state = NULL;
}

static void
on_connection(void *data, struct MHD_Connection *mhd, void **context,
              enum MHD_ConnectionNotificationCode code)
{
    Http *http = data;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        HttpConnection *connection = g_new0(HttpConnection, 1);
        connection->http = http;
        connection->fd =
            MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        http_phase(connection, PHASE_HEADER);
        http_watch_add(http->watch, connection);
        *context = connection;
        return;
    }
    http_watch_remove(http->watch, *context);
    g_free(*context);
}

void
http_take_body(HttpRequest *request, guint64 max_bytes,
               void (*too_large)(HttpRequest *request, gpointer data))
{
    g_assert(request->body_state == BODY_NONE && atomic_load(&request->answer) == ANSWER_NONE);
    request->body_state = BODY_TAKEN;
    request->body_max = max_bytes;
    request->too_large = too_large;
}

void
http_answer(HttpRequest *request, const HttpAnswer *answer)
{
    gboolean is_early = request->body_state == BODY_NONE && request->announced > 0;
    gboolean close = is_early || answer->close || atomic_load(&request->http->closing);

    if (is_early)
        request->connection->linger = TRUE;
    request->status = answer->status;
    if (request->body_state == BODY_REFUSED) {
        g_assert(!answer->stream && answer->fd <= 0);
        request->raw = http_answer_text(answer);
    } else {
        request->response = http_response_new(answer, close, &request->streamed_bytes);
    }
    if (atomic_exchange(&request->answer, ANSWER_GIVEN) == ANSWER_AWAITED)
        MHD_resume_connection(request->mhd);
}

/* --- The server --- */

/* "HOST:PORT", "[V6]:PORT". */
static struct addrinfo *
resolve(const char *listen, GError **error)
{
    const char *colon = strrchr(listen, ':');
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    g_autofree char *host = colon ? g_strndup(listen, (gsize)(colon - listen)) : NULL;
    gsize length = host ? strlen(host) : 0;
    gboolean bracketed = length > 2 && host[0] == '[' && host[length - 1] == ']';

    if (bracketed) {
        host[length - 1] = '\0';
        memmove(host, host + 1, length - 1);
    }
    if (length > 0 && (bracketed || !strchr(host, ':')) &&
        g_ascii_string_to_unsigned(colon + 1, 10, 0, G_MAXUINT16, NULL, NULL) &&
        getaddrinfo(host, colon + 1, &hints, &found) == 0)
        return found;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                "%s: expected ADDRESS:PORT, as in 127.0.0.1:8080 or [::1]:8080", listen);
    return NULL;
}

int
http_listen(const char *listen_at, guint16 *port, GError **error)
{
    struct addrinfo *found = resolve(listen_at, error);
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } bound = {0};
    socklen_t size = sizeof(bound);
    const int yes = 1;

    if (!found)
        return -1;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
        bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, &bound.any, &size) != 0) {
        millrace_error_set_errno(error, MILLRACE_ERROR_CANT_CREATE, errno,
                                 "listening on %s (is another door there? give another address)",
                                 listen_at);
        freeaddrinfo(found);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    freeaddrinfo(found);
    *port = g_ntohs(bound.any.sa_family == AF_INET6 ? bound.v6.sin6_port : bound.v4.sin_port);
    return fd;
}

/* Keys and values of the path and the query, in place. %00 is left as it is: no text goes on
 * behind a NUL. */
static size_t
unescape(void *data G_GNUC_UNUSED, struct MHD_Connection *mhd G_GNUC_UNUSED, char *text)
{
    char *out = text;

    for (const char *at = text; *at; at++) {
        int high = *at == '%' ? g_ascii_xdigit_value(at[1]) : -1;
        int low = high >= 0 ? g_ascii_xdigit_value(at[2]) : -1;
        if (high >= 0 && low >= 0 && high + low > 0) {
            *out++ = (char)(high << 4 | low);
            at += 2;
        } else {
            *out++ = *at;
        }
    }
    *out = '\0';
    return (size_t)(out - text);
}

static struct MHD_Daemon *
start_daemon(Http *http, int listen_fd)
{
    guint threads = http->limits.threads;
    struct MHD_OptionItem pool[] = {{MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)threads, NULL},
                                    {MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};

    return MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
                            on_request, http, MHD_OPTION_LISTEN_SOCKET, listen_fd,
                            MHD_OPTION_CONNECTION_LIMIT, http->limits.connections_max,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY_BYTES,
                            MHD_OPTION_CONNECTION_MEMORY_INCREMENT, (size_t)CONNECTION_MEMORY_BYTES,
                            MHD_OPTION_CONNECTION_TIMEOUT, 0U, MHD_OPTION_NOTIFY_COMPLETED,
                            on_completed, http, MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,
                            MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL,
                            MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
                            MHD_OPTION_ARRAY, threads > 1 ? pool : none, MHD_OPTION_END);
}

Http *
http_start(const HttpLimits *limits, const HttpHandler *handler, GError **error)
{
    Http *http = g_new0(Http, 1);
    http->handler = *handler;
    http->limits = *limits;
    http->limits.threads = MIN(limits->threads, limits->connections_max);
    http->spool_fd = -1;
    if (limits->spool_dir)
        http->spool_fd = durable_folder_open(limits->spool_dir, TRUE, error);
    if (!limits->spool_dir || http->spool_fd >= 0)
        http->watch = http_watch_new(http, error);
    if (http->watch && !(http->daemon = start_daemon(http, limits->listen_fd)))
        g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_UNAVAILABLE,
                            "the HTTP server does not start: too few descriptors or threads?");
    if (http->daemon)
        return http;
    close(limits->listen_fd);
    http_stop(http);
    return NULL;
}

void
http_quiesce(Http *http)
{
    if (atomic_exchange(&http->closing, TRUE))
        return;
    int listen_fd = MHD_quiesce_daemon(http->daemon);
    if (listen_fd >= 0)
        close(listen_fd);
}

void
http_stop(Http *http)
{
    if (!http)
        return;
    if (http->daemon)
        MHD_stop_daemon(http->daemon);
    http_watch_free(http->watch);
    if (http->spool_fd >= 0)
        close(http->spool_fd);
    g_free(http);
}

guint
http_connection_count(const Http *http)
{
    return http_watch_count(http->watch);
}
