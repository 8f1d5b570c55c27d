/* segment_chunk.h - events in rows of a fixed size, on their way into a segment. Each is written
 * once, beside others whose identities have the same top bits, and so read in one stream when their
 * bucket is made. Within segment.h only.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_SEGMENT_CHUNK_H
#define MILLRACE_FORMATS_SEGMENT_CHUNK_H

#include "formats/column.h"
#include "formats/segment.h"
#include "formats/segment_intern.h"

#define SEGMENT_COUNTS (SEGMENT_PRESENT - SEGMENT_BYTES_IN)

/* Texts that repeat from event to event. All but subjects are few. */
typedef enum {
    SEGMENT_AT_SOURCE,
    SEGMENT_AT_TYPE,
    SEGMENT_AT_WRITER,
    SEGMENT_AT_OP,
    SEGMENT_AT_FORMAT,
    SEGMENT_AT_STATUS,
    SEGMENT_AT_NODE,
    SEGMENT_AT_SUBJECT,
    SEGMENT_INTERNED,
    SEGMENT_KIND_TEXTS = SEGMENT_AT_SUBJECT
} SegmentInterned;

enum {
    SEGMENT_CHUNK_EVENTS = 1 << 16, /* a chunk has no more, so a guint16 holds its codes */
    SEGMENT_PART_BITS = 8,          /* of the identity; no writer makes more buckets */
    SEGMENT_PARTS = 1 << SEGMENT_PART_BITS,
    SEGMENT_BLOCK_ROWS = 33, /* odd, or the rows that are next would share few sets of the cache */
    SEGMENT_CHUNK_BLOCKS = SEGMENT_CHUNK_EVENTS / SEGMENT_BLOCK_ROWS + SEGMENT_PARTS,
    SEGMENT_SLAB_BLOCKS = 64,
    SEGMENT_PREFIX_MAX_BYTES = 15
};

/* The texts that are few, and which members a line has: together they are few too, so a row has one
 * code for all of them. */
typedef struct {
    guint16 codes[SEGMENT_KIND_TEXTS]; /* in the chunk's tables */
    guint16 present;
} SegmentKind;

enum {
    SEGMENT_ROW_RAW_ID = 1 << 0,
    SEGMENT_ROW_WIDE = 1 << 1,     /* a number needs more than 32 bits */
    SEGMENT_ROW_NUMBERED = 1 << 2, /* the request is the chunk's prefix and a number */
    SEGMENT_ROW_EXTRA = 1 << 3     /* in the heap behind the request, which is there too */
};

/* An event: a line of the cache. */
typedef struct {
    guint8 id[COLUMN_ID_BYTES]; /* or, unless raw, where it is in the heap: a guint32 */
    gint64 time_us;
    guint32 counts[SEGMENT_COUNTS]; /* or, when wide, where SegmentWide is in the heap: the first */
    guint32 sequence;
    guint32 request; /* its number, or where it is in the heap */
    guint16 kind;
    guint16 subject;
    guint16 order; /* how many events of the chunk came before */
    guint16 flags;
} SegmentRow;
G_STATIC_ASSERT(sizeof(SegmentRow) == 64);

typedef struct {
    guint64 counts[SEGMENT_COUNTS];
    guint64 sequence;
} SegmentWide;

typedef struct {
    SegmentRow rows[SEGMENT_BLOCK_ROWS];
} SegmentBlockOfRows;

/* Events of a chunk whose identities have the same top bits, in the order in which they came. */
typedef struct {
    SegmentRow *next; /* where the next goes, unless its block is full */
    guint32 count;
    guint16 first; /* of its blocks */
    guint16 last;
} SegmentPart;

/* Sequences of a writer, as they come. */
typedef struct {
    guint64 first; /* 0 for none */
    guint64 last;
    gboolean unnumbered; /* there are events without a sequence */
} SegmentRun;

typedef struct {
    guint32 code; /* of the writer, or of the source where there is none */
    gboolean is_source;
    guint64 first;
    guint64 last;
} SegmentClosedRun;

/* Up to SEGMENT_CHUNK_EVENTS events that follow one another, with a table of texts of their own, so
 * that chunks made by several threads are joined without looking into them. */
typedef struct {
    SegmentPart parts[SEGMENT_PARTS];
    guint32 count;
    guint32 block_count;
    guint16 following[SEGMENT_CHUNK_BLOCKS]; /* the block of the same part behind each */
    GPtrArray *slabs;                        /* of SEGMENT_SLAB_BLOCKS blocks each */
    char *heap;                              /* a text is guint32 size, bytes, NUL; "" is at 0 */
    gsize heap_size;
    gsize heap_capacity;
    SegmentIntern interned[SEGMENT_INTERNED];
    SegmentIntern kinds; /* each as a text: the bytes of a SegmentKind */
    GStringChunk *copies;
    char prefix[SEGMENT_PREFIX_MAX_BYTES + 1]; /* of numbered requests */
    guint32 prefix_size;
    gboolean numbered;   /* all requests are */
    SegmentRun *runs[2]; /* by code of the writer; by code of the source */
    guint32 runs_capacity[2];
    GArray *closed; /* of SegmentClosedRun */
} SegmentChunk;

SegmentChunk *segment_chunk_new(void);
void segment_chunk_free(gpointer data);
/* Is there room for one more event? */
gboolean segment_chunk_has_room(const SegmentChunk *chunk);
/* Makes a block that follows on the part's last. */
void segment_chunk_add_block(SegmentChunk *chunk, SegmentPart *part);

/* Puts bytes into the heap. Returns: where they are. */
guint32 segment_chunk_put(SegmentChunk *chunk, gconstpointer bytes, gsize size_bytes);
/* The same for a text. */
guint32 segment_chunk_put_text(SegmentChunk *chunk, const char *text, guint32 size_bytes);

static inline SegmentRow *
segment_chunk_block(const SegmentChunk *chunk, guint block)
{
    SegmentBlockOfRows *slab = g_ptr_array_index(chunk->slabs, block / SEGMENT_SLAB_BLOCKS);

    return slab[block % SEGMENT_SLAB_BLOCKS].rows;
}

/* The text at a place of the heap. */
static inline const char *
segment_chunk_text(const SegmentChunk *chunk, guint32 place, guint32 *size_bytes)
{
    memcpy(size_bytes, chunk->heap + place, sizeof *size_bytes);
    return chunk->heap + place + sizeof *size_bytes;
}

#endif
