/* row_work.h - one row on its way through a rank: opened, resized, committed.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_ROW_WORK_H
#define MILLRACE_JOBS_ROW_WORK_H

#include "formats/ledger.h"
#include "formats/manifest.h"
#include "jobs/worker_wire.h"

typedef struct {
    LedgerRecord record;   /* what will be written of it; its strings are kept alive by strings */
    GStringChunk *strings; /* owns */
    WorkerRequest request;
    int fds[OUTPUTS_PER_ROW_MAX + 1]; /* the input, then an output each; -1 = not open; owns */
    guint64 first_temporary;          /* number of the first output's temporary name */
    gboolean names_spec;              /* the outputs' names begin with their specs */
    gpointer owner;
} RowWork;

/* A new row without descriptors, with the row's strings copied. */
RowWork *row_work_new(const ManifestRow *row, const char *default_customer);
/* Closes what is open. */
void row_work_free(RowWork *work);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RowWork, row_work_free)

/* Sets the row's outputs to be made. */
void row_work_set_specs(RowWork *work, const OutputSpec *specs, guint count);
/* Makes it a failure; what was said of its outputs is forgotten, but for their specs. */
void row_work_fail(RowWork *work, RowClass class, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* Spreads what is left of the row's CPU time evenly over its outputs, so that they add up to it. */
void row_work_share_cpu(RowWork *work);
/* A copy of text that lives as long as work. */
const char *row_work_keep(RowWork *work, const char *text);

/* (transfer full) The temporary name of an output, unlike any other writer's. */
char *row_work_temporary(const RowWork *work, const char *writer, guint output);

#endif
