/* problem.c - how an exchange ends: with an answer, or with a problem (RFC 9457) that says to
 * programs what kind it is and to people what to do.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <string.h>

#include "formats/json.h"
#include "tools/door/door.h"

static const char *
title_of(guint status)
{
    static const struct {
        guint status;
        const char *title;
    } titles[] = {{400, "Bad Request"},
                  {401, "Unauthorized"},
                  {403, "Forbidden"},
                  {404, "Not Found"},
                  {405, "Method Not Allowed"},
                  {409, "Conflict"},
                  {411, "Length Required"},
                  {413, "Content Too Large"},
                  {415, "Unsupported Media Type"},
                  {422, "Unprocessable Content"},
                  {429, "Too Many Requests"},
                  {500, "Internal Server Error"},
                  {502, "Bad Gateway"},
                  {503, "Service Unavailable"},
                  {507, "Insufficient Storage"}};

    for (guint i = 0; i < G_N_ELEMENTS(titles); i++)
        if (titles[i].status == status)
            return titles[i].title;
    return "Error";
}

static void
add_rate_headers(const RateVerdict *rate, HttpAnswer *answer)
{
    http_answer_header(answer, "RateLimit-Policy", "\"default\";q=%u;w=%u", rate->limit,
                       rate->window_s);
    http_answer_header(answer, "RateLimit", "\"default\";r=%u;t=%u", rate->remaining,
                       rate->reset_s);
}

void
door_answer(DoorExchange *exchange, DoorOutcome outcome, HttpAnswer *answer)
{
    http_answer_header(answer, "X-Request-ID", "%s", exchange->id);
    if (exchange->epoch > 0) {
        http_answer_header(answer, "X-Identity-Epoch", "%" G_GUINT64_FORMAT, exchange->epoch);
        http_answer_header(answer, "X-Identity-Age", "%" G_GINT64_FORMAT,
                           exchange->age_us / G_USEC_PER_SEC);
    }
    if (exchange->rate.limited)
        add_rate_headers(&exchange->rate, answer);
    if (exchange->route != ROUTE_PAGE && exchange->route != ROUTE_OPENAPI)
        http_answer_header(answer, "Cache-Control", "no-store");
    exchange->outcome = outcome;
    exchange->status = answer->status;
    exchange->answered_us = g_get_monotonic_time();
    if (!answer->stream)
        exchange->bytes_out = answer->size_bytes;
    http_answer(exchange->request, answer);
}

static void
print_problem(const DoorExchange *exchange, guint status, const char *code, gboolean retryable,
              const char *detail, GString *out)
{
    g_autofree char *type = g_strconcat("urn:millrace:problem:", code, NULL);
    g_autofree char *instance = g_strconcat("urn:millrace:request:", exchange->id, NULL);

    json_open(out, NULL, '{');
    json_put_string(out, "type", type);
    json_put_string(out, "title", title_of(status));
    json_put_uint(out, "status", status);
    json_put_string(out, "detail", detail);
    json_put_string(out, "instance", instance);
    json_put_string(out, "code", code);
    json_put_string(out, "request_id", exchange->id);
    json_put_bool(out, "retryable", retryable);
    g_string_append(out, "}\n");
}

void
door_problem(DoorExchange *exchange, DoorOutcome outcome, guint status, const char *code,
             guint retry_after_s, const char *format, ...)
{
    g_autoptr(GString) body = g_string_new(NULL);
    HttpAnswer answer = {.status = status, .content_type = "application/problem+json"};
    va_list arguments;

    va_start(arguments, format);
    g_autofree char *detail = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    print_problem(exchange, status, code, retry_after_s > 0 || status == 429 || status == 503,
                  detail, body);
    exchange->code = code;
    answer.bytes = body->str;
    answer.size_bytes = body->len;
    if (retry_after_s > 0)
        http_answer_header(&answer, "Retry-After", "%u", retry_after_s);
    if (status == 401)
        http_answer_header(&answer, "WWW-Authenticate", "Bearer realm=\"millrace\"");
    if (exchange->allow)
        http_answer_header(&answer, "Allow", "%s", exchange->allow);
    door_answer(exchange, outcome, &answer);
}
