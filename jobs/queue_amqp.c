/* queue_amqp.c - the queue of a cluster: quorum queues of RabbitMQ. An enqueue is done when a
 * majority of brokers has it on disk.
 * Jobs are fetched one at a time (basic.get), never pushed: a drain works on a job for hours, and
 * the next one has to go to another drain meanwhile. While nothing waits, the count of messages is
 * looked at, which costs the brokers no write. There is no single active consumer: jobs begin in
 * the order they were put in, and run side by side.
 * A claim lives as long as its connection. What is sent again after a failure may be there twice:
 * whoever takes a job looks into its folder.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "jobs/queue_amqp_link.h"
#include "jobs/queue_internal.h"

enum {
    PAUSE_FIRST_US = 10000,
    PAUSE_MAX_US = 500000,
    TAG_BITS = 48 /* of a claim's tag for the broker's; above it is the connection's number */
};

/* A claim that is held, by the broker's tag. */
typedef struct {
    guint64 delivery;
    gint64 until_us;
} Held;

typedef struct {
    Queue base;
    AmqpLink link;
    GArray *held; /* of Held; of this connection */
    guint64 held_generation;
} AmqpQueue;

/* How a step has ended. */
typedef enum {
    STEP_DONE,
    STEP_REFUSED, /* by a broker that works: another would say the same */
    STEP_LOST     /* the connection is of no more use */
} StepEnd;

typedef StepEnd (*Step)(AmqpQueue *queue, gpointer data, GError **error);

/* Does a step with one broker after the other, until one does it or the time is over. */
static gboolean
perform(AmqpQueue *queue, Step step, gpointer data, GError **error)
{
    AmqpLink *link = &queue->link;
    GError *reason = NULL;
    StepEnd end = STEP_LOST;

    amqp_link_begin(link);
    for (guint tried = 0; tried <= link->where.host_count && end == STEP_LOST; tried++) {
        if (tried > 0 && amqp_link_is_late(link))
            break;
        g_clear_error(&reason);
        if (!amqp_link_connect(link, &reason))
            break;
        end = step(queue, data, &reason);
        if (end == STEP_LOST)
            amqp_link_drop(link);
        else
            amqp_maybe_release_buffers_on_channel(link->state, AMQP_LINK_CHANNEL);
    }
    /* Who was told to wait and did not has not tried. */
    if (end != STEP_LOST || link->retry_us <= g_get_monotonic_time())
        amqp_link_end(link, end != STEP_LOST);
    if (reason)
        g_propagate_error(error, reason);
    return end == STEP_DONE;
}

/* Reads what follows a method that carries a message. The first out_bytes of its body go to out;
 * properties are borrowed until the channel's buffers are released. */
static gboolean
read_content(AmqpLink *link, char *out, gsize out_bytes, guint64 *size_bytes,
             const amqp_basic_properties_t **properties, GError **error)
{
    amqp_frame_t frame;
    guint64 got_bytes = 0;

    if (!amqp_link_frame(link, "reading a message", &frame, error))
        return FALSE;
    if (frame.frame_type != AMQP_FRAME_HEADER)
        return amqp_link_fail(link, "reading a message", AMQP_STATUS_UNEXPECTED_STATE, error);
    *size_bytes = frame.payload.properties.body_size;
    *properties = frame.payload.properties.decoded;
    while (got_bytes < *size_bytes) {
        if (!amqp_link_frame(link, "reading a message", &frame, error))
            return FALSE;
        if (frame.frame_type != AMQP_FRAME_BODY)
            return amqp_link_fail(link, "reading a message", AMQP_STATUS_UNEXPECTED_STATE, error);
        amqp_bytes_t piece = frame.payload.body_fragment;
        if (got_bytes < out_bytes)
            memcpy(out + got_bytes, piece.bytes, MIN(piece.len, out_bytes - got_bytes));
        got_bytes += piece.len;
    }
    return TRUE;
}

/* A broker refuses when the queue is full, until it has become a fifth shorter, and when it cannot
 * reach a majority. Then it counts nothing, and another that it is cut off from may still be able
 * to. */
static StepEnd
refuse(AmqpQueue *queue, GError **error)
{
    AmqpLink *link = &queue->link;
    guint64 count = 0;

    if (!amqp_link_count(link, link->where.queue, &count, NULL) ||
        count < (guint64)link->length_max * 3 / 4) {
        amqp_link_refused(link, "enqueueing", "refused: it has no majority", error);
        return STEP_LOST;
    }
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_UNAVAILABLE,
                "%s: %" G_GUINT64_FORMAT
                " jobs wait in %s, which is full at %u: try again when some are done",
                link->where.name, count, link->where.queue, link->length_max);
    return STEP_REFUSED;
}

