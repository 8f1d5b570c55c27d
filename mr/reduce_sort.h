/* reduce_sort.h - sorts records that lie in memory, in place, by turn and key.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_MR_REDUCE_SORT_H
#define MILLRACE_MR_REDUCE_SORT_H

#include <glib.h>

/* How a record begins; its sums follow, then its key, then padding to a multiple of 8 bytes. */
typedef struct {
    guint32 key_size_bytes;
    guint32 turn;
    gint64 sums[];
} ReduceStored;

/* A record to be sorted: where it lies, in multiples of 8 bytes, and a piece of what it is sorted
 * by, so that most comparisons touch nothing else. */
typedef struct {
    guint64 word;
    guint32 at;
    guint32 unused;
} ReduceSortEntry;

/* The first word of a key at this turn: words of different keys compare as the keys do. */
guint64 reduce_sort_word(guint turn, const guint8 *key, gsize key_size_bytes);

/* entries: at is filled; no two keys of a turn are the same. */
void reduce_sort(ReduceSortEntry *entries, gsize count, const guint8 *records, guint sum_count);

#endif
