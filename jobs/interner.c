/* interner.c - texts in an arena of chunks, found by an open-addressed table of their numbers.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/interner.h"

#include <string.h>

#include "formats/fingerprint.h"

enum { CHUNK_BYTES = 64 << 10, SLOTS_MIN = 256 };
/* How far ahead of a lookup its parts are fetched: the slot, the entry, the text. */
enum { AHEAD_SLOT = 24, AHEAD_ENTRY = 16, AHEAD_TEXT = 8 };

typedef struct {
    const char *text;
    guint32 size_bytes;
    guint32 hash;
} Entry;

struct _Interner {
    GArray *entries; /* of Entry */
    guint32 *slots;  /* number + 1, or 0; a power of two of them, at most half in use */
    guint32 slot_mask;
    GPtrArray *chunks; /* owns the texts */
    char *chunk_at;
    gsize chunk_left_bytes;
    gsize chunks_bytes;
    guint32 *hashes; /* of the texts that are looked up */
    guint32 hash_room;
};

static void
begin(Interner *interner)
{
    interner->entries = g_array_new(FALSE, FALSE, sizeof(Entry));
    interner->slots = g_new0(guint32, SLOTS_MIN);
    interner->slot_mask = SLOTS_MIN - 1;
    interner->chunks = g_ptr_array_new_with_free_func(g_free);
    interner->chunk_at = NULL;
    interner->chunk_left_bytes = 0;
    interner->chunks_bytes = 0;
}

static void
end(Interner *interner)
{
    g_array_unref(interner->entries);
    g_free(interner->slots);
    g_ptr_array_unref(interner->chunks);
}

/* Drawn once a process: whoever knew it could make texts that all come to lie in one place. */
static gsize seed;

static guint32
hash_of(const char *text, gsize size_bytes)
{
    return (guint32)fingerprint_seeded(text, size_bytes, seed);
}

Interner *
interner_new(void)
{
    Interner *interner = g_new0(Interner, 1);

    if (g_once_init_enter(&seed))
        g_once_init_leave(&seed, (gsize)g_random_int() << 32 | g_random_int() | 1);
    begin(interner);
    return interner;
}

void
interner_free(Interner *interner)
{
    end(interner);
    g_free(interner->hashes);
    g_free(interner);
}

void
interner_clear(Interner *interner)
{
    end(interner);
    begin(interner);
}

static const char *
keep(Interner *interner, const char *text, gsize size_bytes)
{
    if (size_bytes + 1 > interner->chunk_left_bytes) {
        gsize chunk_bytes = MAX(CHUNK_BYTES, size_bytes + 1);
        interner->chunk_at = g_malloc(chunk_bytes);
        interner->chunk_left_bytes = chunk_bytes;
        interner->chunks_bytes += chunk_bytes;
        g_ptr_array_add(interner->chunks, interner->chunk_at);
    }
    char *kept = interner->chunk_at;
    memcpy(kept, text, size_bytes);
    kept[size_bytes] = '\0';
    interner->chunk_at += size_bytes + 1;
    interner->chunk_left_bytes -= size_bytes + 1;
    return kept;
}

static void
grow(Interner *interner)
{
    guint32 slot_count = (interner->slot_mask + 1) * 2;

    g_free(interner->slots);
    interner->slots = g_new0(guint32, slot_count);
    interner->slot_mask = slot_count - 1;
    for (guint32 number = 0; number < interner->entries->len; number++) {
        guint32 at = g_array_index(interner->entries, Entry, number).hash;
        while (interner->slots[at & interner->slot_mask])
            at++;
        interner->slots[at & interner->slot_mask] = number + 1;
    }
}

static guint32
add(Interner *interner, const char *text, gsize size_bytes, guint32 hash)
{
    guint32 at = hash;

    for (guint32 slot; (slot = interner->slots[at & interner->slot_mask]) != 0; at++) {
        const Entry *entry = &g_array_index(interner->entries, Entry, slot - 1);
        if (entry->hash == hash && entry->size_bytes == size_bytes &&
            memcmp(entry->text, text, size_bytes) == 0)
            return slot - 1;
    }
    g_assert(interner->entries->len < 1u << 31 && size_bytes < G_MAXUINT32);
    Entry entry = {keep(interner, text, size_bytes), (guint32)size_bytes, hash};
    g_array_append_val(interner->entries, entry);
    guint32 number = interner->entries->len - 1;
    interner->slots[at & interner->slot_mask] = number + 1;
    if (interner->entries->len * 2 > interner->slot_mask)
        grow(interner);
    return number;
}

guint32
interner_add(Interner *interner, const char *text, gsize size_bytes)
{
    return add(interner, text, size_bytes, hash_of(text, size_bytes));
}

/* The slot where the lookup begins. */
static guint32
first_slot(const Interner *interner, guint32 hash)
{
    return interner->slots[hash & interner->slot_mask];
}

void
interner_add_all(Interner *interner, const char *const *texts, const guint32 *size_bytes,
                 guint32 count, guint32 *numbers)
{
    if (count > interner->hash_room) {
        interner->hash_room = count + count / 4;
        interner->hashes = g_renew(guint32, interner->hashes, interner->hash_room);
    }
    guint32 *hashes = interner->hashes;
    for (guint32 i = 0; i < count + AHEAD_SLOT; i++) {
        if (i < count) {
            hashes[i] = hash_of(texts[i], size_bytes[i]);
            __builtin_prefetch(&interner->slots[hashes[i] & interner->slot_mask]);
        }
        guint32 k = i - (AHEAD_SLOT - AHEAD_ENTRY); /* wraps to what is no index */
        guint32 slot = k < count ? first_slot(interner, hashes[k]) : 0;
        if (slot)
            __builtin_prefetch(&g_array_index(interner->entries, Entry, slot - 1));
        k = i - (AHEAD_SLOT - AHEAD_TEXT);
        slot = k < count ? first_slot(interner, hashes[k]) : 0;
        if (slot)
            __builtin_prefetch(g_array_index(interner->entries, Entry, slot - 1).text);
        k = i - AHEAD_SLOT;
        if (k < count)
            numbers[k] = add(interner, texts[k], size_bytes[k], hashes[k]);
    }
}

const char *
interner_text(const Interner *interner, guint32 number)
{
    return g_array_index(interner->entries, Entry, number).text;
}

gsize
interner_text_size(const Interner *interner, guint32 number)
{
    return g_array_index(interner->entries, Entry, number).size_bytes;
}

guint32
interner_hash(const Interner *interner, guint32 number)
{
    return g_array_index(interner->entries, Entry, number).hash;
}

guint32
interner_count(const Interner *interner)
{
    return interner->entries->len;
}

gsize
interner_size(const Interner *interner)
{
    return interner->chunks_bytes + (gsize)interner->entries->len * sizeof(Entry) +
           ((gsize)interner->slot_mask + 1) * sizeof *interner->slots;
}
