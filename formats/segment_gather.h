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

/* A group, and what its texts are in the whole segment. */
typedef struct {
    const SegmentGroup *group;
    guint32 *const *maps; /* of its chunk */
    guint32 *subjects;    /* of its rows, as the whole segment's codes */
} SegmentGatherGroup;

typedef struct {
    SegmentBuilder *builder;
    guint bucket_bits;
    guint32 largest; /* events that any bucket has, at least 1 */
    GArray *groups;  /* of SegmentGatherGroup: those of all chunks, in the order of events */
    SegmentIntern interned[SEGMENT_INTERNED]; /* texts that repeat, of the whole segment */
    guint32 **maps; /* [chunk * SEGMENT_INTERNED + place]: the chunk's codes as interned's */
} SegmentGather;

/* The events of a bucket as columns, in memory that is used again from bucket to bucket, and from
 * segment to segment. All zero at first. */
typedef struct {
    guint32 count;    /* of events */
    guint32 capacity; /* of each of the following */
    SegmentGatheredTexts texts[SEGMENT_TEXTS];
    gint64 *numbers[SEGMENT_COLUMNS]; /* those of numbers */
    guint8 *raw_ids;
    gboolean all_raw;   /* else ids are in texts */
    gboolean has_extra; /* else none of the events has one, and texts are not set */
    char *id_texts;     /* of raw ids that lie beside others */
    SegmentLocal *locals[SEGMENT_INTERNED]; /* by code of the whole segment */
    gsize locals_capacity[SEGMENT_INTERNED];
} SegmentBucket;

/* builder: borrowed, and not to be changed until segment_gather_release(). */
void segment_gather_init(SegmentGather *gather, SegmentBuilder *builder);
void segment_gather_release(SegmentGather *gather);
/* Sets bucket, which has room for it, to the events of one, by its number. Threads may do so at
 * once, each with a SegmentBucket of its own, whose codes and locals were all 0 at first. */
void segment_gather_bucket(const SegmentGather *gather, guint number, SegmentBucket *bucket);

#endif
