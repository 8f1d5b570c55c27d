/* bulk_internal.h - what the files of bulk jobs share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BULK_INTERNAL_H
#define MILLRACE_JOBS_BULK_INTERNAL_H

#include "jobs/bulk_job.h"

#define BULK_MANIFEST "manifest.csv"
#define BULK_INPUTS   "inputs"
#define BULK_WORK     "work"
#define BULK_RESULTS  "results"

struct _BulkJobs {
    char *path;
    int fd;
    int tmp_fd;
};

/* What a lease's file says. Strings: owned. */
typedef struct {
    char *holder;
    gint64 lease_us;
    guint64 progress_bytes; /* of ledgers, when it was taken */
    guint failures;         /* in a row, without progress */
    guint deaths;
    gboolean ended; /* let go; otherwise it ends by itself */
    char *reason;   /* of the last failure; may be NULL */
} BulkLeaseRecord;
void bulk_lease_record_clear(BulkLeaseRecord *record);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BulkLeaseRecord, bulk_lease_record_clear)

/* The job's last lease. */
typedef struct {
    guint number;        /* 0: there was none */
    gint64 renewed_us;   /* by the file system's clock */
    gboolean fresh;      /* its holder is at it, as far as was asked */
    BulkLeaseRecord now; /* what its file says */
} BulkLeaseSeen;
void bulk_lease_seen_clear(BulkLeaseSeen *seen);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BulkLeaseSeen, bulk_lease_seen_clear)
gboolean bulk_lease_look(const BulkJobs *jobs, const char *id, BulkLeaseSeen *seen, GError **error);
/* Looks, and asks the file system's clock, where that matters, whether it is fresh. */
gboolean bulk_lease_look_fresh(const BulkJobs *jobs, const char *id, BulkLeaseSeen *seen,
                               GError **error);

/* The file system's clock, which is the same for all hosts; -1 and error. */
gint64 bulk_clock_us(const BulkJobs *jobs, GError **error);
/* (transfer full) "ID/NAME", beneath jobs->fd. */
char *bulk_name(const char *id, const char *name);
/* Is there ID/NAME? */
gboolean bulk_has(const BulkJobs *jobs, const char *id, const char *name);
/* Has the job ended, and how? *state is set when it has. */
gboolean bulk_has_ended(const BulkJobs *jobs, const char *id, BulkState *state);
/* Opens the job's folder, or NAME in it. Returns: a descriptor, or -1 and MILLRACE_ERROR_NO_INPUT.
 */
int bulk_open_folder(const BulkJobs *jobs, const char *id, const char *name, GError **error);
/* fsync of the job's folder. */
gboolean bulk_sync(const BulkJobs *jobs, const char *id, GError **error);
/* Gives ID/NAME these bytes, durably, unless it is there. */
int bulk_publish(const BulkJobs *jobs, const char *id, const char *name, const char *bytes,
                 gsize size_bytes, GError **error);
/* Renames a folder to a name that nothing has, or nothing but a folder without anything in it.
 * Returns: 0, or errno. */
int bulk_rename(int from_fd, const char *from, int to_fd, const char *to);
/* (transfer full) a name beneath .tmp/ that nobody else uses. */
char *bulk_temporary(const char *what);
/* Removes a file, or a folder with all that is in it; symlinks are not followed. What is not there
 * is removed. */
gboolean bulk_tree_remove(int dir_fd, const char *name, GError **error);

#endif
