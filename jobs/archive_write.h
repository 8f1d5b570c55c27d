/* archive_write.h - V.tar.zst written: every rank compresses its share of the frames with all its
 * threads, rank 0 puts them one behind the other. SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_ARCHIVE_WRITE_H
#define MILLRACE_JOBS_ARCHIVE_WRITE_H

#include <signal.h>

#include "jobs/archive_plan.h"
#include "mr/comm.h"

/* done_bytes: of members. Called on rank 0. */
typedef void (*ArchiveProgress)(guint64 done_bytes, guint64 total_bytes, gpointer data);

typedef struct {
    Comm *comm;
    const ArchivePlan *plan;
    guint volume;
    int level;
    guint threads;                     /* of this rank */
    const volatile sig_atomic_t *stop; /* ends it, with MILLRACE_ERROR_INTERRUPTED */
    ArchiveProgress progress;          /* may be NULL */
    gpointer progress_data;
    /* Rank 0: a file to read and write, with what an earlier try left of it; and where the digests
     * of the members go, in the plan's order (of ArchiveDigest). */
    int fd;
    const char *name; /* of the file, for messages */
    GArray *digests;
    guint64 *kept_count; /* frames of an earlier try that were used; added to */
} ArchiveWrite;

/* *Collective.* Writes the volume, its table included, and fsyncs it. Frames that are there
 * already are used when they hold what would be written. Returns FALSE on every rank when it failed
 * on any: there with its error, elsewhere with MILLRACE_ERROR_INTERRUPTED. */
gboolean archive_write_volume(const ArchiveWrite *write, GError **error);

#endif
