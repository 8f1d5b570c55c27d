/* bulk_run.h - millrace-resize run over one job.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BULK_RUN_H
#define MILLRACE_JOBS_BULK_RUN_H

#include "jobs/bulk_drain.h"

/* How it ended. */
typedef enum {
    BULK_RAN,     /* every row is accounted for */
    BULK_STOPPED, /* interrupted, to be resumed */
    BULK_FAILED,  /* why: see reason */
    BULK_LOST, /* the lease is another's, or the job is at its end: what was made is not wanted */
} BulkRan;

/* Runs resize beneath the job's folder and renews the lease meanwhile. When drain->stop is set, the
 * run is asked to end with the images in hand. reason: (out) (transfer full) for people; NULL when
 * it ran. */
BulkRan bulk_run(BulkJobs *jobs, const BulkJob *job, BulkLease *lease, const BulkDrain *drain,
                 char **reason);

#endif
