/* commit.h - the last step of every row: outputs durable and named, the ledger told, the usage
 * logged. It runs in a thread of its own, in groups, so that a disk that is slow to sync keeps no
 * worker waiting.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_COMMIT_H
#define MILLRACE_JOBS_COMMIT_H

#include "jobs/resize_folder.h"
#include "jobs/row_work.h"

typedef struct _Committer Committer;

/* Called in the main context's thread when rows have come to their end. After error (not NULL once,
 * and rows from then on are dropped, but still counted) nothing more is written. */
typedef void (*CommitDone)(guint done_count, guint failed_count, const GError *error,
                           gpointer data);

/* folder, header, data: borrowed until the committer is closed. */
Committer *committer_new(const ResizeFolder *folder, const LedgerHeader *header, CommitDone done,
                         gpointer data);
/* Takes a row, whose record is filled but for its time. */
void committer_push(Committer *committer, RowWork *work);
/* Lets what was pushed not wait for more. */
void committer_flush(Committer *committer);
/* Takes the committer, which must have answered for every row, and ends it.
 * Returns FALSE and error when closing fails. */
gboolean committer_close(Committer *committer, GError **error);

#endif
