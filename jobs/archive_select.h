/* archive_select.h - records of an archive by key, customer, path and time; and volumes that are
 * open to be read: manifest checked, index checked against it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_ARCHIVE_SELECT_H
#define MILLRACE_JOBS_ARCHIVE_SELECT_H

#include "jobs/archive.h"
#include "jobs/volume_read.h"

/* Which records. Strings: borrowed. */
typedef struct {
    const char *record;   /* KEY or VOLUME:KEY: only this one; NULL */
    const char *volume;   /* only of this volume; NULL */
    const char *glob;     /* only keys that match; NULL */
    const char *customer; /* only usage of this customer; NULL */
    gint64 from_us;       /* only what touches the time from then on; G_MININT64 */
    gint64 to_us;         /* up to then; G_MAXINT64 */
} ArchiveSelection;
#define ARCHIVE_SELECTION_ALL                                                                      \
    {                                                                                              \
        .from_us = G_MININT64, .to_us = G_MAXINT64                                                 \
    }

/* Splits "VOLUME:KEY". Returns the key; volume: is empty when text is a key alone. */
const char *archive_split_record(const char *text, char volume[VOLUME_NAME_CHARS + 1]);
/* Does the selection want this volume? One that is expired is never wanted. */
gboolean archive_wants_volume(const ArchiveSelection *selection, const CatalogueVolume *volume);
/* In words, for the catalogue. (transfer full) */
char *archive_selection_describe(const ArchiveSelection *selection);

/* Text from an archive, for messages and terminals: what is no printable character is written as
 * \xHH. (transfer full) */
char *archive_clean(const char *text);

/* A volume that is open. */
typedef struct {
    Archive *archive;
    const CatalogueVolume *volume;
    VolumeManifest manifest;
    TierFile *index;
    gboolean index_checked;
    TierFile *file;
    VolumeTar *tar; /* NULL until archive_volume_tar() */
} ArchiveVolume;
/* Reads the manifest and opens the index. archive: borrowed. (transfer full), or NULL and the
 * error of whatever is missing or damaged. */
ArchiveVolume *archive_volume_open(Archive *archive, const CatalogueVolume *volume, GError **error);
void archive_volume_close(ArchiveVolume *open);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ArchiveVolume, archive_volume_close)
/* Checks the whole index against the manifest, once. */
gboolean archive_volume_check_index(ArchiveVolume *open, GError **error);
/* The tar, by its table of frames; borrowed. NULL and error. */
VolumeTar *archive_volume_tar(ArchiveVolume *open, GError **error);

/* Calls on_record for each record of the volume that is selected, in order of keys. The index is
 * checked first. */
gboolean archive_volume_each(ArchiveVolume *open, const ArchiveSelection *selection,
                             VolumeOnLine on_line, gpointer data, GError **error);
/* Finds a record by its key, without reading a large index: 1, 0 when there is none, -1 and error.
 * Strings of record are borrowed from keep. */
int archive_volume_find(ArchiveVolume *open, const char *key, GString *keep, VolumeRecord *record,
                        GError **error);

/* What could not be done for a volume or a record, in a sentence. */
typedef void (*ArchiveOnBad)(const char *text, gpointer data);

/* A record that was found by its key. */
typedef struct {
    ArchiveVolume *open; /* owned */
    GString *keep;
    VolumeRecord record;
} ArchiveFound;
/* Looks for selection->record in every volume that is wanted. A volume that cannot be searched is
 * told to on_bad. (transfer full) of ArchiveFound, in the order of packing; empty when it is
 * nowhere. */
GPtrArray *archive_find(Archive *archive, const ArchiveSelection *selection, ArchiveOnBad on_bad,
                        gpointer data);

#endif
