/* shuffle.h - the way of records to their owners: blocks from each rank to each other, a few under
 * way at a time, and what has come kept until it is merged.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_MR_SHUFFLE_H
#define MILLRACE_MR_SHUFFLE_H

#include "mr/comm.h"
#include "mr/reduce_spill.h"

typedef struct {
    guint sum_count;
    gsize block_bytes;  /* of a block before it is packed */
    gsize flight_bytes; /* sent and not yet kept by the other side */
    gsize kept_bytes;   /* of what has come, in memory; beyond it in scratch */
    const char *scratch;
} ShuffleConfig;

/* A multiset of records. */
typedef struct {
    guint64 count;
    guint64 hash; /* the sum of reduce_record_hash() */
} ShuffleTally;

void shuffle_tally_add(ShuffleTally *tally, const ReduceSource *source, guint sum_count);

typedef struct _Shuffle Shuffle;

/* comm, decompressor, and config's scratch: borrowed until shuffle_free(). */
Shuffle *shuffle_new(Comm *comm, const ShuffleConfig *config, Decompressor *decompressor);
void shuffle_free(Shuffle *shuffle);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Shuffle, shuffle_free)

/* *Collective.* Sends the local records to their owners but for this rank's own, which are the last
 * ones, and takes what others send. failed: sends nothing and lets the others know.
 * *own: there is a first record of this rank's own, which local is at then.
 * Returns FALSE on every rank when any has failed, with its error there and none elsewhere. */
gboolean shuffle_run(Shuffle *shuffle, ReduceSource *local, gboolean failed, gboolean *own,
                     GError **error);

/* What has come from each of the other ranks. sources: they are added to it, (transfer full); they
 * borrow shuffle. Their next() gives MILLRACE_ERROR_CORRUPT when at the end it is not what was
 * sent. */
void shuffle_add_sources(Shuffle *shuffle, GPtrArray *sources);

ShuffleTally shuffle_sent(const Shuffle *shuffle);
/* What the sources have given so far. */
ShuffleTally shuffle_received(const Shuffle *shuffle);
guint64 shuffle_spilled_bytes(const Shuffle *shuffle);

#endif
