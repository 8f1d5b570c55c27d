/* archive_list.h - what an archive has: its records, its volumes, and all that is known of one
 * record.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_ARCHIVE_LIST_H
#define MILLRACE_JOBS_ARCHIVE_LIST_H

#include <stdio.h>

#include "jobs/archive_select.h"
#include "jobs/archive_tape.h"

typedef enum {
    ARCHIVE_LIST_RECORDS, /* a line for each */
    ARCHIVE_LIST_VOLUMES, /* likewise */
    ARCHIVE_LIST_TRAIL    /* of selection.record: where it lies, and what was done to its volume */
} ArchiveListWhat;

typedef struct {
    ArchiveSelection selection;
    ArchiveListWhat what;
    ArchiveTape *tape; /* the archive is its, and comes as a stream; NULL */
    gboolean json;
    gboolean tombstones; /* volumes that are expired, too */
    ArchiveOnBad on_bad;
    gpointer data;
} ArchiveListConfig;

/* Writes lines to out. What is damaged is told to on_bad and counted, and the others follow; of an
 * index that does not hold nothing is written. Returns FALSE and MILLRACE_ERROR_NO_INPUT (no such
 * record or volume), MILLRACE_ERROR_IO. */
gboolean archive_list(Archive *archive, const ArchiveListConfig *config, FILE *out,
                      guint64 *line_count, guint64 *bad_count, GError **error);

#endif
