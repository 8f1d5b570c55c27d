/* http_internal.h - what http*.c share: a connection with the one request it is at, and the watch
 * over deadlines.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TOOLS_DOOR_HTTP_INTERNAL_H
#define MILLRACE_TOOLS_DOOR_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <stdatomic.h>

#include "tools/door/http.h"

/* What a connection is at, for its deadline. */
enum { PHASE_IDLE, PHASE_HEADER, PHASE_BODY, PHASE_WORK, PHASE_ANSWER };

/* Between http_answer() and the I/O thread: whoever comes second acts. */
enum { ANSWER_NONE, ANSWER_AWAITED, ANSWER_GIVEN };

/* Where the body stands. */
enum { BODY_NONE, BODY_TAKEN, BODY_REFUSED, BODY_WHOLE };

struct _HttpRequest {
    Http *http;
    struct _HttpConnection *connection;
    struct MHD_Connection *mhd;
    const char *method, *path;
    gpointer data;
    gint64 begun_us;
    gboolean is_begun; /* the handler knows of it */

    int body_state;
    int body_fd;
    int body_errno;
    guint64 body_bytes, body_max;
    guint64 announced;
    guint64 streamed_bytes; /* of an answer whose length was not known */
    void (*too_large)(HttpRequest *request, gpointer data);

    atomic_int answer; /* ANSWER_... */
    struct MHD_Response *response;
    guint status;
    GString *raw; /* the answer as text, when it goes out in the midst of a body */
    gboolean raw_sent;
};

typedef struct _HttpConnection HttpConnection;
struct _HttpConnection {
    HttpRequest request; /* one at a time */
    Http *http;
    HttpConnection *previous, *next;
    int fd;
    gboolean linger; /* the client may still be sending: read on, so that it sees the answer */
    atomic_int phase;
    _Atomic gint64 since_us;     /* when the phase began */
    _Atomic gint64 due_us;       /* when the watch ends it; 0: never */
    _Atomic guint64 moved_bytes; /* of the body, in this phase */
    /* The watch's own: the phase (by its beginning) for which the others are; when a request has
     * begun in it; what the client had got when it began. */
    gint64 begun_since_us, begun_us;
    guint64 acked_bytes;
};

typedef struct _HttpWatch HttpWatch;

struct _Http {
    HttpHandler handler;
    HttpLimits limits;
    struct MHD_Daemon *daemon;
    int spool_fd;
    atomic_bool closing;
    HttpWatch *watch;
};

/* Begins a phase of a connection, and sets its deadline. */
void http_phase(HttpConnection *connection, int phase);
/* size_bytes of a body have come. */
void http_moved(HttpConnection *connection, guint64 size_bytes);

/* http_watch.c: a thread that shuts overdue connections down, and reads those to their end whose
 * client has been answered before it had sent all. */
HttpWatch *http_watch_new(Http *http, GError **error);
void http_watch_free(HttpWatch *watch);
void http_watch_add(HttpWatch *watch, HttpConnection *connection);
/* Its socket is about to be closed. */
void http_watch_remove(HttpWatch *watch, HttpConnection *connection);
guint http_watch_count(HttpWatch *watch);

/* http_answer.c */
/* streamed_bytes: of the request; grows as a stream does. */
struct MHD_Response *http_response_new(const HttpAnswer *answer, gboolean close,
                                       guint64 *streamed_bytes);
/* The answer as it goes over the wire; of those with bytes only. */
GString *http_answer_text(const HttpAnswer *answer);

#endif
