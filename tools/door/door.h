/* door.h - the front door: what its parts share. A request is an Exchange on its way through
 * http -> exchange (id, key, limits) -> route -> inline, bulk, usage or health -> http.
 * Image work and admission belong to the main loop's thread alone; everything else is for any
 * thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TOOLS_DOOR_DOOR_H
#define MILLRACE_TOOLS_DOOR_DOOR_H

#include "jobs/admission.h"
#include "jobs/answers.h"
#include "jobs/bulk_job.h"
#include "jobs/customer_usage.h"
#include "jobs/identity_edge.h"
#include "jobs/poison.h"
#include "jobs/pool.h"
#include "jobs/rate_limits.h"
#include "jobs/usage_log.h"
#include "tools/door/access_log.h"
#include "tools/door/config.h"
#include "tools/door/http.h"

#define DOOR_REQUEST_ID_MAX 64

#define DOOR_HEADER_DEADLINE_US (5 * G_USEC_PER_SEC)
#define DOOR_BODY_DEADLINE_US   (15 * G_USEC_PER_SEC)
#define DOOR_ANSWER_DEADLINE_US (15 * G_USEC_PER_SEC)
#define DOOR_IDLE_US            (60 * G_USEC_PER_SEC)

/* What becomes of a request; every one has one outcome, so that
 * offered = served + replayed + refused + failed, and for /v1/resize served = usage events. */
typedef enum {
    OUTCOME_NONE,
    OUTCOME_SERVED,
    OUTCOME_REPLAYED,     /* a stored answer */
    OUTCOME_BAD_REQUEST,  /* refused, from here: 400, 404, 405, 411, 414, 415 */
    OUTCOME_UNKNOWN_KEY,  /* 401 */
    OUTCOME_FORBIDDEN,    /* 403: scope, expiry */
    OUTCOME_RATE_LIMITED, /* 429 */
    OUTCOME_TOO_LARGE,    /* 413 */
    OUTCOME_CONFLICT,     /* 409, 422: idempotency keys */
    OUTCOME_POISON,       /* 422: a body that killed a worker before */
    OUTCOME_SHED,         /* 503: overload; 422: too costly for a request */
    OUTCOME_UNAVAILABLE,  /* 503: draining, full disk, stale identity, queue out of reach */
    OUTCOME_BAD_IMAGE,    /* failed, from here: 422, by the image's own fault */
    OUTCOME_ERROR,        /* 500, 502: ours */
    OUTCOME_GONE,         /* the client vanished, or was too slow, before it was answered */
    OUTCOME_COUNT
} DoorOutcome;
const char *door_outcome_name(DoorOutcome outcome); /* "served", "rate_limited", ... */

typedef enum {
    ROUTE_NONE, /* no such path */
    ROUTE_PAGE,
    ROUTE_HEALTH,
    ROUTE_OPENAPI,
    ROUTE_KEY,    /* GET /v1/key: who am I */
    ROUTE_RESIZE, /* POST /v1/resize */
    ROUTE_JOBS,   /* POST /v1/jobs, GET and DELETE /v1/jobs/ID... */
    ROUTE_USAGE,  /* GET /v1/usage */
    ROUTE_COUNT
} DoorRoute;
const char *door_route_name(DoorRoute route);

typedef struct _DoorMetrics DoorMetrics;
typedef struct _DoorInline DoorInline; /* inline resizing: admission and pool; the main thread's */
typedef struct _DoorBulk DoorBulk;     /* jobs: a few threads that may block on disk and broker */

typedef struct {
    DoorConfig *config; /* its numbers are changed by SIGHUP: door_limits() */
    GMutex config_mutex;
    MinisignSecret *secret; /* signs receipts */
    IdentityEdge *edge;
    RateLimits *rates;
    UsageLog *log;
    Answers *answers;
    Poison *poison;
    CustomerUsage *usage;
    BulkJobs *jobs;
    DoorInline *inline_;
    DoorBulk *bulk;
    DoorMetrics *metrics;
    AccessLog *access_log;
    Http *http, *admin;
    guint16 port, admin_port;
    gint64 started_us; /* of the wall clock */
    gint draining;     /* atomic: not ready any more, but serving */
    gint closed;       /* atomic: handlers are not called any more */
    gint handling;     /* atomic: I/O threads that may have seen it open */
    gint reloads_refused;
    char *refused; /* what was last told of identity, and when: the watching thread's */
    gint64 refused_us;
} Door;