/* Waits for the broker's word on the message that was sent last. */
static StepEnd
await_confirm(AmqpQueue *queue, GError **error)
{
    AmqpLink *link = &queue->link;
    const amqp_basic_properties_t *properties = NULL;
    gboolean is_returned = FALSE;
    guint64 size_bytes = 0;
    amqp_frame_t frame;

    while (amqp_link_frame(link, "waiting for a confirm", &frame, error)) {
        if (frame.frame_type != AMQP_FRAME_METHOD)
            continue;
        const amqp_method_t *method = &frame.payload.method;
        const amqp_basic_ack_t *ack = method->decoded;
        const amqp_basic_nack_t *nack = method->decoded;
        if (method->id == AMQP_BASIC_RETURN_METHOD) {
            is_returned = TRUE;
            if (!read_content(link, NULL, 0, &size_bytes, &properties, error))
                return STEP_LOST;
        } else if (method->id == AMQP_BASIC_NACK_METHOD &&
                   nack->delivery_tag >= link->published_count) {
            return refuse(queue, error);
        } else if (method->id == AMQP_BASIC_ACK_METHOD &&
                   ack->delivery_tag >= link->published_count) {
            if (!is_returned)
                return STEP_DONE;
            link->is_declared = FALSE;
            amqp_link_fail(link, link->where.queue, AMQP_STATUS_UNEXPECTED_STATE, error);
            return STEP_LOST;
        }
    }
    return STEP_LOST;
}

static StepEnd
enqueue_step(AmqpQueue *queue, gpointer data, GError **error)
{
    AmqpLink *link = &queue->link;
    amqp_bytes_t id = amqp_cstring_bytes(data);
    amqp_basic_properties_t properties = {
        ._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG |
                  AMQP_BASIC_MESSAGE_ID_FLAG | AMQP_BASIC_APP_ID_FLAG,
        .content_type = amqp_cstring_bytes("text/plain"),
        .delivery_mode = AMQP_DELIVERY_PERSISTENT,
        .message_id = id,
        .app_id = amqp_cstring_bytes("millrace")};

    int status =
        amqp_basic_publish(link->state, AMQP_LINK_CHANNEL, amqp_empty_bytes,
                           amqp_cstring_bytes(link->where.queue), TRUE, FALSE, &properties, id);
    if (status != AMQP_STATUS_OK) {
        amqp_link_fail(link, "sending", status, error);
        return STEP_LOST;
    }
    link->published_count++;
    return await_confirm(queue, error);
}

static gboolean
amqp_queue_enqueue(Queue *base, const char *id, GError **error)
{
    return perform((AmqpQueue *)base, enqueue_step, (gpointer)id, error);
}

/* How often the broker has delivered it before. */
static guint
delivery_count(const amqp_basic_properties_t *properties, gboolean redelivered)
{
    const amqp_table_t *headers =
        properties->_flags & AMQP_BASIC_HEADERS_FLAG ? &properties->headers : NULL;
    const char *key = "x-delivery-count";

    for (int i = 0; headers && i < headers->num_entries; i++) {
        const amqp_table_entry_t *entry = &headers->entries[i];
        if (entry->key.len != strlen(key) || memcmp(entry->key.bytes, key, entry->key.len) != 0)
            continue;
        if (entry->value.kind == AMQP_FIELD_KIND_I64)
            return (guint)CLAMP(entry->value.value.i64, 0, G_MAXINT);
        if (entry->value.kind == AMQP_FIELD_KIND_I32)
            return (guint)MAX(entry->value.value.i32, 0);
    }
    return redelivered ? 1 : 0;
}

/* What is asked of claim_step(), and what came. */
typedef struct {
    gint64 lease_us;
    QueueClaim *claim;
    gboolean got;
} Fetch;

static void
hold(AmqpQueue *queue, guint64 delivery, gint64 lease_us)
{
    gint64 now_us = g_get_monotonic_time();
    Held held = {.delivery = delivery, .until_us = now_us + MIN(lease_us, G_MAXINT64 - now_us)};

    g_array_append_val(queue->held, held);
}

