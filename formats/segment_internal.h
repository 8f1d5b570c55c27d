/* segment_internal.h - between the files of segment.h: what a file looks like, and what a builder
 * holds.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_SEGMENT_INTERNAL_H
#define MILLRACE_FORMATS_SEGMENT_INTERNAL_H

#include "formats/bytes.h"
#include "formats/column.h"
#include "formats/segment.h"
#include "formats/segment_intern.h"

#define SEGMENT_MAGIC         "MRSEGMT1"
#define SEGMENT_END_MAGIC     "MRSEGEND"
#define SEGMENT_MAGIC_BYTES   8
#define SEGMENT_TRAILER_BYTES (4 + 8 + SEGMENT_MAGIC_BYTES)
#define SEGMENT_COUNTS        (SEGMENT_PRESENT - SEGMENT_BYTES_IN)
/* The years 1 to 9999, which are those that RFC 3339 can write. */
#define SEGMENT_TIME_MIN_US G_GINT64_CONSTANT(-62135596800000000)
#define SEGMENT_TIME_MAX_US G_GINT64_CONSTANT(253402300799999999)

/* The checksum of a column, which thus holds in its place only. */
guint64 segment_checksum(const void *bytes, gsize size_bytes, guint bucket, guint column);
guint64 segment_checksum_seed(guint bucket, guint column);
/* The checksum of a footer. */
guint64 segment_footer_checksum(const void *bytes, gsize size_bytes);

/* Texts that repeat from event to event: places of their codes in a row. */
typedef enum {
    SEGMENT_AT_SOURCE,
    SEGMENT_AT_TYPE,
    SEGMENT_AT_SUBJECT,
    SEGMENT_AT_WRITER,
    SEGMENT_AT_OP,
    SEGMENT_AT_FORMAT,
    SEGMENT_AT_STATUS,
    SEGMENT_AT_NODE,
    SEGMENT_INTERNED
} SegmentInterned;

enum {
    SEGMENT_CHUNK_EVENTS = 1 << 16, /* a chunk has no more, so a guint16 holds its codes */
    SEGMENT_GROUP_EVENTS = 1 << 12,
    SEGMENT_GROUP_BITS = 8, /* of the identity; no writer makes more buckets */
    SEGMENT_GROUP_PARTS = 1 << SEGMENT_GROUP_BITS
};

/* An event in a group. 88 bytes, so that a builder holds millions. */
typedef struct {
    guint8 id[COLUMN_ID_BYTES]; /* or, unless raw_id, where it is in the heap: a guint32 */
    gint64 time_us;
    guint64 sequence;
    guint32 counts[SEGMENT_COUNTS]; /* or, when wide, where they are in the heap: the first */
    guint32 request;                /* in the heap */
    guint32 extra;
    guint16 codes[SEGMENT_INTERNED]; /* in the chunk's tables */
    guint16 present;
    guint8 raw_id;
    guint8 wide;
} SegmentRow;

/* So many events that they are in the cache while they are sorted by identity: if they came to the
 * buckets' columns in the order in which they were added, each would be waited for. */
typedef struct {
    SegmentRow rows[SEGMENT_GROUP_EVENTS];
    /* While it is filled the identity's top bits; when it is sorted, which row it was before. */
    guint16 keys[SEGMENT_GROUP_EVENTS];
    guint16 subjects[SEGMENT_GROUP_EVENTS];  /* their codes again, to be had without the rows */
    guint16 starts[SEGMENT_GROUP_PARTS + 1]; /* by the top bits, when it is sorted */
    guint32 count;
    char *heap; /* a text is guint32 size, bytes, NUL; "" is at 0 */
    gsize heap_size;
    gsize heap_capacity;
} SegmentGroup;

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
    GPtrArray *groups;  /* of SegmentGroup, sorted each */
    SegmentGroup *open; /* the one that is being filled, or NULL */
    guint32 count;
    gsize heap_bytes;
    SegmentIntern interned[SEGMENT_INTERNED];
    GStringChunk *copies;
    SegmentRun *runs[2]; /* by code of the writer; by code of the source */
    guint32 runs_capacity[2];
    GArray *closed; /* of SegmentClosedRun */
} SegmentChunk;

/* Sorts the group that is being filled, so that all rows of the builder are in groups. */
void segment_builder_sort(SegmentBuilder *builder);

struct _SegmentBuilder {
    GPtrArray *chunks;
    guint64 event_count;
    guint64 quarantined_count;
    guint64 identity_sum;
    gint64 time_min_us;
    gint64 time_max_us;
};

/* The builder is as new then. */
void segment_builder_clear(SegmentBuilder *builder);
/* Appends footer and trailer. table: of buckets and columns, as it stands in the footer. */
void segment_put_footer(GByteArray *out, const SegmentBuilder *builder, guint bucket_bits,
                        const GByteArray *table);

typedef struct {
    guint64 offset;
    guint32 size_bytes;
    guint64 checksum;
} SegmentColumnPlace;

/* A footer as it was read. A bill holds those of all segments, so places are kept as they stand in
 * the file, in half of what they take as structs. */
typedef struct {
    guint8 *bytes; /* what texts and the table borrow from */
    gsize size_bytes;
    SegmentFooter footer;
    GArray *ranges;
    GPtrArray *unnumbered;
    guint32 *counts;     /* of events, by bucket */
    guint64 *begins;     /* where a bucket's columns begin in the file */
    const guint8 *table; /* of buckets and columns */
} SegmentContents;

/* Returns FALSE when it is no footer; contents is to be released either way.
 * bytes: taken. columns_end: where the footer begins in the file. */
gboolean segment_contents_parse(SegmentContents *contents, guint8 *bytes, gsize size_bytes,
                                guint64 columns_end);
void segment_contents_release(SegmentContents *contents);
gsize segment_contents_size(const SegmentContents *contents);
/* Sets places to those of the bucket's columns. */
void segment_contents_places(const SegmentContents *contents, guint bucket,
                             SegmentColumnPlace places[SEGMENT_COLUMNS]);

/* What blocks know of readers. */
const SegmentContents *segment_reader_contents(const SegmentReader *reader);
/* Counts readers from 1, since their addresses come again. */
guint64 segment_reader_serial(const SegmentReader *reader);
/* Reads bytes of the file into to. Returns FALSE and MILLRACE_ERROR_IO or MILLRACE_ERROR_CORRUPT.
 */
gboolean segment_reader_fetch(SegmentReader *reader, guint64 offset, guint8 *to, gsize size_bytes,
                              GError **error);
/* Sets *error to MILLRACE_ERROR_CORRUPT with the path and where. Returns FALSE. */
gboolean segment_reader_corrupt(const SegmentReader *reader, GError **error, guint bucket,
                                guint column, const char *what);

#endif
