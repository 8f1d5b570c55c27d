/* exchange.c - a request's way through the door: it gets its id, its route and its key, then the
 * route's handler has it, and at its end it is put into the books and into the access log.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/door/exchange.h"

#include <string.h>

#include "tools/door/metrics.h"

#define RETRY_CLOSED_S 2
#define RETRY_SPACE_S  10

/* --- The request's id --- */

static gboolean
id_is_valid(const char *id)
{
    gsize length = strspn(id, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "_-");

    return length >= 1 && length <= DOOR_REQUEST_ID_MAX && id[length] == '\0';
}

/* An id of 128 bits: 64 that no other process has, and a count. */
static void
make_id(char out[DOOR_REQUEST_ID_MAX + 1])
{
    static const char digits[] = "0123456789abcdef";
    static guint64 process;
    static guint64 count;
    static gsize once;

    if (g_once_init_enter(&once)) {
        process = (guint64)g_random_int() << 32 | g_random_int();
        count = (guint64)g_get_real_time() << 12;
        g_once_init_leave(&once, 1);
    }
    const guint64 halves[] = {process, __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED)};
    for (guint i = 0; i < 32; i++)
        out[i] = digits[halves[i / 16] >> (60 - i % 16 * 4) & 15];
    out[32] = '\0';
}

static void
name_exchange(DoorExchange *exchange)
{
    const char *sent = http_header(exchange->request, "X-Request-ID");

    exchange->id_is_clients = sent && id_is_valid(sent);
    if (exchange->id_is_clients)
        g_strlcpy(exchange->id, sent, sizeof(exchange->id));
    else
        make_id(exchange->id);
}

/* --- Headers --- */

/* Two lengths, or a length and chunks: a proxy in front may have seen another end of this body, and
 * another beginning of the next request. */
static gboolean
body_is_framed_once(DoorExchange *exchange)
{
    HttpRequest *request = exchange->request;
    const char *coding = http_header(request, "Transfer-Encoding");

    if (http_body_announced(request) == 0 && !http_header(request, "Content-Length"))
        return TRUE;
    guint lengths = http_header_count(request, "Content-Length");
    if (coding && (lengths > 0 || http_header_count(request, "Transfer-Encoding") > 1 ||
                   g_ascii_strcasecmp(coding, "chunked") != 0)) {
        door_problem(exchange, OUTCOME_BAD_REQUEST, 400, "bad-framing", 0,
                     "send a body with Content-Length, or with Transfer-Encoding: chunked alone");
        return FALSE;
    }
    if (lengths > 1) {
        door_problem(exchange, OUTCOME_BAD_REQUEST, 400, "bad-framing", 0,
                     "send one Content-Length");
        return FALSE;
    }
    return TRUE;
}

static gboolean
route_is_right(DoorExchange *exchange, const char *methods)
{
    const char *method = http_method(exchange->request);

    if (exchange->route == ROUTE_NONE) {
        door_problem(exchange, OUTCOME_BAD_REQUEST, 404, "no-such-path", 0,
                     "there is nothing here; /openapi.json lists what there is");
        return FALSE;
    }
    if (!exchange_method_is_allowed(methods, method)) {
        exchange->allow = methods;
        door_problem(exchange, OUTCOME_BAD_REQUEST, 405, "bad-method", 0,
                     "%.20s is not done here, but %s", method, methods);
        return FALSE;
    }
    return TRUE;
}

static void
hand_on(DoorExchange *exchange)
{
    static void (*const handlers[ROUTE_COUNT])(DoorExchange * exchange) = {
        [ROUTE_PAGE] = door_page,       [ROUTE_HEALTH] = door_health, [ROUTE_KEY] = door_key,
        [ROUTE_OPENAPI] = door_openapi, [ROUTE_RESIZE] = door_resize, [ROUTE_JOBS] = door_jobs,
        [ROUTE_USAGE] = door_usage};

    handlers[exchange->route](exchange);
}

static gboolean
needs_key(DoorRoute route)
{
    return route != ROUTE_PAGE && route != ROUTE_HEALTH && route != ROUTE_OPENAPI;
}

