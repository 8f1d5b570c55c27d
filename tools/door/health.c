/* health.c - is it alive, should it be sent requests, and how is it? Never shed, and without a key:
 * /health/status tells sums only, and no customer's name.
 *
 *     {"ready":true,"draining":false,"reason":null,"version":"0.1.0","uptime_s":12,
 *      "identity":{"epoch":3,"age_s":0,"keys":2},
 *      "queue":{"ready":0,"claimed":0,"dead":0},        null when it is out of reach
 *      "inline":{"waiting":0,"running":1,"backlog_us":41000},
 *      "usage":{"durable":17,"pending":0,"failing":false,"sync_us":800},
 *      "minute":{"offered":17,"answered":17,"served":16,"shed":1,"yield":0.941,
 *                "p50_us":21000,"p99_us":40100,"p999_us":40100,"cpu_us":330000,"bytes_out":91234}}
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/json.h"
#include "tools/door/metrics.h"

/* Why no requests should be sent here; NULL when they should. */
static const char *
not_ready_reason(const Door *door)
{
    if (g_atomic_int_get(&door->draining))
        return "draining";
    if (usage_log_failing(door->log))
        return "usage-log";
    return NULL;
}

static void
put_parts(Door *door, GString *body)
{
    IdentityEdgeState identity;
    DoorInlineState state = {0};
    guint64 ready = 0, claimed = 0, dead = 0;

    identity_edge_state(door->edge, &identity);
    json_open(body, "identity", '{');
    json_put_uint(body, "epoch", identity.head.epoch);
    json_put_int(body, "age_s", identity.age_us / G_USEC_PER_SEC);
    json_put_uint(body, "keys", identity.head.count);
    g_string_append_c(body, '}');
    if (door_bulk_depth(door->bulk, &ready, &claimed, &dead)) {
        json_open(body, "queue", '{');
        json_put_uint(body, "ready", ready);
        json_put_uint(body, "claimed", claimed);
        json_put_uint(body, "dead", dead);
        g_string_append_c(body, '}');
    } else {
        g_string_append(body, ",\"queue\":null");
    }
    door_inline_state(door->inline_, &state);
    json_open(body, "inline", '{');
    json_put_uint(body, "waiting", state.waiting);
    json_put_uint(body, "running", state.running);
    json_put_uint(body, "backlog_us", state.backlog_us);
    g_string_append_c(body, '}');
    json_open(body, "usage", '{');
    json_put_uint(body, "durable", usage_log_count(door->log));
    json_put_uint(body, "pending", usage_log_pending(door->log));
    json_put_bool(body, "failing", usage_log_failing(door->log));
    json_put_uint(body, "sync_us", usage_log_sync_us(door->log));
    g_string_append_c(body, '}');
}

static void
put_minute(Door *door, GString *body)
{
    DoorMinute minute;

    door_metrics_minute(door->metrics, &minute);
    json_open(body, "minute", '{');
    json_put_uint(body, "offered", minute.offered);
    json_put_uint(body, "answered", minute.answered);
    json_put_uint(body, "served", minute.served);
    json_put_uint(body, "shed", minute.shed);
    if (minute.answered > 0)
        json_put_double(body, "yield", (double)minute.served / (double)minute.answered, 4);
    else
        g_string_append(body, ",\"yield\":null");
    json_put_uint(body, "p50_us", minute.wall_us[0]);
    json_put_uint(body, "p99_us", minute.wall_us[1]);
    json_put_uint(body, "p999_us", minute.wall_us[2]);
    json_put_uint(body, "cpu_us", minute.cpu_us);
    json_put_uint(body, "bytes_out", minute.bytes_out);
    g_string_append_c(body, '}');
}

static void
answer_status(DoorExchange *exchange)
{
    Door *door = exchange->door;
    const char *reason = not_ready_reason(door);
    g_autoptr(GString) body = g_string_sized_new(1024);

    json_open(body, NULL, '{');
    json_put_bool(body, "ready", reason == NULL);
    json_put_bool(body, "draining", g_atomic_int_get(&door->draining));
    if (reason)
        json_put_string(body, "reason", reason);
    else
        g_string_append(body, ",\"reason\":null");
    json_put_string(body, "version", MILLRACE_VERSION);
    json_put_int(body, "uptime_s", (g_get_real_time() - door->started_us) / G_USEC_PER_SEC);
    put_parts(door, body);
    put_minute(door, body);
    g_string_append(body, "}\n");
    HttpAnswer answer = {.status = 200,
                         .content_type = "application/json",
                         .bytes = body->str,
                         .size_bytes = body->len};
    door_answer(exchange, OUTCOME_SERVED, &answer);
}

void
door_health(DoorExchange *exchange)
{
    const char *what = http_path(exchange->request) + strlen("/health/");
    const char *reason = not_ready_reason(exchange->door);
    HttpAnswer answer = {.status = 200, .content_type = "text/plain", .is_static = TRUE};

    if (strcmp(what, "status") == 0) {
        answer_status(exchange);
        return;
    }
    if (strcmp(what, "ready") == 0 && reason) {
        door_problem(exchange, OUTCOME_UNAVAILABLE, 503, reason, 1,
                     "this door takes no new requests now: send them to another");
        return;
    }
    answer.bytes = strcmp(what, "ready") == 0 ? "ready\n" : "live\n";
    answer.size_bytes = strlen(answer.bytes);
    door_answer(exchange, OUTCOME_SERVED, &answer);
}
