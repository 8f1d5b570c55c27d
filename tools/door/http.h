/* http.h - HTTP by libmicrohttpd, behind calls that know requests and answers only. I/O threads
 * read requests and write answers; work is done elsewhere, while the connection is suspended.
 *
 * One request: begin() when its headers are there, which answers, or takes the body; body_done()
 * when the body is whole in a memory file; then http_answer(), at once or later, from any thread;
 * ended() when the last byte of the answer has left, or the client is gone.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TOOLS_DOOR_HTTP_H
#define MILLRACE_TOOLS_DOOR_HTTP_H

#include <glib.h>

#include "formats/error.h"

typedef struct _Http Http;
typedef struct _HttpRequest HttpRequest;

#define HTTP_ANSWER_HEADERS_MAX 16

/* An answer. Strings are copied when it is given. */
typedef struct {
    guint status;
    const char *content_type;
    struct {
        const char *name;
        char value[256];
    } headers[HTTP_ANSWER_HEADERS_MAX];
    guint header_count;
    /* The body is one of: */
    const void *bytes; /* copied, or static when is_static */
    gsize size_bytes;
    gboolean is_static;
    int fd; /* > 0: size_bytes of a file from offset; taken (closed) */
    guint64 offset;
    /* A stream whose length is not known: fills at most capacity bytes, returns how many, 0 at the
     * end, -1 to break the connection; called in an I/O thread. stream_free is always called. */
    gssize (*stream)(gpointer data, char *out, gsize capacity);
    void (*stream_free)(gpointer data);
    gpointer stream_data;
    gboolean close; /* the connection, behind the answer */
} HttpAnswer;

void http_answer_header(HttpAnswer *answer, const char *name, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

typedef struct {
    /* In an I/O thread. Must answer, or call http_take_body(). */
    void (*begin)(HttpRequest *request, gpointer data);
    /* In an I/O thread, unless the client vanished first. Must see to it that an answer comes. */
    void (*body_done)(HttpRequest *request, gpointer data);
    /* In an I/O thread: the last call for the request, which is freed then. sent: the answer left
     * whole. */
    void (*ended)(HttpRequest *request, gboolean sent, gpointer data);
    gpointer data;
} HttpHandler;

typedef struct {
    int listen_fd; /* of http_listen(); taken */
    /* Bodies that may be larger than HTTP_MEMORY_BODY_MAX go to files without a name in this
     * folder; NULL: all are kept in memory. */
    const char *spool_dir;
    guint threads;
    guint connections_max;
    gint64 header_deadline_us; /* from the connection's, or the request's, first byte */
    gint64 body_deadline_us;   /* and HTTP_SECOND_BYTES of a large body have a second more */
    gint64 answer_deadline_us; /* for a client to read it; large ones likewise */
    gint64 idle_us;            /* from one answer to the next request's first byte */
} HttpLimits;

#define HTTP_MEMORY_BODY_MAX (1 << 20)
#define HTTP_SECOND_BYTES    (32 << 10)

/* A listening socket for "127.0.0.1:8080" or "[::1]:0". port: (out) that it has got. -1 and
 * MILLRACE_ERROR_CANT_CREATE, MILLRACE_ERROR_USAGE. */
int http_listen(const char *listen_at, guint16 *port, GError **error);

/* Serves. handler: copied, and so are limits. NULL and MILLRACE_ERROR_UNAVAILABLE,
 * MILLRACE_ERROR_CANT_CREATE (spool_dir). */
Http *http_start(const HttpLimits *limits, const HttpHandler *handler, GError **error);
/* Takes no more connections; those that are open live on until they are idle, and each answer
 * closes its own. */
void http_quiesce(Http *http);
guint http_connection_count(const Http *http);
/* Ends all. Every request that was suspended must have been answered. */
void http_stop(Http *http);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Http, http_stop)

/* Of a request; borrowed until ended(). */
const char *http_method(const HttpRequest *request);
const char *http_path(const HttpRequest *request); /* decoded; no query */
const char *http_query(HttpRequest *request, const char *key);
/* How many keys the query has, for handlers that know all theirs. */
guint http_query_count(HttpRequest *request);
const char *http_header(HttpRequest *request, const char *name);
/* How many headers of that name there are. */
guint http_header_count(HttpRequest *request, const char *name);
void http_peer(HttpRequest *request, char out[64]);
/* Monotonic microseconds when its headers were there. */
gint64 http_begun_us(const HttpRequest *request);
/* Bytes the body has, or will have as its Content-Length says; G_MAXUINT64 when it does not say. */
guint64 http_body_announced(HttpRequest *request);

/* The caller's own, kept with the request. */
void http_set_data(HttpRequest *request, gpointer data);
gpointer http_get_data(const HttpRequest *request);

/* Lets the body come; when it is more than max_bytes, or cannot be kept (http_body_errno()),
 * too_large is called in the stead of body_done(), and must answer at once. */
void http_take_body(HttpRequest *request, guint64 max_bytes,
                    void (*too_large)(HttpRequest *request, gpointer data));
/* Bytes of the body that have come. */
guint64 http_body_bytes(const HttpRequest *request);
/* Bytes of the answer that were made by a stream. */
guint64 http_streamed_bytes(const HttpRequest *request);
/* The file with the body; -1 when it is empty. Borrowed until ended(). */
int http_body_fd(const HttpRequest *request);
/* Why the body could not be kept (ENOSPC, EMFILE); 0 when it could. */
int http_body_errno(const HttpRequest *request);
/* Has the client gone, so that nobody waits for the answer? A system call. Any thread, before the
 * answer. */
gboolean http_client_is_gone(const HttpRequest *request);

/* Gives the answer, once; from any thread. The request must not be touched afterwards but by
 * ended(). An answer that comes before a body was taken closes the connection. */
void http_answer(HttpRequest *request, const HttpAnswer *answer);

#endif
