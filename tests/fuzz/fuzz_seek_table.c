/* fuzz_seek_table.c - a table that is read fills its file, and is printed as it was.
 * SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>

#include "formats/seek_table.h"

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes);

/* The sum of what the frames take, read by hand, so that the table can be of a file that fits. */
static guint64
frames_bytes(const guint8 *data, gsize size_bytes)
{
    guint64 sum = 0;

    for (gsize at = 8; at + 12 + SEEK_TABLE_FOOTER_BYTES <= size_bytes; at += 12)
        sum += data[at] | data[at + 1] << 8 | data[at + 2] << 16 | (guint64)data[at + 3] << 24;
    return sum;
}

int
LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes)
{
    guint64 file_bytes = frames_bytes(data, size_bytes) + size_bytes;
    g_autoptr(GArray) frames = seek_table_parse("v", data, size_bytes, file_bytes, 4u << 20, NULL);

    if (!frames)
        return 0;
    guint64 offset = 0;
    for (guint i = 0; i < frames->len; i++) {
        const SeekFrame *frame = &g_array_index(frames, SeekFrame, i);
        g_assert_cmpuint(frame->offset, ==, offset);
        g_assert_cmpuint(frame->bytes, <=, 4u << 20);
        offset += frame->compressed_bytes;
    }
    g_assert_cmpuint(offset + size_bytes, ==, file_bytes);
    g_autoptr(GByteArray) again = g_byte_array_new();
    seek_table_print(frames, again);
    g_assert_cmpmem(again->data, again->len, data, size_bytes);
    return 0;
}
