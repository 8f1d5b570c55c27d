/* queue_amqp_link.c - a connection to one of several brokers.
 * A broker may be away, frozen, or alone in its part of the network. So every step has a time
 * limit, a broker that lets one pass is left for the next, and a whole call has a limit as well.
 * librabbitmq neither connects again nor sends heartbeats while nobody calls it: a connection that
 * was idle for too long is taken for lost, as the broker takes it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/queue_amqp_link.h"

#include <amqp_tcp_socket.h>
#include <string.h>

#include "jobs/queue_internal.h"

enum {
    CALL_US = 5 * G_USEC_PER_SEC,
    CONNECT_US = 1500000, /* also of the handshake */
    STEP_US = 2 * G_USEC_PER_SEC,
    GOODBYE_US = 1 * G_USEC_PER_SEC,
    HEARTBEAT_S = 10,
    IDLE_US = 15 * G_USEC_PER_SEC, /* the broker waits for two heartbeats */
    RETRY_FIRST_US = 50000,
    RETRY_MAX_US = 2 * G_USEC_PER_SEC,
    FRAME_MAX_BYTES = 131072,
    SAID_MAX_CHARS = 300 /* of what a broker says, in an error */
};

void
amqp_link_begin(AmqpLink *link)
{
    gint64 now_us = g_get_monotonic_time();

    link->call_until_us = now_us + CALL_US;
    if (link->state && now_us - link->used_us > IDLE_US) {
        guint host = link->host;
        amqp_link_drop(link);
        link->host = host; /* it was not its fault */
    }
    link->used_us = now_us;
}

gboolean
amqp_link_is_late(const AmqpLink *link)
{
    return g_get_monotonic_time() >= link->call_until_us;
}

void
amqp_link_end(AmqpLink *link, gboolean good)
{
    gint64 now_us = g_get_monotonic_time();

    link->used_us = now_us;
    if (good) {
        link->failures = 0;
        link->retry_us = 0;
        return;
    }
    gint64 wait_us = MIN((gint64)RETRY_FIRST_US << MIN(link->failures, 16), RETRY_MAX_US);
    link->retry_us = now_us + (gint64)((double)wait_us * g_random_double_range(0.5, 1.0));
    link->failures++;
}

void
amqp_link_drop(AmqpLink *link)
{
    if (!link->state)
        return;
    amqp_destroy_connection(link->state);
    link->state = NULL;
    link->host = (link->host + 1) % link->where.host_count;
}

/* What is left of a step's time and of the call's. */
static struct timeval
time_left(const AmqpLink *link, gint64 step_us)
{
    gint64 left_us = MAX(MIN(step_us, link->call_until_us - g_get_monotonic_time()), 1000);

    return (struct timeval){.tv_sec = left_us / G_USEC_PER_SEC,
                            .tv_usec = left_us % G_USEC_PER_SEC};
}

void
amqp_link_limit_step(AmqpLink *link)
{
    struct timeval left = time_left(link, STEP_US);

    amqp_set_rpc_timeout(link->state, &left);
}

void
amqp_link_close(AmqpLink *link)
{
    struct timeval left = {.tv_sec = GOODBYE_US / G_USEC_PER_SEC};

    if (!link->state)
        return;
    amqp_set_rpc_timeout(link->state, &left);
    amqp_connection_close(link->state, AMQP_REPLY_SUCCESS);
    amqp_link_drop(link);
}

/* What another program says goes into a line of ours. */
static gboolean
fail_with(const AmqpLink *link, const char *what, const char *said, gsize length, GError **error)
{
    const AmqpHost *host = &link->where.hosts[link->host];
    g_autofree char *text = g_strndup(said, MIN(length, SAID_MAX_CHARS));
    g_autofree char *valid = g_utf8_make_valid(text, -1);

    for (char *at = valid; *at; at++)
        if (g_ascii_iscntrl(*at))
            *at = ' ';
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_UNAVAILABLE, "%s:%u: %s: %s", host->host,
                host->port, what, valid);
    return FALSE;
}

gboolean
amqp_link_fail(const AmqpLink *link, const char *what, int status, GError **error)
{
    const char *said = status == AMQP_STATUS_TIMEOUT
                           ? "no answer in time: it is frozen, or without a majority"
                           : amqp_error_string2(status);

    return fail_with(link, what, said, strlen(said), error);
}

gboolean
amqp_link_refused(const AmqpLink *link, const char *what, const char *why, GError **error)
{
    return fail_with(link, what, why, strlen(why), error);
}

