/* segment_intern.h - texts that repeat, each kept once and known by a code: 0, 1, 2, … by first
 * use. GHashTable would take three times as long for it, and it is a fifth of building a segment.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_SEGMENT_INTERN_H
#define MILLRACE_FORMATS_SEGMENT_INTERN_H

#include <glib.h>
#include <string.h>

typedef struct {
    const char *text; /* borrowed, ends with a NUL */
    guint32 size_bytes;
    guint32 hash;
} SegmentInternEntry;

/* All zero at first. */
typedef struct {
    SegmentInternEntry *entries;
    guint32 count;
    guint32 capacity;
    guint32 *slots; /* code + 1; 0 is free */
    guint32 slot_mask;
    guint32 last;     /* the code found last */
    gboolean repeats; /* the one before was the same, so the next may be as well */
} SegmentIntern;

void segment_intern_release(SegmentIntern *intern);
gsize segment_intern_size(const SegmentIntern *intern);
/* The code of a text; one that is new is copied into copies. */
guint32 segment_intern_find(SegmentIntern *intern, const char *text, GStringChunk *copies);

/* The same, faster where a text is that of the event before. */
static inline guint32
segment_intern_add(SegmentIntern *intern, const char *text, GStringChunk *copies)
{
    if (intern->repeats && strcmp(text, intern->entries[intern->last].text) == 0)
        return intern->last;
    return segment_intern_find(intern, text, copies);
}

/* Adds the texts of another table, borrowing them. codes: set to the code here of each there. */
void segment_intern_unite(SegmentIntern *intern, const SegmentIntern *other, guint32 *codes);

#endif
