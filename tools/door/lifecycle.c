/* lifecycle.c - the parts of a door in the order in which they need each other.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/door/lifecycle.h"

#include <glib-unix.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "tools/door/admin.h"
#include "tools/door/exchange.h"
#include "tools/door/keys_read.h"
#include "tools/door/metrics.h"
#include "tools/door/privileges.h"
#include "tools/tool.h"

#define IDENTITY_POLL_US  500000 /* a revocation reaches the door within two of these, and a bit */
#define REFUSED_US        (60 * G_USEC_PER_SEC)
#define RATE_KEYS_MAX     100000
#define LOG_ROTATE_BYTES  (64 << 20)
#define LOG_ROTATE_US     (3600LL * G_USEC_PER_SEC)
#define ANSWERS_KEEP_US   (86400LL * G_USEC_PER_SEC)
#define ANSWERS_BYTES_MAX (4ULL << 30)
#define DRAIN_LOOK_MS     20
#define DRAIN_GRACE_US    (5 * G_USEC_PER_SEC) /* beyond the deadlines of what is in hand */
#define ARENAS            2

/* --- Opening --- */

/* Twice a second the same would be told: it is said when it is new, and then every minute. */
static void
identity_refused(const GError *error, gpointer data)
{
    Door *door = data;
    gint64 now_us = g_get_monotonic_time();

    if (g_strcmp0(door->refused, error->message) == 0 && now_us - door->refused_us < REFUSED_US)
        return;
    g_free(door->refused);
    door->refused = g_strdup(error->message);
    door->refused_us = now_us;
    tool_log("identity: %s; the present keys serve on", error->message);
}

static gboolean
open_identity(Door *door, GError **error)
{
    const DoorConfig *config = door->config;
    g_autofree char *cache = g_build_filename(config->state, "edge", NULL);
    g_autoptr(GArray) keys = keys_read_trusted(config, error);

    if (!keys)
        return FALSE;
    door->edge = identity_edge_open(cache, (const char *const *)config->identity,
                                    &g_array_index(keys, MinisignPublic, 0), keys->len, error);
    if (!door->edge)
        return FALSE;
    identity_edge_watch(door->edge, IDENTITY_POLL_US, identity_refused, door);
    return TRUE;
}

static gboolean
open_stores(Door *door, GError **error)
{
    const DoorConfig *config = door->config;
    g_autofree char *usage = g_build_filename(config->state, "usage", NULL);
    g_autofree char *answers = g_build_filename(config->state, "answers", NULL);
    g_autofree char *poison = g_build_filename(config->state, "poison", NULL);
    g_autofree char *source = g_strconcat("//millrace/door/", config->cluster, NULL);

    return (door->usage = customer_usage_open(usage, error)) &&
           (door->log = usage_log_open(usage, source, LOG_ROTATE_BYTES, LOG_ROTATE_US, error)) &&
           (door->answers = answers_open(answers, ANSWERS_KEEP_US, ANSWERS_BYTES_MAX, error)) &&
           (door->poison = poison_open(poison, error)) &&
           (door->jobs = bulk_jobs_open(config->jobs, error));
}

static gboolean
start_http(Door *door, int listen_fd, guint connections, GError **error)
{
    const DoorConfig *config = door->config;
    g_autofree char *spool = g_build_filename(config->jobs, ".tmp", NULL);
    const HttpLimits limits = {.listen_fd = listen_fd,
                               .spool_dir = spool,
                               .threads = config->threads,
                               .connections_max = connections,
                               .header_deadline_us = DOOR_HEADER_DEADLINE_US,
                               .body_deadline_us = DOOR_BODY_DEADLINE_US,
                               .answer_deadline_us = DOOR_ANSWER_DEADLINE_US,
                               .idle_us = DOOR_IDLE_US};
    const HttpHandler handler = exchange_handler(door);

    Http *http = http_start(&limits, &handler, error);
    g_atomic_pointer_set(&door->http, http); /* those who ask for metrics look at it already */
    return http != NULL;
}