/* What SIGHUP may change, as it is now; a copy without strings. */
void door_limits(Door *door, DoorConfig *limits);

/* One request. Filled by exchange.c before a route's handler sees it. */
typedef struct {
    Door *door;
    HttpRequest *request;
    DoorRoute route;
    DoorOutcome outcome;
    guint status;
    char id[DOOR_REQUEST_ID_MAX + 1];
    gboolean id_is_clients;
    IdentityKey key;
    gboolean has_key;
    RateVerdict rate;
    const char *allow; /* methods, when it was another; static */
    guint64 epoch;
    gint64 age_us; /* of the identity */
    gint64 answered_us;
    guint64 cpu_us; /* for the log: of the image */
    guint64 bytes_out;
    const char *code; /* of a problem, static: for the log */
    gpointer handler_data;
    void (*handler_free)(gpointer data);
    /* Set by a handler that took the body; called as HttpHandler's body_done. */
    void (*body_done)(void *exchange);
    guint64 body_max_bytes;
} DoorExchange;

/* Ends an exchange with an answer; adds the headers that all answers have (X-Request-ID,
 * X-Identity-Epoch, RateLimit, Cache-Control). Any thread; the exchange is not to be touched
 * afterwards. */
void door_answer(DoorExchange *exchange, DoorOutcome outcome, HttpAnswer *answer);
/* Ends it with application/problem+json (RFC 9457). code: "unknown-key", static. retry_after_s: 0
 * for none. The message is for the client's people: what is wrong and what to do. */
void door_problem(DoorExchange *exchange, DoorOutcome outcome, guint status, const char *code,
                  guint retry_after_s, const char *format, ...) G_GNUC_PRINTF(6, 7);
/* Does the key have the scope? Else it is answered (403, or 503 when identity is stale and the
 * scope is privileged) and FALSE. */
gboolean door_require(DoorExchange *exchange, guint32 scope);

/* Takes the body of at most max_bytes, then calls body_done in an I/O thread. A larger one is
 * answered with 413, one that cannot be kept with 503. FALSE: it was answered already, since its
 * Content-Length says too much. */
gboolean door_take_body(DoorExchange *exchange, guint64 max_bytes, void (*body_done)(void *));

/* Handlers, called in an I/O thread when the headers are there. */
void door_page(DoorExchange *exchange);    /* page.c: / and its parts */
void door_openapi(DoorExchange *exchange); /* openapi.c: /openapi.json */
void door_health(DoorExchange *exchange);  /* health.c: /health/live, ready, status */
void door_key(DoorExchange *exchange);     /* key.c */
void door_resize(DoorExchange *exchange);  /* inline.c */
void door_jobs(DoorExchange *exchange);    /* bulk.c */
void door_usage(DoorExchange *exchange);   /* usage.c */

DoorInline *door_inline_new(Door *door, const char *worker_program);
/* When nothing is in hand; everything that waited has been answered. */
void door_inline_free(DoorInline *inline_);
guint door_inline_pending(DoorInline *inline_);
/* For /health/status and /metrics: any thread. */
typedef struct {
    guint waiting;
    guint running;
    guint64 backlog_us;
    guint64 worker_deaths;
} DoorInlineState;
void door_inline_state(DoorInline *inline_, DoorInlineState *state);
/* SIGHUP: the limits have changed. Main thread. */
void door_inline_limits(DoorInline *inline_);

DoorBulk *door_bulk_new(Door *door, GError **error);
void door_bulk_free(DoorBulk *bulk);
/* Jobs that wait in the queue, as last asked (at most a few seconds ago); FALSE when it is out of
 * reach. */
gboolean door_bulk_depth(DoorBulk *bulk, guint64 *ready, guint64 *claimed, guint64 *dead);

#endif
