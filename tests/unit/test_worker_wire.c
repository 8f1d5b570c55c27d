/* test_worker_wire.c - datagrams between a rank and a worker, which may have gone over to whoever
 * made the image.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/worker_wire.h"

#include <errno.h>
#include <sys/socket.h>

#include "tests/unit/scratch.h"

static WorkerRequest
request_of(guint spec_count)
{
    WorkerRequest request = {
        .limits.pixels_max = 100000000, .size_bytes = G_MAXUINT64, .spec_count = spec_count};

    for (guint i = 0; i < spec_count; i++) {
        g_autofree char *spec = g_strdup_printf("%ux20,fit=cover,crop=entropy,format=avif,q=7,"
                                                "effort=3,background=0102ff,strip=none,icc=keep",
                                                i + 1);
        cr_assert(output_spec_parse(spec, &request.specs[i], NULL));
    }
    return request;
}

/* Every number at its highest, a message as long as it may be. */
static WorkerReply
reply_of(RowClass class, guint output_count)
{
    WorkerReply reply = {.class = class,
                         .bytes_in = G_MAXUINT64,
                         .pixels_in = G_MAXUINT64 - 1,
                         .cpu_us = G_MAXUINT64 - 2,
                         .cpu_clock_us = G_MAXUINT64 - 3,
                         .output_errno = ENOSPC,
                         .output_count = output_count};

    memset(reply.message, 'm', sizeof reply.message - 1);
    for (guint i = 0; i < output_count; i++) {
        reply.outputs[i] = (WorkerOutput){.format = IMAGE_FORMAT_COUNT - 1,
                                          .width_px = G_MAXUINT32,
                                          .height_px = G_MAXUINT32 - 1,
                                          .size_bytes = G_MAXUINT64 - 4,
                                          .cpu_us = G_MAXUINT64 - 5 - i};
        memset(reply.outputs[i].digest, (int)i + 1, DIGEST_BYTES);
    }
    return reply;
}

static GByteArray *
encoded_reply(const WorkerReply *reply)
{
    GByteArray *bytes = g_byte_array_new();

    worker_reply_encode(bytes, reply);
    return bytes;
}

static void
expect_equal(const WorkerReply *got, const WorkerReply *expected)
{
    cr_expect_eq(got->class, expected->class);
    cr_expect_str_eq(got->message, expected->message);
    cr_expect_eq(got->bytes_in, expected->bytes_in);
    cr_expect_eq(got->pixels_in, expected->pixels_in);
    cr_expect_eq(got->cpu_us, expected->cpu_us);
    cr_expect_eq(got->cpu_clock_us, expected->cpu_clock_us);
    cr_expect_eq(got->output_errno, expected->output_errno);
    cr_assert_eq(got->output_count, expected->output_count);
    for (guint i = 0; i < got->output_count; i++) {
        const WorkerOutput *a = &got->outputs[i];
        const WorkerOutput *b = &expected->outputs[i];
        cr_expect_eq(a->format, b->format);
        cr_expect_eq(a->width_px, b->width_px);
        cr_expect_eq(a->height_px, b->height_px);
        cr_expect_eq(a->size_bytes, b->size_bytes);
        cr_expect_eq(a->cpu_us, b->cpu_us);
        cr_expect_eq(memcmp(a->digest, b->digest, DIGEST_BYTES), 0);
    }
}

Test(worker_wire, a_request_comes_back)
{
    static const guint counts[] = {1, 2, OUTPUTS_PER_ROW_MAX};

    for (guint i = 0; i < G_N_ELEMENTS(counts); i++) {
        WorkerRequest request = request_of(counts[i]);
        WorkerRequest got;
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        worker_request_encode(bytes, &request);
        cr_assert_leq(bytes->len, WORKER_MESSAGE_MAX_BYTES);
        cr_assert(worker_request_decode(bytes->data, bytes->len, &got));
        cr_expect_eq(got.limits.pixels_max, request.limits.pixels_max);
        cr_expect_eq(got.size_bytes, request.size_bytes);
        cr_assert_eq(got.spec_count, counts[i]);
        for (guint k = 0; k < counts[i]; k++) {
            g_autofree char *expected = output_spec_print(&request.specs[k]);
            g_autofree char *spec = output_spec_print(&got.specs[k]);
            cr_expect_str_eq(spec, expected);
        }
    }
}

