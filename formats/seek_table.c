/* seek_table.c - the table of a .zst file's frames, written and read byte by byte.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/seek_table.h"

#include <xxhash.h>

#include "formats/bytes.h"

#define SKIPPABLE_MAGIC 0x184d2a5eu
#define TABLE_MAGIC     0x8f92eab1u
#define WITH_CHECKSUMS  0x80
#define HEAD_BYTES      8
#define ENTRY_BYTES     12
#define FRAME_BYTES_MIN 8 /* of a skippable one that is empty; others are larger */

guint32
seek_table_checksum(const void *bytes, gsize size_bytes)
{
    return (guint32)XXH64(bytes, size_bytes, 0);
}

void
seek_table_print(const GArray *frames, GByteArray *out)
{
    g_assert(frames->len <= SEEK_TABLE_FRAMES_MAX);
    bytes_put_u32(out, SKIPPABLE_MAGIC);
    bytes_put_u32(out, frames->len * ENTRY_BYTES + SEEK_TABLE_FOOTER_BYTES);
    for (guint i = 0; i < frames->len; i++) {
        const SeekFrame *frame = &g_array_index(frames, SeekFrame, i);
        bytes_put_u32(out, frame->compressed_bytes);
        bytes_put_u32(out, frame->bytes);
        bytes_put_u32(out, frame->checksum);
    }
    bytes_put_u32(out, frames->len);
    bytes_put_u8(out, WITH_CHECKSUMS);
    bytes_put_u32(out, TABLE_MAGIC);
}

guint64
seek_table_size(const guint8 footer[SEEK_TABLE_FOOTER_BYTES])
{
    ByteReader reader = byte_reader(footer, SEEK_TABLE_FOOTER_BYTES);
    guint32 count = bytes_get_u32(&reader);
    guint8 descriptor = bytes_get_u8(&reader);

    if (bytes_get_u32(&reader) != TABLE_MAGIC || descriptor != WITH_CHECKSUMS ||
        count > SEEK_TABLE_FRAMES_MAX)
        return 0;
    return HEAD_BYTES + (guint64)count * ENTRY_BYTES + SEEK_TABLE_FOOTER_BYTES;
}

static GArray *
refuse(const char *name, const char *reason, GError **error)
{
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                "%s: its table of frames is damaged: %s", name, reason);
    return NULL;
}

GArray *
seek_table_parse(const char *name, const guint8 *table, gsize table_bytes, guint64 file_bytes,
                 guint32 frame_bytes_max, GError **error)
{
    if (table_bytes < HEAD_BYTES + SEEK_TABLE_FOOTER_BYTES || table_bytes > file_bytes ||
        seek_table_size(table + table_bytes - SEEK_TABLE_FOOTER_BYTES) != table_bytes)
        return refuse(name, "it does not end as one", error);
    ByteReader reader = byte_reader(table, table_bytes);
    if (bytes_get_u32(&reader) != SKIPPABLE_MAGIC ||
        bytes_get_u32(&reader) != table_bytes - HEAD_BYTES)
        return refuse(name, "it does not begin as one", error);

    guint count = (guint)((table_bytes - HEAD_BYTES - SEEK_TABLE_FOOTER_BYTES) / ENTRY_BYTES);
    g_autoptr(GArray) frames = g_array_sized_new(FALSE, FALSE, sizeof(SeekFrame), count);
    guint64 offset = 0;
    for (guint i = 0; i < count; i++) {
        SeekFrame frame = {.offset = offset};
        frame.compressed_bytes = bytes_get_u32(&reader);
        frame.bytes = bytes_get_u32(&reader);
        frame.checksum = bytes_get_u32(&reader);
        if (frame.compressed_bytes < FRAME_BYTES_MIN)
            return refuse(name, "a frame of no size", error);
        if (frame.bytes > frame_bytes_max)
            return refuse(name, "a frame of an absurd size", error);
        offset += frame.compressed_bytes;
        g_array_append_val(frames, frame);
    }
    if (offset != file_bytes - table_bytes)
        return refuse(name, "its frames are not what is before it", error);
    return g_steal_pointer(&frames);
}
