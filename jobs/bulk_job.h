/* bulk_job.h - a bulk job's folder in the shared jobs folder: the truth about the job, whatever the
 * queue delivers. A folder appears whole, by one rename; every later step is one exclusive rename
 * or link, so any number of doors and drains on any number of hosts may try the same. A job ends
 * once: whoever moves work/ first, to results/ or away, has decided.
 *
 *     JOBS/ID/job.json         what was asked: customer, output specs, counts, digests; immutable
 *     JOBS/ID/manifest.csv     its rows: source, request, to
 *     JOBS/ID/inputs/          members of an uploaded tar
 *     JOBS/ID/receipt          the signed receipt
 *     JOBS/ID/queued           the queue has confirmed it; its mtime is when it last did
 *     JOBS/ID/lease-N          the Nth try: who has it, and how it ended; its mtime is its last
 *                              renewal
 *     JOBS/ID/progress.json    rows done, as the drain last told
 *     JOBS/ID/cancelled        a tombstone
 *     JOBS/ID/dead.json        given up: why
 *     JOBS/ID/work/            the output folder of millrace resize, while it runs
 *     JOBS/ID/results/         the same, renamed once, at the end
 *     JOBS/ID/metered          its usage logs are where they are ingested from
 *     JOBS/.tmp/               what is being made
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BULK_JOB_H
#define MILLRACE_JOBS_BULK_JOB_H

#include "formats/duration.h"
#include "formats/receipt.h"

#define BULK_LEASE_DEFAULT_US (60 * G_USEC_PER_SEC)
#define BULK_TRIES_MAX        5  /* that fail one after the other, and get nothing done */
#define BULK_DEATHS_MAX       10 /* drains that die over it likewise */

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
    guint tries; /* leases taken */
    guint64
        done_count; /* rows, those that failed included; while it runs, as of the last renewal */
    guint64 failed_count;
    char *reason; /* why it is dead or who cancelled it; may be NULL */
} BulkJob;
void bulk_job_clear(BulkJob *job);
/* FALSE and MILLRACE_ERROR_NO_INPUT: there is no such job. */
gboolean bulk_jobs_read(BulkJobs *jobs, const char *id, BulkJob *job, GError **error);
/* Calls visit for all, in the order of their ids, until it returns FALSE. customer: NULL for all. A
 * damaged job does not end the list; FALSE and MILLRACE_ERROR_CORRUPT comes behind the others, when
 * the list was of all. */
gboolean bulk_jobs_list(BulkJobs *jobs, const char *customer,
                        gboolean (*visit)(const BulkJob *job, gpointer data), gpointer data,
                        GError **error);
/* (transfer full) the path of a file of the job's folder. */
char *bulk_job_path(const BulkJobs *jobs, const char *id, const char *name);

/* The queue has confirmed it, for the first time or again. */
gboolean bulk_job_queued(BulkJobs *jobs, const char *id, GError **error);
gboolean bulk_job_requeued(BulkJobs *jobs, const char *id, GError **error);
/* Takes back a job that no queue would take, so that nothing is left of it. FALSE and
 * MILLRACE_ERROR_USAGE: it is in the queue after all. */
gboolean bulk_job_forget(BulkJobs *jobs, const char *id, GError **error);
/* Leaves the tombstone: durable on return, and the job will not be done. by: for people. FALSE and
 * MILLRACE_ERROR_USAGE when it came to another end before; MILLRACE_ERROR_NO_INPUT. */
gboolean bulk_job_cancel(BulkJobs *jobs, const char *id, const char *by, GError **error);
/* Links (or copies) the usage logs of a job that is done into usage_dir, durably; once done, it is
 * done for good. */
gboolean bulk_job_meter(BulkJobs *jobs, const char *id, const char *usage_dir, GError **error);
/* Removes what an ended job has left in work/, once nobody writes there any more. */
gboolean bulk_job_tidy(BulkJobs *jobs, const char *id, GError **error);

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
/* Has the job had all its tries, the one that this lease is for not counted? */
gboolean bulk_lease_is_last(const BulkLease *lease);
/* (transfer full) why, for people. */
char *bulk_lease_reason(const BulkLease *lease);
/* Gives the job its end: work/ becomes results/, once. Takes the lease. FALSE and
 * MILLRACE_ERROR_INTERRUPTED when another was first (nothing of ours shows). */
gboolean bulk_lease_finish(BulkLease *lease, GError **error);
gboolean bulk_lease_bury(BulkLease *lease, const char *reason, GError **error);
/* Lets another take it at once. failure: why this try has failed; NULL: it has not, and does not
 * count. Takes the lease. Returns: whether that was the last failure that the job may have, so that
 * the next lease will be to bury it. */
gboolean bulk_lease_drop(BulkLease *lease, const char *failure);

/* Ids of jobs that ought to be in the queue again: accepted by a queue, not at their end or not
 * metered, and nothing has happened to them for stale_us. Those that were delivered before; with
 * queue_is_empty also those that were not, and so should be waiting there. For drains, which put
 * them in again. (transfer full) of char *. */
GPtrArray *bulk_jobs_stranded(BulkJobs *jobs, gint64 stale_us, gboolean queue_is_empty,
                              GError **error);
/* Removes jobs that came to their end so long ago, results and all: those that are done and
 * metered, cancelled or dead. count: (out) how many. */
gboolean bulk_jobs_expire(BulkJobs *jobs, const Duration *keep, guint64 *count, GError **error);
/* Removes what killed doors left in .tmp/, and jobs that no queue ever confirmed, when they are
 * older than a day. */
gboolean bulk_jobs_sweep(BulkJobs *jobs, GError **error);

#endif
