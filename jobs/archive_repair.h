/* archive_repair.h - files of a volume that are damaged or missing are made again: from parity,
 * from the volume, or from another copy of the archive. A file gets its name only when it has the
 * digest that the signed manifest gives. SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_ARCHIVE_REPAIR_H
#define MILLRACE_JOBS_ARCHIVE_REPAIR_H

#include "jobs/archive.h"

/* What was done, and what could not be. */
typedef struct {
    GPtrArray *done; /* of char *: "V.tar.zst: 8192 bytes from parity" */
    GPtrArray *left; /* of char *: a file, and why it could not be repaired */
} ArchiveRepairReport;
void archive_repair_report_init(ArchiveRepairReport *report);
void archive_repair_report_clear(ArchiveRepairReport *report);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ArchiveRepairReport, archive_repair_report_clear)

/* archive: open for writing. copy: another archive's place, or NULL. Every file of the volume is
 * read; those that hold are left alone. What was repaired is noted in the catalogue. FALSE when
 * the archive cannot be written or is out of reach. */
gboolean archive_repair_volume(Archive *archive, const char *volume, Tier *copy, guint threads,
                               ArchiveRepairReport *report, GError **error);

/* Replaces a catalogue.log that does not hold by the copy's, when that holds, is of the same
 * archive, and lacks nothing that needed the key; and keys/ that differ from the copy's. trust: as
 * of archive_open(). FALSE and
 * MILLRACE_ERROR_BAD_INPUT when it does not fit; nothing was changed then. */
gboolean archive_repair_catalogue(const char *where, const char *copy, const char *const *trust,
                                  ArchiveRepairReport *report, GError **error);

#endif
