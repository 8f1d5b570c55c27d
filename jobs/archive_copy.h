/* archive_copy.h - an archive gets what another one has: volumes, keys, tombstones, and the
 * catalogue last, which is the commit.
 *
 *     both catalogues → relation → files, each by its digest → keys → catalogue
 *                     → files of expired volumes are removed
 *
 * It can be killed at any moment and run again.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_ARCHIVE_COPY_H
#define MILLRACE_JOBS_ARCHIVE_COPY_H

#include <signal.h>

#include "jobs/archive.h"

/* What became of a volume, or of the catalogues. */
typedef enum {
    ARCHIVE_COPY_COPIED,  /* text: how many bytes */
    ARCHIVE_COPY_REMOVED, /* it has expired */
    ARCHIVE_COPY_DAMAGED, /* at the source: it was left out; text: why */
    ARCHIVE_COPY_REMARK   /* no volume; text */
} ArchiveCopyFact;
typedef void (*ArchiveCopyTell)(gpointer data, ArchiveCopyFact fact, const char *volume,
                                const char *text);

/* Strings: borrowed. */
typedef struct {
    const char *from; /* a place; or "-", a stream (archive_tape.h) that from_fd reads */
    int from_fd;
    const char *to;
    const char *scratch;      /* room for a volume of a stream; NULL: within to, or TMPDIR */
    const char *const *trust; /* as ArchiveOpen */
    gboolean verify;          /* files that are there already are read, too */
    const volatile sig_atomic_t *stop; /* may be NULL */
    ArchiveCopyTell tell;
    gpointer tell_data;
} ArchiveCopyConfig;

typedef struct {
    guint64 volume_count; /* whole at the target now */
    guint64 copied_count; /* of these: with files that were copied */
    guint64 file_count;
    guint64 bytes;
    guint64 removed_count; /* volumes */
    guint64 damaged_count; /* at the source */
} ArchiveCopyReport;

/* Copies. FALSE and MILLRACE_ERROR_BAD_INPUT (the archives have parted), MILLRACE_ERROR_CORRUPT (a
 * catalogue), MILLRACE_ERROR_INTERRUPTED (stopped, or the target is ahead: to be pulled first), and
 * the errors of tiers. The report is right in any case. */
gboolean archive_copy(const ArchiveCopyConfig *config, ArchiveCopyReport *report, GError **error);

#endif
