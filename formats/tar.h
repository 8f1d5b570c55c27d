/* tar.h - members of a pax archive, by libarchive: headers that are the same wherever they are
 * made, and a reader for bytes that come piece by piece from a source nobody vouches for.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_TAR_H
#define MILLRACE_FORMATS_TAR_H

#include <glib.h>

#include "formats/error.h"

#define TAR_BLOCK_BYTES 512
#define TAR_END_BYTES   1024 /* two blocks of zeros */
#define TAR_NAME_MAX    4095

/* Appends the header of a regular file (ustar, with a pax header before it where the name or size
 * needs one): mode 0644, uid and gid 0, root and root, mtime in whole seconds. name: bytes. FALSE
 * and MILLRACE_ERROR_BAD_INPUT when tar cannot say it. */
gboolean tar_header(const char *name, guint64 size_bytes, gint64 mtime_s, GByteArray *out,
                    GError **error);
/* libarchive's version, as in "3.6.2". */
const char *tar_version(void);
/* How many zeros follow so many bytes of data. */
guint tar_padding(guint64 size_bytes);

/* A source of tar bytes: returns how many it put to *bytes (borrowed until the next call), 0 at the
 * end, -1 and error. */
typedef gssize (*TarRead)(gpointer data, const void **bytes, GError **error);

typedef struct {
    const char *name; /* bytes; borrowed until the next member */
    guint64 size_bytes;
    guint64 offset; /* of its header (of a pax header before it), in the bytes that were read */
    gint64 mtime_s;
    gboolean is_file; /* a regular file, not sparse; nothing else is ever ours */
    const char *what; /* "symlink", "device", ...: for messages */
} TarMember;

typedef struct _TarReader TarReader;
TarReader *tar_reader_new(TarRead read, gpointer data);
void tar_reader_free(TarReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TarReader, tar_reader_free)
/* The next member: 1, 0 at the end, -1 and MILLRACE_ERROR_CORRUPT (what is no tar) or read's own
 * error. What was left of the member before is passed over. */
int tar_reader_next(TarReader *reader, TarMember *member, GError **error);
/* Data of the member: how many bytes are at *bytes (borrowed until the next call), 0 at its end,
 * -1 and error. */
gssize tar_reader_data(TarReader *reader, const void **bytes, GError **error);

#endif
