/* segment_intern.c - texts that repeat, each kept once: a table of open addresses.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/segment_intern.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "formats/same_bytes.h"

enum { SLOTS_MIN = 32, ENTRIES_MIN = 16, AHEAD = 8 };

void
segment_intern_release(SegmentIntern *intern)
{
    g_free(intern->entries);
    g_free(intern->slots);
    *intern = (SegmentIntern){0};
}

gsize
segment_intern_size(const SegmentIntern *intern)
{
    return intern->capacity * sizeof *intern->entries +
           (intern->slots ? (gsize)(intern->slot_mask + 1) * sizeof *intern->slots : 0);
}

/* Keeps at least half of the slots free. */
static void
grow_slots(SegmentIntern *intern)
{
    guint32 count = intern->slots ? 2 * (intern->slot_mask + 1) : SLOTS_MIN;

    g_free(intern->slots);
    intern->slots = g_new0(guint32, count);
    intern->slot_mask = count - 1;
    for (guint32 code = 0; code < intern->count; code++) {
        guint32 slot = intern->entries[code].hash & intern->slot_mask;
        while (intern->slots[slot] != 0)
            slot = (slot + 1) & intern->slot_mask;
        intern->slots[slot] = code + 1;
    }
}

/* Puts a new entry where its slot is. Returns: its code. */
static guint32
add_entry(SegmentIntern *intern, const SegmentInternEntry *entry)
{
    if (!intern->slots || 2 * intern->count > intern->slot_mask)
        grow_slots(intern);
    if (intern->count == intern->capacity) {
        intern->capacity = MAX(ENTRIES_MIN, 2 * intern->capacity);
        intern->entries = g_renew(SegmentInternEntry, intern->entries, intern->capacity);
    }
    guint32 slot = entry->hash & intern->slot_mask;
    while (intern->slots[slot] != 0)
        slot = (slot + 1) & intern->slot_mask;
    intern->entries[intern->count] = *entry;
    intern->slots[slot] = ++intern->count;
    return intern->count - 1;
}

/* Returns: the code of a text, or the count when it is new. */
static inline guint32
find_entry(const SegmentIntern *intern, const char *text, guint32 size, guint32 hash)
{
    if (!intern->slots)
        return 0;
    for (guint32 slot = hash & intern->slot_mask; intern->slots[slot] != 0;
         slot = (slot + 1) & intern->slot_mask) {
        const SegmentInternEntry *entry = &intern->entries[intern->slots[slot] - 1];
        if (entry->hash == hash && entry->size_bytes == size && same_bytes(entry->text, text, size))
            return intern->slots[slot] - 1;
    }
    return intern->count;
}

static guint32
add_new(SegmentIntern *intern, const char *text, guint32 size, guint32 hash, GStringChunk *copies)
{
    const char *copy = g_string_chunk_insert_len(copies, text, (gssize)size);

    intern->repeats = FALSE;
    return intern->last = add_entry(
               intern, &(SegmentInternEntry){.text = copy, .size_bytes = size, .hash = hash});
}

guint32
segment_intern_find(SegmentIntern *intern, const char *text, GStringChunk *copies)
{
    gsize size = strlen(text);
    guint32 hash = (guint32)XXH3_64bits(text, size);
    guint32 code = find_entry(intern, text, (guint32)size, hash);

    g_assert(size < G_MAXUINT32);
    if (code == intern->count)
        return add_new(intern, text, (guint32)size, hash, copies);
    intern->repeats = code == intern->last;
    return intern->last = code;
}

void
segment_intern_unite(SegmentIntern *intern, const SegmentIntern *other, guint32 *codes)
{
    for (guint32 i = 0; i < other->count; i++) {
        if (intern->slots && i + AHEAD < other->count)
            __builtin_prefetch(&intern->slots[other->entries[i + AHEAD].hash & intern->slot_mask]);
        const SegmentInternEntry *entry = &other->entries[i];
        codes[i] = find_entry(intern, entry->text, entry->size_bytes, entry->hash);
        if (codes[i] == intern->count)
            codes[i] = add_entry(intern, entry);
    }
}
