/* tar_gzip.h - what gzip has compressed, piece by piece, by libarchive.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_TAR_GZIP_H
#define MILLRACE_FORMATS_TAR_GZIP_H

#include "formats/tar.h"

/* Do the bytes begin as a .gz file does? */
gboolean gzip_is_head(const guint8 *bytes, gsize size_bytes);

typedef struct _GzipReader GzipReader;
/* read, data: give the compressed bytes. */
GzipReader *gzip_reader_new(TarRead read, gpointer data);
void gzip_reader_free(GzipReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GzipReader, gzip_reader_free)
/* How many bytes are at *bytes (borrowed until the next call), 0 at the end, -1 and
 * MILLRACE_ERROR_CORRUPT or read's own error. */
gssize gzip_reader_read(GzipReader *reader, const void **bytes, GError **error);

#endif
