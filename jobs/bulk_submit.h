/* bulk_submit.h - from what a client sent to a job's folder: a manifest, or a tar of images with a
 * manifest in it. Nothing of it is believed: rows are read by the manifest reader and written anew
 * without their customer, and members of the tar become plain files beneath inputs/. A source that
 * leads anywhere else, or a wrong output spec, costs its row alone, and the results say why; what
 * cannot be read as rows at all is refused here, with its line.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BULK_SUBMIT_H
#define MILLRACE_JOBS_BULK_SUBMIT_H

#include "formats/manifest.h"
#include "jobs/bulk_job.h"

typedef struct {
    guint64 rows_max;         /* and members; 0: 1,000,000 */
    guint64 bytes_max;        /* of all members; 0: 4 GiB */
    guint64 member_bytes_max; /* 0: 256 MiB */
} BulkLimits;

typedef struct {
    const char *customer; /* the caller, whatever rows say */
    const char *key;      /* the idempotency key, or the request's id */
    const char *to;       /* may be NULL when each row says */
    const char *name;     /* of what was sent, for messages; NULL: "manifest" */
    ManifestKind kind;    /* of a manifest that is no tar; MANIFEST_AUTO: by name, or first line */
    const char *cluster;
    const char *sources; /* the folder with a folder for each customer; NULL: there is none */
    const MinisignSecret *secret; /* signs the receipt; NULL: there is none, and receipt is "" */
    BulkLimits limits;
} BulkRequest;

typedef enum {
    BULK_NEW,    /* its folder is there now, durably; it is not queued */
    BULK_AGAIN,  /* the same was sent before: its receipt is the same */
    BULK_DIFFERS /* the key was used for something else */
} BulkSubmitted;

/* fd: what was sent, a file, from its beginning to size_bytes; a tar is told by its magic (plain,
 * gz, zst).
 * The manifest in a tar is its first member named manifest.csv, .tsv, .ndjson, .jsonl, .txt or
 * .lst; without one every image is a row. Returns: what came of it, with id and receipt filled;
 * or -1 and MILLRACE_ERROR_BAD_INPUT (what is wrong, with its line or member), MILLRACE_ERROR_IO.
 * id: (out). receipt: (out) (transfer full). */
int bulk_submit(BulkJobs *jobs, int fd, guint64 size_bytes, const BulkRequest *request,
                char id[JOB_ID_CHARS + 1], char **receipt, GError **error);

/* (transfer full) the folder beneath sources that is the customer's; NULL and
 * MILLRACE_ERROR_BAD_INPUT: there is none, or the name cannot be a folder's. */
char *bulk_sources_folder(const char *sources, const char *customer, GError **error);

#endif
