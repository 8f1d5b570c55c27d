/* reduce_merge.c - k sorted sources through a heap; equal keys become one record.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mr/reduce_merge.h"

#include <string.h>

#include "mr/merge.h"
#include "mr/reduce_sort.h"

enum { KEY_USUAL_BYTES = 64 };

typedef struct {
    ReduceSource base;
    guint sum_count;
    GPtrArray *sources;
    gboolean begun;
    GArray *heap;
    /* The record it is at: the sources have gone on already. */
    GByteArray *key;
    gint64 sums[REDUCE_SUMS_MAX];
} Merge;

static MergeHead
head_of(ReduceSource *source)
{
    return (MergeHead){.word = reduce_sort_word(source->turn, source->key, source->key_size_bytes),
                       .key = source->key,
                       .key_size_bytes = source->key_size_bytes,
                       .stream = source};
}

static gboolean
begin(Merge *merge, GError **error)
{
    merge->begun = TRUE;
    for (guint i = 0; i < merge->sources->len; i++) {
        ReduceSource *source = g_ptr_array_index(merge->sources, i);
        int there = source->next(source, error);
        if (there < 0)
            return FALSE;
        if (there > 0)
            merge_push(merge->heap, head_of(source));
    }
    return TRUE;
}

static ReduceSource *
top(const Merge *merge)
{
    return merge->heap->len > 0 ? g_array_index(merge->heap, MergeHead, 0).stream : NULL;
}

/* Lets the source at the top go on. */
static gboolean
advance_top(Merge *merge, GError **error)
{
    ReduceSource *source = top(merge);
    int there = source->next(source, error);

    if (there > 0)
        merge_replace(merge->heap, head_of(source));
    else
        merge_pop(merge->heap);
    return there >= 0;
}

static gboolean
is_at_record(const Merge *merge, const ReduceSource *source)
{
    return source && source->turn == merge->base.turn &&
           source->key_size_bytes == merge->key->len &&
           memcmp(source->key, merge->key->data, merge->key->len) == 0;
}

static int
merge_next(ReduceSource *base, GError **error)
{
    Merge *merge = (Merge *)base;

    if (!merge->begun && !begin(merge, error))
        return -1;
    const ReduceSource *source = top(merge);
    if (!source)
        return 0;
    g_byte_array_set_size(merge->key, (guint)source->key_size_bytes);
    memcpy(merge->key->data, source->key, source->key_size_bytes);
    memcpy(merge->sums, source->sums, merge->sum_count * sizeof *merge->sums);
    *base = (ReduceSource){.next = base->next,
                           .free = base->free,
                           .turn = source->turn,
                           .key = merge->key->data,
                           .key_size_bytes = merge->key->len,
                           .sums = merge->sums};
    if (!advance_top(merge, error))
        return -1;
    while (is_at_record(merge, source = top(merge))) {
        if (!reduce_record_add(merge->sums, source->sums, merge->sum_count, base->key,
                               base->key_size_bytes, error) ||
            !advance_top(merge, error))
            return -1;
    }
    return 1;
}

static void
merge_free(ReduceSource *base)
{
    Merge *merge = (Merge *)base;

    g_ptr_array_unref(merge->sources);
    g_array_unref(merge->heap);
    g_byte_array_unref(merge->key);
    g_free(merge);
}

ReduceSource *
reduce_merge_new(GPtrArray *sources, guint sum_count)
{
    Merge *merge = g_new0(Merge, 1);

    merge->base = (ReduceSource){.next = merge_next, .free = merge_free};
    merge->sum_count = sum_count;
    merge->sources = sources;
    merge->heap = merge_new();
    merge->key = g_byte_array_sized_new(KEY_USUAL_BYTES);
    return &merge->base;
}
