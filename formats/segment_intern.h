/* segment_intern.h - texts that repeat, each kept once and known by a code: 0, 1, 2, … by first
 * use. GHashTable would take five times as long for it, and it is a tenth of building a segment.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_SEGMENT_INTERN_H
#define MILLRACE_FORMATS_SEGMENT_INTERN_H

#include <glib.h>
#include <string.h>

#define SEGMENT_INTERN_SHORT 16 /* bytes that a key tells, all of them */

/* What a text is found by. Short ones are equal when their keys are. */
typedef struct {
    guint64 head;
    guint64 tail;
    guint32 size_bytes;
    guint32 hash;
} SegmentInternKey;

typedef struct {
    SegmentInternKey key;
    const char *text; /* borrowed, ends with a NUL */
} SegmentInternEntry;

/* All zero at first. */
typedef struct {
    SegmentInternEntry *entries;
    guint32 count;
    guint32 capacity;
    guint32 *slots; /* code + 1; 0 is free */
    guint32 slot_mask;
    guint32 last; /* of long texts, the code found last */
} SegmentIntern;

/* What hashes are mixed with; only segment_intern_draw() sets it. */
extern guint64 segment_intern_secret[2];
/* Draws it, once a process, before the first key is made: whoever knew it could write a log of
 * texts that all come to lie in one place. */
void segment_intern_draw(void);

void segment_intern_release(SegmentIntern *intern);
gsize segment_intern_size(const SegmentIntern *intern);

/* The key of a long text. */
SegmentInternKey segment_intern_long_key(const char *text, guint32 size_bytes);
/* The code of a text by its key, wherever it is; one that is new is copied into copies. */
guint32 segment_intern_search(SegmentIntern *intern, const SegmentInternKey *key, const char *text,
                              GStringChunk *copies);
/* The code of a long text. */
guint32 segment_intern_add_long(SegmentIntern *intern, const char *text, guint32 size_bytes,
                                GStringChunk *copies);

/* Adds the texts of another table, borrowing them. codes: set to the code here of each there. */
void segment_intern_unite(SegmentIntern *intern, const SegmentIntern *other, guint32 *codes);

static inline guint64
segment_intern_load(const char *text)
{
    guint32 word = 0;

    memcpy(&word, text, sizeof word);
    return word;
}

/* The key of a short text that head and tail tell. */
static inline SegmentInternKey
segment_intern_words_key(guint64 head, guint64 tail, guint32 size_bytes)
{
    unsigned __int128 product = (unsigned __int128)(head ^ segment_intern_secret[0]) *
                                (tail ^ (segment_intern_secret[1] + size_bytes));
    guint64 folded = (guint64)product ^ (guint64)(product >> 64);
    return (SegmentInternKey){head, tail, size_bytes, (guint32)(folded ^ folded >> 32)};
}

/* The key of a text of any size. */
static inline SegmentInternKey
segment_intern_key(const char *text, guint32 size_bytes)
{
    guint64 head = 0;
    guint64 tail = 0;

    if (size_bytes > SEGMENT_INTERN_SHORT)
        return segment_intern_long_key(text, size_bytes);
    if (size_bytes >= 4) {
        /* Words from both ends, which may overlap; without a branch, since no processor could
         * foretell how long the next text is. */
        guint32 step = size_bytes / 8 * 4;
        const char *last = text + size_bytes - 4;
        head = segment_intern_load(text) << 32 | segment_intern_load(text + step);
        tail = segment_intern_load(last) << 32 | segment_intern_load(last - step);
    } else if (size_bytes > 0) {
        head = (guint64)(guchar)text[0] << 16 | (guint64)(guchar)text[size_bytes / 2] << 8 |
               (guchar)text[size_bytes - 1];
    }
    return segment_intern_words_key(head, tail, size_bytes);
}

/* Brings into the cache what segment_intern_find() begins with; then, when that is there, what it
 * goes on with. */
static inline void
segment_intern_fetch_slot(const SegmentIntern *intern, const SegmentInternKey *key)
{
    if (intern->slots)
        __builtin_prefetch(&intern->slots[key->hash & intern->slot_mask]);
}
static inline void
segment_intern_fetch_entry(const SegmentIntern *intern, const SegmentInternKey *key)
{
    guint32 code = intern->slots ? intern->slots[key->hash & intern->slot_mask] : 0;

    if (code > 0)
        __builtin_prefetch(&intern->entries[code - 1]);
}

/* The code of a text by its key; nearly always it lies in the first slot. */
static inline guint32
segment_intern_find(SegmentIntern *intern, const SegmentInternKey *key, const char *text,
                    GStringChunk *copies)
{
    guint32 code = intern->slots ? intern->slots[key->hash & intern->slot_mask] : 0;

    if (code > 0) {
        const SegmentInternKey *other = &intern->entries[code - 1].key;
        if (((other->head ^ key->head) | (other->tail ^ key->tail)) == 0 &&
            other->size_bytes == key->size_bytes && key->size_bytes <= SEGMENT_INTERN_SHORT)
            return code - 1;
    }
    return segment_intern_search(intern, key, text, copies);
}

/* The code of a text; one that is new is copied into copies. */
static inline guint32
segment_intern_add(SegmentIntern *intern, const char *text, guint32 size_bytes,
                   GStringChunk *copies)
{
    if (size_bytes > SEGMENT_INTERN_SHORT)
        return segment_intern_add_long(intern, text, size_bytes, copies);
    SegmentInternKey key = segment_intern_key(text, size_bytes);
    return segment_intern_find(intern, &key, text, copies);
}

#endif