/* What the broker gave as its reason to close the channel or the connection. */
static gboolean
server_reason(const amqp_method_t *method, guint *code, amqp_bytes_t *text)
{
    const amqp_channel_close_t *channel = method->decoded;
    const amqp_connection_close_t *connection = method->decoded;

    switch (method->id) {
    case AMQP_CHANNEL_CLOSE_METHOD:
        *code = channel->reply_code;
        *text = channel->reply_text;
        return TRUE;
    case AMQP_CONNECTION_CLOSE_METHOD:
        *code = connection->reply_code;
        *text = connection->reply_text;
        return TRUE;
    default:
        return FALSE;
    }
}

gboolean
amqp_link_fail_reply(const AmqpLink *link, const char *what, amqp_rpc_reply_t reply, GError **error)
{
    amqp_bytes_t text = amqp_empty_bytes;
    guint code = 0;

    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION)
        return amqp_link_fail(link, what, reply.library_error, error);
    if (server_reason(&reply.reply, &code, &text))
        return fail_with(link, what, text.bytes, text.len, error);
    return amqp_link_fail(link, what, AMQP_STATUS_UNEXPECTED_STATE, error);
}

static gboolean
check_reply(const AmqpLink *link, const char *what, GError **error)
{
    amqp_rpc_reply_t reply = amqp_get_rpc_reply(link->state);

    return reply.reply_type == AMQP_RESPONSE_NORMAL ||
           amqp_link_fail_reply(link, what, reply, error);
}

gboolean
amqp_link_frame(AmqpLink *link, const char *what, amqp_frame_t *frame, GError **error)
{
    struct timeval left = time_left(link, STEP_US);
    int status = amqp_link_is_late(link)
                     ? AMQP_STATUS_TIMEOUT /* however much more it has to say */
                     : amqp_simple_wait_frame_noblock(link->state, frame, &left);

    if (status != AMQP_STATUS_OK)
        return amqp_link_fail(link, what, status, error);
    if (frame->frame_type == AMQP_FRAME_METHOD &&
        (frame->payload.method.id == AMQP_CHANNEL_CLOSE_METHOD ||
         frame->payload.method.id == AMQP_CONNECTION_CLOSE_METHOD)) {
        amqp_rpc_reply_t reply = {.reply_type = AMQP_RESPONSE_SERVER_EXCEPTION,
                                  .reply = frame->payload.method};
        return amqp_link_fail_reply(link, what, reply, error);
    }
    return TRUE;
}

static amqp_table_entry_t
text_argument(const char *key, const char *value)
{
    return (amqp_table_entry_t){
        .key = amqp_cstring_bytes(key),
        .value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes(value)}};
}

static amqp_table_entry_t
number_argument(const char *key, gint64 value)
{
    return (amqp_table_entry_t){.key = amqp_cstring_bytes(key),
                                .value = {.kind = AMQP_FIELD_KIND_I64, .value.i64 = value}};
}

static gboolean
declare(AmqpLink *link, const char *queue, amqp_table_entry_t *entries, int count, GError **error)
{
    amqp_table_t arguments = {.num_entries = count, .entries = entries};

    amqp_link_limit_step(link);
    amqp_queue_declare(link->state, AMQP_LINK_CHANNEL, amqp_cstring_bytes(queue), FALSE, TRUE,
                       FALSE, FALSE, arguments);
    return check_reply(link, queue, error);
}

/* Dead letters are handed over with confirms as well; the oldest of too many go. */
static gboolean
declare_queues(AmqpLink *link, GError **error)
{
    amqp_table_entry_t dead[] = {text_argument("x-queue-type", "quorum"),
                                 number_argument("x-max-length", link->dead_length_max)};
    amqp_table_entry_t jobs[] = {
        text_argument("x-queue-type", "quorum"),
        text_argument("x-overflow", "reject-publish"),
        number_argument("x-max-length", link->length_max),
        number_argument("x-delivery-limit", QUEUE_DELIVERIES_MAX - 1),
        text_argument("x-dead-letter-exchange", ""),
        text_argument("x-dead-letter-routing-key", link->where.dead),
        text_argument("x-dead-letter-strategy", "at-least-once"),
    };

    if (link->is_declared)
        return TRUE;
    link->is_declared = declare(link, link->where.dead, dead, G_N_ELEMENTS(dead), error) &&
                        declare(link, link->where.queue, jobs, G_N_ELEMENTS(jobs), error);
    return link->is_declared;
}

