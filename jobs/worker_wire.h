/* worker_wire.h - what a rank and an image worker say to each other, a datagram each way.
 * The request travels with descriptors (SCM_RIGHTS): the input, then one for each output. Both ends
 * come from the same build, so there is one version and no negotiation.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_WORKER_WIRE_H
#define MILLRACE_JOBS_WORKER_WIRE_H

#include "formats/ledger.h"
#include "jobs/image.h"

#define WORKER_SOCKET_FD         3  /* where a worker finds its end of the socket pair */
#define WORKER_EXIT_NO_MEMORY    71 /* exit code of a worker that met its limit of memory */
#define WORKER_MESSAGE_MAX_BYTES (64 << 10)

/* One row's work. */
typedef struct {
    ImageLimits limits;
    guint64 size_bytes; /* of the input, when it was opened */
    guint spec_count;
    OutputSpec specs[OUTPUTS_PER_ROW_MAX];
} WorkerRequest;

typedef struct {
    ImageFormat format;
    guint32 width_px;
    guint32 height_px;
    guint64 size_bytes;
    guint64 cpu_us;
    guint8 digest[DIGEST_BYTES];
} WorkerOutput;

/* What became of it. output_count is 0 unless class is ROW_OK. */
typedef struct {
    RowClass class;
    char message[IMAGE_MESSAGE_MAX_BYTES];
    guint64 bytes_in;
    guint64 pixels_in;
    guint64 cpu_us;       /* for this row */
    guint64 cpu_clock_us; /* of the process so far */
    int output_errno;     /* not 0: an output could not be written, which is no fault of the row */
    guint output_count;
    WorkerOutput outputs[OUTPUTS_PER_ROW_MAX];
} WorkerReply;

void worker_request_encode(GByteArray *out, const WorkerRequest *request);
gboolean worker_request_decode(const guint8 *bytes, gsize size_bytes, WorkerRequest *request);
void worker_reply_encode(GByteArray *out, const WorkerReply *reply);
gboolean worker_reply_decode(const guint8 *bytes, gsize size_bytes, WorkerReply *reply);

/* Sends one datagram with fd_count descriptors. Returns 0 or an errno. */
int worker_wire_send(int socket_fd, const GByteArray *bytes, const int *fds, guint fd_count);

/* Receives one datagram into bytes, and up to fd_max descriptors into fds (close-on-exec, owned by
 * the caller). Returns: 1; 0 when the other end is gone; -1 with errno (EAGAIN: nothing there). */
int worker_wire_receive(int socket_fd, GByteArray *bytes, int *fds, guint fd_max, guint *fd_count);

#endif
