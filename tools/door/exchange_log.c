/* exchange_log.c - what the access log says of a request.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/json.h"
#include "formats/usage.h"
#include "tools/door/exchange.h"

#define PATH_MAX_BYTES 512

/* Clients choose the path: it is cut where it is long, and made harmless. */
static void
put_path(GString *line, const char *path)
{
    char text[PATH_MAX_BYTES];

    g_strlcpy(text, path, sizeof(text));
    json_put_string(line, "path", text);
}

static void
put_time(GString *line)
{
    g_string_append(line, "\"time\":\"");
    usage_print_time(line, g_get_real_time());
    g_string_append_c(line, '"');
}

static GString *
line_of_thread(void)
{
    static GPrivate lines = G_PRIVATE_INIT(NULL);
    GString *line = g_private_get(&lines);

    if (!line) {
        line = g_string_sized_new(1024);
        g_private_set(&lines, line);
    }
    g_string_truncate(line, 0);
    return line;
}

void
exchange_log(const DoorExchange *exchange)
{
    GString *line = line_of_thread();
    HttpRequest *request = exchange->request;
    gint64 end_us = exchange->answered_us ? exchange->answered_us : g_get_monotonic_time();
    char peer[64];

    http_peer(request, peer);
    json_open(line, NULL, '{');
    put_time(line);
    json_put_string(line, "id", exchange->id);
    json_put_string(line, "peer", peer);
    json_put_string(line, "method", http_method(request));
    put_path(line, http_path(request));
    json_put_string(line, "route", door_route_name(exchange->route));
    json_put_uint(line, "status", exchange->status);
    json_put_string(line, "outcome", door_outcome_name(exchange->outcome));
    if (exchange->code)
        json_put_string(line, "code", exchange->code);
    if (exchange->has_key) {
        json_put_string(line, "customer", exchange->key.customer);
        json_put_string(line, "key", exchange->key.id);
    }
    json_put_uint(line, "bytes_in", http_body_bytes(request));
    json_put_uint(line, "bytes_out", exchange->bytes_out);
    json_put_int(line, "wall_us", end_us - http_begun_us(request));
    json_put_uint(line, "cpu_us", exchange->cpu_us);
    g_string_append(line, "}\n");
    access_log_put(exchange->door->access_log, line->str, line->len);
}
