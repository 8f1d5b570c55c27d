/* archive_choose.h - volumes by what lies in them, for those who must not miss one: an index is
 * read whole and checked before it is believed.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_ARCHIVE_CHOOSE_H
#define MILLRACE_JOBS_ARCHIVE_CHOOSE_H

#include "jobs/archive.h"

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
