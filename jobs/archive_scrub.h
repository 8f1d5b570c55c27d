/* archive_scrub.h - the upkeep of an archive by cron: volumes whose last check is oldest are
 * verified whole, what is damaged is repaired, and files of expired volumes that a killed process
 * left are removed. SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_ARCHIVE_SCRUB_H
#define MILLRACE_JOBS_ARCHIVE_SCRUB_H

#include "jobs/archive_repair.h"
#include "jobs/archive_verify.h"

/* What became of a volume. */
typedef struct {
    const char *volume;
    VerifyResult result;            /* as it was found */
    const VolumeFindings *findings; /* at first */
    const ArchiveRepairReport *repair;
    gboolean repaired; /* it was damaged, and is intact now */
} ArchiveScrubbed;
typedef void (*ArchiveOnScrubbed)(const ArchiveScrubbed *scrubbed, gpointer data);

typedef struct {
    ArchiveOpen open; /* as for reading */
    const char *copy; /* another archive's place, or NULL */
    gint64 budget_us; /* no other volume is begun after that long; one is checked in any case */
    guint threads;
    ArchiveOnScrubbed on_scrubbed;
    gpointer data;
} ArchiveScrubConfig;

typedef struct {
    gboolean trusted;
    guint64 checked_count;
    guint64 repaired_count;
    guint64 damaged_count; /* that could not be repaired */
    guint64 left_count;    /* volumes for which there was no time */
    guint64 removed_count; /* files of expired volumes */
} ArchiveScrubReport;

/* Scrubs. The archive is locked only while something is written. */
gboolean archive_scrub(const ArchiveScrubConfig *config, ArchiveScrubReport *report,
                       GError **error);

#endif
