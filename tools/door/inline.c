/* inline.c - POST /v1/resize, up to the point where a request waits for a worker. It runs in the
 * I/O threads: what can be refused is refused here, the cheapest reasons first, and an overloaded
 * door says so before it reads a body.
 *
 *     door_resize → read_options, may_begin → door_take_body
 *     on_body → digest_body → is_known → admit → (inline_work.c)
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tools/door/inline_internal.h"

enum {
    RETRY_LOG_S = 2, /* when the usage log fails */
    ASK_COST_US = 1  /* of a body that nobody has seen yet */
};

void
inline_work_free(gpointer data)
{
    InlineWork *work = data;

    if (work->output_fd >= 0)
        close(work->output_fd);
    if (work->reserved)
        reserve_give(work->inline_->bodies, work->exchange->key.customer, work->reserved_bytes);
    g_free(work->to);
    g_free(work->poison);
    g_free(work);
}

/* Reads ?to=SPEC and the idempotency key. FALSE: answered. */
static gboolean
read_options(InlineWork *work)
{
    DoorExchange *exchange = work->exchange;
    const char *to = http_query(exchange->request, "to");
    g_autoptr(GError) error = NULL;

    if (!to || http_query_count(exchange->request) != 1) {
        door_problem(exchange, OUTCOME_BAD_REQUEST, 400, "bad-query", 0,
                     "the query must be one to=SPEC and nothing else, as in "
                     "/v1/resize?to=320x320,format=webp");
        return FALSE;
    }
    if (!output_spec_parse(to, &work->spec, &error)) {
        door_problem(exchange, OUTCOME_BAD_REQUEST, 400, "bad-spec", 0, "to: %s", error->message);
        return FALSE;
    }
    work->to = output_spec_print(&work->spec);
    return door_idempotency_key(exchange, &work->key);
}

/* A length that is not said counts as the longest. */
static gboolean
reserve_body(InlineWork *work, guint64 bytes_max)
{
    work->reserved_bytes = MIN(http_body_announced(work->exchange->request), bytes_max);
    work->reserved =
        reserve_take(work->inline_->bodies, work->exchange->key.customer, work->reserved_bytes);
    return work->reserved;
}

static void
refuse_overload(InlineWork *work, AdmissionVerdict verdict, guint retry_after_s)
{
    if (verdict == ADMISSION_TOO_COSTLY)
        inline_refuse(work, OUTCOME_SHED, 422, "too-costly", 0,
                      "this image is predicted to take longer than a request may: send it as a "
                      "job to /v1/jobs");
    else
        inline_refuse(work, OUTCOME_SHED, 503,
                      verdict == ADMISSION_CUSTOMER_FULL ? "customer-overloaded" : "overloaded",
                      retry_after_s, "%s: retry after %u s, or send it as a job to /v1/jobs",
                      verdict == ADMISSION_CUSTOMER_FULL
                          ? "your requests fill the share of a customer"
                          : "more waits than can be done in time",
                      retry_after_s);
}

/* Whatever speaks against a request before its body is there. FALSE: answered. */
static gboolean
may_begin(InlineWork *work, const DoorConfig *limits)
{
    DoorInline *inline_ = work->inline_;
    guint retry_after_s = 1;

    if (usage_log_failing(inline_->door->log)) {
        inline_refuse(work, OUTCOME_UNAVAILABLE, 503, "usage-log", RETRY_LOG_S,
                      "the usage log cannot be written at present: retry later");
        return FALSE;
    }
    g_mutex_lock(&inline_->mutex);
    AdmissionVerdict verdict = admission_ask(inline_->admission, work->exchange->key.customer,
                                             ASK_COST_US, &retry_after_s);
    g_mutex_unlock(&inline_->mutex);
    if (verdict == ADMISSION_TAKEN && !reserve_body(work, limits->bytes_max))
        verdict = ADMISSION_OVERLOADED;
    if (verdict == ADMISSION_TAKEN)
        return TRUE;
    refuse_overload(work, verdict, retry_after_s);
    return FALSE;
}

