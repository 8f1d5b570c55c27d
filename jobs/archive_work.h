/* archive_work.h - the folder in which a pack makes its volumes, found again by the next try with
 * the same input. SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_ARCHIVE_WORK_H
#define MILLRACE_JOBS_ARCHIVE_WORK_H

#include "jobs/tier.h"

#define ARCHIVE_WORK_USAGE "usage" /* a folder in it, for segments as NDJSON */

/* Its path: within scratch, or, when that is NULL, in the archive (a directory) or the system's
 * folder for temporary files. input: what is packed, and how. (transfer full) */
char *archive_work_path(const Tier *tier, const char *scratch, const void *input, gsize size_bytes);
/* Opens it as a tier, with the folder for usage, making what is missing. A folder there that is
 * somebody else's is MILLRACE_ERROR_CANT_CREATE: what is in it would be believed. */
Tier *archive_work_open(const char *path, GError **error);
/* Removes it and its files. What cannot be removed is left. */
void archive_work_remove(const char *path);
/* Removes those of other packs in the same place that nobody has begun or ended anything in for so
 * many seconds. */
void archive_work_sweep(const char *path, gint64 idle_s);

/* Makes an archive's folder for a stream: within scratch, or TMPDIR. (transfer full), or NULL and
 * MILLRACE_ERROR_CANT_CREATE. */
char *archive_work_stream(const char *scratch, GError **error);
/* Removes such a folder. */
void archive_work_stream_remove(const char *path);

#endif
