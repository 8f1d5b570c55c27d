/* image_worker.h - the image worker: the only process that touches pixels.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_IMAGE_WORKER_H
#define MILLRACE_JOBS_IMAGE_WORKER_H

#include <glib.h>

typedef void (*ImageWorkerNotice)(const char *message);

/* Says "ready" on socket_fd, then serves requests until the other end is gone.
 * Returns FALSE and error when it cannot start or is spoken to wrongly. */
gboolean image_worker_run(int socket_fd, ImageWorkerNotice notice, GError **error);

#endif
