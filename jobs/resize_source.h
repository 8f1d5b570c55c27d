/* resize_source.h - rank 0's end of the manifest: from a file or a pipe to the rows that are still
 * to do. A file is read once before anything begins, which finds what makes it unreadable, counts
 * its rows and takes its fingerprint. A pipe is spooled into the job's folder as it comes.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_RESIZE_SOURCE_H
#define MILLRACE_JOBS_RESIZE_SOURCE_H

#include "formats/manifest.h"
#include "jobs/attempts.h"
#include "jobs/resize_folder.h"
#include "jobs/row_states.h"
#include "mr/foreach.h"

typedef struct _ResizeSource ResizeSource;

/* Do rows want the same outputs? Where they do not, the names of outputs begin with their specs,
 * since a source may stand in several rows. */
typedef enum {
    ROW_SPECS_ALIKE,
    ROW_SPECS_VARY,
    ROW_SPECS_UNKNOWN /* a pipe: those that rows bring themselves may vary */
} RowSpecs;

/* Opens config->manifest and, if it is a file, surveys it. Returns: (transfer full), or NULL and
 * MILLRACE_ERROR_NO_INPUT, MILLRACE_ERROR_BAD_INPUT, MILLRACE_ERROR_IO; MILLRACE_ERROR_USAGE when
 * neither config->to nor any row of a file says what to make. */
ResizeSource *resize_source_open(const ResizeConfig *config, GError **error);
void resize_source_free(ResizeSource *source);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ResizeSource, resize_source_free)

const ManifestIdentity *resize_source_identity(const ResizeSource *source);
RowSpecs resize_source_row_specs(const ResizeSource *source);
/* Rows there are; of a pipe that has not ended, 0. */
guint64 resize_source_row_count(const ResizeSource *source);
/* Rows known of so far, whether it has ended or not. */
guint64 resize_source_rows_seen(const ResizeSource *source);
/* Has the manifest been read to its end? */
gboolean resize_source_ended(const ResizeSource *source);

/* Begins to read rows, leaving out those that states knows as done. attempts: what rows have cost
 * before, borrowed until the source is freed. state_fd: where a pipe is
 * spooled to. wake: called when a pipe that had nothing has something. All borrowed until the
 * source is freed. */
gboolean resize_source_begin(ResizeSource *source, int state_fd, const RowStates *states,
                             const Attempts *attempts, GSourceFunc wake, gpointer wake_data,
                             GError **error);
/* Begins to read rows for looking only: waits where a pipe has nothing, and spools nothing. */
void resize_source_look(ResizeSource *source, const RowStates *states);
/* As ForeachJob.next; the item's bytes are resize_item_encode()'s. */
ForeachNext resize_source_next(ResizeSource *source, LeaseItem *item, GError **error);
/* As ForeachJob.remaining. */
guint64 resize_source_remaining(const ResizeSource *source);

/* A row as it travels in a lease, with how many workers it has killed so far. */
void resize_item_encode(GByteArray *out, const ManifestRow *row, guint deaths);
/* Strings are borrowed from the item. */
gboolean resize_item_decode(const LeaseItem *item, ManifestRow *row, guint *deaths);

#endif