static gboolean
open_parts(Door *door, int fds[2], guint connections, GError **error)
{
    g_autofree char *worker = tool_find_program("millrace-imageworker");

    door->metrics = door_metrics_new();
    door->rates = rate_limits_new(RATE_KEYS_MAX);
    if (!(door->access_log = access_log_open(door->config->access_log, error)) ||
        !(door->secret = keys_read_secret(door->config, error)) || !open_identity(door, error) ||
        !open_stores(door, error))
        return FALSE;
    door->inline_ = door_inline_new(door, worker);
    if (!(door->bulk = door_bulk_new(door, error)))
        return FALSE;
    if (fds[1] >= 0 && !(door->admin = admin_start(door, g_steal_fd(&fds[1]), error)))
        return FALSE;
    return start_http(door, g_steal_fd(&fds[0]), connections, error);
}

static gboolean
is_loopback(const char *address)
{
    return g_str_has_prefix(address, "127.") || g_str_has_prefix(address, "[::1]") ||
           g_str_has_prefix(address, "localhost:");
}

/* Listening comes before giving up what may be needed for it. */
static gboolean
open_all(Door *door, int fds[2], GError **error)
{
    DoorConfig *config = door->config;

    fds[0] = http_listen(config->listen, &door->port, error);
    if (fds[0] < 0)
        return FALSE;
    fds[1] = config->admin ? http_listen(config->admin, &door->admin_port, error) : -1;
    if (config->admin && fds[1] < 0)
        return FALSE;
    guint connections =
        descriptors_provide(config->connections_max, config->descriptors_max, config->workers);
    if (!privileges_drop(config->user, error) || !open_parts(door, fds, connections, error))
        return FALSE;
    if (connections < config->connections_max)
        tool_log("notice: %u connections at a time: there are not enough descriptors for %u",
                 connections, config->connections_max);
    if (!is_loopback(config->listen))
        tool_log("notice: %s is not this machine alone, and keys come unencrypted: put a proxy "
                 "with TLS in front",
                 config->listen);
    return TRUE;
}

