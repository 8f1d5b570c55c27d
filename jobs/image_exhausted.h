/* image_exhausted.h - a process that ends for want of memory says so by its exit code.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_IMAGE_EXHAUSTED_H
#define MILLRACE_JOBS_IMAGE_EXHAUSTED_H

/* From now on this process exits with WORKER_EXIT_NO_MEMORY when GLib or C++ find no memory, or
 * when it crashes with next to none left. Once, before the sandbox closes. */
void image_exhausted_watch(void);

#endif