/* Gives back what was claimed, and not acknowledged, for longer than its lease. */
static gboolean
return_expired(AmqpQueue *queue, GError **error)
{
    AmqpLink *link = &queue->link;
    gint64 now_us = g_get_monotonic_time();

    if (queue->held_generation != link->generation)
        g_array_set_size(queue->held, 0);
    queue->held_generation = link->generation;
    for (guint i = queue->held->len; i > 0; i--) {
        const Held held = g_array_index(queue->held, Held, i - 1);
        if (held.until_us > now_us)
            continue;
        int status = amqp_basic_nack(link->state, AMQP_LINK_CHANNEL, held.delivery, FALSE, TRUE);
        if (status != AMQP_STATUS_OK)
            return amqp_link_fail(link, "giving back", status, error);
        g_array_remove_index_fast(queue->held, i - 1);
    }
    return TRUE;
}

/* Takes one message that was announced. 1: it is a job; 0: it was something else, and is a dead
 * letter now; -1 and error. */
static int
take(AmqpQueue *queue, const amqp_basic_get_ok_t *announced, const Fetch *fetch, GError **error)
{
    AmqpLink *link = &queue->link;
    const amqp_basic_properties_t *properties = NULL;
    guint64 delivery = announced->delivery_tag;
    gboolean redelivered = announced->redelivered;
    QueueClaim *claim = fetch->claim;
    guint64 size_bytes = 0;

    if (!read_content(link, claim->id, JOB_ID_CHARS, &size_bytes, &properties, error))
        return -1;
    if (size_bytes == JOB_ID_CHARS && queue_id_is_valid(claim->id, JOB_ID_CHARS)) {
        claim->tag = link->generation << TAG_BITS | delivery;
        claim->deliveries = delivery_count(properties, redelivered) + 1;
        hold(queue, delivery, fetch->lease_us);
        return 1;
    }
    memset(claim->id, 0, sizeof claim->id);
    int status = amqp_basic_reject(link->state, AMQP_LINK_CHANNEL, delivery, FALSE);
    return status == AMQP_STATUS_OK || amqp_link_fail(link, "refusing", status, error) ? 0 : -1;
}

static StepEnd
claim_step(AmqpQueue *queue, gpointer data, GError **error)
{
    AmqpLink *link = &queue->link;
    Fetch *fetch = data;

    fetch->got = FALSE;
    if (!return_expired(queue, error))
        return STEP_LOST;
    while (!fetch->got) {
        amqp_link_limit_step(link);
        amqp_rpc_reply_t reply = amqp_basic_get(link->state, AMQP_LINK_CHANNEL,
                                                amqp_cstring_bytes(link->where.queue), FALSE);
        if (reply.reply_type != AMQP_RESPONSE_NORMAL) {
            link->is_declared = FALSE; /* somebody may have removed it */
            amqp_link_fail_reply(link, "fetching", reply, error);
            return STEP_LOST;
        }
        if (reply.reply.id != AMQP_BASIC_GET_OK_METHOD)
            return STEP_DONE;
        int taken = take(queue, reply.reply.decoded, fetch, error);
        if (taken < 0)
            return STEP_LOST;
        fetch->got = taken > 0;
    }
    return STEP_DONE;
}

static StepEnd
count_step(AmqpQueue *queue, gpointer data, GError **error)
{
    return amqp_link_count(&queue->link, queue->link.where.queue, data, error) ? STEP_DONE
                                                                               : STEP_LOST;
}

/* Looks until something waits: 1; 0 when the time is over; -1 and error. */
static int
await_job(AmqpQueue *queue, gint64 until_us, GError **error)
{
    gint64 pause_us = PAUSE_FIRST_US;
    guint64 count = 0;

    while (count == 0) {
        gint64 left_us = until_us - g_get_monotonic_time();
        if (left_us <= 0)
            return 0;
        g_usleep((gulong)MIN((double)left_us, (double)pause_us * g_random_double_range(0.5, 1.0)));
        pause_us = MIN(2 * pause_us, PAUSE_MAX_US);
        if (!perform(queue, count_step, &count, error))
            return -1;
    }
    return 1;
}

static int
amqp_queue_claim(Queue *base, gint64 lease_us, gint64 wait_us, QueueClaim *claim, GError **error)
{
    AmqpQueue *queue = (AmqpQueue *)base;
    gint64 now_us = g_get_monotonic_time();
    gint64 until_us = now_us + MIN(wait_us, G_MAXINT64 - now_us);
    Fetch fetch = {.lease_us = lease_us, .claim = claim};

    for (;;) {
        if (!perform(queue, claim_step, &fetch, error))
            return -1;
        if (fetch.got)
            return 1;
        int waits = await_job(queue, until_us, error);
        if (waits <= 0)
            return waits;
    }
}

