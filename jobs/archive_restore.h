/* archive_restore.h - records out of an archive: into a folder, or one behind the other.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_ARCHIVE_RESTORE_H
#define MILLRACE_JOBS_ARCHIVE_RESTORE_H

#include "jobs/archive_select.h"
#include "jobs/archive_tape.h"

typedef struct {
    ArchiveSelection selection;
    ArchiveTape *tape;  /* the archive is its, and comes as a stream; NULL */
    const char *folder; /* restore: where to */
    gboolean by_volume; /* restore: VOLUME/KEY, so that volumes may have the same keys */
    gboolean force;     /* restore: files that are there with other bytes are replaced */
    guint threads;
    ArchiveOnBad on_bad; /* told of each record that failed, and of volumes */
    gpointer data;
} ArchiveRestoreConfig;

typedef struct {
    const CatalogueVolume *volume; /* of the archive */
    guint64 record_count;          /* restored */
    guint64 bytes;
} ArchiveRestoredVolume;

/* What became of it: selected = restored + failed, in records. */
typedef struct {
    guint64 selected_count;
    guint64 restored_count;
    guint64 restored_bytes;
    guint64 there_count; /* of those restored: which were there already, with the same bytes */
    guint64 failed_count;
    gboolean damaged;         /* was any of that damage, and nothing here that was in the way? */
    guint64 bad_volume_count; /* that could not be searched, so nobody knows what they have */
    GArray *volumes;          /* of ArchiveRestoredVolume */
} ArchiveRestored;
void archive_restored_clear(ArchiveRestored *restored);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ArchiveRestored, archive_restored_clear)

/* Restores what is selected into the folder: each record whole and checked before it gets its name.
 * Records that fail are told of, and the others follow. FALSE and MILLRACE_ERROR_NO_INPUT (nothing
 * is selected), _BAD_INPUT (volumes have other bytes for the same key; all of them are told of
 * first; of a stream, the later ones fail), _CANT_CREATE, _IO, _INTERRUPTED, _INVARIANT. */
gboolean archive_restore(Archive *archive, const ArchiveRestoreConfig *config,
                         ArchiveRestored *restored, GError **error);
/* Writes what is selected to fd, volume by volume, by key. A record is checked before its first
 * byte is written when it is small (4 MiB); of a larger one, only each piece is. */
gboolean archive_cat(Archive *archive, const ArchiveRestoreConfig *config, int fd,
                     ArchiveRestored *restored, GError **error);
/* Notes in the catalogue what was restored, an entry for each volume. how: the archive, opened anew
 * to be written. */
gboolean archive_restore_note(const ArchiveOpen *how, const ArchiveRestored *restored,
                              const char *note, GError **error);

#endif
