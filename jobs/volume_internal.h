/* volume_internal.h - what volume_tar.c and volume_scan.c share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_VOLUME_INTERNAL_H
#define MILLRACE_JOBS_VOLUME_INTERNAL_H

#include "formats/compress.h"
#include "formats/tar.h"
#include "jobs/volume_read.h"

/* The last frame has the tar's end as well. */
#define VOLUME_FRAME_MAX_BYTES (VOLUME_FRAME_BYTES + TAR_END_BYTES)

struct _VolumeTar {
    TierFile *file;
    char *name;
    guint64 size_bytes;
    guint64 table_offset;
    GArray *frames; /* of SeekFrame */
};

/* A frame that is read. Its buffers grow as they are needed, and serve one frame after another. */
typedef struct {
    guint8 *compressed;
    guint8 *bytes;
    guint32 compressed_bytes;
    guint32 size_bytes;
    gsize compressed_capacity_bytes;
    gsize capacity_bytes;
} VolumeFrame;

/* Reads a frame and checks its size and checksums. frame: zeroed, or one that was read before;
 * cleared by volume_frame_clear() whether this fails or not. Any thread. */
gboolean volume_frame_read(const VolumeTar *tar, guint64 index, Decompressor *decompressor,
                           VolumeFrame *frame, GError **error);
void volume_frame_clear(VolumeFrame *frame);

/* Where a record goes. begin: may be NULL; is told of the member before its bytes come. */
typedef struct {
    gboolean (*begin)(const TarMember *member, gpointer data, GError **error);
    VolumeOnBytes on_bytes;
    gpointer data;
} VolumeSink;
/* Reads the record, whose header is the first thing that read gives from source, as
 * volume_record_read() does. */
gboolean volume_member_read(const VolumeTar *tar, TarRead read, gpointer source,
                            const VolumeRecord *record, const VolumeSink *sink, GError **error);

#endif
