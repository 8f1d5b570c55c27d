/* inline_answer.c - the end of an inline request. A served one is an event that is durable before
 * its answer leaves; an answer to a keyed request is stored before it leaves, so that a retry finds
 * it.
 *
 *     inline_serve → usage_log_put → on_logged → inline_close → door_answer
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "tools/door/inline_internal.h"

enum { RETRY_LOG_S = 2 };

/* HEIF and AVIF have names of their own; the rest is image/NAME. */
static void
print_content_type(ImageFormat format, char type[32])
{
    g_snprintf(type, 32, "image/%s", image_format_name(format));
}

/* What is owed besides the answer itself. Nothing of the work may be touched after the answer, so
 * this comes before it, but for the count of those that are pending. */
static void
end_key(InlineWork *work, const Answer *answer)
{
    if (work->key_begun)
        answers_end(work->inline_->door->answers, work->exchange->key.customer, work->key,
                    work->request_digest, answer);
    work->key_begun = FALSE;
}

/* The request is answered: the caller's last act. admitted: it was pending. */
static void
note_answered(DoorInline *inline_, gboolean admitted)
{
    if (admitted)
        g_atomic_int_add(&inline_->pending, -1);
}

void
inline_refuse(InlineWork *work, DoorOutcome outcome, guint status, const char *code,
              guint retry_after_s, const char *format, ...)
{
    DoorInline *inline_ = work->inline_;
    gboolean admitted = work->admitted;
    va_list arguments;

    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    end_key(work, NULL);
    door_problem(work->exchange, outcome, status, code, retry_after_s, "%s", message);
    note_answered(inline_, admitted);
}

/* What an answer says of its image. Stored as one line beside a stored answer, so that a replay
 * says the same. */
static void
put_headers(HttpAnswer *answer, const char *note)
{
    static const char *const names[] = {"X-Millrace-Width", "X-Millrace-Height",
                                        "X-Millrace-CPU-Us"};
    char *end = NULL;

    for (guint i = 0; note && i < G_N_ELEMENTS(names); i++, note = end) {
        guint64 value = g_ascii_strtoull(note, &end, 10);
        http_answer_header(answer, names[i], "%" G_GUINT64_FORMAT, value);
    }
    /* Whatever the bytes look like, no browser is to take them for a page. */
    http_answer_header(answer, "X-Content-Type-Options", "nosniff");
}

/* (transfer full) */
static char *
print_note(const InlineWork *work)
{
    return g_strdup_printf("%u %u %" G_GUINT64_FORMAT, work->output.width_px,
                           work->output.height_px, work->event.cpu_us);
}

void
inline_replay(InlineWork *work, Answer *stored)
{
    HttpAnswer answer = {.status = stored->status,
                         .content_type = stored->content_type,
                         .fd = stored->fd,
                         .offset = stored->offset,
                         .size_bytes = stored->size_bytes};

    put_headers(&answer, stored->note);
    http_answer_header(&answer, "Idempotent-Replayed", "true");
    stored->fd = -1;
    door_answer(work->exchange, OUTCOME_REPLAYED, &answer);
    answer_clear(stored);
}

static void
answer_served(InlineWork *work)
{
    DoorInline *inline_ = work->inline_;
    HttpAnswer answer = {
        .status = 200, .fd = work->output_fd, .size_bytes = work->output.size_bytes};
    g_autofree char *note = print_note(work);
    char type[32];

    print_content_type(work->output.format, type);
    answer.content_type = type;
    put_headers(&answer, note);
    work->output_fd = -1;
    door_answer(work->exchange, OUTCOME_SERVED, &answer);
    note_answered(inline_, TRUE);
}

/* Remembers the body, at every door that shares the folder. */
static void
close_poison(InlineWork *work)
{
    g_autoptr(GError) error = NULL;

    /* Where it cannot be written down, this process knows it all the same. */
    poison_add(work->inline_->door->poison, work->body_digest, work->poison, &error);
    inline_refuse(work, OUTCOME_BAD_IMAGE, 422, row_class_name(ROW_WORKER_CRASH), 0,
                  "this image killed the workers that decoded it, and will not be tried again");
}

/* Stores the answer for retries. */
static void
close_keyed(InlineWork *work)
{
    g_autofree char *note = print_note(work);
    char type[32];

    print_content_type(work->output.format, type);
    Answer kept = {.status = 200,
                   .content_type = type,
                   .note = note,
                   .fd = work->output_fd,
                   .size_bytes = work->output.size_bytes};
    end_key(work, &kept);
    answer_served(work);
}

void
inline_close(gpointer data, gpointer inline_ G_GNUC_UNUSED)
{
    InlineWork *work = data;

    if (work->poison)
        close_poison(work);
    else
        close_keyed(work);
}

void
inline_poison(InlineWork *work)
{
    g_thread_pool_push(work->inline_->closers, work, NULL);
}

/* In the log's thread: it must not block here, or other answers wait. */
static void
on_logged(const GError *error, gpointer data)
{
    InlineWork *work = data;

    if (error) {
        inline_refuse(work, OUTCOME_UNAVAILABLE, 503, "usage-log", RETRY_LOG_S,
                      "the usage log cannot be written at present: retry later");
        return;
    }
    if (work->key)
        g_thread_pool_push(work->inline_->closers, work, NULL);
    else
        answer_served(work);
}

/* The id of the event: a keyed retry, at any door, leads to the same. */
static void
make_event_id(InlineWork *work)
{
    static const char version[] = "millrace.door.v1";
    const char *kind = work->key ? "key" : "request";
    g_autoptr(GByteArray) text = g_byte_array_new();
    char name[DOOR_NAME_CHARS + 1];
    char hex[SHA256_CHARS + 1];

    door_draw_name(name);
    const char *parts[] = {version, work->exchange->key.customer, kind,
                           work->key ? work->key : name};
    for (guint i = 0; i < G_N_ELEMENTS(parts); i++)
        g_byte_array_append(text, (const guint8 *)parts[i],
                            (guint)strlen(parts[i]) + (i + 1 < G_N_ELEMENTS(parts)));
    sha256_hex(text->data, text->len, hex);
    g_strlcpy(work->event_id, hex, sizeof work->event_id);
}

void
inline_serve(InlineWork *work)
{
    UsageEvent *event = &work->event;

    make_event_id(work);
    event->id = work->event_id;
    event->source = event->writer = event->extra = "";
    event->type = USAGE_TYPE_IMAGE;
    event->subject = work->exchange->key.customer;
    /* Retries of a keyed request are the same event whatever they call themselves. */
    event->request = work->key ? work->key : work->exchange->id;
    event->op = "resize";
    event->format = image_format_name(work->output.format);
    event->status = USAGE_STATUS_OK;
    event->bytes_out = work->output.size_bytes;
    event->pixels_out = (guint64)work->output.width_px * work->output.height_px;
    event->node = g_get_host_name();
    event->time_us = g_get_real_time();
    event->present = USAGE_HAS_ALL;
    usage_log_put(work->inline_->door->log, event, on_logged, work);
}