static gboolean
log_in(AmqpLink *link, GError **error)
{
    const AmqpHost *host = &link->where.hosts[link->host];
    amqp_socket_t *socket = amqp_tcp_socket_new(link->state);
    struct timeval left = time_left(link, CONNECT_US);

    g_assert(socket != NULL);
    int status = amqp_socket_open_noblock(socket, host->host, (int)host->port, &left);
    if (status != AMQP_STATUS_OK)
        return amqp_link_fail(link, "connecting", status, error);
    left = time_left(link, CONNECT_US);
    amqp_set_handshake_timeout(link->state, &left);
    amqp_link_limit_step(link);
    amqp_rpc_reply_t reply =
        amqp_login(link->state, link->where.vhost, AMQP_LINK_CHANNEL, FRAME_MAX_BYTES, HEARTBEAT_S,
                   AMQP_SASL_METHOD_PLAIN, link->where.user, link->where.password);
    return reply.reply_type == AMQP_RESPONSE_NORMAL ||
           amqp_link_fail_reply(link, "logging in", reply, error);
}

static gboolean
open_channel(AmqpLink *link, GError **error)
{
    amqp_link_limit_step(link);
    amqp_channel_open(link->state, AMQP_LINK_CHANNEL);
    if (!check_reply(link, "opening a channel", error))
        return FALSE;
    amqp_link_limit_step(link);
    amqp_confirm_select(link->state, AMQP_LINK_CHANNEL);
    return check_reply(link, "asking for confirms", error);
}

/* A queue that is there already keeps the length it was made with: others have declared it with
 * another. TRUE when that was the reason; then its length is known. Either queue has its own: where
 * one was removed, it was made again with another. */
static gboolean
learn_length(AmqpLink *link, const GError *reason)
{
    const char *said = strstr(reason->message, "inequivalent arg 'x-max-length'");
    const char *current = said ? strstr(said, "current is ") : NULL;
    const char *quote = current ? strchr(current, '\'') : NULL;
    guint64 length = quote ? g_ascii_strtoull(quote + 1, NULL, 10) : 0;
    g_autofree char *dead = g_strdup_printf("queue '%s'", link->where.dead);
    guint *known = said && strstr(said, dead) ? &link->dead_length_max : &link->length_max;

    if (length == 0 || length > G_MAXUINT || length == *known)
        return FALSE;
    *known = (guint)length;
    return TRUE;
}

static gboolean
connect_host(AmqpLink *link, GError **error)
{
    GError *reason = NULL;

    link->state = amqp_new_connection();
    g_assert(link->state != NULL);
    link->generation++;
    link->published_count = 0;
    if (log_in(link, &reason) && open_channel(link, &reason) && declare_queues(link, &reason))
        return TRUE;
    gboolean again = learn_length(link, reason);
    guint host = link->host;
    amqp_link_drop(link);
    if (again) {
        g_clear_error(&reason);
        link->host = host;
        return connect_host(link, error);
    }
    g_propagate_error(error, reason);
    return FALSE;
}

gboolean
amqp_link_connect(AmqpLink *link, GError **error)
{
    g_autoptr(GString) reasons = g_string_new(NULL);

    if (link->state)
        return TRUE;
    if (g_get_monotonic_time() < link->retry_us) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_UNAVAILABLE,
                    "%s: no broker could do it a moment ago: try again in a moment",
                    link->where.name);
        return FALSE;
    }
    for (guint tried = 0; tried < link->where.host_count; tried++) {
        g_autoptr(GError) reason = NULL;
        if (connect_host(link, &reason))
            return TRUE;
        g_string_append_printf(reasons, "%s%s", reasons->len > 0 ? "; " : "", reason->message);
        if (amqp_link_is_late(link))
            break;
    }
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_UNAVAILABLE, "%s: %s", link->where.name,
                reasons->str);
    return FALSE;
}

gboolean
amqp_link_count(AmqpLink *link, const char *queue, guint64 *count, GError **error)
{
    amqp_link_limit_step(link);
    const amqp_queue_declare_ok_t *answer =
        amqp_queue_declare(link->state, AMQP_LINK_CHANNEL, amqp_cstring_bytes(queue), TRUE, TRUE,
                           FALSE, FALSE, amqp_empty_table);
    if (!answer) {
        link->is_declared = FALSE; /* somebody may have removed it */
        return check_reply(link, queue, error);
    }
    *count = answer->message_count;
    amqp_maybe_release_buffers_on_channel(link->state, AMQP_LINK_CHANNEL);
    return TRUE;
}
