/* volume_cursor.h - many records of a volume, one after the other: a frame is decompressed once for
 * all the records in it, and ahead, by several threads.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_VOLUME_CURSOR_H
#define MILLRACE_JOBS_VOLUME_CURSOR_H

#include "jobs/volume_internal.h"

typedef struct _VolumeCursor VolumeCursor;
/* tar: borrowed. wanted: a byte for each frame that will be asked for, so that it is read ahead;
 * NULL: nothing is. Others can be asked for, too, and in any order. (transfer full) */
VolumeCursor *volume_cursor_new(VolumeTar *tar, const guint8 *wanted, guint threads);
void volume_cursor_free(VolumeCursor *cursor);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VolumeCursor, volume_cursor_free)

/* Sets the bytes of the frames that a record may lie in. wanted: of volume_tar_frame_count(). */
void volume_cursor_want(const VolumeTar *tar, const VolumeRecord *record, guint8 *wanted);

/* Reads a record and checks it, as volume_record_read() does. A damaged frame fails the records
 * that lie in it, and no others. */
gboolean volume_cursor_read(VolumeCursor *cursor, const VolumeRecord *record,
                            const VolumeSink *sink, GError **error);

#endif
