/* column_internal.h - between the files of column.h: parts and planes, of which columns are made.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_COLUMN_INTERNAL_H
#define MILLRACE_FORMATS_COLUMN_INTERNAL_H

#include "formats/column.h"

#define COLUMN_PLANES_MAX       8
#define COLUMN_BLOCK            16 /* numbers that loops take at once */
#define COLUMN_PREFIX_MAX_BYTES 63 /* of numbered texts */
#define COLUMN_DIGITS_MAX       18 /* of their numbers, which so stay below 2^63 */
#define COLUMN_NUMBER_BEYOND    G_GUINT64_CONSTANT(1000000000000000000) /* the first of 19 */
#define COLUMN_HEX_MAX_BYTES    63 /* of texts with hexadecimal digits */

/* Makes room for columns of count. */
void column_encoder_reserve(ColumnEncoder *encoder, gsize count);

/* A part is bytes whose size both sides know: stored as a zstd frame where that is smaller, else as
 * they are. */
void column_put_part(Compressor *compressor, GByteArray *out, const guint8 *bytes,
                     gsize size_bytes);
/* Returns: size_bytes bytes, borrowed from the reader's or in room, which has as much; or NULL. */
const guint8 *column_get_part(ColumnDecoder *decoder, ByteReader *reader, guint8 *room,
                              gsize size_bytes);

/* Numbers as planes: plane k has byte k of each. plane_count: as many as the highest needs. */
guint column_plane_count(guint64 highest);
void column_put_planes(ColumnEncoder *encoder, GByteArray *out, const guint64 *numbers, gsize count,
                       guint plane_count);
/* Returns FALSE, or TRUE and the planes, borrowed from reader and decoder until its next. */
gboolean column_get_planes(ColumnDecoder *decoder, ByteReader *reader, gsize count,
                           guint plane_count, const guint8 *planes[COLUMN_PLANES_MAX]);

/* Reads what column_put_numbers() and its like append. writers: NULL where there are none. */
gboolean column_read_numbers(ColumnDecoder *decoder, ByteReader *reader, guint64 *numbers,
                             guint32 count, const SegmentTexts *writers);

/* Makes room for so many values. */
void column_texts_reserve(ColumnTexts *texts, guint32 count);

/* Are the texts of so many events written as a dictionary, so that codes tell equal ones? */
gboolean column_repeats(const SegmentTexts *texts, guint32 count);

#endif
