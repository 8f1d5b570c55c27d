/* archive_copy_internal.h - what the files of archive_copy share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_ARCHIVE_COPY_INTERNAL_H
#define MILLRACE_JOBS_ARCHIVE_COPY_INTERNAL_H

#include "jobs/archive_copy.h"
#include "jobs/archive_tape.h"

/* A copy under way. */
typedef struct {
    const ArchiveCopyConfig *config;
    ArchiveCopyReport *report;
    ArchiveTape *tape; /* owns; the source, when that is a stream */
    Archive *from;     /* owns, or the tape's */
    Tier *to;          /* owns */
    /* By archive_copy_relate(). */
    char *from_text; /* owns; the source's catalogue as it is in the file, all that holds */
    gsize from_bytes;
    char *to_text; /* owns; the target's catalogue; NULL when there is none */
    gsize to_bytes;
    Catalogue *final;    /* owns; what the target's catalogue says in the end */
    gboolean stays;      /* the target's catalogue is that already */
    gboolean replaced;   /* the target's cannot be read, and is given up */
    gboolean parted;     /* it stays, although the source has unsigned entries it does not have */
    guint64 ahead_count; /* entries that the target has and the source has not; it stays */
    guint64 kept_count;  /* unsigned entries of the target that come behind the source's */
} Copying;
void archive_copy_clear(Copying *copying);

/* Reads both catalogues and decides what the target's has to become. Locked: the target.
 * MILLRACE_ERROR_BAD_INPUT when they have parted. */
gboolean archive_copy_relate(Copying *copying, GError **error);
/* Writes the target's catalogue: the commit. */
gboolean archive_copy_commit(Copying *copying, GError **error);
#endif
