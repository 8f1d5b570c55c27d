/* metrics_print.c - the exposition for Prometheus (text format 0.0.4): what the door counts, and
 * what its parts say of themselves.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>

#include "tools/door/metrics_internal.h"

#define U64 "%" G_GUINT64_FORMAT

static void
head(GString *out, const char *name, const char *type, const char *help)
{
    g_string_append_printf(out, "# HELP millrace_door_%s %s\n# TYPE millrace_door_%s %s\n", name,
                           help, name, type);
}

static void
single(GString *out, const char *name, const char *type, const char *help, guint64 value)
{
    head(out, name, type, help);
    g_string_append_printf(out, "millrace_door_%s " U64 "\n", name, value);
}

static void
seconds(GString *out, const char *name, const char *type, const char *help, guint64 value_us)
{
    head(out, name, type, help);
    g_string_append_printf(out, "millrace_door_%s " U64 ".%06u\n", name, value_us / G_USEC_PER_SEC,
                           (guint)(value_us % G_USEC_PER_SEC));
}

static void
print_requests(const MetricsSum *sum, GString *out)
{
    head(out, "requests_total", "counter", "Requests by route and outcome.");
    for (guint route = 0; route < ROUTE_COUNT; route++)
        for (guint outcome = OUTCOME_SERVED; outcome < OUTCOME_COUNT; outcome++)
            g_string_append_printf(
                out, "millrace_door_requests_total{route=\"%s\",outcome=\"%s\"} " U64 "\n",
                door_route_name(route), door_outcome_name(outcome), sum->ended[route][outcome]);
    head(out, "requests_offered_total", "counter", "Requests whose headers came, by route.");
    for (guint route = 0; route < ROUTE_COUNT; route++)
        g_string_append_printf(out, "millrace_door_requests_offered_total{route=\"%s\"} " U64 "\n",
                               door_route_name(route), sum->begun[route]);
    head(out, "requests_in_hand", "gauge", "Requests that have begun and not ended.");
    for (guint route = 0; route < ROUTE_COUNT; route++) {
        guint64 ended = 0;
        for (guint outcome = 0; outcome < OUTCOME_COUNT; outcome++)
            ended += sum->ended[route][outcome];
        g_string_append_printf(out, "millrace_door_requests_in_hand{route=\"%s\"} " U64 "\n",
                               door_route_name(route), sum->begun[route] - ended);
    }
    head(out, "answers_lost_total", "counter", "Answers that did not leave whole, by route.");
    for (guint route = 0; route < ROUTE_COUNT; route++)
        g_string_append_printf(out, "millrace_door_answers_lost_total{route=\"%s\"} " U64 "\n",
                               door_route_name(route), sum->lost[route]);
}

static void
print_times(const MetricsSum *sum, GString *out)
{
    head(out, "request_seconds", "histogram", "From a request's headers to its answer.");
    for (guint route = 0; route < ROUTE_COUNT; route++) {
        const char *name = door_route_name(route);
        guint64 count = 0;
        for (guint i = 0; i < METRICS_BOUNDS; i++) {
            count += sum->wall[route][i];
            g_string_append_printf(
                out, "millrace_door_request_seconds_bucket{route=\"%s\",le=\"%g\"} " U64 "\n", name,
                (double)metrics_bounds_us[i] / 1e6, count);
        }
        count += sum->wall[route][METRICS_BOUNDS];
        g_string_append_printf(out,
                               "millrace_door_request_seconds_bucket{route=\"%s\",le=\"+Inf\"} " U64
                               "\n"
                               "millrace_door_request_seconds_sum{route=\"%s\"} " U64 ".%06u\n"
                               "millrace_door_request_seconds_count{route=\"%s\"} " U64 "\n",
                               name, count, name, sum->wall_us[route] / G_USEC_PER_SEC,
                               (guint)(sum->wall_us[route] % G_USEC_PER_SEC), name, count);
    }
}

static void
print_identity(Door *door, GString *out)
{
    IdentityEdgeState state;

    identity_edge_state(door->edge, &state);
    single(out, "identity_epoch", "gauge", "The epoch of keys that is served by.",
           state.head.epoch);
    single(out, "identity_keys", "gauge", "Keys in it.", state.head.count);
    seconds(out, "identity_age_seconds", "gauge", "Since a source last confirmed it.",
            (guint64)MAX(0, state.age_us));
    single(out, "identity_refused_total", "counter", "Heads and snapshots that were refused.",
           state.refused_count);
    single(out, "identity_swaps_total", "counter", "Newer epochs that were taken.",
           state.swap_count);
}

static void
print_parts(Door *door, GString *out)
{
    DoorInlineState state = {0};
    guint64 ready = 0, claimed = 0, dead = 0;

    door_inline_state(door->inline_, &state);
    single(out, "inline_waiting", "gauge", "Images that wait for a worker.", state.waiting);
    single(out, "inline_running", "gauge", "Images that a worker has.", state.running);
    seconds(out, "inline_backlog_seconds", "gauge", "CPU that they are predicted to take.",
            state.backlog_us);
    single(out, "worker_deaths_total", "counter", "Image workers that died.", state.worker_deaths);
    gboolean reached = door_bulk_depth(door->bulk, &ready, &claimed, &dead);
    single(out, "queue_up", "gauge", "1 when the queue of jobs could be asked.", reached);
    if (reached) {
        head(out, "queue_jobs", "gauge", "Jobs in the queue, by state.");
        g_string_append_printf(out,
                               "millrace_door_queue_jobs{state=\"ready\"} " U64 "\n"
                               "millrace_door_queue_jobs{state=\"claimed\"} " U64 "\n"
                               "millrace_door_queue_jobs{state=\"dead\"} " U64 "\n",
                               ready, claimed, dead);
    }
    single(out, "usage_events_total", "counter", "Usage events that are durable.",
           usage_log_count(door->log));
    single(out, "usage_pending", "gauge", "Usage events that are not durable yet.",
           usage_log_pending(door->log));
    single(out, "usage_failing", "gauge", "1 when the last write of events failed.",
           usage_log_failing(door->log) ? 1 : 0);
    seconds(out, "usage_sync_seconds", "gauge", "What the last fdatasync took.",
            usage_log_sync_us(door->log));
}

/* Resident bytes: the second number of statm, in pages. */
static guint64
resident_bytes(void)
{
    g_autofree char *text = NULL;
    const char *space = NULL;

    if (!g_file_get_contents("/proc/self/statm", &text, NULL, NULL) || !(space = strchr(text, ' ')))
        return 0;
    return g_ascii_strtoull(space + 1, NULL, 10) * (guint64)sysconf(_SC_PAGESIZE);
}

