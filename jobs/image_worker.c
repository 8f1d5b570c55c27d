/* image_worker.c - the image worker: the only process that touches pixels.
 * It is handed descriptors and opens nothing itself after image_worker_lock_down(): a decoder that
 * an image has taken over finds no file, no network and no other row.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/image_worker.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "formats/durable.h"
#include "formats/error.h"
#include "formats/sha256.h"
#include "jobs/image_exhausted.h"
#include "jobs/image_sandbox.h"
#include "jobs/worker_wire.h"

static guint64
cpu_clock_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (guint64)now.tv_sec * G_USEC_PER_SEC + (guint64)now.tv_nsec / 1000;
}

/* Gives up what the worker has no use for, once everything that opens files has been done. */
static gboolean
lock_down(ImageWorkerNotice notice, GError **error)
{
    gboolean relaxed = FALSE;

    image_exhausted_watch();
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        return millrace_error_set_errno(error, MILLRACE_ERROR_BUG, errno, "binding to the rank");
    if (!image_sandbox_enter(IMAGE_SANDBOX_MEMORY_DEFAULT_BYTES, &relaxed, error))
        return FALSE;
    if (relaxed)
        notice("a sanitized build: the sandbox stays open");
    return TRUE;
}

static void
fail(WorkerReply *reply, RowClass class, const char *message)
{
    reply->class = class;
    g_strlcpy(reply->message, message, sizeof reply->message);
}

/* Reads the input. pread, since the descriptor shares its offset with the sender's; into memory,
 * since a mapped file that somebody cuts short is a SIGBUS. Returns: (transfer full), or NULL with
 * the reply's failure filled. */
static guint8 *
read_input(int fd, guint64 size_bytes, WorkerReply *reply)
{
    /* One byte more is asked for than should be there: growth is seen like loss. */
    gsize capacity = size_bytes + 1;
    g_autofree guint8 *bytes = g_try_malloc(capacity);
    gsize filled = 0;
    ssize_t got = 1;

    if (!bytes) {
        fail(reply, ROW_OUT_OF_MEMORY, "no memory to read the file into");
        return NULL;
    }
    while (filled < capacity && got > 0) {
        got = pread(fd, bytes + filled, capacity - filled, (off_t)filled);
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got > 0)
            filled += (gsize)got;
    }
    reply->bytes_in = filled;
    if (got < 0)
        fail(reply, ROW_IO, g_strerror(errno));
    else if (filled != size_bytes)
        fail(reply, ROW_IO, "the file changed while it was read");
    else
        return g_steal_pointer(&bytes);
    return NULL;
}

/* Writes one output and says what it is. */
static void
write_output(int fd, const ImageOutput *output, WorkerReply *reply)
{
    WorkerOutput *told = &reply->outputs[reply->output_count++];

    *told = (WorkerOutput){.format = output->format,
                           .width_px = output->width_px,
                           .height_px = output->height_px,
                           .size_bytes = output->size_bytes,
                           .cpu_us = output->cpu_us};
    G_STATIC_ASSERT(sizeof told->digest == SHA256_BYTES);
    sha256_bytes(output->bytes, output->size_bytes, told->digest);
    errno = 0;
    /* A worker before this one may have died half way through the same file. */
    if (ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0 &&
        durable_write_all(fd, "output", output->bytes, output->size_bytes, NULL))
        return;
    reply->output_errno = errno ? errno : EIO;
    fail(reply, ROW_IO, g_strerror(reply->output_errno));
}

static void
serve(const WorkerRequest *request, const int *fds, WorkerReply *reply)
{
    guint64 begin_us = cpu_clock_us();
    ImageResult result = {.class = ROW_IO};
    ImageLimits limits = request->limits;

    limits.memory_max_bytes = IMAGE_SANDBOX_MEMORY_DEFAULT_BYTES - IMAGE_SANDBOX_RESERVE_BYTES;
    memset(reply, 0, sizeof *reply);
    g_autofree guint8 *bytes = read_input(fds[0], request->size_bytes, reply);
    if (bytes) {
        image_resize(bytes, request->size_bytes, request->specs, request->spec_count, &limits,
                     &result);
        reply->class = result.class;
        reply->pixels_in = result.pixels_in;
        g_strlcpy(reply->message, result.message, sizeof reply->message);
        g_assert(result.class != ROW_OK || result.output_count == request->spec_count);
        for (guint i = 0; i < result.output_count && reply->class == ROW_OK; i++)
            write_output(fds[1 + i], &result.outputs[i], reply);
        image_result_clear(&result);
    }
    if (reply->class != ROW_OK)
        reply->output_count = 0;
    reply->cpu_clock_us = cpu_clock_us();
    reply->cpu_us = reply->cpu_clock_us - begin_us;
}

/* Receives and answers one request. Returns: 1, 0 when the other end is gone, -1 and error. */
static int
turn(int socket_fd, GByteArray *message, GError **error)
{
    int fds[OUTPUTS_PER_ROW_MAX + 1];
    guint fd_count = 0;
    WorkerRequest request;
    WorkerReply reply;
    int got = worker_wire_receive(socket_fd, message, fds, G_N_ELEMENTS(fds), &fd_count);

    if (got == 0)
        return 0;
    if (got < 0 || !worker_request_decode(message->data, message->len, &request) ||
        fd_count != request.spec_count + 1 || request.size_bytes >= G_MAXUINT) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BUG, "a request that is none");
        return -1;
    }
    serve(&request, fds, &reply);
    for (guint i = 0; i < fd_count; i++)
        close(fds[i]);
    g_byte_array_set_size(message, 0);
    worker_reply_encode(message, &reply);
    return worker_wire_send(socket_fd, message, NULL, 0) == 0;
}

gboolean
image_worker_run(int socket_fd, ImageWorkerNotice notice, GError **error)
{
    static const char ready[] = "ready";
    g_autoptr(GByteArray) message = g_byte_array_new();
    int more = 1;

    if (!image_init(error) || !lock_down(notice, error))
        return FALSE;
    g_byte_array_append(message, (const guint8 *)ready, sizeof ready);
    if (worker_wire_send(socket_fd, message, NULL, 0) != 0)
        return TRUE; /* the rank is gone, and with it what there was to do */
    while (more > 0)
        more = turn(socket_fd, message, error);
    image_shutdown();
    return more == 0;
}
