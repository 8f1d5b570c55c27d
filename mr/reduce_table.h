/* reduce_table.h - records in memory, combined by key as they come, then sorted.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_MR_REDUCE_TABLE_H
#define MILLRACE_MR_REDUCE_TABLE_H

#include "mr/reduce_record.h"

#define REDUCE_TABLE_MIN_BYTES (128 << 10)

typedef enum {
    REDUCE_TABLE_ADDED,
    REDUCE_TABLE_FULL,  /* this record was not added */
    REDUCE_TABLE_FAILED /* error, as in reduce_record_add(), of this record or one before */
} ReduceTableResult;

typedef struct _ReduceTable ReduceTable;

/* rank, size: whose turns are reckoned. memory_bytes: all that it takes, at least
 * REDUCE_TABLE_MIN_BYTES, which is enough for one record of any size. */
ReduceTable *reduce_table_new(int rank, int size, guint sum_count, gsize memory_bytes);
void reduce_table_free(ReduceTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReduceTable, reduce_table_free)

ReduceTableResult reduce_table_add(ReduceTable *table, const void *key, gsize key_size_bytes,
                                   gsize group_size_bytes, const gint64 *sums, GError **error);

/* After this nothing can be added until it is cleared. Returns FALSE and the error of
 * reduce_record_add(). */
gboolean reduce_table_sort(ReduceTable *table, GError **error);
/* How many records a sorted table has. */
gsize reduce_table_count(const ReduceTable *table);
/* The records of a sorted table. Returns: (transfer full) a source that borrows the table. */
ReduceSource *reduce_table_source(ReduceTable *table);
void reduce_table_clear(ReduceTable *table);

#endif
