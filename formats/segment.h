/* segment.h - immutable, columnar files of usage events. Bytes: formats/README.md, "Segment v1".
 * Events lie in 2^bucket_bits buckets by the top bits of usage_identity_hash(), so that copies of
 * an event meet in one bucket whatever segments they lie in; within a bucket they keep the order in
 * which they were added. A bucket is one block: columns, each by itself encoded and compressed, so
 * that a reader decodes only those that it asks for.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_SEGMENT_H
#define MILLRACE_FORMATS_SEGMENT_H

#include <glib.h>

#include "formats/usage.h"

#define SEGMENT_BUCKET_BITS_MAX 12
#define SEGMENT_NAME_CHARS      64         /* SHA-256 of the file, in hexadecimal */
#define SEGMENT_EVENTS_MAX      (1u << 24) /* of a builder, and of a bucket that is read */
#define SEGMENT_LINES_MAX_BYTES (1u << 30) /* of a builder's events, printed */

typedef enum {
    /* texts */
    SEGMENT_ID,
    SEGMENT_SOURCE,
    SEGMENT_TYPE,
    SEGMENT_SUBJECT,
    SEGMENT_WRITER,
    SEGMENT_REQUEST,
    SEGMENT_OP,
    SEGMENT_FORMAT,
    SEGMENT_STATUS,
    SEGMENT_NODE,
    SEGMENT_EXTRA,
    /* numbers */
    SEGMENT_TIME,
    SEGMENT_SEQUENCE,
    SEGMENT_BYTES_IN,
    SEGMENT_BYTES_OUT,
    SEGMENT_PIXELS_IN,
    SEGMENT_PIXELS_OUT,
    SEGMENT_CPU_US,
    SEGMENT_WALL_US,
    SEGMENT_PRESENT,
    SEGMENT_COLUMNS
} SegmentColumn;
#define SEGMENT_TEXTS       SEGMENT_TIME /* how many columns are texts */
#define SEGMENT_ALL_COLUMNS ((1u << SEGMENT_COLUMNS) - 1)
#define SEGMENT_UNHASHED    (1u << SEGMENT_COLUMNS) /* beside a mask: identities are not wanted */

/* Sequences of one writer that lie in a segment: first to last, all there. */
typedef struct {
    const char *writer; /* the source, where the event has no writer */
    guint64 first;
    guint64 last;
} SegmentRange;

/* What a segment holds, from its footer. */
typedef struct {
    guint64 event_count;
    guint64 quarantined_count; /* bad lines beside these events */
    guint bucket_bits;
    gint64 time_min_us; /* of its events; 0 and -1 when there are none */
    gint64 time_max_us;
    guint64 identity_sum;       /* the sum of usage_identity_hash() over its events, modulo 2^64 */
    const SegmentRange *ranges; /* by writer, then first; borrowed from the reader */
    guint range_count;
    const char *const *unnumbered; /* writers with events that have no sequence; NULL-terminated */
} SegmentFooter;

/* Collects events, then writes them. */
typedef struct _SegmentBuilder SegmentBuilder;
SegmentBuilder *segment_builder_new(void);
void segment_builder_free(SegmentBuilder *builder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SegmentBuilder, segment_builder_free)

/* Copies the event, which is one that usage_line_parse() could have given: UTF-8, a source, a time
 * in the years 1 to 9999, counts below 2^63. identity: its usage_identity_hash(). */
void segment_builder_add(SegmentBuilder *builder, const UsageEvent *event, guint64 identity);
guint64 segment_builder_count(const SegmentBuilder *builder);
/* Moves what from has behind what into has; from is empty then. */
void segment_builder_append(SegmentBuilder *into, SegmentBuilder *from);
void segment_builder_quarantined(SegmentBuilder *builder, guint64 count);
/* Makes the file's bytes; the same events in the same order give the same bytes. The builder is
 * empty then and may be used again.
 * name: SHA-256 of the bytes, in hexadecimal. Returns: (transfer full) the bytes. */
GByteArray *segment_builder_finish(SegmentBuilder *builder, char name[SEGMENT_NAME_CHARS + 1]);

/* The same in parts, which several threads may make at once: each part once, in any order, and all
 * before the end. */
