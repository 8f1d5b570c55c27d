/* durable.h - files that are whole or not there: temporary name, fsync, rename, fsync of the
 * folder; and folders that are never left through a symlink or "..".
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_DURABLE_H
#define MILLRACE_FORMATS_DURABLE_H

#include <glib.h>

#include "formats/error.h"

/* What keeps a name from being made: a full or failing disk, nobody's fault and everybody's trouble
 * (MILLRACE_ERROR_IO), or something that lies in the name (MILLRACE_ERROR_CANT_CREATE). */
MillraceErrorKind durable_creation_error(int errnum);

/* Opens a folder, creating it and its parents when create. Returns: a descriptor to close, or -1
 * and an error of durable_creation_error() (create) or MILLRACE_ERROR_NO_INPUT. */
int durable_folder_open(const char *path, gboolean create, GError **error);

/* Opens the folder at relative ("" or "a/b", no "..", no leading '/') beneath root_fd, creating
 * what is missing; a symlink on the way is refused. Every folder made is durable on return.
 * Returns: a descriptor to close, or -1 and MILLRACE_ERROR_CANT_CREATE (a name that cannot be, a
 * file in the way) or MILLRACE_ERROR_IO (a full or failing disk). */
int durable_folder_beneath(int root_fd, const char *relative, GError **error);

/* The names in a folder that begin with prefix, but for those that begin with a dot, in bytewise
 * order. Returns: (transfer full) names, or NULL and MILLRACE_ERROR_IO; never a part of them. */
GPtrArray *durable_folder_list(int dir_fd, const char *prefix, GError **error);

/* Reads dir_fd/name whole. Returns: (transfer full) bytes with a NUL behind them, or NULL and
 * MILLRACE_ERROR_NO_INPUT (not there), MILLRACE_ERROR_IO (or larger than max_bytes). */
char *durable_read_file(int dir_fd, const char *name, gsize max_bytes, gsize *size_bytes,
                        GError **error);

/* Replaces dir_fd/name by these bytes, durably. */
gboolean durable_write_file(int dir_fd, const char *name, const void *bytes, gsize size_bytes,
                            GError **error);

/* Writes all of it, over short writes and EINTR. name: for the message. */
gboolean durable_write_all(int fd, const char *name, const void *bytes, gsize size_bytes,
                           GError **error);

/* Writes all of it at an offset; the file's position stays. */
gboolean durable_write_at(int fd, const char *name, guint64 offset, const void *bytes,
                          gsize size_bytes, GError **error);
/* Reads at an offset, over short reads and EINTR. Returns: how many bytes, fewer than size_bytes
 * only at the end of the file; or -1 and MILLRACE_ERROR_IO. */
gssize durable_read_at(int fd, const char *name, guint64 offset, void *out, gsize size_bytes,
                       GError **error);

/* fsync of a file or folder. name: for the message. */
gboolean durable_sync(int fd, const char *name, GError **error);

/* How a file got its final name. */
typedef enum {
    PUBLISH_DONE,   /* it has it now */
    PUBLISH_EXISTS, /* something else has it; nothing was changed */
    PUBLISH_FAILED  /* error, of the kinds of durable_folder_beneath() */
} PublishResult;

/* Moves from_fd/temporary to to_fd/name unless that exists. The caller syncs both file and folder.
 */
PublishResult durable_publish(int from_fd, const char *temporary, int to_fd, const char *name,
                              GError **error);

/* A file written piece by piece that gets its name when it is closed whole. */
typedef struct _DurableStream DurableStream;
/* dir_fd: borrowed until the stream ends. Returns: (transfer full), or NULL and
 * MILLRACE_ERROR_CANT_CREATE. */
DurableStream *durable_stream_open(int dir_fd, const char *name, GError **error);
gboolean durable_stream_write(DurableStream *stream, const void *bytes, gsize size_bytes,
                              GError **error);
/* The same for large pieces of what nobody reads soon, past the page cache where the disk can:
 * copying hundreds of megabytes into it takes as long as making them, and drives out what is read.
 * bytes, size_bytes: multiples of DURABLE_ALIGN_BYTES. What is not comes behind all that is. */
#define DURABLE_ALIGN_BYTES 4096
gboolean durable_stream_write_aligned(DurableStream *stream, const void *bytes, gsize size_bytes,
                                      GError **error);
/* Takes the stream; on FALSE nothing has the final name. */
gboolean durable_stream_close(DurableStream *stream, GError **error);
/* Takes the stream and forgets what was written. */
void durable_stream_abandon(DurableStream *stream);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DurableStream, durable_stream_abandon)

#endif
