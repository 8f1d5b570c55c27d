/* archive_index.h - the index of a volume, read whole and checked first: for those who must not
 * miss a record (a hold), or prove one.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_ARCHIVE_INDEX_H
#define MILLRACE_JOBS_ARCHIVE_INDEX_H

#include "jobs/archive.h"

/* Opens the index of a volume that has not expired, and checks every byte of it against the
 * manifest, which is filled in (clear it; on failure too).
 * Returns: (transfer full), or NULL and MILLRACE_ERROR_CORRUPT, MILLRACE_ERROR_NO_INPUT,
 * MILLRACE_ERROR_IO. */
TierFile *archive_index_open(Archive *archive, const CatalogueVolume *volume,
                             VolumeManifest *manifest, GError **error);

/* Which volumes. Lists: NULL-terminated, or NULL; what any of them asks for is chosen. */
typedef struct {
    const char *const *volumes;   /* names, or begins of them that only one has */
    const char *const *records;   /* keys */
    const char *const *customers; /* of usage */
    const char *class;            /* NULL: none */
    const char *hold;             /* all that this holds; NULL: none */
} ArchiveChoice;

/* Finds the volumes, expired ones left aside; each is there once, in the catalogue's order. All
 * that was named must be there: a volume, a volume with the record, ...
 * Returns: (transfer container) of const CatalogueVolume, borrowed until the catalogue's next
 * append, or NULL and MILLRACE_ERROR_NO_INPUT (no such volume, record, ...), MILLRACE_ERROR_USAGE
 * (several begin so), or an index's error. */
GPtrArray *archive_choose(Archive *archive, const ArchiveChoice *choice, GError **error);

#endif