Test(worker_wire, a_reply_comes_back)
{
    WorkerReply replies[] = {reply_of(ROW_OK, 1), reply_of(ROW_OK, OUTPUTS_PER_ROW_MAX),
                             reply_of(ROW_IO, 0), reply_of(ROW_CORRUPT, 0)};

    g_strlcpy(replies[0].message, "", sizeof replies[0].message);
    for (guint i = 0; i < G_N_ELEMENTS(replies); i++) {
        g_autoptr(GByteArray) bytes = encoded_reply(&replies[i]);
        WorkerReply got;
        cr_assert_leq(bytes->len, WORKER_MESSAGE_MAX_BYTES);
        cr_assert(worker_reply_decode(bytes->data, bytes->len, &got));
        expect_equal(&got, &replies[i]);
    }
}

Test(worker_wire, a_request_cut_or_lengthened_is_refused)
{
    WorkerRequest request = request_of(3);
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    worker_request_encode(bytes, &request);
    for (gsize size = 0; size < bytes->len; size++) {
        g_autofree guint8 *cut = g_memdup2(bytes->data, size);
        cr_expect_not(worker_request_decode(cut, size, &request), "%zu bytes", size);
    }
    g_byte_array_append(bytes, (const guint8 *)"", 1);
    cr_expect_not(worker_request_decode(bytes->data, bytes->len, &request));
}

Test(worker_wire, a_reply_cut_or_lengthened_is_refused)
{
    WorkerReply reply = reply_of(ROW_OK, 3);
    g_autoptr(GByteArray) bytes = encoded_reply(&reply);

    for (gsize size = 0; size < bytes->len; size++) {
        g_autofree guint8 *cut = g_memdup2(bytes->data, size);
        cr_expect_not(worker_reply_decode(cut, size, &reply), "%zu bytes", size);
    }
    g_byte_array_append(bytes, (const guint8 *)"", 1);
    cr_expect_not(worker_reply_decode(bytes->data, bytes->len, &reply));
}

/* Does a reply without message still decode with one of its bytes changed? */
static gboolean
decodes_with(RowClass class, guint output_count, gsize at, guint8 value)
{
    WorkerReply reply = reply_of(class, output_count);
    reply.message[0] = '\0';
    g_autoptr(GByteArray) bytes = encoded_reply(&reply);

    bytes->data[at] = value;
    return worker_reply_decode(bytes->data, bytes->len, &reply);
}

Test(worker_wire, a_hostile_reply_is_refused)
{
    /* class 0, message 1..5, four numbers 6..37, errno 38..41, count 42, format 43. */
    cr_expect(decodes_with(ROW_IO, 0, 0, ROW_TIMEOUT));
    cr_expect_not(decodes_with(ROW_IO, 0, 0, ROW_CLASS_COUNT), "no such class");
    cr_expect_not(decodes_with(ROW_IO, 0, 0, 255), "no such class");
    cr_expect_not(decodes_with(ROW_IO, 0, 0, ROW_OK), "ok, but nothing was made");
    cr_expect_not(decodes_with(ROW_OK, 1, 0, ROW_IO), "failed, but something was made");
    cr_expect_not(decodes_with(ROW_OK, 1, 42, 0), "bytes are left");
    cr_expect_not(decodes_with(ROW_OK, 1, 42, 2), "bytes are missing");
    cr_expect_not(decodes_with(ROW_OK, OUTPUTS_PER_ROW_MAX, 42, OUTPUTS_PER_ROW_MAX + 1));
    cr_expect(decodes_with(ROW_OK, 1, 43, IMAGE_FORMAT_JPEG));
    cr_expect_not(decodes_with(ROW_OK, 1, 43, IMAGE_FORMAT_INPUT), "no format at all");
    cr_expect_not(decodes_with(ROW_OK, 1, 43, IMAGE_FORMAT_COUNT));
}

