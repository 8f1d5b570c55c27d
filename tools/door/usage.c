/* usage.c - GET /v1/usage: what the caller's customer used, by day, as the usage logs of this state
 * have it, and the share of them that was looked at. Bills come from the store.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "formats/json.h"
#include "tools/door/door.h"

static void
put_day(const char *day, const CustomerSums *sums, gpointer data)
{
    GString *out = data;

    json_open(out, NULL, '{');
    json_put_string(out, "day", day);
    json_put_uint(out, "requests", sums->requests);
    json_put_uint(out, "bytes_in", sums->bytes_in);
    json_put_uint(out, "bytes_out", sums->bytes_out);
    json_put_uint(out, "pixels_in", sums->pixels_in);
    json_put_uint(out, "pixels_out", sums->pixels_out);
    json_put_uint(out, "cpu_us", sums->cpu_us);
    g_string_append_c(out, '}');
}

void
door_usage(DoorExchange *exchange)
{
    g_autoptr(GString) body = g_string_new(NULL);

    if (!door_require(exchange, SCOPE_USAGE))
        return;
    if (http_query_count(exchange->request) > 0) {
        door_problem(exchange, OUTCOME_BAD_REQUEST, 400, "bad-query", 0, "this takes no query");
        return;
    }
    gdouble harvest = customer_usage_refresh(exchange->door->usage);
    json_open(body, NULL, '{');
    json_put_string(body, "customer", exchange->key.customer);
    json_open(body, "days", '[');
    customer_usage_visit(exchange->door->usage, exchange->key.customer, put_day, body);
    g_string_append_c(body, ']');
    json_put_double(body, "harvest", floor(harvest * 1e6) / 1e6, 6); /* 1 is all */
    g_string_append(body, "}\n");
    HttpAnswer answer = {.status = 200,
                         .content_type = "application/json",
                         .bytes = body->str,
                         .size_bytes = body->len};
    door_answer(exchange, OUTCOME_SERVED, &answer);
}
