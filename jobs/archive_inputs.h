/* archive_inputs.h - what a pack is made of: files found under the paths given, each a member of
 * the tar, and segments of usage, which become members of their own (archive_usage.h). What is
 * promised is that everything given is archived, so whatever cannot be is an error that names it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_ARCHIVE_INPUTS_H
#define MILLRACE_JOBS_ARCHIVE_INPUTS_H

#include <glib.h>
#include <stdio.h>

#include "formats/error.h"

#define ARCHIVE_INPUTS_MAX_BYTES (2040u << 20) /* printed: what one broadcast can bring */

/* Bytes of a file. */
typedef struct {
    const char *path;
    guint64 offset;
    guint64 size_bytes;
} ArchivePiece;

/* A file of the tar. Strings and pieces: owned by the inputs. */
typedef struct {
    const char *name; /* in the tar */
    guint64 size_bytes;
    gint64 mtime_s;
    gint64 changed_ns; /* ctime of the file: another one, and somebody has written to it since */
    const ArchivePiece *pieces; /* what it is made of, in order */
    guint piece_count;
} ArchiveMember;

typedef struct {
    GArray *members;     /* of ArchiveMember; by key, bytewise, from archive_inputs_sort() on */
    GPtrArray *segments; /* paths of segments of usage, by file name, each name once; borrowed */
    guint64 size_bytes;  /* of all members */
    GStringChunk *strings;
    GPtrArray *blocks;        /* of pieces */
    ArchivePiece *free_piece; /* in the last block */
    guint free_count;
} ArchiveInputs;

ArchiveInputs *archive_inputs_new(void);
void archive_inputs_free(ArchiveInputs *inputs);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ArchiveInputs, archive_inputs_free)

typedef struct {
    const char *const *operands; /* paths; "-": those of the list; NULL-terminated */
    FILE *list;                  /* standard input */
    char list_end;               /* what ends a path of the list: LF or NUL */
    /* Paths of files and folders that must not be among them: the archive itself, the secret key.
     * NULL-terminated, or NULL; those that are not there are found nowhere. */
    const char *const *never;
} ArchiveOperands;

/* Finds the files under the operands: folders are walked, a symlink that is an operand is followed.
 * Each file is opened once, so that one that cannot be read is known before anything is packed.
 * Returns: (transfer full), sorted; or NULL and MILLRACE_ERROR_NO_INPUT (nothing there, or not to
 * be read), MILLRACE_ERROR_BAD_INPUT (a symlink in a folder, a device, names or times that tar
 * cannot say, two files of one name or key), MILLRACE_ERROR_IO. */
ArchiveInputs *archive_inputs_find(const ArchiveOperands *operands, GError **error);

/* Adds a member. Copies what it points to. */
void archive_inputs_add(ArchiveInputs *inputs, const ArchiveMember *member);
/* Sorts the members. The same file twice is there once; two files of one name, or with one key in
 * the index, are MILLRACE_ERROR_BAD_INPUT. */
gboolean archive_inputs_sort(ArchiveInputs *inputs, GError **error);

/* Appends everything, for other ranks. FALSE and MILLRACE_ERROR_BAD_INPUT when it is more than
 * ARCHIVE_INPUTS_MAX_BYTES. */
gboolean archive_inputs_print(const ArchiveInputs *inputs, GByteArray *out, GError **error);
/* (transfer full), or NULL and MILLRACE_ERROR_BUG. */
ArchiveInputs *archive_inputs_parse(const void *bytes, gsize size_bytes, GError **error);

#endif
