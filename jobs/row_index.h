/* row_index.h - where the record that counts for each row lies: a file of 8 bytes a row that is
 * looked at through a window, so that memory stays flat. Ledgers are nearly in the order of rows,
 * so the window seldom moves.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_ROW_INDEX_H
#define MILLRACE_JOBS_ROW_INDEX_H

#include <glib.h>

typedef struct _RowIndex RowIndex;

/* An empty index, in a file in dir_fd that has no name. Returns: (transfer full), or NULL and
 * MILLRACE_ERROR_IO. */
RowIndex *row_index_new(int dir_fd, GError **error);
void row_index_free(RowIndex *index);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RowIndex, row_index_free)

gboolean row_index_set(RowIndex *index, guint64 row, guint ledger, guint64 offset_bytes,
                       GError **error);
/* Returns: 1 and where; 0 when nothing was set; -1 and error. */
int row_index_get(RowIndex *index, guint64 row, guint *ledger, guint64 *offset_bytes,
                  GError **error);

#endif
