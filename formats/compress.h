/* compress.h - zstd: blocks of known size within our own files, and logs of any size as a stream.
 * A context is reused from block to block, since making one costs more than a small block does. Not
 * for several threads at once; each has its own.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_COMPRESS_H
#define MILLRACE_FORMATS_COMPRESS_H

#include <glib.h>

/* Makes blocks. */
typedef struct _Compressor Compressor;
/* level: zstd's, 1 is the fastest of those that compress well. */
Compressor *compressor_new(int level);
/* For bytes that differ more than they repeat, as those of numbers do: hardly looks for
 * repetitions, which makes frames sooner, and often smaller. */
Compressor *compressor_new_entropy(void);
/* For files that other programs open, years from now: frames with a checksum of what they hold, and
 * no window above 8 MiB. level: ZSTD_LEVEL_MIN to ZSTD_LEVEL_MAX. */
#define ZSTD_LEVEL_MIN 1
#define ZSTD_LEVEL_MAX 19
Compressor *compressor_new_lasting(int level);
void compressor_free(Compressor *compressor);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Compressor, compressor_free)
/* How large a block of size_bytes can become at worst. */
gsize compressor_bound(gsize size_bytes);
/* Writes one zstd frame to out; the same bytes at the same level give the same frame.
 * Returns: its size, or 0 when it does not fit into capacity_bytes: so who has no use for a frame
 * that is not smaller says so by the capacity. Nothing behind out + capacity_bytes is touched. */
gsize compressor_block(Compressor *compressor, const void *bytes, gsize size_bytes, void *out,
                       gsize capacity_bytes);

/* Reads blocks. */
typedef struct _Decompressor Decompressor;
Decompressor *decompressor_new(void);
void decompressor_free(Decompressor *decompressor);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Decompressor, decompressor_free)
/* Undoes compressor_block(): the frame must give size_bytes, no more and no fewer.
 * Returns FALSE when it does not or is damaged; out then holds anything. */
gboolean decompressor_block(Decompressor *decompressor, const void *frame, gsize frame_size_bytes,
                            void *out, gsize size_bytes);

/* The size of the frame, or skippable frame, that the bytes begin with; 0 when it is damaged or not
 * all there. */
gsize zstd_frame_size(const void *bytes, gsize size_bytes);
/* Is this a frame that holds something, and not a skippable one? */
gboolean zstd_is_data(const void *bytes, gsize size_bytes);
/* The library's version, as in "1.5.4". */
const char *zstd_version(void);

/* Do the bytes begin as a .zst file does? Needs ZSTD_HEAD_BYTES of them. */
#define ZSTD_HEAD_BYTES 4
gboolean zstd_is_head(const void *bytes, gsize size_bytes);

/* Reads a .zst file or pipe: any number of frames, one behind the other. */
typedef struct _ZstdReader ZstdReader;
/* fd: borrowed; read from where it stands. name: copied, for messages. head: copied; bytes that
 * were read from fd already, to tell what it is. */
ZstdReader *zstd_reader_new(int fd, const char *name, const void *head, gsize head_size_bytes);
void zstd_reader_free(ZstdReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ZstdReader, zstd_reader_free)
/* Fills out as far as the file goes.
 * Returns: how many bytes it wrote, fewer than capacity_bytes only at the end of the file, so 0 is
 * the end; or -1 and MILLRACE_ERROR_CORRUPT or MILLRACE_ERROR_IO, for good. Bytes before the damage
 * are returned first. */
gssize zstd_reader_read(ZstdReader *reader, void *out, gsize capacity_bytes, GError **error);
/* After the end: did the file end within a frame? Either it was cut or somebody still writes. */
gboolean zstd_reader_truncated(const ZstdReader *reader);

#endif
