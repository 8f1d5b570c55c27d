/* column.h - the columns of a segment's block: numbers and texts as few bytes, and back.
 * Encoders choose, decoders trust nothing: whatever bytes they are given, they stay within them and
 * within the limits below. Only segments use this. Bytes: formats/README.md, "Segment v1".
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_COLUMN_H
#define MILLRACE_FORMATS_COLUMN_H

#include <glib.h>

#include "formats/bytes.h"
#include "formats/compress.h"
#include "formats/segment.h"

#define COLUMN_ID_BYTES           (USAGE_ID_CHARS / 2)
#define COLUMN_TEXT_MAX_BYTES     (1u << 30)  /* of a column's values, each with its NUL */
#define COLUMN_SPELT_MAX_BYTES    (64u << 20) /* values that repeat are spelt out up to here */
#define COLUMN_SPELLING_MAX_BYTES 64          /* of a prefix or pattern, with its NUL */
#define COLUMN_TEXT_ROOM_BYTES    96          /* for one text of those, with its NUL */

/* The first byte of a column: how it is encoded. A number keeps its meaning for good. */
typedef enum {
    COLUMN_PLANES = 1,        /* numbers: the lowest, and what each is above it */
    COLUMN_VALUES = 2,        /* numbers: the few that there are, and which each is */
    COLUMN_DELTAS = 3,        /* numbers: differences to the one before */
    COLUMN_WRITER_DELTAS = 4, /* numbers: differences to the one before of the same writer */
    COLUMN_DICTIONARY = 16,   /* texts: a column of those that there are, and which each is */
    COLUMN_PLAIN = 17,        /* texts: one after the other */
    COLUMN_HEX = 18,          /* texts: alike but for hexadecimal digits */
    COLUMN_NUMBERED = 19      /* texts: a prefix and a decimal number */
} ColumnEncoding;

/* What encoders use again from column to column. */
typedef struct {
    Compressor *compressor; /* for texts */
    Compressor *entropy;    /* for planes */
    guint8 *plane;          /* room for a byte of each event */
    guint64 *numbers;       /* room for a number of each event */
    guint64 *others;
    gsize capacity;
    GByteArray *bytes; /* of texts */
} ColumnEncoder;

void column_encoder_init(ColumnEncoder *encoder);
void column_encoder_release(ColumnEncoder *encoder);

/* Each appends one column of count events to out; count is at least 1. */
void column_put_numbers(ColumnEncoder *encoder, GByteArray *out, const gint64 *values,
                        guint32 count);
/* Numbers that mostly rise from one to the next. */
void column_put_rising(ColumnEncoder *encoder, GByteArray *out, const gint64 *values,
                       guint32 count);
/* Numbers that mostly rise from one to the next of the same writer. */
void column_put_sequences(ColumnEncoder *encoder, GByteArray *out, const gint64 *values,
                          guint32 count, const SegmentTexts *writers);
/* Texts without NUL. codes may be NULL when each event has a value of its own, or all have the one
 * that there is, with value_count 1. */
void column_put_texts(ColumnEncoder *encoder, GByteArray *out, const SegmentTexts *texts,
                      guint32 count);
/* Texts that are a prefix of up to COLUMN_PREFIX_MAX_BYTES, which does not end with a digit, and a
 * number of up to 32 bits without leading zeros; the same bytes as column_put_texts() appends. */
void column_put_numbered(ColumnEncoder *encoder, GByteArray *out, const char *prefix,
                         const gint64 *numbers, guint32 count);
/* Texts of USAGE_ID_CHARS hexadecimal digits, from the COLUMN_ID_BYTES bytes that each tells. */
void column_put_ids(GByteArray *out, const guint8 *bytes, guint32 count);

/* What decoders use again from column to column. */
typedef struct {
    Decompressor *decompressor;
    guint8 *planes; /* room for what is decompressed at once */
    gsize planes_capacity;
    guint32 *ascending; /* 0, 1, 2, …: the codes of texts that have a value each */
    gsize ascending_capacity;
} ColumnDecoder;

void column_decoder_init(ColumnDecoder *decoder);
void column_decoder_release(ColumnDecoder *decoder);
gsize column_decoder_size(const ColumnDecoder *decoder);

/* A list of texts that is digits, or prefix and numbers, as long as nobody asks for the texts. */
typedef struct {
    ColumnEncoding encoding;
    guint32 size_bytes;                      /* of pattern, and so of each text; or of the prefix */
    char pattern[COLUMN_SPELLING_MAX_BYTES]; /* '0' where the texts' own digits are; or prefix */
    guint8 places[COLUMN_SPELLING_MAX_BYTES]; /* of these digits */
    guint place_count;
    guint8 *packed; /* the digits, two a byte */
    gsize packed_capacity;
    guint width; /* digits at least */
    guint64 *numbers;
    gsize numbers_capacity;
} ColumnSpelling;

/* Texts as they were decoded, in memory that only grows. All zero at first. */
typedef struct {
    SegmentTexts texts; /* values and size_bytes: NULL as long as they are not spelt */
    ColumnSpelling spelling;
    char *bytes;
    gsize bytes_capacity;
    const char **values;
    gsize values_capacity;
    guint32 *size_bytes;
    gsize size_bytes_capacity;
    guint32 *codes;
    gsize codes_capacity;
} ColumnTexts;

void column_texts_release(ColumnTexts *texts);
gsize column_texts_size(const ColumnTexts *texts);

/* Each reads one column of count events, at least 1, and returns FALSE where the bytes are none. */
gboolean column_get_numbers(ColumnDecoder *decoder, const guint8 *bytes, gsize size_bytes,
                            gint64 *values, guint32 count);
gboolean column_get_sequences(ColumnDecoder *decoder, const guint8 *bytes, gsize size_bytes,
                              gint64 *values, guint32 count, const SegmentTexts *writers);
/* texts->texts borrows from texts, and from decoder until it reads a column of more events. */
gboolean column_get_texts(ColumnDecoder *decoder, const guint8 *bytes, gsize size_bytes,
                          ColumnTexts *texts, guint32 count);
/* The same, but texts that each event has one of its own of may be left as numbers or digits, which
 * is all that most are asked for: column_spell() makes the values. */
gboolean column_read_texts(ColumnDecoder *decoder, const guint8 *bytes, gsize size_bytes,
                           ColumnTexts *texts, guint32 count);
void column_spell(ColumnTexts *texts);
/* The text of one event alone: of texts, or in room where it is not spelt. */
const char *column_text(const ColumnTexts *texts, guint32 row, char room[COLUMN_TEXT_ROOM_BYTES],
                        guint32 *size_bytes);
/* The digits of the texts when all are USAGE_ID_CHARS of them and nothing else, not spelt yet:
 * COLUMN_ID_BYTES each. Else NULL. */
const guint8 *column_ids(const ColumnTexts *texts);

/* Makes *memory, an array of items of this size, hold count of them; what was there is lost. */
void column_grow(gpointer memory, gsize *capacity, gsize count, gsize item_size_bytes);

#endif