static gboolean
is_open(DoorExchange *exchange)
{
    if (!g_atomic_int_get(&exchange->door->closed))
        return TRUE;
    door_problem(exchange, OUTCOME_UNAVAILABLE, 503, "draining", RETRY_CLOSED_S,
                 "this door is closing: try again, at another if there is one");
    return FALSE;
}

/* --- HTTP's events --- */

/* Counted, so that whoever closes the door knows when the last who saw it open is through. */
static void
on_begin(HttpRequest *request, gpointer data)
{
    Door *door = data;
    DoorExchange *exchange = g_new0(DoorExchange, 1);
    const char *methods = NULL;

    exchange->door = door;
    exchange->request = request;
    http_set_data(request, exchange);
    exchange->route = exchange_route(http_path(request), &methods);
    door_metrics_begin(door->metrics, exchange->route);
    name_exchange(exchange);
    g_atomic_int_inc(&door->handling);
    if (route_is_right(exchange, methods) && body_is_framed_once(exchange) && is_open(exchange) &&
        (!needs_key(exchange->route) || exchange_authenticate(exchange)))
        hand_on(exchange);
    g_atomic_int_add(&door->handling, -1);
}

static void
on_body_done(HttpRequest *request, gpointer data)
{
    Door *door = data;
    DoorExchange *exchange = http_get_data(request);

    g_atomic_int_inc(&door->handling);
    if (is_open(exchange))
        exchange->body_done(exchange);
    g_atomic_int_add(&door->handling, -1);
}

static void
on_ended(HttpRequest *request, gboolean sent, gpointer data)
{
    Door *door = data;
    DoorExchange *exchange = http_get_data(request);
    gint64 begun_us = http_begun_us(request);

    if (exchange->outcome == OUTCOME_NONE) {
        exchange->outcome = OUTCOME_GONE;
        exchange->answered_us = g_get_monotonic_time();
    } else if (!sent) {
        door_metrics_lost(door->metrics, exchange->route);
    }
    exchange->bytes_out += http_streamed_bytes(request);
    door_metrics_end(door->metrics, exchange->route, exchange->outcome,
                     (guint64)MAX(0, exchange->answered_us - begun_us), exchange->cpu_us,
                     exchange->bytes_out);
    if (access_log_is_on(door->access_log))
        exchange_log(exchange);
    if (exchange->handler_free)
        exchange->handler_free(exchange->handler_data);
    g_free(exchange);
}

HttpHandler
exchange_handler(Door *door)
{
    return (HttpHandler){
        .begin = on_begin, .body_done = on_body_done, .ended = on_ended, .data = door};
}

/* --- Bodies --- */

static void
answer_too_large(DoorExchange *exchange, guint64 max_bytes)
{
    door_problem(exchange, OUTCOME_TOO_LARGE, 413, "too-large", 0,
                 "the body is larger than %" G_GUINT64_FORMAT " bytes, the most that is taken here",
                 max_bytes);
}

static void
on_body_refused(HttpRequest *request, gpointer data G_GNUC_UNUSED)
{
    DoorExchange *exchange = http_get_data(request);
    int errnum = http_body_errno(request);

    if (errnum == 0)
        answer_too_large(exchange, exchange->body_max_bytes);
    else
        door_problem(exchange, OUTCOME_UNAVAILABLE, 503, "no-space", RETRY_SPACE_S,
                     "the body cannot be kept (%s): try again, at another door if there is one",
                     g_strerror(errnum));
}

gboolean
door_take_body(DoorExchange *exchange, guint64 max_bytes, void (*body_done)(void *))
{
    guint64 announced = http_body_announced(exchange->request);

    if (announced != G_MAXUINT64 && announced > max_bytes) {
        answer_too_large(exchange, max_bytes);
        return FALSE;
    }
    exchange->body_max_bytes = max_bytes;
    exchange->body_done = body_done;
    http_take_body(exchange->request, max_bytes, on_body_refused);
    return TRUE;
}
