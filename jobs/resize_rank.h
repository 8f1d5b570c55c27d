/* resize_rank.h - what one rank does with the rows it is leased: open, hand to a worker, commit.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_RESIZE_RANK_H
#define MILLRACE_JOBS_RESIZE_RANK_H

#include "jobs/resize_folder.h"
#include "jobs/resize_source.h"
#include "mr/foreach.h"

typedef struct _ResizeRank ResizeRank;

/* config, folder, header: borrowed until the rank is closed.
 * Returns: (transfer full), or NULL and error. */
ResizeRank *resize_rank_open(const ResizeConfig *config, const ResizeFolder *folder,
                             const LedgerHeader *header, RowSpecs row_specs, guint worker_count,
                             GError **error);
/* What rows are taken from; set once, before it runs. Borrowed. */
void resize_rank_set_foreach(ResizeRank *rank, Foreach *each);
/* Rows may lie ready: takes as many as there are free workers. */
void resize_rank_ready(ResizeRank *rank);
/* Has anything been committed? */
gboolean resize_rank_committed(const ResizeRank *rank);
/* Takes the rank and ends it. Returns FALSE and the first error that stopped it (a full disk,
 * workers that do not start), or one of closing. */
gboolean resize_rank_close(ResizeRank *rank, GError **error);

#endif
