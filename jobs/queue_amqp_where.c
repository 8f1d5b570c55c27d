/* queue_amqp_where.c - where a queue of brokers is.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/queue_amqp_where.h"

#include <string.h>

enum {
    PORT_DEFAULT = 5672,
    PORT_MAX = 65535,
    HOST_MAX_CHARS = 253,
    TEXT_MAX_CHARS = 2000,
    /* AMQP's short strings have 255 bytes, and ".dead" follows. */
    NAME_MAX_CHARS = 200
};

#define QUEUE_DEFAULT "millrace.jobs"

void
amqp_where_clear(AmqpWhere *where)
{
    for (guint i = 0; i < where->host_count; i++)
        g_free(where->hosts[i].host);
    g_free(where->name);
    g_free(where->user);
    g_free(where->password);
    g_free(where->vhost);
    g_free(where->queue);
    g_free(where->dead);
    *where = (AmqpWhere){0};
}

/* (transfer full) decoded, or NULL when it cannot be or is too long. */
static char *
decode(const char *text)
{
    char *decoded = g_uri_unescape_string(text, NULL);

    if (decoded && strlen(decoded) > NAME_MAX_CHARS)
        g_clear_pointer(&decoded, g_free);
    return decoded;
}

static gboolean
read_user(const char *text, AmqpWhere *where)
{
    const char *colon = strchr(text, ':');
    g_autofree char *user = colon ? g_strndup(text, (gsize)(colon - text)) : g_strdup(text);

    where->user = decode(user);
    where->password = decode(colon ? colon + 1 : "");
    return where->user && *where->user && where->password;
}

static gboolean
read_port(const char *text, guint *port)
{
    guint64 value = 0;

    if (!g_ascii_string_to_unsigned(text, 10, 1, PORT_MAX, &value, NULL))
        return FALSE;
    *port = (guint)value;
    return TRUE;
}

static gboolean
is_host(const char *host, gboolean is_ipv6)
{
    gsize length = strlen(host);

    if (length == 0 || length > HOST_MAX_CHARS)
        return FALSE;
    for (const char *at = host; *at; at++)
        if (!g_ascii_isalnum(*at) && !strchr(is_ipv6 ? ":.%" : "._-", *at))
            return FALSE;
    return TRUE;
}

/* HOST, HOST:PORT, [ADDRESS] or [ADDRESS]:PORT */
static gboolean
read_host(const char *text, AmqpHost *host)
{
    gboolean is_ipv6 = *text == '[';
    const char *close = is_ipv6 ? strchr(text, ']') : NULL;
    const char *begin = is_ipv6 ? text + 1 : text;
    const char *end = is_ipv6 ? close : strchrnul(text, ':');

    if (!end)
        return FALSE;
    const char *rest = is_ipv6 ? end + 1 : end;
    host->host = g_strndup(begin, (gsize)(end - begin));
    host->port = PORT_DEFAULT;
    return is_host(host->host, is_ipv6) &&
           (*rest == '\0' || (*rest == ':' && read_port(rest + 1, &host->port)));
}

static gboolean
read_hosts(const char *text, AmqpWhere *where)
{
    g_auto(GStrv) hosts = g_strsplit(text, ",", AMQP_HOSTS_MAX + 1);

    for (guint i = 0; hosts[i]; i++)
        if (where->host_count == AMQP_HOSTS_MAX ||
            !read_host(hosts[i], &where->hosts[where->host_count++]))
            return FALSE;
    return where->host_count > 0;
}

static gboolean
read_queue(const char *query, AmqpWhere *where)
{
    if (query && !g_str_has_prefix(query, "queue="))
        return FALSE;
    where->queue = query ? decode(query + strlen("queue=")) : g_strdup(QUEUE_DEFAULT);
    if (!where->queue || *where->queue == '\0' || g_str_has_prefix(where->queue, "amq."))
        return FALSE;
    for (const char *at = where->queue; *at; at++)
        if (!g_ascii_isalnum(*at) && !strchr("._-", *at))
            return FALSE;
    where->dead = g_strconcat(where->queue, ".dead", NULL);
    return TRUE;
}

static gboolean
read_vhost(const char *path, AmqpWhere *where)
{
    where->vhost = path && *path && *path != '?' ? decode(path) : g_strdup("/");
    return where->vhost != NULL;
}

/* Cuts text at the first of these characters; what is behind it, or NULL. */
static char *
cut(char *text, char at)
{
    char *found = strchr(text, at);

    if (!found)
        return NULL;
    *found = '\0';
    return found + 1;
}

static gboolean
parse(const char *text, AmqpWhere *where)
{
    g_autofree char *rest = g_strdup(text + strlen("amqp://"));
    char *query = cut(rest, '?');
    char *path = cut(rest, '/');
    char *at = strrchr(rest, '@');
    char *hosts = rest;

    if (at) {
        *at = '\0';
        hosts = at + 1;
    } else {
        where->user = g_strdup("guest");
        where->password = g_strdup("guest");
    }
    if ((at && !read_user(rest, where)) || !read_hosts(hosts, where) || !read_vhost(path, where) ||
        !read_queue(query, where))
        return FALSE;
    where->name = g_strconcat("amqp://", hosts, path ? "/" : "", path, NULL);
    return TRUE;
}

gboolean
amqp_where_parse(const char *text, AmqpWhere *where, GError **error)
{
    if (g_str_has_prefix(text, "amqp://") && strlen(text) <= TEXT_MAX_CHARS && parse(text, where))
        return TRUE;
    amqp_where_clear(where);
    /* Nothing of it is shown: there may be a password anywhere in what cannot be read. */
    g_set_error(
        error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
        "the queue's place cannot be read: expected "
        "amqp://USER:PASSWORD@HOST:PORT,HOST:PORT/VHOST?queue=NAME, with all but hosts left "
        "out or %%-encoded, and letters, digits and . _ - in NAME");
    return FALSE;
}
