/* ingest_source.h - the bytes of a usage log, plain or compressed by zstd, from a file or a pipe.
 * Positions are in uncompressed bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_INGEST_SOURCE_H
#define MILLRACE_JOBS_INGEST_SOURCE_H

#include <glib.h>

typedef struct _IngestSource IngestSource;

/* log: a path, or "-" for standard input. Which of the two it is follows from its first bytes.
 * Returns: (transfer full), or NULL and MILLRACE_ERROR_NO_INPUT, MILLRACE_ERROR_IO. */
IngestSource *ingest_source_open(const char *log, GError **error);
void ingest_source_free(IngestSource *source);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IngestSource, ingest_source_free)

/* Fills buffer as far as there is something. Returns: how many bytes, fewer than size_bytes only at
 * the end; -1 and MILLRACE_ERROR_CORRUPT, MILLRACE_ERROR_IO. */
gssize ingest_source_read(IngestSource *source, char *buffer, gsize size_bytes, GError **error);

/* After the end: does it end within a zstd frame? */
gboolean ingest_source_truncated(const IngestSource *source);
/* Can nothing be appended to it any more? A file may still be written to, a pipe that has ended may
 * not. */
gboolean ingest_source_ends(const IngestSource *source);

/* Can it be read again? */
gboolean ingest_source_can_seek(const IngestSource *source);
/* Goes on reading at position_bytes, which is not behind the end. */
gboolean ingest_source_seek(IngestSource *source, guint64 position_bytes, GError **error);

/* Finds damage that a compressed file would show only at the end of a frame, by reading it through
 * from its begin; reading then goes on where it was. Of a plain file or a pipe nothing can be told.
 * Returns FALSE and MILLRACE_ERROR_CORRUPT, MILLRACE_ERROR_IO. */
gboolean ingest_source_check(IngestSource *source, GError **error);

#endif
