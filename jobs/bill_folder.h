/* bill_folder.h - BILLS: a folder for each run, and a word for each period that is closed.
 *
 *     BILLS/2026-11-0123456789abcdef/   inputs.txt prices.json lines.csv statements.ndjson
 * focus.csv conflicts.ndjson stat.json proof.json BILLS/closed/2026-11.json
 *
 * Bytes: formats/README.md, "Bill run v1". A run's folder gets its name when all in it is durable.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_FOLDER_H
#define MILLRACE_JOBS_BILL_FOLDER_H

#include <glib.h>

#include "formats/frozen.h"
#include "formats/pricebook.h"

#define BILL_INPUTS         "inputs.txt"
#define BILL_PRICES         "prices.json"
#define BILL_LINES          "lines.csv"
#define BILL_STATEMENTS     "statements.ndjson"
#define BILL_FOCUS          "focus.csv"
#define BILL_CONFLICTS      "conflicts.ndjson"
#define BILL_STAT           "stat.json"
#define BILL_STORES         "stores.txt" /* where they were; not part of what is proved */
#define BILL_PROOF          "proof.json"
#define BILL_CLOSED         "closed"
#define BILL_FILE_MAX_BYTES (64 << 20) /* of files that are read whole */

/* A run that is there. */
typedef struct {
    char *path;  /* BILLS/RUN */
    char *bills; /* BILLS */
    char *run;
    int fd;
    FrozenInputs *inputs;
    PriceBook *book;
} BillFolder;

/* Opens a run and reads what it is made from; inputs and price book are checked against its name.
 * Returns: (transfer full), or NULL and MILLRACE_ERROR_NO_INPUT, MILLRACE_ERROR_CORRUPT. */
BillFolder *bill_folder_open(const char *path, GError **error);
void bill_folder_free(BillFolder *folder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BillFolder, bill_folder_free)

/* The runs of closed periods, by period: (transfer full) of BillFolder, or NULL and error. A BILLS
 * that is not there has none. */
GPtrArray *bill_closed_runs(const char *bills, GError **error);
/* The run that a period is closed by, or NULL (no error) when it is open. (transfer full) */
char *bill_closed_run(const char *bills, const char *period, GError **error);

/* The SHA-256 of the proof that the run was closed with, or NULL when it is not. (transfer full) */
char *bill_closed_digest(const BillFolder *folder);

/* The stores that the run was made from, NULL-terminated. (transfer full), or NULL and error. */
char **bill_folder_stores(const BillFolder *folder, GError **error);

/* A file of the run, to be unmapped by g_mapped_file_unref(). NULL and MILLRACE_ERROR_NO_INPUT. */
GMappedFile *bill_folder_map(const BillFolder *folder, const char *name, GError **error);

#endif
