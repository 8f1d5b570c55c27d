/* volume_read.h - volumes read: frames by the seek table, records by the index or, for the whole
 * volume, one after the other out of the tar with several threads decompressing.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_VOLUME_READ_H
#define MILLRACE_JOBS_VOLUME_READ_H

#include "formats/seek_table.h"
#include "formats/volume.h"
#include "jobs/tier.h"

/* A volume's tar, open by its seek table. */
typedef struct _VolumeTar VolumeTar;
/* file: borrowed. name: for messages. NULL and MILLRACE_ERROR_CORRUPT, _IO. */
VolumeTar *volume_tar_open(TierFile *file, const char *name, GError **error);
void volume_tar_free(VolumeTar *tar);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VolumeTar, volume_tar_free)
guint64 volume_tar_frame_count(const VolumeTar *tar);
const SeekFrame *volume_tar_frame(const VolumeTar *tar, guint64 frame);

/* Called for each record in the tar's order, from the caller's thread, when all its bytes have been
 * read and hashed. */
typedef gboolean (*VolumeOnRecord)(const VolumeRecord *record, gpointer data, GError **error);

/* What is done with a frame of a sample: nothing; it is decompressed and its checksums are looked
 * at; it is parsed too, since a record begins where it does, and those that lie whole in it are
 * told of. */
enum { VOLUME_FRAME_SKIP, VOLUME_FRAME_READ, VOLUME_FRAME_PARSE };

/* What a whole reading is told and tells. */
typedef struct {
    guint threads;
    VolumeOnRecord on_record;
    gpointer data;
    const guint8 *wanted;          /* a byte for each frame, as above; NULL: the whole volume */
    char sha256[SHA256_CHARS + 1]; /* out: of the whole file, when all was read */
    guint64 frames_read;           /* out */
} VolumeScan;
/* Reads every frame with its checksums, parses the tar, hashes each record and the file. Stops at
 * the first damage: FALSE and MILLRACE_ERROR_CORRUPT, which names the frame. A member that is no
 * regular file is damage too. */
gboolean volume_scan(VolumeTar *tar, VolumeScan *scan, GError **error);

/* Called with a record's bytes, in order. */
typedef gboolean (*VolumeOnBytes)(const void *bytes, gsize size_bytes, gpointer data,
                                  GError **error);
/* Reads one record from its frames, and checks its name, size and digest: FALSE and
 * MILLRACE_ERROR_CORRUPT at the end when the digest is another one, so nothing that was told may
 * get its final name before this returns. */
gboolean volume_record_read(VolumeTar *tar, const VolumeRecord *record, VolumeOnBytes on_bytes,
                            gpointer data, GError **error);

/* Finds a record by its key in an index, by bisection: a few reads of some KiB. Strings of record
 * are borrowed from keep. Returns 1, 0 when there is none, -1 and error. *ordinal (may be NULL) is
 * not known here. */
int volume_index_find(TierFile *index, const char *key, GString *keep, VolumeRecord *record,
                      GError **error);
/* Calls on_record for every line of an index, in order; checks that keys ascend. leaf text is
 * given by line. */
typedef gboolean (*VolumeOnLine)(const VolumeRecord *record, const char *line, gsize size_bytes,
                                 gpointer data, GError **error);
gboolean volume_index_each(TierFile *index, VolumeOnLine on_line, gpointer data, GError **error);

#endif
