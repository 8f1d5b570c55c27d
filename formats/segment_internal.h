/* segment_internal.h - between the files of segment.h: what a file looks like, and what a builder
 * holds.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_SEGMENT_INTERNAL_H
#define MILLRACE_FORMATS_SEGMENT_INTERNAL_H

#include "formats/bytes.h"
#include "formats/column.h"
#include "formats/segment.h"
#include "formats/segment_chunk.h"

#define SEGMENT_MAGIC         "MRSEGMT1"
#define SEGMENT_END_MAGIC     "MRSEGEND"
#define SEGMENT_MAGIC_BYTES   8
#define SEGMENT_TRAILER_BYTES (4 + 8 + SEGMENT_MAGIC_BYTES)
/* The years 1 to 9999, which are those that RFC 3339 can write. */
#define SEGMENT_TIME_MIN_US G_GINT64_CONSTANT(-62135596800000000)
#define SEGMENT_TIME_MAX_US G_GINT64_CONSTANT(253402300799999999)

/* The checksum of a column, which thus holds in its place only. */
guint64 segment_checksum(const void *bytes, gsize size_bytes, guint bucket, guint column);
guint64 segment_checksum_seed(guint bucket, guint column);
/* The checksum of a footer. */
guint64 segment_footer_checksum(const void *bytes, gsize size_bytes);

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
