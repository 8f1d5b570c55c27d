/* archive.h - what the verbs of millrace archive have in common: an archive that is open, who acts,
 * when. Data flow: a tier (bytes) → the catalogue (what there is) → volumes (manifest, index,
 * frames) → records.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_ARCHIVE_H
#define MILLRACE_JOBS_ARCHIVE_H

#include "formats/catalogue.h"
#include "formats/volume.h"
#include "jobs/tier.h"

#define ARCHIVE_CATALOGUE "catalogue.log"
#define ARCHIVE_KEYS      "keys"
#define ARCHIVE_VOLUMES   "volumes"
#define ARCHIVE_KEYS_MAX  256

typedef struct {
    Tier *tier;
    Catalogue *catalogue;
    GArray *trusted; /* of MinisignPublic: those the caller trusts; empty = UNTRUSTED */
    GArray *keys;    /* of MinisignPublic: trusted, or else those that lie in the archive */
    char *actor;     /* USER@HOST */
    gint64 now_us;   /* the clock, or --time */
    gboolean unseen_catalogue; /* there was none to read (a new archive) */
} Archive;

/* Opens where; for writing when it is to be changed (locked). actor: NULL = MILLRACE_ACTOR or
 * USER@HOST. now_us: 0 = the clock. trust: NULL-terminated paths of public keys, or NULL. The
 * catalogue is read, and its signatures are checked with the keys. (transfer full) */
typedef struct {
    const char *where;
    const char *actor;
    const char *const *trust;
    gint64 now_us;
    gboolean create;
    gboolean write;
} ArchiveOpen;
Archive *archive_open(const ArchiveOpen *how, GError **error);
/* (archive_free is a name of libarchive.) */
void archive_close(Archive *archive);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Archive, archive_close)

/* Reads a secret key's file. */
MinisignSecret *archive_read_secret(const char *path, GError **error);

/* Adds an entry (time, actor and number are filled in here) to the catalogue in memory. */
void archive_note(Archive *archive, CatalogueEntry *entry);
/* Writes what was noted, with a checkpoint by secret when that is not NULL: the commit. */
gboolean archive_commit(Archive *archive, const MinisignSecret *secret, GError **error);

/* The manifest of a volume, checked against its signature and the catalogue. */
gboolean archive_manifest(Archive *archive, const CatalogueVolume *volume, VolumeManifest *manifest,
                          GError **error);

#endif
