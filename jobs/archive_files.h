/* archive_files.h - the folder that records are restored into. A file gets its name when it is
 * whole, checked and durable; nothing is ever made outside of the folder, whatever names come and
 * whatever symlinks lie in it; what is there with other bytes stays unless the caller insists.
 * Files wait in a work folder for their names, many together, since disks sync many as quickly as
 * one. Not for several threads at once.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_ARCHIVE_FILES_H
#define MILLRACE_JOBS_ARCHIVE_FILES_H

#include "formats/tar.h"
#include "formats/volume.h"

/* A file on its way. */
typedef struct {
    char *path; /* beneath the folder */
    char *key;
    guint volume; /* the caller's number for it */
    guint64 size_bytes;
    char sha256[SHA256_CHARS + 1];
} ArchiveFile;

/* Told once for each file that was finished: failure is NULL when it is there. was_there: it was
 * already, with the same bytes. */
typedef void (*ArchiveFileDone)(const ArchiveFile *file, gboolean was_there, const GError *failure,
                                gpointer data);

typedef struct _ArchiveFiles ArchiveFiles;
/* Makes the folder where it is missing. force: files with other bytes are replaced. NULL and
 * MILLRACE_ERROR_CANT_CREATE, _IO, _INTERRUPTED (somebody else restores into it). */
ArchiveFiles *archive_files_open(const char *folder, gboolean force, ArchiveFileDone done,
                                 gpointer data, GError **error);
/* Takes files; those that have not got their names never will. */
void archive_files_close(ArchiveFiles *files);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ArchiveFiles, archive_files_close)

/* Begins a file. prefix: a folder for it, or NULL. FALSE and MILLRACE_ERROR_BAD_INPUT (a name that
 * would lead out of the folder), _CANT_CREATE (something is in the way), _IO. */
gboolean archive_files_begin(ArchiveFiles *files, const char *prefix, const TarMember *member,
                             const VolumeRecord *record, guint volume, GError **error);
gboolean archive_files_write(ArchiveFiles *files, const void *bytes, gsize size_bytes,
                             GError **error);
/* The file is whole. Its name comes later, and done is told then. */
gboolean archive_files_finish(ArchiveFiles *files, GError **error);
/* Forgets the file that was begun; none is no harm. */
void archive_files_abandon(ArchiveFiles *files);
/* Gives all that are finished their names. */
gboolean archive_files_flush(ArchiveFiles *files, GError **error);
/* Has the disk failed, or is it full? Then no other file has a chance. */
gboolean archive_files_broken(const ArchiveFiles *files);

#endif
