/* bulk_job.h - a bulk job's folder in the shared jobs folder: the truth about the job, whatever the
 * queue delivers. A folder appears whole, by one rename; every later step is one exclusive rename
 * or link, so any number of doors and drains on any number of hosts may try the same.
 *
 *     JOBS/ID/job.json         what was asked: customer, output specs, counts, digests; immutable
 *     JOBS/ID/manifest.ndjson  checked rows: source, request, to
 *     JOBS/ID/inputs/          members of an uploaded tar
 *     JOBS/ID/receipt          the signed receipt
 *     JOBS/ID/queued           the queue has confirmed it
 *     JOBS/ID/lease-N          the Nth try: who has it; its mtime is its last renewal
 *     JOBS/ID/cancelled        a tombstone
 *     JOBS/ID/dead.json        given up: why
 *     JOBS/ID/work/            the output folder of millrace resize, while it runs
 *     JOBS/ID/results/         the same, renamed once, at the end
 *     JOBS/.tmp/               what is being made
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BULK_JOB_H
#define MILLRACE_JOBS_BULK_JOB_H

#include "formats/receipt.h"

#define BULK_LEASE_DEFAULT_US (60 * G_USEC_PER_SEC)
#define BULK_TRIES_MAX        5

typedef enum {
    BULK_ACCEPTED, /* the folder is there, but no queue has confirmed it */
    BULK_QUEUED,
    BULK_RUNNING, /* somebody's lease is fresh */
    BULK_DONE,
    BULK_CANCELLED,
    BULK_DEAD
} BulkState;
const char *bulk_state_name(BulkState state);

/* The shared folder. */
typedef struct _BulkJobs BulkJobs;
/* Makes it when missing. For any number of threads. */
BulkJobs *bulk_jobs_open(const char *path, GError **error);
void bulk_jobs_free(BulkJobs *jobs);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BulkJobs, bulk_jobs_free)
const char *bulk_jobs_path(const BulkJobs *jobs);

gboolean bulk_id_is_valid(const char *id);
/* The id that a customer's idempotency key, or a request's own id, leads to: 'j' and the first 16
 * bytes of SHA-256 over "millrace.job.v1" NUL customer NUL key. */
void bulk_id_make(const char *customer, const char *key, char id[JOB_ID_CHARS + 1]);

/* What is known of a job. Strings: owned. */
typedef struct {
    char id[JOB_ID_CHARS + 1];
    char *customer;
    char *to;              /* output specs, canonical; NULL: rows bring their own */
    char manifest[64 + 1]; /* SHA-256 of what the client sent */
    gboolean has_inputs;   /* sources are in inputs/; else beneath the customer's folder */
    guint64 row_count;
    gint64 accepted_us;
    BulkState state;
    guint tries;        /* leases taken */
    guint64 done_count; /* rows, when it is known: DONE, or RUNNING as far as the drain told */
    guint64 failed_count;
    char *reason; /* why it is dead or who cancelled it; may be NULL */
} BulkJob;
void bulk_job_clear(BulkJob *job);
/* FALSE and MILLRACE_ERROR_NO_INPUT: there is no such job. */
gboolean bulk_jobs_read(BulkJobs *jobs, const char *id, BulkJob *job, GError **error);
/* Calls visit for all, in the order of their ids, until it returns FALSE. customer: NULL for all.
 */
gboolean bulk_jobs_list(BulkJobs *jobs, const char *customer,
                        gboolean (*visit)(const BulkJob *job, gpointer data), gpointer data,
                        GError **error);
/* (transfer full) the path of a file of the job's folder. */
char *bulk_job_path(const BulkJobs *jobs, const char *id, const char *name);

/* The queue has confirmed it. */
gboolean bulk_job_queued(BulkJobs *jobs, const char *id, GError **error);
/* Takes back a job that no queue would take, so that nothing is left of it. */
gboolean bulk_job_forget(BulkJobs *jobs, const char *id, GError **error);
/* Leaves the tombstone: durable on return. FALSE and MILLRACE_ERROR_USAGE when the job is done. */
gboolean bulk_job_cancel(BulkJobs *jobs, const char *id, const char *by, GError **error);

/* A lease that is held. */
typedef struct _BulkLease BulkLease;
/* Takes the job's next lease, durably. holder: for people, HOST:PID. NULL without error: it is not
 * to be done (done, dead, cancelled, or another's lease is fresh; *state says which). Whether a
 * lease is fresh is measured with the file system's own clock. */
BulkLease *bulk_lease_take(BulkJobs *jobs, const char *id, const char *holder, gint64 lease_us,
                           BulkState *state, GError **error);
/* Renews it; FALSE and MILLRACE_ERROR_INTERRUPTED when it is another's by now, or cancelled. */
gboolean bulk_lease_renew(BulkLease *lease, GError **error);
guint bulk_lease_try(const BulkLease *lease);
/* Gives the job its end: work/ becomes results/, once. Takes the lease. FALSE and
 * MILLRACE_ERROR_INTERRUPTED when another was first (nothing of ours shows). */
gboolean bulk_lease_finish(BulkLease *lease, GError **error);
gboolean bulk_lease_bury(BulkLease *lease, const char *reason, GError **error);
/* Lets another take it at once. */
void bulk_lease_drop(BulkLease *lease);

/* Ids of jobs that ought to be in the queue again: accepted by a queue, not at their end, and
 * without a fresh lease for longer than the queue would take to deliver them (stale_us). For
 * drains, which put them in again. (transfer full) of char *. */
GPtrArray *bulk_jobs_stranded(BulkJobs *jobs, gint64 stale_us, GError **error);
/* Removes what killed doors left in .tmp/, and jobs that no queue ever confirmed, when they are
 * older than a day. */
gboolean bulk_jobs_sweep(BulkJobs *jobs, GError **error);

#endif
