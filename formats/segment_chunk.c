/* segment_chunk.c - rows in blocks, and what does not fit into a row.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/segment_chunk.h"

#include <string.h>

enum {
    HEAP_MIN_BYTES = 4 << 10,
    HEAP_MAX_BYTES = 64 << 20, /* then the next chunk begins */
    TEXT_BYTES = sizeof(guint32) + 1,
    COPIES_BLOCK_BYTES = 16 << 10,
    LINE_BYTES = 64,
    SPARE_SLABS_MAX = 1400
};

/* Slabs that no chunk has now, of 128 KiB each. Memory that goes back to the system and comes again
 * costs more than filling it does. */
static GMutex spare_lock;
static SegmentBlockOfRows *spare_slabs[SPARE_SLABS_MAX];
static guint spare_count;

static SegmentBlockOfRows *
slab_new(void)
{
    SegmentBlockOfRows *slab = NULL;

    g_mutex_lock(&spare_lock);
    if (spare_count > 0)
        slab = spare_slabs[--spare_count];
    g_mutex_unlock(&spare_lock);
    return slab ? slab : g_aligned_alloc(SEGMENT_SLAB_BLOCKS, sizeof *slab, LINE_BYTES);
}

static void
slab_free(gpointer slab)
{
    gboolean kept = FALSE;

    g_mutex_lock(&spare_lock);
    kept = spare_count < SPARE_SLABS_MAX;
    if (kept)
        spare_slabs[spare_count++] = slab;
    g_mutex_unlock(&spare_lock);
    if (!kept)
        g_aligned_free(slab);
}

SegmentChunk *
segment_chunk_new(void)
{
    SegmentChunk *chunk = g_new0(SegmentChunk, 1);

    chunk->slabs = g_ptr_array_new_with_free_func(slab_free);
    chunk->heap_capacity = HEAP_MIN_BYTES;
    chunk->heap_size = TEXT_BYTES;
    chunk->heap = g_malloc0(chunk->heap_capacity);
    chunk->numbered = TRUE;
    chunk->copies = g_string_chunk_new(COPIES_BLOCK_BYTES);
    chunk->closed = g_array_new(FALSE, FALSE, sizeof(SegmentClosedRun));
    return chunk;
}

void
segment_chunk_free(gpointer data)
{
    SegmentChunk *chunk = data;

    for (guint i = 0; i < SEGMENT_INTERNED; i++)
        segment_intern_release(&chunk->interned[i]);
    segment_intern_release(&chunk->kinds);
    g_ptr_array_unref(chunk->slabs);
    g_free(chunk->heap);
    g_string_chunk_free(chunk->copies);
    g_array_unref(chunk->closed);
    g_free(chunk->runs[0]);
    g_free(chunk->runs[1]);
    g_free(chunk);
}

gboolean
segment_chunk_has_room(const SegmentChunk *chunk)
{
    return chunk->count < SEGMENT_CHUNK_EVENTS && chunk->heap_size <= HEAP_MAX_BYTES;
}

void
segment_chunk_add_block(SegmentChunk *chunk, SegmentPart *part)
{
    guint16 block = (guint16)chunk->block_count++;

    g_assert(block < SEGMENT_CHUNK_BLOCKS);
    if (block % SEGMENT_SLAB_BLOCKS == 0)
        g_ptr_array_add(chunk->slabs, slab_new());
    if (part->count == 0)
        part->first = block;
    else
        chunk->following[part->last] = block;
    part->last = block;
    part->next = segment_chunk_block(chunk, block);
}

/* Makes room for so many bytes. Returns: where they are in the heap. */
static guint32
reserve(SegmentChunk *chunk, gsize size_bytes)
{
    gsize at = chunk->heap_size;

    g_assert(size_bytes <= HEAP_MAX_BYTES);
    chunk->heap_size += size_bytes;
    if (chunk->heap_size > chunk->heap_capacity) {
        chunk->heap_capacity = 2 * chunk->heap_size;
        chunk->heap = g_realloc(chunk->heap, chunk->heap_capacity);
    }
    return (guint32)at;
}

guint32
segment_chunk_put(SegmentChunk *chunk, gconstpointer bytes, gsize size_bytes)
{
    guint32 place = reserve(chunk, size_bytes);

    memcpy(chunk->heap + place, bytes, size_bytes);
    return place;
}

guint32
segment_chunk_put_text(SegmentChunk *chunk, const char *text, guint32 size_bytes)
{
    g_assert(size_bytes < HEAP_MAX_BYTES - TEXT_BYTES);
    guint32 place = reserve(chunk, (gsize)size_bytes + TEXT_BYTES);

    memcpy(chunk->heap + place, &size_bytes, sizeof size_bytes);
    memcpy(chunk->heap + place + sizeof size_bytes, text, (gsize)size_bytes + 1);
    return place;
}
