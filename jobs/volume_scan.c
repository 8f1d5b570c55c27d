/* volume_scan.c - a whole volume read, or a sample of its frames.
 *
 *     frames → volume_frame_read            in threads, by ordered.h
 *            → next_bytes → tar → hash_member → on_record       in the caller's thread
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "jobs/ordered.h"
#include "jobs/volume_internal.h"

typedef struct {
    VolumeTar *tar;
    VolumeScan *scan;
    Ordered *frames;
    GAsyncQueue *spare;  /* of VolumeFrame: their buffers are used again */
    VolumeFrame *frame;  /* the one that is being parsed */
    GArray *chosen;      /* of guint64: numbers of the frames that are read */
    guint64 *starts;     /* where each frame begins in the tar */
    guint64 next;        /* in chosen */
    gboolean alone;      /* next_bytes() gives one frame, then the end */
    Sha256 *file_sha256; /* NULL for a sample */
    Sha256 *sha256;
    GString *keep;
} Scanning;

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

static void
frame_free(gpointer data)
{
    volume_frame_clear(data);
    g_free(data);
}

static gpointer
read_frame(gpointer state, guint64 index, gpointer data, GError **error)
{
    const Scanning *scanning = data;
    VolumeFrame *frame = g_async_queue_try_pop(scanning->spare);

    if (!frame)
        frame = g_new0(VolumeFrame, 1);
    if (volume_frame_read(scanning->tar, g_array_index(scanning->chosen, guint64, index), state,
                          frame, error))
        return frame;
    frame_free(frame);
    return NULL;
}

static const OrderedWork read_work = {reader_new, reader_free, read_frame, frame_free};

/* Takes the next frame that was read. Returns: 1, 0 when there is none, -1 and error. */
static int
take_frame(Scanning *scanning, GError **error)
{
    GError *failure = NULL;

    if (scanning->frame)
        g_async_queue_push(scanning->spare, g_steal_pointer(&scanning->frame));
    scanning->frame = ordered_next(scanning->frames, &failure);
    if (!scanning->frame) {
        if (!failure)
            return 0;
        g_propagate_error(error, failure);
        return -1;
    }
    scanning->next++;
    scanning->scan->frames_read++;
    if (scanning->file_sha256)
        sha256_add(scanning->file_sha256, scanning->frame->compressed,
                   scanning->frame->compressed_bytes);
    return 1;
}

/* The source of the tar: every frame in turn. */
static gssize
next_bytes(gpointer data, const void **bytes, GError **error)
{
    Scanning *scanning = data;
    int taken = 0;

    do
        taken = take_frame(scanning, error);
    while (taken > 0 && scanning->frame->size_bytes == 0);
    if (taken <= 0)
        return taken;
    *bytes = scanning->frame->bytes;
    return (gssize)scanning->frame->size_bytes;
}

/* The source of the tar: the frame that was taken, and no more. */
static gssize
same_bytes(gpointer data, const void **bytes, GError **error G_GNUC_UNUSED)
{
    Scanning *scanning = data;

    if (!scanning->alone)
        return 0;
    scanning->alone = FALSE;
    *bytes = scanning->frame->bytes;
    return (gssize)scanning->frame->size_bytes;
}

/* Is the member one that we would have packed? */
static gboolean
check_member(const Scanning *scanning, const TarMember *member, GError **error)
{
    g_autofree char *clean = volume_member_name(member->name);

    if (member->is_file && strcmp(clean, member->name) == 0)
        return TRUE;
    if (member->is_file)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                    "%s: it holds a name that may lead elsewhere when it is restored",
                    scanning->tar->name);
    else
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                    "%s: it holds a %s, and cold volumes hold files only", scanning->tar->name,
                    member->what);
    return FALSE;
}

/* Does the member lie whole in the only frame? */
static gboolean
is_whole(const Scanning *scanning, const TarMember *member, const VolumeRecord *record)
{
    g_autoptr(GByteArray) header = g_byte_array_new();
    guint64 room = scanning->frame->size_bytes - record->offset;

    return tar_header(member->name, member->size_bytes, member->mtime_s, header, NULL) &&
           header->len <= room && member->size_bytes <= room - header->len;
}

/* Hashes the member's data. Returns: 1, 0 when it goes on beyond the only frame, -1 and error. */
static int
hash_member(Scanning *scanning, TarReader *reader, const TarMember *member, guint64 frame,
            guint64 frame_start, VolumeRecord *record, GError **error)
{
    const void *bytes = NULL;
    gssize got = 0;

    *record = (VolumeRecord){0};
    volume_record_describe(member->name, member->mtime_s, scanning->keep, record);
    record->size_bytes = member->size_bytes;
    record->frame = frame;
    record->offset = (guint32)(member->offset - frame_start);
    if (scanning->scan->wanted && !is_whole(scanning, member, record))
        return 0;
    while ((got = tar_reader_data(reader, &bytes, error)) > 0)
        sha256_add(scanning->sha256, bytes, (gsize)got);
    if (got < 0)
        return -1;
    sha256_finish(scanning->sha256, record->sha256);
    return 1;
}

