/* archive_resume.h - what a killed pack left of a volume, as far as it is what would be written.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_ARCHIVE_RESUME_H
#define MILLRACE_JOBS_ARCHIVE_RESUME_H

#include "jobs/archive_write.h"

/* Finds the whole frames at the begin of write->fd that give the bytes of the volume's first
 * frames, which are read from the files and compared. table: gets them (of SeekFrame);
 * write->digests: the digests of their members. Whatever is behind them is no error. */
gboolean archive_resume(const ArchiveWrite *write, GArray *table, GError **error);

#endif
