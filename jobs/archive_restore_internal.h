/* archive_restore_internal.h - what archive_restore.c shares with where records go
 * (archive_restore_to.c) and with the look for keys that two volumes have (archive_clash.c).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_ARCHIVE_RESTORE_INTERNAL_H
#define MILLRACE_JOBS_ARCHIVE_RESTORE_INTERNAL_H

#include "jobs/archive_files.h"
#include "jobs/archive_restore.h"
#include "jobs/volume_cursor.h"

/* Told of a record that is where it belongs (failure NULL), or is not. */
typedef void (*RestoreDone)(guint volume, const char *key, guint64 size_bytes, gboolean was_there,
                            const GError *failure, gpointer data);

/* Where records go. Calls: begin, then the sink's, then finish or abandon; flush at the end. */
typedef struct _RestoreTo RestoreTo;
RestoreTo *restore_to_folder(const ArchiveRestoreConfig *config, RestoreDone done, gpointer data,
                             GError **error);
RestoreTo *restore_to_fd(int fd, RestoreDone done, gpointer data);
void restore_to_free(RestoreTo *to);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RestoreTo, restore_to_free)
/* volume: its number in the result, for done. Strings of record: borrowed until it is finished. */
void restore_to_begin(RestoreTo *to, guint volume, const char *volume_name,
                      const VolumeRecord *record);
const VolumeSink *restore_to_sink(const RestoreTo *to);
gboolean restore_to_finish(RestoreTo *to, GError **error);
void restore_to_abandon(RestoreTo *to);
gboolean restore_to_flush(RestoreTo *to, GError **error);
/* Has no other record a chance? */
gboolean restore_to_broken(const RestoreTo *to);

/* Keys that were selected in several volumes, with other bytes. Memory: about 32 bytes a record. */
typedef struct _Clashes Clashes;
Clashes *clashes_new(void);
void clashes_free(Clashes *clashes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Clashes, clashes_free)
void clashes_add(Clashes *clashes, const VolumeRecord *record);
/* How many keys clash by now. */
guint64 clashes_count(const Clashes *clashes);
gboolean clashes_has(const Clashes *clashes, const VolumeRecord *record);

#endif
