/* archive_retain.h - how long volumes are kept: holds, longer retention, and expiry, which needs
 * the clock and the catalogue's own account of time to agree that it is due. What changes here
 * holds when a checkpoint by the key is behind it, so one call is one commit.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_ARCHIVE_RETAIN_H
#define MILLRACE_JOBS_ARCHIVE_RETAIN_H

#include "jobs/archive.h"
#include "jobs/archive_choose.h"

#define ARCHIVE_HOLD_NAME_MAX 200  /* bytes */
#define ARCHIVE_HOLD_NOTE_MAX 4000 /* what an entry holds whole */

/* What became of a volume: text for people, as in "held by CASE-17". */
typedef struct {
    char *volume;
    char *text;
} RetainLine;
/* (transfer full) of RetainLine. */
GPtrArray *retain_lines_new(void);

/* Puts the hold on the volumes, or takes it from them. Those that have it already (or have it not)
 * are told of, and nothing is written for them. secret: its public half must be one that the
 * archive is checked with. lines: appended to. FALSE and MILLRACE_ERROR_USAGE (a name or note that
 * is too long or has control characters), MILLRACE_ERROR_BAD_INPUT (a release of no volume that is
 * held; another key), or the errors of archive_choose() and archive_commit(). */
gboolean archive_hold(Archive *archive, const ArchiveChoice *choice, const char *name,
                      const char *note, const MinisignSecret *secret, GPtrArray *lines,
                      GError **error);
gboolean archive_release(Archive *archive, const ArchiveChoice *choice, const char *name,
                         const char *note, const MinisignSecret *secret, GPtrArray *lines,
                         GError **error);

/* Keeps the volumes until then. A volume that is kept longer already is MILLRACE_ERROR_BAD_INPUT,
 * and nothing is changed for any of them. */
gboolean archive_extend(Archive *archive, const ArchiveChoice *choice, gint64 until_us,
                        const MinisignSecret *secret, GPtrArray *lines, GError **error);

typedef struct {
    guint64 expired_count;
    guint64 kept_count;
    guint64 removed_count; /* volumes with files left by an expiry that was killed */
} ExpireReport;
/* Ends the volumes that are due and not held: their tombstones are signed and durable before a file
 * is removed. What an expiry that was killed has left is removed too. secret: NULL only tells what
 * would be done. */
gboolean archive_expire(Archive *archive, const MinisignSecret *secret, GPtrArray *lines,
                        ExpireReport *report, GError **error);

/* Removes files of expired volumes, as archive_expire() does. volume_count: added to. */
gboolean archive_remove_expired(Archive *archive, guint64 *volume_count, GError **error);

#endif
