/* resize.h - the resize job: a manifest in; images, results and usage out. Runs on every rank.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_RESIZE_H
#define MILLRACE_JOBS_RESIZE_H

#include "formats/ledger.h"
#include "formats/outspec.h"

#define RESIZE_DEADLINE_DEFAULT_US (30 * G_USEC_PER_SEC)
#define RESIZE_PIXELS_MAX_DEFAULT  100000000ULL
#define RESIZE_BYTES_MAX_DEFAULT   (256ULL << 20)
#define RESIZE_BYTES_MAX_LIMIT     (2ULL << 30)
#define RESIZE_CUSTOMER_DEFAULT    "default"

/* How far the job is, over all ranks. */
typedef struct {
    guint64 row_count;    /* 0 while it is not known (a pipe) */
    guint64 done_count;   /* rows of earlier tries included */
    guint64 failed_count; /* of this try */
    guint64 begun_count;  /* done before this try began */
    gdouble elapsed_s;
} ResizeProgress;

/* What is asked for. Strings: borrowed until resize_run() returns. */
typedef struct {
    const char *manifest;  /* a path, or "-" */
    gboolean manifest_nul; /* sources end with NUL */
    const char *output;    /* the output folder */
    const char *to;        /* output specs, ';' between, canonical; NULL: each row brings its own */
    const char *name_template; /* NULL: the default names */
    const char *job;           /* NULL: drawn once and frozen in the folder */
    const char *customer;      /* of rows that name none */
    const char *beneath;   /* the folder that sources must lie in; NULL: they may lie anywhere */
    const char *writer;    /* what names of writers begin with; NULL: the host's name */
    const char *run_token; /* of `millrace run`, for the verdict; may be NULL */
    const char *worker_program; /* path of millrace-imageworker */
    guint worker_count;         /* per node; 0: its cores */
    gint64 deadline_us;
    guint64 pixels_max;
    guint64 bytes_max;
    guint32 retry_mask;   /* classes of failures to do again: 1 << RowClass */
    guint64 failures_max; /* stop after more; G_MAXUINT64: never */
    void (*progress)(const ResizeProgress *progress, gpointer data); /* rank 0; may be NULL */
    gpointer progress_data;
} ResizeConfig;

/* Both sides of one invariant. */
typedef struct {
    const char *name;
    guint64 left;
    guint64 right;
    const char *left_name;
    const char *right_name;
} ResizeInvariant;

#define RESIZE_INVARIANTS_MAX 8

/* What came of it; all but the first four filled on rank 0 only. Times of wall and CPU are per row,
 * over the whole job. */
typedef struct {
    gboolean is_rank_0;
    gboolean under_launcher;
    gboolean told;            /* the verdict is in the folder, under the run's token */
    gboolean error_elsewhere; /* the error arose on another rank, which has the message */
    char *job;
    gboolean complete;  /* every row of the manifest is accounted for */
    gboolean unchanged; /* there was nothing to do */
    guint64 row_count;  /* in the manifest, as far as it was read */
    guint64 class_counts[ROW_CLASS_COUNT];
    guint64 skipped_count; /* rows not done */
    guint64 output_count;
    guint64 bytes_in, bytes_out;
    guint64 pixels_in, pixels_out;
    guint64 cpu_us, wall_us;
    guint64 wall_us_percentiles[3]; /* P50, P99, P99.9 */
    guint64 cpu_us_percentiles[3];
    guint64 event_count;
    guint64 try_row_count; /* by this try alone, for the rates: */
    gdouble try_elapsed_s;
    guint try_worker_count; /* over all ranks */
    guint invariant_count;
    ResizeInvariant invariants[RESIZE_INVARIANTS_MAX];
} ResizeReport;

/* *Collective.* Runs the job, or what is left of it. Returns FALSE and on every rank the same kind
 * of error; its message is worth printing where report->error_elsewhere is not set.
 * MILLRACE_ERROR_INTERRUPTED: stopped early, to be resumed; MILLRACE_ERROR_INVARIANT: a sum is
 * wrong. */
gboolean resize_run(const ResizeConfig *config, ResizeReport *report, GError **error);
void resize_report_clear(ResizeReport *report);

/* Share of the manifest's rows that became images: 1 when all did. */
gdouble resize_report_harvest(const ResizeReport *report);
guint64 resize_report_failed_count(const ResizeReport *report);

/* Appends the report as JSON, or as a few lines for people. */
void resize_report_print_json(const ResizeReport *report, int exit_code, GString *out);
void resize_report_print_text(const ResizeReport *report, const char *folder, GString *out);

/* What a run would do, without doing it. */
typedef struct {
    guint64 row_count;
    guint64 done_count; /* by earlier tries on the folder */
    guint64 bad_row_count;
    guint64 missing_count; /* sources that cannot be opened */
    guint64 output_count;
    guint64 bytes_in;
} ResizePlan;

/* Reads the manifest and looks at its sources; changes nothing. Not collective: one process. */
gboolean resize_plan(const ResizeConfig *config, ResizePlan *plan, GError **error);

#endif
