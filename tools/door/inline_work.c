/* inline_work.c - inline resizing in the main loop's thread: whose turn it is, the workers, and
 * what they say.
 *
 *     inline_wake → pump → begin → pool_submit
 *                              on_resized ← (the worker) → inline_serve, inline_refuse
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/door/inline_internal.h"

enum {
    CLOSERS = 2,
    ATTEMPTS = 2, /* an image gets a second worker: the first may have been killed by others */
    /* Predictions err: beyond twice the wait that was promised, and a bit, it is refused after all.
     */
    WAIT_FACTOR = 2,
    WAIT_SLACK_US = 500000,
    CPU_SLACK_S = 3,    /* beyond the deadline the kernel ends a worker */
    MEMORY_SHARE = 4,   /* a quarter of the machine's is for bodies */
    RETRY_WORKER_S = 5, /* when workers do not start */
    RETRY_SPACE_S = 2
};

void
inline_wake(DoorInline *inline_)
{
    /* Fails only when the counter is full, and then it wakes all the same. */
    eventfd_write(inline_->wake_fd, 1);
}

/* What a worker says is checked against the file that it wrote: it has read hostile bytes. From
 * here on nobody can change the output, not even a worker that kept its descriptor. */
static gboolean
output_holds(const WorkerReply *reply, gpointer data)
{
    const InlineWork *work = data;
    const WorkerOutput *output = &reply->outputs[0];
    struct stat status;
    ImageHeader header;
    g_autofree guint8 *bytes = g_malloc(IMAGE_HEADER_BYTES);
    guint64 pixels = (guint64)output->width_px * output->height_px;
    /* It may have waited at the pool while the deadline changed: either holds. */
    gint64 deadline_us = MAX(work->deadline_us, work->inline_->limits.deadline_us);
    guint64 cpu_max_us = (guint64)deadline_us + CPU_SLACK_S * G_USEC_PER_SEC;

    if (fcntl(work->output_fd, F_ADD_SEALS,
              F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0 ||
        fstat(work->output_fd, &status) != 0 || (guint64)status.st_size != output->size_bytes)
        return FALSE;
    if (work->spec.format != IMAGE_FORMAT_INPUT && work->spec.format != output->format)
        return FALSE;
    ssize_t got = pread(work->output_fd, bytes, IMAGE_HEADER_BYTES, 0);
    if (got <= 0)
        return FALSE;
    image_header_read(bytes, (gsize)got, &header);
    return header.format == output->format && pixels > 0 && pixels <= work->pixels_max &&
           reply->pixels_in <= work->pixels_max && reply->bytes_in == work->size_bytes &&
           reply->cpu_us <= cpu_max_us;
}

static gboolean
on_died(gpointer data, GError **error G_GNUC_UNUSED)
{
    DoorInline *inline_ = ((InlineWork *)data)->inline_;

    g_mutex_lock(&inline_->mutex);
    inline_->state.worker_deaths++;
    g_mutex_unlock(&inline_->mutex);
    return TRUE;
}

/* The worker is free again; what the image cost is for the next prediction. */
static void
note_done(InlineWork *work, const WorkerReply *reply, guint64 wall_us, gboolean died)
{
    DoorInline *inline_ = work->inline_;

    g_mutex_lock(&inline_->mutex);
    inline_->state.running--;
    inline_->state.worker_deaths += died;
    admission_done(inline_->admission, work->cost_us);
    admission_pace(inline_->admission, work->cost_us, wall_us);
    if (reply && reply->class == ROW_OK)
        admission_learn(inline_->admission, &work->header, work->size_bytes, 1, reply->cpu_us);
    g_mutex_unlock(&inline_->mutex);
}

static void
refuse_output(InlineWork *work, int errnum)
{
    if (errnum == EFBIG)
        inline_refuse(work, OUTCOME_BAD_IMAGE, 422, row_class_name(ROW_TOO_LARGE), 0,
                      "the output would be too large a file: ask for fewer pixels");
    else
        inline_refuse(work, OUTCOME_UNAVAILABLE, 503, "no-memory", RETRY_SPACE_S,
                      "there is no room for the output at present (%s): retry later",
                      g_strerror(errnum));
}

/* Why there is no output. */
static void
refuse_image(InlineWork *work, const WorkerReply *reply)
{
    switch (reply->class) {
    case ROW_WORKER_CRASH:
        work->poison = g_strdup(reply->message);
        inline_poison(work);
        return;
    case ROW_IO:
    case ROW_OUTPUT_EXISTS:
        inline_refuse(work, OUTCOME_ERROR, 500, "error", 0, "%s", reply->message);
        return;
    default:
        inline_refuse(work, OUTCOME_BAD_IMAGE, 422, row_class_name(reply->class), 0, "%s",
                      reply->message);
    }
}

static void pump(DoorInline *inline_);

static void
on_resized(const WorkerReply *reply, guint64 wall_us, const GError *error, gpointer data)
{
    InlineWork *work = data;
    DoorInline *inline_ = work->inline_;
    DoorExchange *exchange = work->exchange;

    note_done(work, error ? NULL : reply, wall_us,
              error || reply->class == ROW_WORKER_CRASH || reply->class == ROW_TIMEOUT ||
                  reply->class == ROW_OUT_OF_MEMORY);
    exchange->cpu_us = reply->cpu_us;
    work->event.bytes_in = work->size_bytes;
    work->event.pixels_in = reply->pixels_in;
    work->event.cpu_us = reply->cpu_us;
    work->event.wall_us = wall_us;
    if (error) {
        inline_refuse(work, OUTCOME_UNAVAILABLE, 503, "no-worker", RETRY_WORKER_S,
                      "no image worker starts at present: retry later");
    } else if (reply->output_errno) {
        refuse_output(work, reply->output_errno);
    } else if (reply->class != ROW_OK) {
        refuse_image(work, reply);
    } else {
        work->output = reply->outputs[0];
        inline_serve(work);
    }
    pump(inline_);
}

/* Gives a request to the workers. Returns FALSE when it has been answered instead. */
static gboolean
begin(InlineWork *work)
{
    DoorInline *inline_ = work->inline_;
    WorkerRequest request = {.limits.pixels_max = inline_->limits.pixels_max,
                             .size_bytes = work->size_bytes,
                             .spec_count = 1,
                             .specs = {work->spec}};
    PoolOwner owner = {.done = on_resized,
                       .died = on_died,
                       .holds = output_holds,
                       .deaths = POOL_ATTEMPTS_MAX - ATTEMPTS,
                       .data = work};
    gint64 waited_us = g_get_monotonic_time() - work->admitted_us;

    if (waited_us > WAIT_FACTOR * inline_->limits.wait_max_us + WAIT_SLACK_US) {
        inline_refuse(work, OUTCOME_SHED, 503, "overloaded", 1,
                      "it waited %.1f s and had no worker yet: retry later, or send it as a job "
                      "to /v1/jobs",
                      (double)waited_us / G_USEC_PER_SEC);
        return FALSE;
    }
    if (http_client_is_gone(work->exchange->request)) {
        inline_refuse(work, OUTCOME_GONE, 408, "gone", 0, "the client went before its turn came");
        return FALSE;
    }
    work->output_fd = memfd_create("output", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (work->output_fd < 0) {
        refuse_output(work, errno);
        return FALSE;
    }
    work->pixels_max = request.limits.pixels_max;
    work->deadline_us = inline_->limits.deadline_us;
    int fds[] = {http_body_fd(work->exchange->request), work->output_fd};
    pool_submit(inline_->pool, &request, fds, &owner);
    return TRUE;
}

/* Gives workers what waits, as long as they take it. */
static void
pump(DoorInline *inline_)
{
    while (pool_free_count(inline_->pool) > 0) {
        guint64 cost_us = 0;
        g_mutex_lock(&inline_->mutex);
        InlineWork *work = admission_pop(inline_->admission, &cost_us);
        inline_->starving = work == NULL;
        inline_->state.running += work != NULL;
        g_mutex_unlock(&inline_->mutex);
        if (!work)
            return;
        if (!begin(work)) {
            g_mutex_lock(&inline_->mutex);
            inline_->state.running--;
            admission_done(inline_->admission, cost_us);
            g_mutex_unlock(&inline_->mutex);
        }
    }
}

static gboolean
on_wake(gint fd, GIOCondition condition G_GNUC_UNUSED, gpointer data)
{
    eventfd_t count;

    eventfd_read(fd, &count);
    pump(data);
    return G_SOURCE_CONTINUE;
}

static AdmissionLimits
admission_limits(const DoorInline *inline_)
{
    const DoorConfig *limits = &inline_->limits;

    return (AdmissionLimits){.workers = inline_->door->config->workers,
                             .wait_max_us = limits->wait_max_us,
                             .waiting_max = limits->waiting_max,
                             .customer_share = limits->customer_share};
}

DoorInline *
door_inline_new(Door *door, const char *worker_program)
{
    DoorInline *inline_ = g_new0(DoorInline, 1);

    inline_->door = door;
    door_limits(door, &inline_->limits);
    AdmissionLimits limits = admission_limits(inline_);
    g_mutex_init(&inline_->mutex);
    inline_->bodies = reserve_new((guint64)sysconf(_SC_PHYS_PAGES) *
                                  (guint64)sysconf(_SC_PAGESIZE) / MEMORY_SHARE);
    inline_->admission = admission_new(&limits, inline_->limits.deadline_us);
    inline_->starving = TRUE;
    inline_->closers = g_thread_pool_new(inline_close, inline_, CLOSERS, FALSE, NULL);
    inline_->pool = pool_new(worker_program, limits.workers, inline_->limits.deadline_us);
    inline_->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    g_assert(inline_->wake_fd >= 0);
    inline_->wake_source = g_unix_fd_add(inline_->wake_fd, G_IO_IN, on_wake, inline_);
    return inline_;
}

void
door_inline_free(DoorInline *inline_)
{
    g_assert(g_atomic_int_get(&inline_->pending) == 0);
    g_thread_pool_free(inline_->closers, FALSE, TRUE);
    g_source_remove(inline_->wake_source);
    close(inline_->wake_fd);
    pool_free(inline_->pool);
    admission_free(inline_->admission);
    reserve_free(inline_->bodies);
    g_mutex_clear(&inline_->mutex);
    g_free(inline_);
}

guint
door_inline_pending(DoorInline *inline_)
{
    return (guint)g_atomic_int_get(&inline_->pending);
}

void
door_inline_state(DoorInline *inline_, DoorInlineState *state)
{
    g_mutex_lock(&inline_->mutex);
    *state = inline_->state;
    state->waiting = admission_waiting(inline_->admission);
    state->backlog_us = admission_backlog_us(inline_->admission);
    g_mutex_unlock(&inline_->mutex);
}

void
door_inline_limits(DoorInline *inline_)
{
    door_limits(inline_->door, &inline_->limits);
    AdmissionLimits limits = admission_limits(inline_);

    g_mutex_lock(&inline_->mutex);
    admission_set_limits(inline_->admission, &limits);
    admission_set_deadline(inline_->admission, inline_->limits.deadline_us);
    g_mutex_unlock(&inline_->mutex);
    pool_set_deadline(inline_->pool, inline_->limits.deadline_us);
}
