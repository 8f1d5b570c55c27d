/* reduce_block.h - some sorted records as one piece of bytes, compressed and checksummed: what lies
 * in scratch and what goes from rank to rank.
 *
 *     8  XXH3-64 of all that follows, seeded with the block's number in its row of blocks
 *     4  size of the records below when unpacked
 *     n  a zstd frame of the records, each: turn less the one before, bytes that its key shares
 *        with the one before, bytes of key that follow, these, sums (zigzag); numbers are LEB128
 *
 * Blocks live no longer than a run of the program, so this may change at any time.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_MR_REDUCE_BLOCK_H
#define MILLRACE_MR_REDUCE_BLOCK_H

#include "formats/compress.h"
#include "mr/reduce_record.h"

#define REDUCE_BLOCK_MAX_BYTES (1 << 20)

/* Fills blocks. */
typedef struct _ReduceBlockWriter ReduceBlockWriter;
ReduceBlockWriter *reduce_block_writer_new(guint sum_count);
void reduce_block_writer_free(ReduceBlockWriter *writer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReduceBlockWriter, reduce_block_writer_free)
/* Adds the record the source is at. Records are added in their order. */
void reduce_block_writer_add(ReduceBlockWriter *writer, const ReduceSource *source);
/* The size of the records so far. With a record of any size behind it a block that was not full
 * stays below REDUCE_BLOCK_MAX_BYTES plus REDUCE_KEY_MAX_BYTES plus 128. */
gsize reduce_block_writer_size(const ReduceBlockWriter *writer);
/* Returns: (transfer full) a block of what was added; the writer is empty then. */
GByteArray *reduce_block_writer_pack(ReduceBlockWriter *writer, guint32 number);

/* Is this block whole, and the one of this number? Returns FALSE and MILLRACE_ERROR_CORRUPT. */
gboolean reduce_block_check(const guint8 *bytes, gsize size_bytes, guint32 number, GError **error);

/* Reads blocks. */
typedef struct _ReduceBlockReader ReduceBlockReader;
/* decompressor: borrowed. */
ReduceBlockReader *reduce_block_reader_new(guint sum_count, Decompressor *decompressor);
void reduce_block_reader_free(ReduceBlockReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReduceBlockReader, reduce_block_reader_free)
/* Begins with a block, whose bytes are not needed afterwards.
 * Returns FALSE and MILLRACE_ERROR_CORRUPT. */
gboolean reduce_block_reader_open(ReduceBlockReader *reader, const guint8 *bytes, gsize size_bytes,
                                  guint32 number, GError **error);
/* Puts the next record of the block into source: its turn, key and sums, borrowed until the next
 * call. Returns: 1, 0 at the end of the block, -1 and MILLRACE_ERROR_CORRUPT. */
int reduce_block_reader_next(ReduceBlockReader *reader, ReduceSource *source, GError **error);

#endif