/* Where the tar's byte lies. starts: ascending. */
static guint64
frame_of(const Scanning *scanning, guint64 offset, guint64 frame)
{
    guint64 count = scanning->tar->frames->len;

    while (frame + 1 < count && scanning->starts[frame + 1] <= offset)
        frame++;
    return frame;
}

static gboolean
scan_all(Scanning *scanning, GError **error)
{
    g_autoptr(TarReader) reader = tar_reader_new(next_bytes, scanning);
    VolumeRecord record;
    TarMember member;
    guint64 frame = 0;
    int more = 0;

    while ((more = tar_reader_next(reader, &member, error)) > 0) {
        frame = frame_of(scanning, member.offset, frame);
        if (!check_member(scanning, &member, error))
            return FALSE;
        if (hash_member(scanning, reader, &member, frame, scanning->starts[frame], &record, error) <
                0 ||
            !scanning->scan->on_record(&record, scanning->scan->data, error))
            return FALSE;
    }
    /* What lies behind the tar's end, which no tar shows. */
    while (more == 0 && (more = take_frame(scanning, error)) > 0) {
        if (scanning->frame->size_bytes > 0) {
            g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                        "%s: there is something behind the tar's end", scanning->tar->name);
            return FALSE;
        }
        more = 0;
    }
    return more == 0;
}

/* The records that lie whole in the frame that was taken. */
static gboolean
scan_frame(Scanning *scanning, guint64 index, GError **error)
{
    g_autoptr(TarReader) reader = tar_reader_new(same_bytes, scanning);
    VolumeRecord record;
    TarMember member;
    int more = 0;

    scanning->alone = TRUE;
    while ((more = tar_reader_next(reader, &member, error)) > 0) {
        if (!check_member(scanning, &member, error))
            return FALSE;
        int whole = hash_member(scanning, reader, &member, index, 0, &record, error);
        if (whole <= 0)
            return whole == 0;
        if (!scanning->scan->on_record(&record, scanning->scan->data, error))
            return FALSE;
    }
    return more == 0;
}

static gboolean
scan_sample(Scanning *scanning, GError **error)
{
    int taken = 0;

    while ((taken = take_frame(scanning, error)) > 0) {
        guint64 index = g_array_index(scanning->chosen, guint64, scanning->next - 1);
        if (scanning->scan->wanted[index] == VOLUME_FRAME_PARSE &&
            !scan_frame(scanning, index, error))
            return FALSE;
    }
    return taken == 0;
}

/* The table is read a second time, so that the digest is of what lies there now. */
static gboolean
finish_file(Scanning *scanning, GError **error)
{
    const VolumeTar *tar = scanning->tar;
    g_autofree guint8 *piece = g_malloc(64 << 10);

    for (guint64 offset = tar->table_offset; offset < tar->size_bytes;) {
        gssize got = tier_file_read(tar->file, offset, piece,
                                    (gsize)MIN(tar->size_bytes - offset, 64 << 10), error);
        if (got < 0)
            return FALSE;
        if (got == 0) {
            g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                        "%s: it is shorter than it was", tar->name);
            return FALSE;
        }
        sha256_add(scanning->file_sha256, piece, (gsize)got);
        offset += (guint64)got;
    }
    sha256_finish(scanning->file_sha256, scanning->scan->sha256);
    return TRUE;
}

gboolean
volume_scan(VolumeTar *tar, VolumeScan *scan, GError **error)
{
    Scanning scanning = {.tar = tar, .scan = scan};
    guint64 count = tar->frames->len;
    guint64 start = 0;

    scanning.chosen = g_array_new(FALSE, FALSE, sizeof(guint64));
    scanning.starts = g_new(guint64, count + 1);
    for (guint64 i = 0; i < count; i++) {
        scanning.starts[i] = start;
        start += volume_tar_frame(tar, i)->bytes;
        if (!scan->wanted || scan->wanted[i])
            g_array_append_val(scanning.chosen, i);
    }
    scanning.file_sha256 = scan->wanted ? NULL : sha256_new();
    scanning.sha256 = sha256_new();
    scanning.keep = g_string_new(NULL);
    scanning.spare = g_async_queue_new_full(frame_free);
    scan->frames_read = 0;
    scan->sha256[0] = '\0';
    scanning.frames = ordered_new(&read_work, &scanning, scanning.chosen->len, scan->threads);
    gboolean good = scan->wanted ? scan_sample(&scanning, error)
                                 : scan_all(&scanning, error) && finish_file(&scanning, error);
    ordered_free(scanning.frames);
    g_clear_pointer(&scanning.frame, frame_free);
    g_async_queue_unref(scanning.spare);
    g_clear_pointer(&scanning.file_sha256, sha256_free);
    sha256_free(scanning.sha256);
    g_string_free(scanning.keep, TRUE);
    g_array_unref(scanning.chosen);
    g_free(scanning.starts);
    return good;
}
