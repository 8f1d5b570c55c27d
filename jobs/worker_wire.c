/* worker_wire.c - datagrams between a rank and an image worker.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/worker_wire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "formats/bytes.h"

enum { FDS_MAX = OUTPUTS_PER_ROW_MAX + 1 };

void
worker_request_encode(GByteArray *out, const WorkerRequest *request)
{
    g_assert(request->spec_count >= 1 && request->spec_count <= OUTPUTS_PER_ROW_MAX);
    bytes_put_u64(out, request->limits.pixels_max);
    bytes_put_u64(out, request->size_bytes);
    bytes_put_u8(out, (guint8)request->spec_count);
    for (guint i = 0; i < request->spec_count; i++) {
        g_autofree char *spec = output_spec_print(&request->specs[i]);
        bytes_put_string(out, spec);
    }
}

gboolean
worker_request_decode(const guint8 *bytes, gsize size_bytes, WorkerRequest *request)
{
    ByteReader reader = byte_reader(bytes, size_bytes);

    memset(request, 0, sizeof *request);
    request->limits.pixels_max = bytes_get_u64(&reader);
    request->size_bytes = bytes_get_u64(&reader);
    request->spec_count = bytes_get_u8(&reader);
    if (!reader.ok || request->spec_count < 1 || request->spec_count > OUTPUTS_PER_ROW_MAX)
        return FALSE;
    for (guint i = 0; i < request->spec_count; i++)
        if (!output_spec_parse(bytes_get_string(&reader), &request->specs[i], NULL))
            return FALSE;
    return reader.ok && reader.at == reader.end;
}

void
worker_reply_encode(GByteArray *out, const WorkerReply *reply)
{
    bytes_put_u8(out, (guint8)reply->class);
    bytes_put_string(out, reply->message);
    bytes_put_u64(out, reply->bytes_in);
    bytes_put_u64(out, reply->pixels_in);
    bytes_put_u64(out, reply->cpu_us);
    bytes_put_u64(out, reply->cpu_clock_us);
    bytes_put_u32(out, (guint32)reply->output_errno);
    bytes_put_u8(out, (guint8)reply->output_count);
    for (guint i = 0; i < reply->output_count; i++) {
        const WorkerOutput *output = &reply->outputs[i];
        bytes_put_u8(out, (guint8)output->format);
        bytes_put_u32(out, output->width_px);
        bytes_put_u32(out, output->height_px);
        bytes_put_u64(out, output->size_bytes);
        bytes_put_u64(out, output->cpu_us);
        bytes_put_blob(out, output->digest, DIGEST_BYTES);
    }
}

gboolean
worker_reply_decode(const guint8 *bytes, gsize size_bytes, WorkerReply *reply)
{
    ByteReader reader = byte_reader(bytes, size_bytes);

    memset(reply, 0, sizeof *reply);
    guint8 class = bytes_get_u8(&reader);
    g_strlcpy(reply->message, bytes_get_string(&reader), sizeof reply->message);
    reply->bytes_in = bytes_get_u64(&reader);
    reply->pixels_in = bytes_get_u64(&reader);
    reply->cpu_us = bytes_get_u64(&reader);
    reply->cpu_clock_us = bytes_get_u64(&reader);
    reply->output_errno = (int)bytes_get_u32(&reader);
    reply->output_count = bytes_get_u8(&reader);
    /* A worker has read hostile bytes; what it says is checked like any input. */
    if (!reader.ok || class >= ROW_CLASS_COUNT || reply->output_count > OUTPUTS_PER_ROW_MAX ||
        (class == ROW_OK) != (reply->output_count > 0) ||
        !g_utf8_validate(reply->message, -1, NULL))
        return FALSE;
    reply->class = (RowClass) class;
    for (guint i = 0; i < reply->output_count; i++) {
        WorkerOutput *output = &reply->outputs[i];
        guint8 format = bytes_get_u8(&reader);
        output->format = (ImageFormat)format;
        output->width_px = bytes_get_u32(&reader);
        output->height_px = bytes_get_u32(&reader);
        output->size_bytes = bytes_get_u64(&reader);
        output->cpu_us = bytes_get_u64(&reader);
        const guint8 *digest = bytes_get_blob(&reader, DIGEST_BYTES);
        if (!digest || format == IMAGE_FORMAT_INPUT || format >= IMAGE_FORMAT_COUNT)
            return FALSE;
        memcpy(output->digest, digest, DIGEST_BYTES);
    }
    return reader.at == reader.end;
}

int
worker_wire_send(int socket_fd, const GByteArray *bytes, const int *fds, guint fd_count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * FDS_MAX)];
    } control = {0};
    struct iovec part = {.iov_base = bytes->data, .iov_len = bytes->len};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    g_assert(fd_count <= FDS_MAX && bytes->len <= WORKER_MESSAGE_MAX_BYTES);
    if (fd_count > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(header), fds, sizeof(int) * fd_count);
    }
    ssize_t sent = 0;
    do
        sent = sendmsg(socket_fd, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? errno : 0;
}

int
worker_wire_receive(int socket_fd, GByteArray *bytes, int *fds, guint fd_max, guint *fd_count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * FDS_MAX)];
    } control;
    g_byte_array_set_size(bytes, WORKER_MESSAGE_MAX_BYTES);
    struct iovec part = {.iov_base = bytes->data, .iov_len = bytes->len};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    ssize_t got = 0;

    *fd_count = 0;
    do
        got = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    g_byte_array_set_size(bytes, got > 0 ? (guint)got : 0);
    if (got <= 0)
        return got == 0 || errno == ECONNRESET ? 0 : -1;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        guint count = (guint)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        for (guint i = 0; i < count; i++) {
            int fd = -1;
            memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
            if (*fd_count < fd_max)
                fds[(*fd_count)++] = fd;
            else
                close(fd);
        }
    }
    return 1;
}
