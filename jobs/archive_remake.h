/* archive_remake.h - a volume's files made again, in a scratch file: out of parity, the volume, or
 * another copy of the archive. SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_ARCHIVE_REMAKE_H
#define MILLRACE_JOBS_ARCHIVE_REMAKE_H

#include "formats/volume.h"
#include "jobs/tier.h"

/* A volume some of whose files are to be made again. */
typedef struct {
    Tier *tier;
    char name[VOLUME_NAME_CHARS + 1];
    const VolumeManifest *manifest;
    Tier *copy; /* NULL where there is none */
    guint threads;
    gboolean tar_right;   /* V.tar.zst holds */
    guint64 mended_bytes; /* out: of the last file */
} Remake;

/* A file without a name, where there is room for a volume: beside the archive. Returns a descriptor
 * to close, or -1 and error. */
int remake_scratch(const Tier *tier, GError **error);
/* Opens the volume's file in a place. */
TierFile *remake_open(const Remake *remake, Tier *tier, VolumeFile file, GError **error);
/* Cuts the scratch file to the size in the manifest, and compares its digest. FALSE and
 * MILLRACE_ERROR_CORRUPT when it is another. */
gboolean remake_is_right(const Remake *remake, VolumeFile file, int fd, GError **error);

/* Fill the scratch file; FALSE and why they cannot. */
gboolean remake_by_parity(Remake *remake, VolumeFile file, int fd, GError **error);
gboolean remake_by_volume(Remake *remake, VolumeFile file, int fd, GError **error);
gboolean remake_by_copy(Remake *remake, VolumeFile file, int fd, GError **error);

#endif