Test(worker_wire, a_message_that_is_not_utf_8_is_refused)
{
    WorkerReply reply = reply_of(ROW_IO, 0);

    g_strlcpy(reply.message, "caf\xe9", sizeof reply.message);
    g_autoptr(GByteArray) bytes = encoded_reply(&reply);
    cr_expect_not(worker_reply_decode(bytes->data, bytes->len, &reply));
}

Test(worker_wire, a_request_with_a_spec_that_is_none_is_refused)
{
    WorkerRequest request = request_of(1);
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    worker_request_encode(bytes, &request);
    bytes->data[16] = 0;
    cr_expect_not(worker_request_decode(bytes->data, bytes->len, &request), "no specs");
    bytes->data[16] = OUTPUTS_PER_ROW_MAX + 1;
    cr_expect_not(worker_request_decode(bytes->data, bytes->len, &request), "too many");
    bytes->data[16] = 1;
    cr_assert(worker_request_decode(bytes->data, bytes->len, &request));
    bytes->data[21] = 'z'; /* the first character of the spec */
    cr_expect_not(worker_request_decode(bytes->data, bytes->len, &request));
}

static void
socket_pair(int ends[2])
{
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
}

static void
send_text(int fd, const char *text, const int *fds, guint fd_count)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    g_byte_array_append(bytes, (const guint8 *)text, (guint)strlen(text));
    cr_assert_eq(worker_wire_send(fd, bytes, fds, fd_count), 0);
}

Test(worker_wire, descriptors_are_passed_in_order)
{
    enum { COUNT = OUTPUTS_PER_ROW_MAX + 1 };
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    int ends[2];
    int sent[COUNT];
    int got[COUNT];
    guint count = 0;

    socket_pair(ends);
    for (int i = 0; i < COUNT; i++) {
        g_autofree char *name = g_strdup_printf("%d", i);
        scratch_put(&scratch, name, name, strlen(name));
        sent[i] = openat(scratch.fd, name, O_RDONLY | O_CLOEXEC);
    }
    send_text(ends[0], "hello", sent, COUNT);
    cr_assert_eq(worker_wire_receive(ends[1], bytes, got, COUNT, &count), 1);
    cr_expect_eq(bytes->len, 5);
    cr_expect_eq(memcmp(bytes->data, "hello", 5), 0);
    cr_assert_eq(count, COUNT);
    for (int i = 0; i < COUNT; i++) {
        struct stat a, b;
        cr_assert_eq(fstat(sent[i], &a), 0);
        cr_assert_eq(fstat(got[i], &b), 0);
        cr_expect_eq(a.st_ino, b.st_ino);
        cr_expect_eq(fcntl(got[i], F_GETFD), FD_CLOEXEC);
        close(sent[i]);
        close(got[i]);
    }
    close(ends[0]);
    close(ends[1]);
}

Test(worker_wire, descriptors_that_nobody_wants_are_closed)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    int ends[2];
    int pipe_ends[2];
    guint count = 7;
    char byte = 0;

    socket_pair(ends);
    cr_assert_eq(pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK), 0);
    send_text(ends[0], "x", &pipe_ends[1], 1);
    close(pipe_ends[1]);
    cr_assert_eq(worker_wire_receive(ends[1], bytes, NULL, 0, &count), 1);
    cr_expect_eq(count, 0);
    cr_expect_eq(read(pipe_ends[0], &byte, 1), 0, "the other end of the pipe is open still");
    close(pipe_ends[0]);
    close(ends[0]);
    close(ends[1]);
}

Test(worker_wire, nothing_yet_is_told_from_nobody_there)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    int ends[2];
    guint count = 0;

    socket_pair(ends);
    cr_expect_eq(worker_wire_receive(ends[1], bytes, NULL, 0, &count), -1);
    cr_expect_eq(errno, EAGAIN);
    send_text(ends[0], "last words", NULL, 0);
    close(ends[0]);
    cr_expect_eq(worker_wire_receive(ends[1], bytes, NULL, 0, &count), 1);
    cr_expect_eq(bytes->len, 10);
    cr_expect_eq(worker_wire_receive(ends[1], bytes, NULL, 0, &count), 0);
    cr_expect_eq(worker_wire_send(ends[1], bytes, NULL, 0), EPIPE);
    close(ends[1]);
}
