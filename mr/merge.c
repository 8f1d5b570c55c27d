/* merge.c - a binary heap. Most comparisons end at the word, without a look at the keys.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mr/merge.h"

#include <string.h>

guint64
merge_word(const guint8 *key, gsize key_size_bytes)
{
    guint8 bytes[8] = {0};
    guint64 word = 0;

    memcpy(bytes, key, MIN(key_size_bytes, sizeof bytes));
    memcpy(&word, bytes, sizeof word);
    return GUINT64_FROM_BE(word);
}

static gboolean
is_less(const MergeHead *a, const MergeHead *b)
{
    if (a->word != b->word)
        return a->word < b->word;
    int order = memcmp(a->key, b->key, MIN(a->key_size_bytes, b->key_size_bytes));
    if (order != 0)
        return order < 0;
    if (a->key_size_bytes != b->key_size_bytes)
        return a->key_size_bytes < b->key_size_bytes;
    return a->order < b->order;
}

/* Lets head sink from the top to where it belongs. */
static void
sink(GArray *heap, MergeHead head)
{
    MergeHead *heads = (MergeHead *)(void *)heap->data;
    guint at = 0;

    for (guint child = 1; child < heap->len; child = at * 2 + 1) {
        if (child + 1 < heap->len && is_less(&heads[child + 1], &heads[child]))
            child++;
        if (!is_less(&heads[child], &head))
            break;
        heads[at] = heads[child];
        at = child;
    }
    heads[at] = head;
}

GArray *
merge_new(void)
{
    return g_array_new(FALSE, FALSE, sizeof(MergeHead));
}

void
merge_push(GArray *heap, MergeHead head)
{
    g_array_append_val(heap, head);
    MergeHead *heads = (MergeHead *)(void *)heap->data;
    guint at = heap->len - 1;
    for (; at > 0 && is_less(&head, &heads[(at - 1) / 2]); at = (at - 1) / 2)
        heads[at] = heads[(at - 1) / 2];
    heads[at] = head;
}

void
merge_pop(GArray *heap)
{
    MergeHead last = g_array_index(heap, MergeHead, heap->len - 1);

    g_array_set_size(heap, heap->len - 1);
    if (heap->len > 0)
        sink(heap, last);
}

void
merge_replace(GArray *heap, MergeHead head)
{
    g_assert(heap->len > 0);
    sink(heap, head);
}
