/* archive_usage.h - segments of usage as members of a pack: what people can read decades on is a
 * line for each event, in a file for each customer and day. The events of a segment lie in no such
 * order, so it is printed to a scratch file first, customer and day together; a member is made of
 * pieces of those files.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_ARCHIVE_USAGE_H
#define MILLRACE_JOBS_ARCHIVE_USAGE_H

#include <glib.h>

#include "jobs/archive_inputs.h"
#include "mr/comm.h"

#define ARCHIVE_USAGE_BATCH_BYTES (64u << 20)

typedef struct {
    const char *folder; /* for scratch files, which all ranks see by this path; it is there */
    guint thread_count;
    gsize batch_bytes; /* of lines that a thread holds; ARCHIVE_USAGE_BATCH_BYTES but in tests */
} ArchiveUsageConfig;

/* What came of it; on rank 0. */
typedef struct {
    guint64 event_count;
    guint64 size_bytes;
    guint64 member_count;
} ArchiveUsageReport;

/* *Collective.* Prints the segments of rank 0's inputs, each rank a share, and adds the members to
 * rank 0's inputs, sorted. inputs: NULL on other ranks. The members, and the bytes behind them, do
 * not depend on how many ranks and threads there are. Scratch files of an earlier try are made
 * anew: to read them through would take as long.
 * Returns FALSE on every rank when one has failed: there with MILLRACE_ERROR_CORRUPT (the first
 * segment that does not hold), MILLRACE_ERROR_BAD_INPUT (a name that tar or another file cannot
 * share), MILLRACE_ERROR_INVARIANT (fewer lines than events), MILLRACE_ERROR_IO; elsewhere with
 * MILLRACE_ERROR_INTERRUPTED. */
gboolean archive_usage(Comm *comm, ArchiveInputs *inputs, const ArchiveUsageConfig *config,
                       ArchiveUsageReport *report, GError **error);

/* Removes scratch files of this and earlier tries. Local. */
gboolean archive_usage_clean(const char *folder, GError **error);

#endif
