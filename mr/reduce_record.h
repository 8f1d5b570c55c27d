/* reduce_record.h - what the parts of the reduce shape share: records in their order, and where
 * they come from. For mr/reduce*.c and mr/shuffle.c only.
 * A record's turn is how many ranks are served before its owner: a rank sends to its successor
 * first and to itself last, so that not all send to the same one. Records are sorted by turn, then
 * bytewise by key.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_MR_REDUCE_RECORD_H
#define MILLRACE_MR_REDUCE_RECORD_H

#include <glib.h>

#include "formats/error.h"
#include "mr/reduce.h"

#define REDUCE_TURNS_MAX (1 << 16)

/* Sorted records, one after the other; no two have the same key. Whoever makes a source has this at
 * its beginning. */
typedef struct _ReduceSource ReduceSource;
struct _ReduceSource {
    /* Goes to the first record, or to the next one. Returns: 1, 0 at the end, -1 and error. */
    int (*next)(ReduceSource *source, GError **error);
    void (*free)(ReduceSource *source);
    /* The record it is at, valid until next(). */
    guint turn;
    const guint8 *key;
    gsize key_size_bytes;
    const gint64 *sums;
};

void reduce_source_free(ReduceSource *source);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReduceSource, reduce_source_free)

/* The turn of the rank that owns this group, as seen from a rank among size. */
guint reduce_turn(const void *key, gsize group_size_bytes, int rank, int size);

/* Adds more to sums. Returns FALSE and MILLRACE_ERROR_BAD_INPUT when one does not fit. */
gboolean reduce_record_add(gint64 *sums, const gint64 *more, guint sum_count, const guint8 *key,
                           gsize key_size_bytes, GError **error);

/* What is summed up to a multiset hash. */
guint64 reduce_record_hash(const guint8 *key, gsize key_size_bytes, const gint64 *sums,
                           guint sum_count);

#endif
