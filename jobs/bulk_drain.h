/* bulk_drain.h - the consumer of the queue: claims jobs, runs millrace-resize on them, and gives
 * them their end. Any number of drains may run on any number of hosts; any may die at any time.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BULK_DRAIN_H
#define MILLRACE_JOBS_BULK_DRAIN_H

#include "jobs/bulk_job.h"
#include "jobs/queue.h"

typedef struct {
    const char *sources;        /* as in BulkRequest; may be NULL */
    const char *usage_dir;      /* where usage logs are ingested from */
    const char *resize_program; /* path of millrace-resize */
    const char *run_program;    /* path of millrace-run, used with a hostfile */
    const char *hostfile;       /* may be NULL */
    guint worker_count;         /* 0: the cores */
    gint64 lease_us;
    const Duration *keep;      /* how long jobs are kept from their end on; NULL: for good */
    gboolean once;             /* ends when nothing waits; else when told to */
    const volatile gint *stop; /* not 0: finish or give back what is in hand, and return */
    void (*told)(const char *id, const char *what,
                 gpointer data); /* one line a step, id NULL when it is of no job; may be NULL */
    gpointer told_data;
} BulkDrain;

typedef struct {
    guint64 done;    /* came to their results here */
    guint64 again;   /* wait for another try */
    guint64 dead;    /* were given up */
    guint64 skipped; /* had come to an end, or are another's */
} BulkDrained;

/* Takes jobs as they come. A try that fails waits for the next one as long as a lease is; one that
 * is interrupted by stop goes back into the queue at once.
 * Returns FALSE and MILLRACE_ERROR_UNAVAILABLE when the queue stays out of reach (it tries for a
 * minute, with back-off), MILLRACE_ERROR_IO when the jobs' folder fails. */
gboolean bulk_drain(BulkJobs *jobs, Queue *queue, const BulkDrain *drain, BulkDrained *drained,
                    GError **error);

#endif
