/* segment_intern.c - texts that repeat, each kept once: a table of open addresses.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/segment_intern.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { SLOTS_MIN = 32, ENTRIES_MIN = 16, AHEAD = 8 };

/* Until it is drawn, digits of the golden ratio and of the square root of 2. */
guint64 segment_intern_secret[2] = {G_GUINT64_CONSTANT(0x9e3779b97f4a7c15),
                                    G_GUINT64_CONSTANT(0x6a09e667f3bcc909)};

void
segment_intern_draw(void)
{
    static gsize drawn;

    if (!g_once_init_enter(&drawn))
        return;
    for (guint i = 0; i < G_N_ELEMENTS(segment_intern_secret); i++)
        segment_intern_secret[i] = (guint64)g_random_int() << 32 | g_random_int();
    g_once_init_leave(&drawn, 1);
}

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
        guint32 slot = intern->entries[code].key.hash & intern->slot_mask;
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
    guint32 slot = entry->key.hash & intern->slot_mask;
    while (intern->slots[slot] != 0)
        slot = (slot + 1) & intern->slot_mask;
    intern->entries[intern->count] = *entry;
    intern->slots[slot] = ++intern->count;
    return intern->count - 1;
}

static inline gboolean
is_text(const SegmentInternEntry *entry, const SegmentInternKey *key, const char *text)
{
    return ((entry->key.head ^ key->head) | (entry->key.tail ^ key->tail)) == 0 &&
           entry->key.size_bytes == key->size_bytes &&
           (key->size_bytes <= SEGMENT_INTERN_SHORT ||
            memcmp(entry->text, text, key->size_bytes) == 0);
}

/* Returns: the code of a text, or the count when it is new. */
static inline guint32
find_entry(const SegmentIntern *intern, const SegmentInternKey *key, const char *text)
{
    if (!intern->slots)
        return 0;
    for (guint32 slot = key->hash & intern->slot_mask; intern->slots[slot] != 0;
         slot = (slot + 1) & intern->slot_mask)
        if (is_text(&intern->entries[intern->slots[slot] - 1], key, text))
            return intern->slots[slot] - 1;
    return intern->count;
}

static guint32
add_new(SegmentIntern *intern, const SegmentInternKey *key, const char *text, GStringChunk *copies)
{
    const char *copy = g_string_chunk_insert_len(copies, text, (gssize)key->size_bytes);

    return add_entry(intern, &(SegmentInternEntry){.key = *key, .text = copy});
}

guint32
segment_intern_search(SegmentIntern *intern, const SegmentInternKey *key, const char *text,
                      GStringChunk *copies)
{
    guint32 code = find_entry(intern, key, text);

    return code < intern->count ? code : add_new(intern, key, text, copies);
}

SegmentInternKey
segment_intern_long_key(const char *text, guint32 size_bytes)
{
    SegmentInternKey key = {
        .size_bytes = size_bytes,
        .hash = (guint32)XXH3_64bits_withSeed(text, size_bytes, segment_intern_secret[0])};

    memcpy(&key.head, text, sizeof key.head);
    memcpy(&key.tail, text + size_bytes - sizeof key.tail, sizeof key.tail);
    return key;
}

guint32
segment_intern_add_long(SegmentIntern *intern, const char *text, guint32 size_bytes,
                        GStringChunk *copies)
{
    if (intern->last < intern->count) {
        const SegmentInternEntry *last = &intern->entries[intern->last];
        if (last->key.size_bytes == size_bytes && memcmp(last->text, text, size_bytes) == 0)
            return intern->last;
    }
    SegmentInternKey key = segment_intern_long_key(text, size_bytes);
    return intern->last = segment_intern_search(intern, &key, text, copies);
}

void
segment_intern_unite(SegmentIntern *intern, const SegmentIntern *other, guint32 *codes)
{
    for (guint32 i = 0; i < other->count; i++) {
        if (i + AHEAD < other->count)
            segment_intern_fetch_slot(intern, &other->entries[i + AHEAD].key);
        const SegmentInternEntry *entry = &other->entries[i];
        codes[i] = find_entry(intern, &entry->key, entry->text);
        if (codes[i] == intern->count)
            codes[i] = add_entry(intern, entry);
    }
}
