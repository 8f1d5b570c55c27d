/* reduce.h - the reduce-by-key shape: records of a key and sums are added by many threads of many
 * ranks, meet by key, and come out sorted by key with their sums added up.
 *
 *     reduce_add -> combine, spill -> reduce_shuffle (partition -> owner) -> merge -> reduce_next
 *
 * The first group_size bytes of a key choose its partition, so what belongs together comes out on
 * one rank. Partitions are virtual (REDUCE_PARTITIONS) and spread over the ranks. Blocks of at most
 * 1 MiB travel point to point, compressed by zstd and checksummed, a few at a time for each pair of
 * ranks. What does not fit into the memory budget is spilled as sorted runs and merged. Sums are
 * integers, so what comes out does not depend on ranks, threads or order of arrival.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_MR_REDUCE_H
#define MILLRACE_MR_REDUCE_H

#include <glib.h>

#include "mr/comm.h"

#define REDUCE_PARTITIONS    4096
#define REDUCE_KEY_MAX_BYTES (72 << 10)
#define REDUCE_SUMS_MAX      8

typedef struct {
    guint sum_count;   /* int64 sums in each record, 1 to REDUCE_SUMS_MAX */
    guint input_count; /* how many threads of this rank add, each with an input of its own */
    /* What this rank's records may take: at least 1 MiB, and 256 KiB for each input; less is taken
     * for that. The state of zstd comes on top, less than 1 MiB for each input that spills. */
    gsize memory_bytes;
    const char *scratch; /* an existing folder for spilled runs; files there are unlinked at once */
} ReduceConfig;

typedef struct {
    const guint8 *key; /* borrowed until the next call */
    gsize key_size_bytes;
    gint64 sums[REDUCE_SUMS_MAX];
} ReduceRecord;

/* Over all ranks: what went in on the one side and came out on the other. Records are counted as
 * reduce_next() goes through them, so this is whole after its end on every rank. Only added_count
 * is the same for any number of ranks, threads and bytes of memory. A multiset hash is the sum,
 * modulo 2^64, of XXH3-64 over key and sums of each record. */
typedef struct {
    guint64 added_count; /* records that were given to reduce_add() */
    guint64 sent_count;  /* records after combining, before the shuffle */
    guint64 sent_hash;
    guint64 received_count; /* records after the shuffle, before the merge */
    guint64 received_hash;
    guint64 spilled_bytes; /* to scratch, by either side */
} ReduceCounts;

typedef struct _Reduce Reduce;

/* comm: borrowed until reduce_free(). */
Reduce *reduce_new(Comm *comm, const ReduceConfig *config);
void reduce_free(Reduce *reduce);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Reduce, reduce_free)

/* Adds a record; sums of equal keys are added up. Local; each input from one thread at a time.
 * Equal keys have equal groups. Returns FALSE and MILLRACE_ERROR_IO (spilling failed), or
 * MILLRACE_ERROR_BAD_INPUT when a sum, of this record or one before, leaves int64; both may also
 * show in reduce_shuffle() alone. After an error only reduce_shuffle() with failed, and
 * reduce_free(). */
gboolean reduce_add(Reduce *reduce, guint input, const void *key, gsize key_size_bytes,
                    gsize group_size_bytes, const gint64 *sums, GError **error);

/* When the owner of a group is served: records that are added by ascending turn, and within one by
 * ascending key, need not be looked up nor sorted. */
guint reduce_turn_of(const Reduce *reduce, const void *key, gsize group_size_bytes);

/* *Collective.* failed: this rank has met an error of its own and only wants the others to know.
 * Returns FALSE on every rank when any has failed: on that one with its error (or none, when it was
 * passed in), on the others with MILLRACE_ERROR_INTERRUPTED. */
gboolean reduce_shuffle(Reduce *reduce, gboolean failed, GError **error);

/* The next key of those that this rank owns, ascending bytewise. Local.
 * Returns: 1 with *record filled; 0 at the end; -1 and error as reduce_add(), or
 * MILLRACE_ERROR_CORRUPT when what comes out is not what went in. */
int reduce_next(Reduce *reduce, ReduceRecord *record, GError **error);

/* *Collective.* After reduce_shuffle(). */
ReduceCounts reduce_counts(Reduce *reduce);

#endif