/* Ends a claim by what is sent; TRUE when it could be. */
typedef int (*Settle)(amqp_connection_state_t state, guint64 delivery);

static int
send_ack(amqp_connection_state_t state, guint64 delivery)
{
    return amqp_basic_ack(state, AMQP_LINK_CHANNEL, delivery, FALSE);
}

static int
send_back(amqp_connection_state_t state, guint64 delivery)
{
    return amqp_basic_nack(state, AMQP_LINK_CHANNEL, delivery, FALSE, TRUE);
}

static int
send_dead(amqp_connection_state_t state, guint64 delivery)
{
    return amqp_basic_reject(state, AMQP_LINK_CHANNEL, delivery, FALSE);
}

/* Only the connection that a claim came by can end it, and only once. */
static gboolean
release(AmqpQueue *queue, const QueueClaim *claim)
{
    guint64 delivery = claim->tag & ((G_GUINT64_CONSTANT(1) << TAG_BITS) - 1);

    if (!queue->link.state || claim->tag >> TAG_BITS != queue->link.generation)
        return FALSE;
    for (guint i = 0; i < queue->held->len; i++)
        if (g_array_index(queue->held, Held, i).delivery == delivery) {
            g_array_remove_index_fast(queue->held, i);
            return TRUE;
        }
    return FALSE;
}

static gboolean
settle(AmqpQueue *queue, const QueueClaim *claim, Settle send, GError **error)
{
    AmqpLink *link = &queue->link;

    amqp_link_begin(link);
    if (!release(queue, claim)) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_UNAVAILABLE,
                    "%s: the claim on %s was lost with its connection: it is delivered again",
                    link->where.name, claim->id);
        return FALSE;
    }
    int status = send(link->state, claim->tag & ((G_GUINT64_CONSTANT(1) << TAG_BITS) - 1));
    if (status == AMQP_STATUS_OK)
        return TRUE;
    amqp_link_fail(link, "ending a claim", status, error);
    amqp_link_drop(link);
    return FALSE;
}

static gboolean
amqp_queue_ack(Queue *base, const QueueClaim *claim, GError **error)
{
    return settle((AmqpQueue *)base, claim, send_ack, error);
}

static gboolean
amqp_queue_nack(Queue *base, const QueueClaim *claim, gboolean dead, GError **error)
{
    return settle((AmqpQueue *)base, claim, dead ? send_dead : send_back, error);
}

static StepEnd
depth_step(AmqpQueue *queue, gpointer data, GError **error)
{
    AmqpLink *link = &queue->link;
    QueueDepth *depth = data;

    return amqp_link_count(link, link->where.queue, &depth->ready, error) &&
                   amqp_link_count(link, link->where.dead, &depth->dead, error)
               ? STEP_DONE
               : STEP_LOST;
}

static gboolean
amqp_queue_depth(Queue *base, QueueDepth *depth, GError **error)
{
    return perform((AmqpQueue *)base, depth_step, depth, error);
}

static void
amqp_queue_free(Queue *base)
{
    AmqpQueue *queue = (AmqpQueue *)base;

    amqp_link_close(&queue->link);
    amqp_where_clear(&queue->link.where);
    g_array_unref(queue->held);
    g_free(queue);
}

Queue *
queue_amqp_open(const char *url, guint length_max, GError **error)
{
    static const QueueEngine engine = {.enqueue = amqp_queue_enqueue,
                                       .claim = amqp_queue_claim,
                                       .ack = amqp_queue_ack,
                                       .nack = amqp_queue_nack,
                                       .depth = amqp_queue_depth,
                                       .free = amqp_queue_free};
    AmqpQueue *queue = g_new0(AmqpQueue, 1);

    queue->base = (Queue){.engine = &engine, .length_max = length_max};
    queue->held = g_array_new(FALSE, FALSE, sizeof(Held));
    if (!amqp_where_parse(url, &queue->link.where, error)) {
        amqp_queue_free(&queue->base);
        return NULL;
    }
    queue->link.length_max = queue->link.dead_length_max = length_max;
    /* So that many doors and drains are spread over the brokers. */
    queue->link.host = (guint)g_random_int_range(0, (gint32)queue->link.where.host_count);
    return &queue->base;
}
