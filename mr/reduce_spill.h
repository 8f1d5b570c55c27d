/* reduce_spill.h - what does not fit into memory: files in a folder for scratch, and sorted runs of
 * records in them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_MR_REDUCE_SPILL_H
#define MILLRACE_MR_REDUCE_SPILL_H

#include "mr/reduce_block.h"

/* A file without a name, so that nothing is left whatever happens. Pieces are appended. */
typedef struct _ReduceSpill ReduceSpill;
/* Returns: (transfer full), or NULL and MILLRACE_ERROR_IO. */
ReduceSpill *reduce_spill_new(const char *folder, GError **error);
ReduceSpill *reduce_spill_ref(ReduceSpill *spill);
void reduce_spill_unref(ReduceSpill *spill);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReduceSpill, reduce_spill_unref)
guint64 reduce_spill_size(const ReduceSpill *spill);
gboolean reduce_spill_append(ReduceSpill *spill, const void *bytes, gsize size_bytes,
                             GError **error);
/* Returns FALSE and MILLRACE_ERROR_IO, or MILLRACE_ERROR_CORRUPT when the file is shorter. */
gboolean reduce_spill_read(const ReduceSpill *spill, guint64 offset, void *bytes, gsize size_bytes,
                           GError **error);

/* Sorted records as blocks in a spill. */
typedef struct {
    ReduceSpill *spill; /* owns a reference */
    guint64 offset;
    guint64 end;
    gsize block_max_bytes; /* of an unpacked block */
} ReduceRun;

/* Appends a source's records, in blocks of block_bytes or a record more.
 * Returns: (transfer full), or NULL and the source's error or MILLRACE_ERROR_IO. */
ReduceRun *reduce_run_write(ReduceSpill *spill, ReduceSource *source, ReduceBlockWriter *writer,
                            gsize block_bytes, GError **error);
void reduce_run_free(ReduceRun *run);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReduceRun, reduce_run_free)
/* Returns: (transfer full) a source of its records that borrows run and decompressor. */
ReduceSource *reduce_run_source(const ReduceRun *run, guint sum_count, Decompressor *decompressor);

#endif
