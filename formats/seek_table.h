/* seek_table.h - the zstd seekable format 0.1.0: a table of the frames at the end of a .zst file,
 * in a skippable frame that every decoder passes over. Source: zstd's
 * contrib/seekable_format/zstd_seekable_compression_format.md.
 *
 *     0x184D2A5E | size | frames x (compressed u32, decompressed u32, xxh64 low u32) |
 *     frames u32 | 0x80 | 0x8F92EAB1                                     (little-endian)
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_SEEK_TABLE_H
#define MILLRACE_FORMATS_SEEK_TABLE_H

#include <glib.h>

#include "formats/error.h"

#define SEEK_TABLE_FOOTER_BYTES 9
#define SEEK_TABLE_FRAMES_MAX   0x8000000u /* the format's own limit */

typedef struct {
    guint64 offset; /* in the file */
    guint32 compressed_bytes;
    guint32 bytes;    /* decompressed; 0: a skippable frame of another use */
    guint32 checksum; /* low half of XXH64 (seed 0) of what is decompressed */
} SeekFrame;

/* The checksum of what a frame decompresses to. */
guint32 seek_table_checksum(const void *bytes, gsize size_bytes);

/* Appends a table of frames (of SeekFrame; offsets are not written). */
void seek_table_print(const GArray *frames, GByteArray *out);

/* The size of the whole table by its last 9 bytes, or 0 when these are none. */
guint64 seek_table_size(const guint8 footer[SEEK_TABLE_FOOTER_BYTES]);
/* Reads a table of that size; file_bytes: of the whole file, whose frames must fill exactly what is
 * before the table. frame_bytes_max: a frame that gives more is refused.
 * (transfer full) of SeekFrame, or NULL and MILLRACE_ERROR_CORRUPT. */
GArray *seek_table_parse(const char *name, const guint8 *table, gsize table_bytes,
                         guint64 file_bytes, guint32 frame_bytes_max, GError **error);

#endif
