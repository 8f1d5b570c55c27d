/* archive_finish.h - a volume that was written is read back, and what belongs beside it is made:
 * index, parity, and what its manifest says. SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_ARCHIVE_FINISH_H
#define MILLRACE_JOBS_ARCHIVE_FINISH_H

#include "formats/volume.h"
#include "jobs/tier.h"

/* Takes the lines of an index in order, and keeps its Merkle root, digest and counts. */
typedef struct {
    Merkle tree;
    Sha256 *sha256;
    GString *lines; /* not yet written */
    guint64 size_bytes;
    guint64 record_count;
    guint64 record_bytes;
    gint64 newest_us; /* of the records' times */
} VolumeIndex;
void volume_index_init(VolumeIndex *index);
void volume_index_clear(VolumeIndex *index);
/* Appends the record's line to index->lines, which the caller writes and empties. */
void volume_index_add(VolumeIndex *index, const VolumeRecord *record);
/* Fills in what the manifest says of the index. */
void volume_index_finish(VolumeIndex *index, VolumeManifest *manifest);

/* Makes name (a path in tier, a directory) from the volume's tar, which is read with its checksums,
 * and writes the SHA-256, sizes, counts and root to manifest. digests: of the members in order that
 * must be found (sha256 in hexadecimal, with NUL), or NULL: then whatever is there. newest_us:
 * (out) (nullable). FALSE and MILLRACE_ERROR_INVARIANT when the volume does not hold what was put
 * in; MILLRACE_ERROR_CORRUPT, _IO. */
typedef struct {
    Tier *tier;
    const char *tar_name;
    const char *index_name;
    guint threads;
    const char (*digests)[SHA256_CHARS + 1];
    guint64 digest_count;
} VolumeIndexing;
gboolean archive_make_index(const VolumeIndexing *how, VolumeManifest *manifest, gint64 *newest_us,
                            GError **error);

/* Makes the parity of tar_name in tier (a directory) as manifest->parity says, and reads it back
 * for its digest. */
gboolean archive_make_parity(Tier *tier, const char *tar_name, const char *parity_name,
                             guint threads, VolumeManifest *manifest, GError **error);

#endif
