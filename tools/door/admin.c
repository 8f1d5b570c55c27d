/* admin.c - metrics for Prometheus, and keys for other doors.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/door/admin.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/door/metrics.h"

#define CONNECTIONS_MAX 8

static void
answer_text(HttpRequest *request, guint status, const char *type, const char *text, gsize size)
{
    HttpAnswer answer = {.status = status, .content_type = type, .bytes = text, .size_bytes = size};

    http_answer_header(&answer, "Cache-Control", "no-store");
    http_answer(request, &answer);
}

static void
answer_metrics(HttpRequest *request, Door *door)
{
    g_autoptr(GString) text = g_string_sized_new(16 << 10);

    door_metrics_print(door->metrics, door, text);
    answer_text(request, 200, "text/plain; version=0.0.4; charset=utf-8", text->str, text->len);
}

/* How old it is goes with it: whoever has it from here knows no more of the publisher. */
static void
answer_head(HttpRequest *request, Door *door)
{
    IdentityEdgeState state;
    g_autofree char *text = identity_edge_head_text(door->edge);
    HttpAnswer answer = {.status = 200,
                         .content_type = "text/plain; charset=utf-8",
                         .bytes = text,
                         .size_bytes = strlen(text)};

    identity_edge_state(door->edge, &state);
    http_answer_header(&answer, "Cache-Control", "no-store");
    http_answer_header(&answer, "X-Identity-Age", "%" G_GINT64_FORMAT,
                       state.age_us / G_USEC_PER_SEC);
    http_answer(request, &answer);
}

/* The snapshot that is served by, asked for by its exact name, and none else. */
static gboolean
answer_snapshot(HttpRequest *request, Door *door, const char *name)
{
    IdentityEdgeState state;
    g_autofree char *path = identity_edge_snapshot_path(door->edge);
    struct stat status;

    identity_edge_state(door->edge, &state);
    g_autofree char *current =
        g_strconcat(IDENTITY_NAME_PREFIX, state.head.digest, IDENTITY_NAME_SUFFIX, NULL);
    if (!path || strcmp(name, current) != 0)
        return FALSE;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return FALSE;
    if (fstat(fd, &status) != 0) {
        close(fd);
        return FALSE;
    }
    HttpAnswer answer = {.status = 200,
                         .content_type = "application/octet-stream",
                         .fd = fd,
                         .size_bytes = (gsize)status.st_size};
    http_answer(request, &answer);
    return TRUE;
}

static void
on_begin(HttpRequest *request, gpointer data)
{
    static const char missing[] = "there is nothing here; see /metrics and /identity/head\n";
    static const char wrong[] = "only GET is done here\n";
    const char *path = http_path(request);
    const char *method = http_method(request);

    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        answer_text(request, 405, "text/plain", wrong, strlen(wrong));
    else if (strcmp(path, "/metrics") == 0)
        answer_metrics(request, data);
    else if (strcmp(path, "/identity/" IDENTITY_HEAD_FILE) == 0)
        answer_head(request, data);
    else if (!g_str_has_prefix(path, "/identity/") ||
             !answer_snapshot(request, data, path + strlen("/identity/")))
        answer_text(request, 404, "text/plain", missing, strlen(missing));
}

static void
on_body_done(HttpRequest *request G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED)
{
    g_assert_not_reached(); /* none is taken */
}

static void
on_ended(HttpRequest *request G_GNUC_UNUSED, gboolean sent G_GNUC_UNUSED,
         gpointer data G_GNUC_UNUSED)
{
}

Http *
admin_start(Door *door, int listen_fd, GError **error)
{
    const HttpLimits limits = {.listen_fd = listen_fd,
                               .threads = 1,
                               .connections_max = CONNECTIONS_MAX,
                               .header_deadline_us = DOOR_HEADER_DEADLINE_US,
                               .body_deadline_us = DOOR_HEADER_DEADLINE_US,
                               .answer_deadline_us = DOOR_ANSWER_DEADLINE_US,
                               .idle_us = DOOR_IDLE_US};
    const HttpHandler handler = {on_begin, on_body_done, on_ended, door};

    return http_start(&limits, &handler, error);
}
