/* archive_publish.h - finished volumes get manifests, signatures and their final names, and are
 * committed by one checkpoint. SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_ARCHIVE_PUBLISH_H
#define MILLRACE_JOBS_ARCHIVE_PUBLISH_H

#include "formats/duration.h"
#include "jobs/archive.h"

/* A volume in the work folder: volumes/STEM.tar.zst, .index, .parity. */
typedef struct {
    VolumeManifest manifest; /* what its bytes tell; the rest is filled in here */
    char stem[24];
    gint64 newest_us; /* of its records' times */
    gboolean existed; /* the archive had it */
} ArchiveDone;
void archive_done_clear(ArchiveDone *done);

typedef struct {
    const char *class;
    Duration retain;
    int level;
    const MinisignSecret *secret;
    gboolean new_key; /* it may be one that never signed in the archive */
} ArchiveTerms;

/* Puts the volumes (of ArchiveDone) that archive does not have where they belong, and commits. One
 * that it has already is looked at, mended where it is not whole, and retained for longer if these
 * terms are longer. */
gboolean archive_publish(Archive *archive, Tier *work, const ArchiveTerms *terms, GArray *volumes,
                         GError **error);

#endif