gboolean
door_open(Door *door, DoorConfig *config, GError **error)
{
    int fds[2] = {-1, -1};

    *door = (Door){.config = config, .started_us = g_get_real_time()};
    g_mutex_init(&door->config_mutex);
    signal(SIGPIPE, SIG_IGN);     /* NOLINT(bugprone-signal-handler,cert-sig30-c) */
    mallopt(M_ARENA_MAX, ARENAS); /* many threads, each little: memory stays bounded */
    gboolean opened = open_all(door, fds, error);
    for (guint i = 0; i < 2; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    return opened;
}

void
door_limits(Door *door, DoorConfig *limits)
{
    g_mutex_lock(&door->config_mutex);
    door_config_copy_numbers(door->config, limits);
    g_mutex_unlock(&door->config_mutex);
}

/* --- Running --- */

typedef struct {
    Door *door;
    GMainLoop *loop;
    gint64 quiesced_us; /* 0: not yet */
    guint drain_source;
} Run;

static gboolean
on_hangup(gpointer data)
{
    Run *run = data;
    Door *door = run->door;
    DoorConfig next = {0};
    g_autoptr(GError) error = NULL;

    access_log_reopen(door->access_log);
    if (!door->config->file) {
        tool_log("no --config to read again");
    } else if (door_config_reload(door->config, &next, &error)) {
        g_mutex_lock(&door->config_mutex);
        door_config_take_limits(door->config, &next);
        g_mutex_unlock(&door->config_mutex);
        door_inline_limits(door->inline_);
        tool_log("%s is in force", door->config->file);
    } else {
        g_atomic_int_inc(&door->reloads_refused);
        tool_log("refused, the old configuration serves on: %s", error->message);
    }
    door_config_clear(&next);
    return G_SOURCE_CONTINUE;
}

/* Ends when nobody is connected any more, or all that could still come is overdue. */
static gboolean
look_whether_drained(gpointer data)
{
    Run *run = data;
    Door *door = run->door;
    gint64 longest_us = DOOR_BODY_DEADLINE_US + door->config->deadline_us +
                        DOOR_ANSWER_DEADLINE_US + DRAIN_GRACE_US;

    if (http_connection_count(door->http) > 0 &&
        g_get_monotonic_time() - run->quiesced_us <= longest_us)
        return G_SOURCE_CONTINUE;
    g_atomic_int_set(&door->closed, 1);
    /* In this order: what is handled may yet be admitted. */
    if (g_atomic_int_get(&door->handling) > 0 || door_inline_pending(door->inline_) > 0)
        return G_SOURCE_CONTINUE;
    g_main_loop_quit(run->loop);
    return G_SOURCE_REMOVE;
}

static gboolean
quiesce(gpointer data)
{
    Run *run = data;

    run->drain_source = 0;
    run->quiesced_us = g_get_monotonic_time();
    http_quiesce(run->door->http);
    g_timeout_add(DRAIN_LOOK_MS, look_whether_drained, run);
    return G_SOURCE_REMOVE;
}

/* The first time: not ready any more, so that proxies send nothing new; after that, at once. */
static gboolean
on_terminate(gpointer data)
{
    Run *run = data;

    if (!g_atomic_int_get(&run->door->draining)) {
        g_atomic_int_set(&run->door->draining, 1);
        tool_log("draining");
        run->drain_source =
            g_timeout_add((guint)(run->door->config->drain_wait_us / 1000), quiesce, run);
    } else if (run->drain_source != 0) {
        g_source_remove(run->drain_source);
        quiesce(run);
    }
    return G_SOURCE_CONTINUE;
}

/* Where it listens, with the port that it has got. */
static void
announce(const char *what, const char *address, guint16 port)
{
    const char *colon = strrchr(address, ':');

    tool_log("%s %.*s:%u", what, (int)(colon - address), address, port);
}

void
door_run(Door *door)
{
    Run run = {.door = door, .loop = g_main_loop_new(NULL, FALSE)};
    guint sources[] = {g_unix_signal_add(SIGTERM, on_terminate, &run),
                       g_unix_signal_add(SIGINT, on_terminate, &run),
                       g_unix_signal_add(SIGHUP, on_hangup, &run)};

    /* Only now: who reads it may send a signal. That it listens comes last: all else is said. */
    if (door->config->admin)
        announce("admin on", door->config->admin, door->admin_port);
    announce("listening on", door->config->listen, door->port);
    g_main_loop_run(run.loop);
    for (guint i = 0; i < G_N_ELEMENTS(sources); i++)
        g_source_remove(sources[i]);
    g_main_loop_unref(run.loop);
}

/* --- Closing --- */

gboolean
door_close(Door *door, GError **error)
{
    gboolean written = TRUE;

    g_atomic_int_set(&door->closed, 1);
    g_clear_pointer(&door->admin, http_stop);     /* its metrics look at all parts */
    g_clear_pointer(&door->bulk, door_bulk_free); /* answers what it has */
    g_clear_pointer(&door->http, http_stop);
    g_clear_pointer(&door->inline_, door_inline_free);
    if (door->log)
        written = usage_log_close(g_steal_pointer(&door->log), error);
    g_clear_pointer(&door->access_log, access_log_close);
    g_clear_pointer(&door->edge, identity_edge_free);
    g_clear_pointer(&door->refused, g_free);
    g_clear_pointer(&door->rates, rate_limits_free);
    g_clear_pointer(&door->answers, answers_free);
    g_clear_pointer(&door->poison, poison_free);
    g_clear_pointer(&door->usage, customer_usage_free);
    g_clear_pointer(&door->jobs, bulk_jobs_free);
    g_clear_pointer(&door->secret, minisign_secret_free);
    g_clear_pointer(&door->metrics, door_metrics_free);
    g_mutex_clear(&door->config_mutex);
    return written;
}
