/* http_request.c - what a handler may ask of a request.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "tools/door/http_internal.h"

const char *
http_method(const HttpRequest *request)
{
    return request->method;
}

const char *
http_path(const HttpRequest *request)
{
    return request->path;
}

const char *
http_query(HttpRequest *request, const char *key)
{
    return MHD_lookup_connection_value(request->mhd, MHD_GET_ARGUMENT_KIND, key);
}

guint
http_query_count(HttpRequest *request)
{
    return (guint)MHD_get_connection_values(request->mhd, MHD_GET_ARGUMENT_KIND, NULL, NULL);
}

const char *
http_header(HttpRequest *request, const char *name)
{
    return MHD_lookup_connection_value(request->mhd, MHD_HEADER_KIND, name);
}

typedef struct {
    const char *name;
    guint count;
} Counted;

static enum MHD_Result
count_header(void *data, enum MHD_ValueKind kind G_GNUC_UNUSED, const char *key,
             const char *value G_GNUC_UNUSED)
{
    Counted *counted = data;

    counted->count += g_ascii_strcasecmp(key, counted->name) == 0;
    return MHD_YES;
}

guint
http_header_count(HttpRequest *request, const char *name)
{
    Counted counted = {name, 0};

    MHD_get_connection_values(request->mhd, MHD_HEADER_KIND, count_header, &counted);
    return counted.count;
}

void
http_peer(HttpRequest *request, char out[64])
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    char host[48], port[8];

    if (info && info->client_addr &&
        getnameinfo(info->client_addr,
                    info->client_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                             : sizeof(struct sockaddr_in),
                    host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        snprintf(out, 64, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
    else
        g_strlcpy(out, "-", 64);
}

gint64
http_begun_us(const HttpRequest *request)
{
    return request->begun_us;
}

guint64
http_body_announced(HttpRequest *request)
{
    return request->announced;
}

void
http_set_data(HttpRequest *request, gpointer data)
{
    request->data = data;
}

gpointer
http_get_data(const HttpRequest *request)
{
    return request->data;
}

guint64
http_body_bytes(const HttpRequest *request)
{
    return request->body_bytes;
}

guint64
http_streamed_bytes(const HttpRequest *request)
{
    return request->streamed_bytes;
}

int
http_body_fd(const HttpRequest *request)
{
    return request->body_fd;
}

int
http_body_errno(const HttpRequest *request)
{
    return request->body_errno;
}

gboolean
http_client_is_gone(const HttpRequest *request)
{
    char byte = 0;
    ssize_t size = recv(request->connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR);
}
