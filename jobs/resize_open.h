/* resize_open.h - opening the source of a row, which may be anything that a manifest can say.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_RESIZE_OPEN_H
#define MILLRACE_JOBS_RESIZE_OPEN_H

#include "formats/ledger.h"

/* Opens the folder that sources must lie in. Returns: a descriptor to close, or -1 and
 * MILLRACE_ERROR_NO_INPUT, MILLRACE_ERROR_UNAVAILABLE (the kernel cannot keep them there). */
int resize_beneath_open(const char *path, GError **error);

/* What kept a source from being opened. */
typedef struct {
    RowClass class;
    const char *reason; /* constant, or strerror's */
    int errnum;         /* 0 when it was opened and is nothing that can be resized */
} ResizeOpenFailure;

/* Opens a source, which must be a regular file; never waits for a pipe or a device. beneath_fd: a
 * folder that it must lie in, without any symlink on the way; -1: it may lie anywhere.
 * Returns: a descriptor to close, or -1 and *failure. */
int resize_open(int beneath_fd, const char *source, guint64 *size_bytes,
                ResizeOpenFailure *failure);

#endif
