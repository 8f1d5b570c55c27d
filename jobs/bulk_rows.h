/* bulk_rows.h - the rows of a manifest that was sent, written anew.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BULK_ROWS_H
#define MILLRACE_JOBS_BULK_ROWS_H

#include "jobs/bulk_submit.h"

typedef struct {
    guint64 row_count;
    gboolean any_to; /* does a row bring its own output specs? */
} BulkRows;

/* Reads the manifest in fd from its beginning, and writes stage_fd/manifest.csv, durably: its rows
 * without their customers. name: for messages, and for MANIFEST_AUTO. FALSE and
 * MILLRACE_ERROR_BAD_INPUT with the line (no rows, or more than rows_max, too), MILLRACE_ERROR_IO.
 */
gboolean bulk_rows_write(int fd, const char *name, ManifestKind kind, guint64 rows_max,
                         int stage_fd, BulkRows *rows, GError **error);

#endif
