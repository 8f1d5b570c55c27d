/* bulk_progress.h - how far a job has come while it runs, for those who ask.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BULK_PROGRESS_H
#define MILLRACE_JOBS_BULK_PROGRESS_H

#include "jobs/bulk_job.h"

typedef struct _BulkProgress BulkProgress;
/* jobs, id: borrowed until it is freed. */
BulkProgress *bulk_progress_new(BulkJobs *jobs, const char *id);
void bulk_progress_free(BulkProgress *progress);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BulkProgress, bulk_progress_free)
/* Reads what the ledgers say more than before, and leaves it in the job's folder. What goes wrong
 * is put right by the next call. */
void bulk_progress_tell(BulkProgress *progress);

#endif
