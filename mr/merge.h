/* merge.h - a heap of streams, each at a key, which gives the stream with the least one.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_MR_MERGE_H
#define MILLRACE_MR_MERGE_H

#include <glib.h>

/* Where a stream is. */
typedef struct {
    guint64 word; /* compared first; in the same order as the keys */
    const guint8 *key;
    gsize key_size_bytes;
    guint order; /* of streams that are at the same key */
    gpointer stream;
} MergeHead;

/* The word of a key of bytes. */
guint64 merge_word(const guint8 *key, gsize key_size_bytes);

/* (transfer full) An empty heap, of MergeHead; the least is its first element. */
GArray *merge_new(void);
void merge_push(GArray *heap, MergeHead head);
void merge_pop(GArray *heap);
/* The same as a pop and a push, in half the time. */
void merge_replace(GArray *heap, MergeHead head);

#endif