/* Digests the body, and reads the image's header. FALSE: answered. */
static gboolean
digest_body(InlineWork *work)
{
    HttpRequest *request = work->exchange->request;
    g_autoptr(GByteArray) whole = g_byte_array_new();

    work->size_bytes = http_body_bytes(request);
    if (work->size_bytes == 0) {
        inline_refuse(work, OUTCOME_BAD_REQUEST, 400, "no-body", 0,
                      "the body is empty: send the image as it is");
        return FALSE;
    }
    /* Nobody else has the file yet, so nobody can cut it short under the map. */
    void *bytes = mmap(NULL, work->size_bytes, PROT_READ, MAP_SHARED | MAP_POPULATE,
                       http_body_fd(request), 0);
    if (bytes == MAP_FAILED) {
        inline_refuse(work, OUTCOME_UNAVAILABLE, 503, "no-memory", 1,
                      "there is no memory for the body at present: retry later");
        return FALSE;
    }
    sha256_bytes(bytes, work->size_bytes, work->body_digest);
    image_header_read(bytes, MIN(work->size_bytes, IMAGE_HEADER_BYTES), &work->header);
    munmap(bytes, work->size_bytes);
    static const char place[] = "POST\0/v1/resize"; /* its last NUL included */
    g_byte_array_append(whole, (const guint8 *)place, sizeof place);
    g_byte_array_append(whole, (const guint8 *)work->to, (guint)strlen(work->to) + 1);
    g_byte_array_append(whole, work->body_digest, SHA256_BYTES);
    sha256_bytes(whole->data, whole->len, work->request_digest);
    return TRUE;
}

/* Is there an answer already? TRUE: given. */
static gboolean
is_known(InlineWork *work)
{
    Door *door = work->inline_->door;
    Answer stored = {.fd = -1};

    if (poison_has(door->poison, work->body_digest)) {
        inline_refuse(work, OUTCOME_POISON, 422, "poison", 0,
                      "this image has killed workers before, and is not tried again");
        return TRUE;
    }
    if (!work->key)
        return FALSE;
    switch (answers_begin(door->answers, work->exchange->key.customer, work->key,
                          work->request_digest, &stored)) {
    case ANSWER_BEGIN:
        work->key_begun = TRUE;
        return FALSE;
    case ANSWER_IN_FLIGHT:
        inline_refuse(work, OUTCOME_CONFLICT, 409, "in-flight", 1,
                      "a request with this Idempotency-Key is being worked on: retry later");
        return TRUE;
    case ANSWER_DIFFERS:
        inline_refuse(work, OUTCOME_CONFLICT, 422, "key-reused", 0,
                      "this Idempotency-Key was used with another request: use a new one");
        return TRUE;
    case ANSWER_REPLAY:
    default:
        inline_replay(work, &stored);
        return TRUE;
    }
}

/* Lets it wait its turn. From the lock on, the main thread may have answered it already. */
static void
admit(InlineWork *work)
{
    DoorInline *inline_ = work->inline_;
    guint retry_after_s = 1;
    gboolean wake = FALSE;

    work->admitted_us = g_get_monotonic_time();
    g_mutex_lock(&inline_->mutex);
    work->cost_us = admission_predict(inline_->admission, &work->header, work->size_bytes, 1);
    AdmissionVerdict verdict = admission_push(inline_->admission, work->exchange->key.customer,
                                              work->cost_us, work, &retry_after_s);
    if (verdict == ADMISSION_TAKEN) {
        work->admitted = TRUE;
        g_atomic_int_inc(&inline_->pending);
        wake = inline_->starving;
        inline_->starving = FALSE;
    }
    g_mutex_unlock(&inline_->mutex);
    if (verdict != ADMISSION_TAKEN)
        refuse_overload(work, verdict, retry_after_s);
    else if (wake)
        inline_wake(inline_);
}

static void
on_body(void *data)
{
    DoorExchange *exchange = data;
    InlineWork *work = exchange->handler_data;

    if (digest_body(work) && !is_known(work))
        admit(work);
}

void
door_resize(DoorExchange *exchange)
{
    InlineWork *work = g_new0(InlineWork, 1);
    DoorConfig limits;

    work->inline_ = exchange->door->inline_;
    work->exchange = exchange;
    work->output_fd = -1;
    exchange->handler_data = work;
    exchange->handler_free = inline_work_free;
    door_limits(exchange->door, &limits);
    if (door_require(exchange, SCOPE_RESIZE) && read_options(work) && may_begin(work, &limits))
        door_take_body(exchange, limits.bytes_max, on_body);
}