typedef struct _SegmentFinish SegmentFinish;
/* builder: borrowed until segment_finish_end(). */
SegmentFinish *segment_finish_begin(SegmentBuilder *builder);
guint segment_finish_part_count(const SegmentFinish *finish);
void segment_finish_part(SegmentFinish *finish, guint part);
/* Takes finish. bytes: set to those of the file. */
void segment_finish_end(SegmentFinish *finish, GByteArray *bytes,
                        char name[SEGMENT_NAME_CHARS + 1]);

/* A segment being read. Several threads may use it at once, each with a block of its own. */
typedef struct _SegmentReader SegmentReader;
/* Opens a segment and checks its header and footer. path: borrowed until return.
 * Returns: (transfer full), or NULL and MILLRACE_ERROR_CORRUPT (a checksum, a torn file, another
 * version), MILLRACE_ERROR_NO_INPUT, MILLRACE_ERROR_IO. */
SegmentReader *segment_reader_open(const char *path, GError **error);
void segment_reader_free(SegmentReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SegmentReader, segment_reader_free)

/* Borrowed from the reader. */
const SegmentFooter *segment_reader_footer(const SegmentReader *reader);
const char *segment_reader_path(const SegmentReader *reader);
/* Bytes that it holds, for budgets: about 250 for a bucket. */
gsize segment_reader_size(const SegmentReader *reader);
/* Checks every byte of the file against the checksums, without decoding it. */
gboolean segment_reader_verify(SegmentReader *reader, GError **error);

/* A column of texts: the text of row i is values[codes[i]]. Values are distinct only where
 * value_count < the block's events. NUL-terminated, and of size_bytes[code] bytes. */
typedef struct {
    guint32 value_count;
    const char *const *values;
    const guint32 *size_bytes;
    const guint32 *codes;
} SegmentTexts;

/* A block: columns decoded so far. Its memory is used again for the next that is read into it. */
typedef struct _SegmentBlock SegmentBlock;
SegmentBlock *segment_block_new(void);
void segment_block_free(SegmentBlock *block);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SegmentBlock, segment_block_free)
/* Bytes that it holds now, for budgets. */
gsize segment_block_size(const SegmentBlock *block);

/* How many events bucket holds, and how many bytes its columns of the mask take on disk. */
guint32 segment_bucket_count(const SegmentReader *reader, guint bucket);
gsize segment_bucket_size(const SegmentReader *reader, guint bucket, guint32 columns);
/* Reads the columns (a mask, 1u << SEGMENT_...) of a bucket; further calls for the same bucket add
 * to the block those that it does not have. reader: borrowed as long as the block is used.
 * Returns FALSE and MILLRACE_ERROR_CORRUPT or MILLRACE_ERROR_IO, which name the segment. */
gboolean segment_block_read(SegmentBlock *block, SegmentReader *reader, guint bucket,
                            guint32 columns, GError **error);
guint32 segment_block_count(const SegmentBlock *block);
/* Decoded columns; borrowed until the block is read into for another bucket, or freed. */
const SegmentTexts *segment_block_texts(SegmentBlock *block, SegmentColumn column);
/* The text of one event. Where few are asked for, this spares making those of the others.
 * Borrowed until the next call for this column, too. */
const char *segment_block_text(SegmentBlock *block, SegmentColumn column, guint32 row,
                               guint32 *size_bytes);
/* The texts of a column whose events have one of their own each, as far as they are a prefix and a
 * number of at least width digits. Borrowed as columns are. */
typedef struct {
    const char *prefix;
    guint32 prefix_bytes;
    guint width;
    const guint64 *numbers; /* by event */
} SegmentNumbered;
/* Returns FALSE when they are not, or are spelt already. */
gboolean segment_block_numbered(const SegmentBlock *block, SegmentColumn column,
                                SegmentNumbered *numbered);
/* Numbers, event by event; times and sequences too. */
const gint64 *segment_block_numbers(const SegmentBlock *block, SegmentColumn column);
/* The usage_identity_hash() of each event; needs SEGMENT_ID and SEGMENT_SOURCE, read without
 * SEGMENT_UNHASHED. Checked against the bucket when it is made: events that do not belong there are
 * MILLRACE_ERROR_CORRUPT at reading. */
const guint64 *segment_block_identities(SegmentBlock *block);
/* An event of a block with all columns read. Its strings are borrowed as the columns are. */
void segment_block_event(SegmentBlock *block, guint32 row, UsageEvent *event);

#endif
