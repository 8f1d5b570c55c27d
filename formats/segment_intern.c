/* segment_intern.c - texts that repeat, each kept once: a table of open addresses.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/segment_intern.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

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

/* Are two texts of one size equal? Most are short, and then a call takes longer than this does. */
static gboolean
same_bytes(const char *a, const char *b, gsize size)
{
    guint64 words[4];

    if (size < sizeof(guint64) || size > 2 * sizeof(guint64))
        return memcmp(a, b, size) == 0;
    memcpy(&words[0], a, sizeof(guint64));
    memcpy(&words[1], b, sizeof(guint64));
    memcpy(&words[2], a + size - sizeof(guint64), sizeof(guint64));
    memcpy(&words[3], b + size - sizeof(guint64), sizeof(guint64));
    return words[0] == words[1] && words[2] == words[3];
}

/* Returns: the code of the entry's text, or the count when it is new: then it has that code, and
 * borrows the text. */
static guint32
find_or_add(SegmentIntern *intern, const SegmentInternEntry *entry)
{
    if (!intern->slots || 2 * intern->count > intern->slot_mask)
        grow_slots(intern);
    guint32 slot = entry->hash & intern->slot_mask;
    for (; intern->slots[slot] != 0; slot = (slot + 1) & intern->slot_mask) {
        guint32 code = intern->slots[slot] - 1;
        const SegmentInternEntry *other = &intern->entries[code];
        if (other->hash == entry->hash && other->size_bytes == entry->size_bytes &&
            same_bytes(other->text, entry->text, entry->size_bytes))
            return code;
    }
    if (intern->count == intern->capacity) {
        intern->capacity = MAX(ENTRIES_MIN, 2 * intern->capacity);
        intern->entries = g_renew(SegmentInternEntry, intern->entries, intern->capacity);
    }
    intern->entries[intern->count] = *entry;
    intern->slots[slot] = intern->count + 1;
    return intern->count++;
}

guint32
segment_intern_add(SegmentIntern *intern, const char *text, GStringChunk *copies)
{
    if (intern->repeats && strcmp(text, intern->entries[intern->last].text) == 0)
        return intern->last;
    gsize size = strlen(text);
    g_assert(size < G_MAXUINT32);
    SegmentInternEntry entry = {
        .text = text, .size_bytes = (guint32)size, .hash = (guint32)XXH3_64bits(text, size)};
    guint32 before = intern->count;
    guint32 code = find_or_add(intern, &entry);
    if (code == before)
        intern->entries[code].text = g_string_chunk_insert_len(copies, text, (gssize)size);
    intern->repeats = code == intern->last && code != before;
    intern->last = code;
    return code;
}

void
segment_intern_unite(SegmentIntern *intern, const SegmentIntern *other, guint32 *codes)
{
    for (guint32 i = 0; i < other->count; i++) {
        if (intern->slots && i + AHEAD < other->count)
            __builtin_prefetch(&intern->slots[other->entries[i + AHEAD].hash & intern->slot_mask]);
        codes[i] = find_or_add(intern, &other->entries[i]);
    }
}