static void
print_process(Door *door, GString *out)
{
    /* A scrape may come before the door itself listens. */
    const Http *http = g_atomic_pointer_get(&door->http);

    single(out, "connections", "gauge", "Open connections.",
           http ? http_connection_count(http) : 0);
    single(out, "draining", "gauge", "1 when it is about to end.",
           g_atomic_int_get(&door->draining) ? 1 : 0);
    single(out, "reloads_refused_total", "counter", "Configurations that were refused.",
           (guint64)g_atomic_int_get(&door->reloads_refused));
    single(out, "access_log_dropped_total", "counter",
           "Lines of the access log that the disk was too slow for.",
           access_log_dropped(door->access_log));
    seconds(out, "start_time_seconds", "gauge", "When it started, since the epoch.",
            (guint64)door->started_us);
    single(out, "resident_memory_bytes", "gauge", "Resident memory.", resident_bytes());
    head(out, "build_info", "gauge", "The version that runs.");
    g_string_append_printf(out, "millrace_door_build_info{version=\"%s\"} 1\n", MILLRACE_VERSION);
}

void
door_metrics_print(DoorMetrics *metrics, Door *door, GString *out)
{
    MetricsSum sum;

    metrics_sum(metrics, &sum);
    print_requests(&sum, out);
    print_times(&sum, out);
    seconds(out, "image_cpu_seconds_total", "counter", "CPU that images took.", sum.cpu_us);
    single(out, "bytes_out_total", "counter", "Bytes of answers' bodies.", sum.bytes_out);
    print_identity(door, out);
    print_parts(door, out);
    print_process(door, out);
}
