/* segment_gather.h - what a builder holds, as columns: bucket by bucket. Within segment.h only.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_SEGMENT_GATHER_H
#define MILLRACE_FORMATS_SEGMENT_GATHER_H

#include "formats/segment_internal.h"

/* What a text of the whole segment is within the bucket at hand. */
typedef struct {
    guint32 bucket; /* + 1 */
    guint32 code;
} SegmentLocal;

/* A column of texts of the bucket at hand. */
typedef struct {
    const char **values;
    guint32 *size_bytes;
    guint32 *codes;
    guint32 *found; /* the whole segment's codes of values; room for one more */
    guint32 value_count;
} SegmentGatheredTexts;

/* The texts that are few, as codes of the whole segment. */
typedef struct {
    guint32 codes[SEGMENT_KIND_TEXTS];
    guint32 present;
} SegmentGatherKind;

/* The same within the bucket at hand. */
typedef struct {
    guint16 bucket; /* + 1 */
    guint16 present;
    guint32 codes[SEGMENT_KIND_TEXTS];
} SegmentLocalKind;

typedef struct {
    SegmentBuilder *builder;
    guint bucket_bits;
    guint32 largest;                          /* events that any bucket has, at least 1 */
    SegmentIntern interned[SEGMENT_INTERNED]; /* texts that repeat, of the whole segment */
    SegmentIntern kinds_found;                /* each as a text: the bytes of its kind */
    GArray *kinds;                            /* of SegmentGatherKind */
    GStringChunk *copies;
    guint32 **subject_maps; /* [chunk]: its codes as interned's */
    guint32 **kind_maps;    /* and its kinds as those of the whole segment */
    const char *prefix;     /* of all requests, when they are numbered; else NULL */
} SegmentGather;

/* The events of a bucket as columns, in memory that is used again from bucket to bucket, and from
 * segment to segment. All zero at first. */
typedef struct {
    guint32 count;    /* of events */
    guint32 capacity; /* of each of the following */
    const SegmentRow **rows;
    const SegmentLocalKind **kinds;
    guint32 *subjects; /* as codes of the whole segment */
    SegmentGatheredTexts texts[SEGMENT_TEXTS];
    gint64 *numbers[SEGMENT_COLUMNS]; /* those of numbers; and of requests */
    guint8 *raw_ids;
    gboolean all_raw;    /* else ids are in texts */
    gboolean has_extra;  /* else none of the events has one, and texts are not set */
    char *id_texts;      /* of raw ids that lie beside others */
    char *request_texts; /* of numbered requests that do */
    SegmentLocal *locals[SEGMENT_INTERNED]; /* by code of the whole segment */
    gsize locals_capacity[SEGMENT_INTERNED];
    SegmentLocalKind *local_kinds; /* by kind of the whole segment */
    gsize local_kinds_capacity;
    guint32 *starts; /* where each chunk's events begin; and behind the last */
    gsize starts_capacity;
} SegmentBucket;

static inline guint
segment_gather_chunk_count(const SegmentGather *gather)
{
    return gather->builder->chunks->len;
}

static inline const SegmentChunk *
segment_gather_chunk(const SegmentGather *gather, guint i)
{
    return g_ptr_array_index(gather->builder->chunks, i);
}

/* The parts of chunks that make a bucket: how many, and the first of them. */
static inline guint
segment_gather_parts(const SegmentGather *gather, guint bucket, guint *first)
{
    guint shift = SEGMENT_PART_BITS - gather->bucket_bits;

    *first = bucket << shift;
    return 1u << shift;
}

/* builder: borrowed, and not to be changed until segment_gather_release(). */
void segment_gather_init(SegmentGather *gather, SegmentBuilder *builder);
void segment_gather_release(SegmentGather *gather);
/* Sets bucket, which has room for it, to the events of one, by its number. Threads may do so at
 * once, each with a SegmentBucket of its own, whose codes and locals were all 0 at first. */
void segment_gather_bucket(const SegmentGather *gather, guint number, SegmentBucket *bucket);

#endif
