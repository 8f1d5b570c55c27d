/* scripted_server.h - an HTTP server on loopback that answers what a test has written down, one
 * answer a request, and remembers what it was asked.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TESTS_SCRIPTED_SERVER_H
#define MILLRACE_TESTS_SCRIPTED_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <glib.h>

#pragma GCC diagnostic ignored "-Wunused-function"

enum { SCRIPTED_WAIT_MS = 20000 };

typedef struct {
    int fd;
    guint port;
    const char *const *answers; /* NULL-terminated; "" closes without a word */
    GThread *thread;
    GPtrArray *asked;  /* heads of requests, as they came */
    GPtrArray *bodies; /* of GString */
} ScriptedServer;

/* Reads one request. FALSE when there is none to read. */
static gboolean
scripted_read(ScriptedServer *server, int fd)
{
    GString *head = g_string_new(NULL);
    GString *body = g_string_new(NULL);
    char piece[65536];
    ssize_t got = 0;

    while (!strstr(head->str, "\r\n\r\n") && (got = read(fd, piece, 1)) > 0)
        g_string_append_len(head, piece, got);
    const char *length = strstr(head->str, "\r\nContent-Length: ");
    gsize size_bytes = length ? (gsize)g_ascii_strtoull(length + 18, NULL, 10) : 0;
    if (strstr(head->str, "100-continue"))
        cr_assert_geq(write(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25), 0);
    while (body->len < size_bytes &&
           (got = read(fd, piece, MIN(size_bytes - body->len, sizeof piece))) > 0)
        g_string_append_len(body, piece, got);
    gboolean whole = head->len > 0;
    if (whole) {
        g_ptr_array_add(server->asked, g_string_free(head, FALSE));
        g_ptr_array_add(server->bodies, body);
    } else {
        g_string_free(head, TRUE);
        g_string_free(body, TRUE);
    }
    return whole;
}

static gpointer
scripted_run(gpointer data)
{
    ScriptedServer *server = data;

    for (const char *const *answer = server->answers; *answer;) {
        /* A test that asks for less than it wrote down must not wait for ever. */
        struct pollfd waiting = {.fd = server->fd, .events = POLLIN};
        int fd = poll(&waiting, 1, SCRIPTED_WAIT_MS) > 0 ? accept(server->fd, NULL, NULL) : -1;
        if (fd < 0)
            break;
        if (scripted_read(server, fd)) {
            for (gsize at = 0; at < strlen(*answer);) {
                ssize_t sent = send(fd, *answer + at, strlen(*answer) - at, MSG_NOSIGNAL);
                if (sent <= 0)
                    break;
                at += (gsize)sent;
            }
            answer++;
        }
        close(fd);
    }
    /* From now on nobody is there. */
    shutdown(server->fd, SHUT_RDWR);
    close(server->fd);
    return NULL;
}

static void
scripted_body_free(gpointer body)
{
    g_string_free(body, TRUE);
}

/* answers: borrowed until scripted_stop(). */
static ScriptedServer *
scripted_start(const char *const *answers)
{
    ScriptedServer *server = g_new0(ScriptedServer, 1);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size_bytes = sizeof address;

    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(server->fd, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(server->fd, 16), 0);
    cr_assert_eq(getsockname(server->fd, (struct sockaddr *)&address, &size_bytes), 0);
    server->port = ntohs(address.sin_port);
    server->answers = answers;
    server->asked = g_ptr_array_new_with_free_func(g_free);
    server->bodies = g_ptr_array_new_with_free_func(scripted_body_free);
    server->thread = g_thread_new("server", scripted_run, server);
    return server;
}

/* Waits until every answer was given. */
static void
scripted_wait(ScriptedServer *server)
{
    if (server->thread)
        g_thread_join(server->thread);
    server->thread = NULL;
}

static void
scripted_free(ScriptedServer *server)
{
    scripted_wait(server);
    g_ptr_array_unref(server->asked);
    g_ptr_array_unref(server->bodies);
    g_free(server);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScriptedServer, scripted_free)

#endif
