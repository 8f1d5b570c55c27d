/* image_sandbox.h - what an image worker gives up before it meets the first image.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_IMAGE_SANDBOX_H
#define MILLRACE_JOBS_IMAGE_SANDBOX_H

#include <glib.h>

#define IMAGE_SANDBOX_MEMORY_DEFAULT_BYTES (2ULL << 30)
/* What of it the process and its libraries need, whatever the image. */
#define IMAGE_SANDBOX_RESERVE_BYTES (256ULL << 20)

/* Locks this process and its threads up for good: no new privileges; limits of memory
 * (memory_max_bytes of private data), descriptors, written bytes and core files; a seccomp
 * allow-list; Landlock where the kernel has it. What is left: reading and writing descriptors one
 * was given, memory, threads, clocks. Opening, connecting, executing, tracing and signalling others
 * fail with EPERM.
 *
 * In a sanitized build, whose runtime needs more than that, it does none of it and *relaxed is set.
 * Returns FALSE and MILLRACE_ERROR_BUG when a lock does not close. */
gboolean image_sandbox_enter(guint64 memory_max_bytes, gboolean *relaxed, GError **error);

#endif
