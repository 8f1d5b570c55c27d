/* archive_tape.h - an archive as a stream: on tape, in a pipe. One plain tar of the files that a
 * tier has, catalogue first. Bytes: formats/README.md, "Cold archive v1", Stream.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_ARCHIVE_TAPE_H
#define MILLRACE_JOBS_ARCHIVE_TAPE_H

#include "jobs/archive.h"

/* Called with each volume's name when it was written (damage NULL), or left out since its files are
 * not what the catalogue says (damage: why). */
typedef void (*ArchiveTapeTell)(gpointer data, const char *volume, guint64 bytes,
                                const char *damage);

/* Writes an archive's catalogue, keys and volumes to fd. volumes: of CatalogueVolume, or NULL for
 * all that have not expired. Every file is checked before its first byte is written. Padded to
 * 10240 bytes. FALSE and MILLRACE_ERROR_IO, or what tiers say. tell: NULL when no volume may be
 * left out, so that damage is an error. */
gboolean archive_tape_write(Archive *archive, const GPtrArray *volumes, int fd,
                            ArchiveTapeTell tell, gpointer tell_data, GError **error);

/* A stream being read: its catalogue and keys, and one volume at a time, lie as an archive in a
 * folder of their own, which is gone in the end. */
typedef struct _ArchiveTape ArchiveTape;

/* Reads catalogue and keys. fd: borrowed; reads may be as short as they like. scratch: where the
 * folder is made, which needs room for the largest volume. trust: as ArchiveOpen. NULL and
 * MILLRACE_ERROR_CORRUPT (no archive, its catalogue, its keys), _IO, _CANT_CREATE. */
ArchiveTape *archive_tape_open(int fd, const char *scratch, const char *const *trust,
                               GError **error);
void archive_tape_close(ArchiveTape *tape);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ArchiveTape, archive_tape_close)

/* Removes the folders in scratch that killed readers left; nobody else may be reading there. */
void archive_tape_sweep(const char *scratch);

/* What lies in the folder now. Borrowed. */
Archive *archive_tape_archive(ArchiveTape *tape);
const char *archive_tape_folder(const ArchiveTape *tape);

/* Goes on to the next volume of the stream that the catalogue knows and that has not expired; the
 * one before is removed. Files that are not what its manifest says may be missing; no others are
 * there that were not asked for. Returns: 1, 0 at the end (the stream has been read to it), -1 and
 * MILLRACE_ERROR_CORRUPT (a torn stream), _IO. */
int archive_tape_next(ArchiveTape *tape, const CatalogueVolume **volume, GError **error);
/* The same for all that come, and none is removed: the folder becomes the whole archive. */
gboolean archive_tape_rest(ArchiveTape *tape, GError **error);

/* Was it in the stream? */
gboolean archive_tape_has_seen(const ArchiveTape *tape, const char *volume);

#endif
