/* volume_tar.c - a volume's tar by its seek table: frames, and records out of them.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/compress.h"
#include "formats/tar.h"
#include "jobs/volume_internal.h"

enum { TABLE_MAX_BYTES = 256 << 20 }; /* 20 million frames: 80 TB */

static gboolean
corrupt(GError **error, const char *name, const char *what)
{
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT, "%s: %s", name, what);
    return FALSE;
}

/* Reads exactly so many bytes. */
static gboolean
read_whole(const VolumeTar *tar, guint64 offset, void *out, gsize size_bytes, GError **error)
{
    gssize got = tier_file_read(tar->file, offset, out, size_bytes, error);

    if (got < 0)
        return FALSE;
    return (gsize)got == size_bytes || corrupt(error, tar->name, "it is shorter than it was");
}

VolumeTar *
volume_tar_open(TierFile *file, const char *name, GError **error)
{
    g_autoptr(VolumeTar) tar = g_new0(VolumeTar, 1);
    guint8 footer[SEEK_TABLE_FOOTER_BYTES];

    tar->file = file;
    tar->name = g_strdup(name);
    tar->size_bytes = tier_file_size(file);
    if (tar->size_bytes < sizeof footer) {
        corrupt(error, name, "it has no table of frames at its end");
        return NULL;
    }
    if (!read_whole(tar, tar->size_bytes - sizeof footer, footer, sizeof footer, error))
        return NULL;
    guint64 table_bytes = seek_table_size(footer);
    if (table_bytes == 0 || table_bytes > tar->size_bytes || table_bytes > TABLE_MAX_BYTES) {
        corrupt(error, name, "it has no table of frames at its end");
        return NULL;
    }
    g_autofree guint8 *table = g_malloc(table_bytes);
    if (!read_whole(tar, tar->size_bytes - table_bytes, table, table_bytes, error))
        return NULL;
    tar->table_offset = tar->size_bytes - table_bytes;
    tar->frames =
        seek_table_parse(name, table, table_bytes, tar->size_bytes, VOLUME_FRAME_MAX_BYTES, error);
    return tar->frames ? g_steal_pointer(&tar) : NULL;
}

void
volume_tar_free(VolumeTar *tar)
{
    g_clear_pointer(&tar->frames, g_array_unref);
    g_free(tar->name);
    g_free(tar);
}

guint64
volume_tar_frame_count(const VolumeTar *tar)
{
    return tar->frames->len;
}

const SeekFrame *
volume_tar_frame(const VolumeTar *tar, guint64 frame)
{
    return &g_array_index(tar->frames, SeekFrame, frame);
}

/* What was in the buffer is not kept. */
static void
reserve(guint8 **buffer, gsize *capacity_bytes, gsize size_bytes)
{
    if (*buffer && *capacity_bytes >= size_bytes)
        return;
    g_free(*buffer);
    *capacity_bytes = MAX(size_bytes, 1);
    *buffer = g_malloc(*capacity_bytes);
}

gboolean
volume_frame_read(const VolumeTar *tar, guint64 index, Decompressor *decompressor,
                  VolumeFrame *frame, GError **error)
{
    const SeekFrame *place = volume_tar_frame(tar, index);

    frame->compressed_bytes = place->compressed_bytes;
    frame->size_bytes = place->bytes;
    reserve(&frame->compressed, &frame->compressed_capacity_bytes, place->compressed_bytes);
    reserve(&frame->bytes, &frame->capacity_bytes, place->bytes);
    if (!read_whole(tar, place->offset, frame->compressed, place->compressed_bytes, error))
        return FALSE;
    /* Skippable frames of another use. */
    if (place->bytes == 0 && !zstd_is_data(frame->compressed, place->compressed_bytes))
        return TRUE;
    if (decompressor_block(decompressor, frame->compressed, place->compressed_bytes, frame->bytes,
                           place->bytes) &&
        seek_table_checksum(frame->bytes, place->bytes) == place->checksum)
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                "%s: frame %" G_GUINT64_FORMAT " (%u bytes from %" G_GUINT64_FORMAT ") is damaged",
                tar->name, index, place->compressed_bytes, place->offset);
    return FALSE;
}

void
volume_frame_clear(VolumeFrame *frame)
{
    g_clear_pointer(&frame->compressed, g_free);
    g_clear_pointer(&frame->bytes, g_free);
}

/* Frames from one on, as a source of tar bytes. */
typedef struct {
    const VolumeTar *tar;
    Decompressor *decompressor;
    VolumeFrame frame;
    guint64 next;
    guint32 skip; /* bytes of the first that are not wanted */
} FrameSource;

static gssize
next_frame(gpointer data, const void **bytes, GError **error)
{
    FrameSource *source = data;

    if (source->next == source->tar->frames->len)
        return 0;
    if (!volume_frame_read(source->tar, source->next++, source->decompressor, &source->frame,
                           error))
        return -1;
    guint32 skip = MIN(source->skip, source->frame.size_bytes);
    source->skip = 0;
    *bytes = source->frame.bytes + skip;
    return (gssize)(source->frame.size_bytes - skip);
}

/* Is the member what the record says? */
static gboolean
check_member(const VolumeTar *tar, const VolumeRecord *record, const TarMember *member,
             GError **error)
{
    g_autoptr(GString) keep = g_string_new(NULL);
    VolumeRecord found = {0};

    volume_record_describe(member->name, member->mtime_s, keep, &found);
    if (member->is_file && member->size_bytes == record->size_bytes &&
        strcmp(found.key, record->key) == 0)
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                "%s: what lies where the index has %s is something else", tar->name, record->key);
    return FALSE;
}

gboolean
volume_member_read(const VolumeTar *tar, TarRead read, gpointer source, const VolumeRecord *record,
                   const VolumeSink *sink, GError **error)
{
    g_autoptr(TarReader) reader = tar_reader_new(read, source);
    g_autoptr(Sha256) sha256 = sha256_new();
    char digest[SHA256_CHARS + 1];
    const void *bytes = NULL;
    TarMember member;
    gssize got = tar_reader_next(reader, &member, error);

    if (got < 0)
        return FALSE;
    if (got == 0)
        return corrupt(error, tar->name, "it ends before the place of the record");
    if (!check_member(tar, record, &member, error) ||
        (sink->begin && !sink->begin(&member, sink->data, error)))
        return FALSE;
    while ((got = tar_reader_data(reader, &bytes, error)) > 0) {
        sha256_add(sha256, bytes, (gsize)got);
        if (!sink->on_bytes(bytes, (gsize)got, sink->data, error))
            return FALSE;
    }
    if (got < 0)
        return FALSE;
    sha256_finish(sha256, digest);
    if (strcmp(digest, record->sha256) == 0)
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                "%s: %s has not the digest that the index gives", tar->name, record->key);
    return FALSE;
}

gboolean
volume_record_read(VolumeTar *tar, const VolumeRecord *record, VolumeOnBytes on_bytes,
                   gpointer data, GError **error)
{
    FrameSource source = {.tar = tar, .next = record->frame, .skip = record->offset};
    const VolumeSink sink = {.on_bytes = on_bytes, .data = data};

    if (record->frame >= tar->frames->len)
        return corrupt(error, tar->name, "the index names a frame that is not there");
    source.decompressor = decompressor_new();
    gboolean good = volume_member_read(tar, next_frame, &source, record, &sink, error);
    volume_frame_clear(&source.frame);
    decompressor_free(source.decompressor);
    return good;
}
