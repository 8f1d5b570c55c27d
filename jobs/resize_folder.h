/* resize_folder.h - a job's folder and its .millrace: lock, frozen options, ledgers.
 *
 *     options.json      what the job is; written once
 *     lock              held shared by every rank, exclusively while a run begins
 *     manifest          what came through a pipe
 *     ledger-WRITER     rows done, one file per writer
 *     usage-WRITER.ndjson  their events
 *     attempts-WRITER   rows that killed a worker, a line a death
 *     quarantine.ndjson inputs that killed all they were given, with digests
 *     tmp/              outputs before they have their names
 *     verdict.json      the exit code of the last run under `millrace run`
 *     results.ndjson, report.json   made from the ledgers at the end of each run
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_RESIZE_FOLDER_H
#define MILLRACE_JOBS_RESIZE_FOLDER_H

#include <glib.h>

#include "formats/ledger.h"
#include "jobs/resize.h"

#define REPORT_FILE "report.json" /* not there while a ledger knows more */

typedef struct {
    int output_fd; /* the output folder */
    int state_fd;  /* its .millrace */
    int tmp_fd;    /* .millrace/tmp */
    int lock_fd;
} ResizeFolder;

/* Opens the folder, and makes what is missing when create. Returns FALSE and
 * MILLRACE_ERROR_CANT_CREATE. */
gboolean resize_folder_open(ResizeFolder *folder, const char *path, gboolean create,
                            GError **error);
void resize_folder_close(ResizeFolder *folder);

/* Waits up to ten seconds until no other run is at work here, then keeps others out. Returns FALSE
 * and MILLRACE_ERROR_INTERRUPTED. */
gboolean resize_folder_lock(ResizeFolder *folder, GError **error);
/* Turns the lock into a shared one (rank 0, at once), or takes a shared one (the other ranks). */
gboolean resize_folder_lock_shared(ResizeFolder *folder, GError **error);

/* What identifies the manifest: a file by its bytes, a pipe by what was spooled. */
typedef struct {
    gboolean is_pipe;
    guint64 size_bytes;
    char fingerprint[33];
} ManifestIdentity;

/* Writes options.json on the first run; later compares. *job: (transfer full) the job's name.
 * Limits may differ when failures are retried; they are frozen anew. Returns FALSE and
 * MILLRACE_ERROR_USAGE that names the difference. */
gboolean resize_folder_freeze(ResizeFolder *folder, const ResizeConfig *config,
                              const ManifestIdentity *manifest, char **job, GError **error);

/* Names of the ledgers, oldest try first (bytewise within a try). (transfer full) */
GPtrArray *resize_folder_ledgers(const ResizeFolder *folder, GError **error);
/* The number for a new try: one above the highest there is. */
guint resize_folder_next_try(const GPtrArray *ledgers);
/* "ledger-n07-3-1" -> "n07-3-1" */
const char *resize_folder_ledger_writer(const char *ledger);

/* Leaves a run's exit code for `millrace run`. Returns: whether it is there. */
gboolean resize_folder_tell(const ResizeFolder *folder, const char *run_token, int exit_code);

/* Removes what died with an earlier run from tmp/, where this one will use the same names. */
gboolean resize_folder_sweep(const ResizeFolder *folder, GError **error);

#endif
