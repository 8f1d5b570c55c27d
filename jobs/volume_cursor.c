/* volume_cursor.c - records of a volume in turn.
 *
 *     wanted frames → read_ahead          in threads, by ordered.h
 *                   → frame_get → next_bytes → tar → sink        in the caller's thread
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/volume_cursor.h"

#include "jobs/ordered.h"

/* A frame, or why there is none: damage is one record's matter, and reading goes on behind it. */
typedef struct {
    guint64 index;
    VolumeFrame frame;
    GError *failure;
} CursorFrame;

struct _VolumeCursor {
    VolumeTar *tar;
    GArray *wanted; /* of guint64: numbers of the frames that are read ahead */
    Ordered *ahead; /* NULL when none are */
    guint64 next;   /* in wanted */
    Decompressor *decompressor;
    CursorFrame *current;
};

static void
cursor_frame_free(gpointer data)
{
    CursorFrame *frame = data;

    volume_frame_clear(&frame->frame);
    g_clear_error(&frame->failure);
    g_free(frame);
}

static CursorFrame *
cursor_frame_read(const VolumeTar *tar, guint64 index, Decompressor *decompressor)
{
    CursorFrame *frame = g_new0(CursorFrame, 1);

    frame->index = index;
    volume_frame_read(tar, index, decompressor, &frame->frame, &frame->failure);
    /* Only the bytes are for what comes. */
    g_clear_pointer(&frame->frame.compressed, g_free);
    return frame;
}

static gpointer
reader_new(gpointer data G_GNUC_UNUSED)
{
    return decompressor_new();
}

static void
reader_free(gpointer state)
{
    decompressor_free(state);
}

static gpointer
read_ahead(gpointer state, guint64 index, gpointer data, GError **error G_GNUC_UNUSED)
{
    const VolumeCursor *cursor = data;

    return cursor_frame_read(cursor->tar, g_array_index(cursor->wanted, guint64, index), state);
}

static const OrderedWork ahead_work = {reader_new, reader_free, read_ahead, cursor_frame_free};

VolumeCursor *
volume_cursor_new(VolumeTar *tar, const guint8 *wanted, guint threads)
{
    VolumeCursor *cursor = g_new0(VolumeCursor, 1);
    guint64 count = wanted ? volume_tar_frame_count(tar) : 0;

    cursor->tar = tar;
    cursor->wanted = g_array_new(FALSE, FALSE, sizeof(guint64));
    cursor->decompressor = decompressor_new();
    for (guint64 i = 0; i < count; i++)
        if (wanted[i])
            g_array_append_val(cursor->wanted, i);
    if (cursor->wanted->len > 1)
        cursor->ahead = ordered_new(&ahead_work, cursor, cursor->wanted->len, threads);
    return cursor;
}

void
volume_cursor_free(VolumeCursor *cursor)
{
    g_clear_pointer(&cursor->ahead, ordered_free);
    g_clear_pointer(&cursor->current, cursor_frame_free);
    g_array_unref(cursor->wanted);
    decompressor_free(cursor->decompressor);
    g_free(cursor);
}

void
volume_cursor_want(const VolumeTar *tar, const VolumeRecord *record, guint8 *wanted)
{
    guint64 count = volume_tar_frame_count(tar);
    /* The header may be of a few blocks more; that frame is then read when it is asked for. */
    guint64 rest = record->offset + TAR_BLOCK_BYTES + record->size_bytes;

    for (guint64 i = record->frame; i < count; i++) {
        guint32 bytes = volume_tar_frame(tar, i)->bytes;
        wanted[i] = TRUE;
        if (bytes >= rest)
            return;
        rest -= bytes;
    }
}

/* The frame, from what was read ahead where it is there. */
static const CursorFrame *
frame_get(VolumeCursor *cursor, guint64 index)
{
    if (cursor->current && cursor->current->index == index)
        return cursor->current;
    while (cursor->ahead && cursor->next < cursor->wanted->len &&
           g_array_index(cursor->wanted, guint64, cursor->next) <= index) {
        g_clear_pointer(&cursor->current, cursor_frame_free);
        cursor->current = ordered_next(cursor->ahead, NULL);
        cursor->next++;
        if (cursor->current->index == index)
            return cursor->current;
    }
    g_clear_pointer(&cursor->current, cursor_frame_free);
    cursor->current = cursor_frame_read(cursor->tar, index, cursor->decompressor);
    return cursor->current;
}

/* A source of the tar's bytes from a record's place on. */
typedef struct {
    VolumeCursor *cursor;
    guint64 next;
    guint32 skip; /* bytes of the first frame */
} Source;

static gssize
next_bytes(gpointer data, const void **bytes, GError **error)
{
    Source *source = data;

    while (source->next < volume_tar_frame_count(source->cursor->tar)) {
        const CursorFrame *frame = frame_get(source->cursor, source->next++);
        if (frame->failure) {
            g_propagate_error(error, g_error_copy(frame->failure));
            return -1;
        }
        guint32 skip = MIN(source->skip, frame->frame.size_bytes);
        source->skip = 0;
        *bytes = frame->frame.bytes + skip;
        /* 0 would be the end: a frame of another use has none. */
        if (frame->frame.size_bytes > skip)
            return (gssize)(frame->frame.size_bytes - skip);
    }
    return 0;
}

gboolean
volume_cursor_read(VolumeCursor *cursor, const VolumeRecord *record, const VolumeSink *sink,
                   GError **error)
{
    Source source = {.cursor = cursor, .next = record->frame, .skip = record->offset};

    return volume_member_read(cursor->tar, next_bytes, &source, record, sink, error);
}
