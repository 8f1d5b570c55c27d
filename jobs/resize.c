/* resize.c - the resize job, stage by stage. Between stages the ranks agree on one verdict, so that
 * none waits for another that has given up.
 *
 *     begin (rank 0)   manifest surveyed; folder locked, options frozen, earlier tries read
 *     join             every rank shares the lock and learns the job's name and the number of the
 * try work             foreach: rows leased, resized, committed end (rank 0)     results, totals,
 * invariants, report
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/resize.h"

#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "formats/bytes.h"
#include "formats/durable.h"
#include "formats/error.h"
#include "formats/json.h"
#include "jobs/resize_folder.h"
#include "jobs/resize_open.h"
#include "jobs/resize_rank.h"
#include "jobs/resize_recover.h"
#include "jobs/resize_results.h"
#include "jobs/resize_source.h"
#include "mr/foreach.h"

enum { PROGRESS_INTERVAL_MS = 250, REPORT_MAX_BYTES = 1 << 20 };
static const char report_file[] = REPORT_FILE;

typedef struct {
    const ResizeConfig *config;
    ResizeReport *report;
    Comm *comm;
    ResizeFolder folder;
    char *job;
    char *node;
    char *writer;
    LedgerHeader header;
    guint try_number;
    guint worker_count;
    ResizeRank *rank;
    Foreach *each;
    gint64 began_us;

    /* Rank 0's. */
    ResizeSource *source;
    RowStates *states;
    Attempts *attempts;
    guint64 done_before;
} Run;

/* Every rank's verdict becomes the worst one: kinds are ordered so that "no error" is 0. */
static gboolean
agree(Run *run, gboolean good, GError **error)
{
    gint64 mine = good ? 0 : 1 + (error && *error ? (*error)->code : MILLRACE_ERROR_BUG);
    gint64 worst = comm_max(run->comm, mine);

    if (worst == 0)
        return TRUE;
    if (good) {
        run->report->error_elsewhere = TRUE;
        g_set_error(error, MILLRACE_ERROR, (int)worst - 1, "another rank cannot go on");
    }
    return FALSE;
}

static gboolean
beneath_is_there(const ResizeConfig *config, GError **error)
{
    int fd = config->beneath ? resize_beneath_open(config->beneath, error) : -1;

    if (fd >= 0)
        close(fd);
    return !config->beneath || fd >= 0;
}

/* Rank 0: everything that can be wrong with the manifest is found before the folder is touched. */
static gboolean
begin(Run *run, GError **error)
{
    run->states = row_states_new();
    run->source = resize_source_open(run->config, error);
    if (!run->source || !beneath_is_there(run->config, error) ||
        !resize_folder_open(&run->folder, run->config->output, TRUE, error) ||
        !resize_folder_lock(&run->folder, error) ||
        !resize_folder_freeze(&run->folder, run->config, resize_source_identity(run->source),
                              &run->job, error))
        return FALSE;
    g_autoptr(GPtrArray) ledgers = resize_folder_ledgers(&run->folder, error);
    if (!ledgers || !resize_recover(&run->folder, ledgers, run->states, TRUE, NULL, error) ||
        !resize_folder_sweep(&run->folder, error))
        return FALSE;
    run->attempts = attempts_read(run->folder.state_fd, run->states, error);
    if (!run->attempts)
        return FALSE;
    run->try_number = resize_folder_next_try(ledgers);
    row_states_forget_failed(run->states, run->config->retry_mask);
    for (guint i = 0; i < ROW_CLASS_COUNT; i++)
        run->done_before += row_states_count(run->states, (RowClass)i);
    return resize_folder_lock_shared(&run->folder, error);
}

/* A host name as part of a file name. */
static char *
node_name(void)
{
    char *node = g_strdup(g_get_host_name());

    return g_strcanon(node, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "._-", '_');
}

/* Rank 0's knowledge goes to all; they open the folder that it has made. */
static gboolean
join(Run *run, GError **error)
{
    g_autoptr(GByteArray) brief = g_byte_array_new();
    gboolean is_rank_0 = comm_rank(run->comm) == 0;

    if (is_rank_0) {
        bytes_put_string(brief, run->job);
        bytes_put_u32(brief, run->try_number);
        bytes_put_u8(brief, (guint8)resize_source_row_specs(run->source));
    }
    comm_broadcast(run->comm, brief);
    ByteReader reader = byte_reader(brief->data, brief->len);
    const char *job = bytes_get_string(&reader);
    run->try_number = bytes_get_u32(&reader);
    RowSpecs row_specs = (RowSpecs)bytes_get_u8(&reader);
    g_assert(reader.ok);
    if (!is_rank_0) {
        run->job = g_strdup(job);
        if (!resize_folder_open(&run->folder, run->config->output, TRUE, error) ||
            !resize_folder_lock_shared(&run->folder, error))
            return FALSE;
    }
    run->node = node_name();
    run->writer = g_strdup_printf("%s-%d-%u", run->config->writer ? run->config->writer : run->node,
                                  comm_rank(run->comm), run->try_number);
    run->header = (LedgerHeader){.job = run->job, .writer = run->writer, .node = run->node};
    run->rank = resize_rank_open(run->config, &run->folder, &run->header, row_specs,
                                 run->worker_count, error);
    return run->rank != NULL;
}

static ForeachNext
next_row(gpointer job, LeaseItem *item, GError **error)
{
    Run *run = job;

    return resize_source_next(run->source, item, error);
}

static guint64
remaining_rows(gpointer job)
{
    const Run *run = job;

    return resize_source_remaining(run->source);
}

static void
rows_ready(gpointer job)
{
    const Run *run = job;

    resize_rank_ready(run->rank);
}

static gboolean
on_source_wakes(gpointer data)
{
    const Run *run = data;

    foreach_wake(run->each);
    return G_SOURCE_REMOVE;
}

/* Images in hand are finished and made durable; what is left is for the next run. */
static gboolean
on_signal(gpointer data)
{
    const Run *run = data;

    foreach_stop(run->each);
    return G_SOURCE_CONTINUE;
}

/* Who presses Ctrl-C again does not want to wait for images in hand either. */
static gboolean
on_interrupt(gpointer data)
{
    const Run *run = data;

    if (foreach_stopped(run->each))
        _exit(EXIT_INCOMPLETE);
    return on_signal(data);
}

/* Rank 0, now and then: tells how far all are, and stops when too much has failed. */
static gboolean
on_progress(gpointer data)
{
    const Run *run = data;
    ForeachCounts counts = foreach_counts(run->each);
    ResizeProgress progress = {.row_count = resize_source_row_count(run->source),
                               .done_count = run->done_before + counts.done_count,
                               .failed_count = counts.failed_count,
                               .begun_count = run->done_before,
                               .elapsed_s = (gdouble)(g_get_monotonic_time() - run->began_us) /
                                            G_USEC_PER_SEC};

    if (run->config->progress)
        run->config->progress(&progress, run->config->progress_data);
    if (counts.failed_count > run->config->failures_max)
        foreach_stop(run->each);
    return G_SOURCE_CONTINUE;
}

/* The rows, on every rank. */
static gboolean
work(Run *run, GError **error)
{
    static const ForeachJob shape = {next_row, remaining_rows, rows_ready};
    guint sources[4] = {0};
    gboolean is_rank_0 = comm_rank(run->comm) == 0;

    run->each = foreach_new(run->comm, &shape, run, run->worker_count);
    resize_rank_set_foreach(run->rank, run->each);
    sources[0] = g_unix_signal_add(SIGUSR1, on_signal, run);
    sources[1] = g_unix_signal_add(SIGTERM, on_signal, run);
    sources[2] = g_unix_signal_add(SIGINT, on_interrupt, run);
    if (is_rank_0)
        sources[3] = g_timeout_add(PROGRESS_INTERVAL_MS, on_progress, run);
    gboolean good =
        !is_rank_0 || resize_source_begin(run->source, run->folder.state_fd, run->states,
                                          run->attempts, on_source_wakes, run, error);
    good = agree(run, good, error) && foreach_run(run->each, error);
    if (is_rank_0)
        on_progress(run);
    for (guint i = 0; i < G_N_ELEMENTS(sources); i++)
        if (sources[i])
            g_source_remove(sources[i]);
    return good;
}

static gboolean
invariants_hold(const ResizeReport *report)
{
    for (guint i = 0; i < report->invariant_count; i++)
        if (report->invariants[i].left != report->invariants[i].right)
            return FALSE;
    return TRUE;
}

/* Is the last report that of a job that has ended? One that is older than a ledger is not there any
 * more: see commit.c. */
static gboolean
has_last_report(const Run *run)
{
    gsize size = 0;
    g_autofree char *text =
        durable_read_file(run->folder.state_fd, report_file, REPORT_MAX_BYTES, &size, NULL);
    g_autoptr(JsonObject) report = text ? json_object_parse(text, size, NULL) : NULL;
    gint64 code = EXIT_INCOMPLETE;

    return report && json_object_int(report, "exit_code", &code) &&
           (code == EXIT_ALL_DONE || code == EXIT_SOME_FAILED);
}

/* When a run finds every row done and the last report whole, it leaves everything as it is. */
static gboolean
nothing_to_do(Run *run, gboolean committed)
{
    ResizeReport *report = run->report;

    if (committed || !report->complete || run->done_before < report->row_count ||
        !has_last_report(run) || faccessat(run->folder.state_fd, "results.ndjson", F_OK, 0) != 0)
        return FALSE;
    for (guint i = 0; i < ROW_CLASS_COUNT; i++)
        report->class_counts[i] = row_states_count(run->states, (RowClass)i);
    report->unchanged = TRUE;
    return TRUE;
}

static int
verdict(const ResizeReport *report)
{
    if (report->invariant_count > 0 && !invariants_hold(report))
        return EXIT_INVARIANT;
    if (!report->complete)
        return EXIT_INCOMPLETE;
    return resize_report_failed_count(report) > 0 ? EXIT_SOME_FAILED : EXIT_ALL_DONE;
}

/* Rank 0: results and report. stopped: what ended the work before its time, or NULL. */
static gboolean
end(Run *run, gboolean committed, const GError *stopped, GError **error)
{
    ResizeReport *report = run->report;
    guint64 highest = row_states_highest(run->states);

    report->job = g_strdup(run->job);
    report->try_row_count = foreach_counts(run->each).done_count;
    report->try_elapsed_s = (gdouble)(g_get_monotonic_time() - run->began_us) / G_USEC_PER_SEC;
    report->row_count = MAX(resize_source_rows_seen(run->source), stopped ? highest : 0);
    report->complete = !stopped && resize_source_ended(run->source);
    if (nothing_to_do(run, committed))
        return TRUE;
    g_autoptr(GPtrArray) ledgers = resize_folder_ledgers(&run->folder, error);
    if (!ledgers || !resize_results_write(&run->folder, ledgers, report, error))
        return FALSE;
    report->complete = report->complete && report->skipped_count == 0;
    g_autoptr(GString) json = g_string_new(NULL);
    resize_report_print_json(report, stopped ? millrace_error_exit_code(stopped) : verdict(report),
                             json);
    return durable_write_file(run->folder.state_fd, report_file, json->str, json->len, error);
}

/* What the report says, as an error where it is one. */
static gboolean
judge(const Run *run, GError **error)
{
    const ResizeReport *report = run->report;

    if (report->invariant_count > 0 && !invariants_hold(report))
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_INVARIANT,
                    "the job's sums do not agree: see \"invariants\" in %s/.millrace/%s",
                    run->config->output, report_file);
    else if (!report->complete && resize_report_failed_count(report) > run->config->failures_max)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_INTERRUPTED,
                    "stopped by --max-failures with %" G_GUINT64_FORMAT
                    " rows not done: see results.ndjson, then run the same command again to go on",
                    report->skipped_count);
    else if (!report->complete)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_INTERRUPTED,
                    "%" G_GUINT64_FORMAT " rows are not done: run the same command again to resume",
                    report->skipped_count);
    else
        return TRUE;
    return FALSE;
}

static guint
share_of_workers(const Run *run)
{
    guint wanted = run->config->worker_count ? run->config->worker_count : g_get_num_processors();
    guint ranks = (guint)comm_node_size(run->comm);
    guint rest = wanted % ranks;

    return wanted / ranks + ((guint)comm_node_rank(run->comm) < rest);
}

/* From the opened ranks to the verdict. */
static gboolean
run_stages(Run *run, GError **error)
{
    gboolean is_rank_0 = comm_rank(run->comm) == 0;
    g_autoptr(GError) failure = NULL;

    if (!agree(run, !is_rank_0 || begin(run, error), error) || !agree(run, join(run, error), error))
        return FALSE;
    gboolean good = work(run, &failure);
    gboolean committed = comm_max(run->comm, resize_rank_committed(run->rank)) > 0;
    good = resize_rank_close(g_steal_pointer(&run->rank), failure ? NULL : &failure) && good;
    good = agree(run, good, &failure);
    /* What made the run stop is told, rather than what comes of it when the report is written. */
    gboolean changed = good || committed;
    gboolean ended = !is_rank_0 || !changed || end(run, committed, failure, good ? error : NULL);
    if (!good) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    return agree(run, ended, error) && agree(run, !is_rank_0 || judge(run, error), error);
}

/* Rank 0 leaves the verdict where `millrace run` looks for it. Then every rank may exit with 0,
 * which spares two seconds and mpirun's banner. */
static void
tell(Run *run, const GError *error)
{
    ResizeReport *report = run->report;
    gboolean told = FALSE;

    if (report->is_rank_0 && run->config->run_token && run->folder.state_fd >= 0)
        told = resize_folder_tell(&run->folder, run->config->run_token,
                                  error ? millrace_error_exit_code(error) : verdict(report));
    report->told = comm_max(run->comm, told) > 0;
}

gboolean
resize_run(const ResizeConfig *config, ResizeReport *report, GError **error)
{
    Run run = {.config = config, .report = report};

    memset(report, 0, sizeof *report);
    run.comm = comm_open(error);
    if (!run.comm)
        return FALSE;
    run.folder = (ResizeFolder){-1, -1, -1, -1};
    run.began_us = g_get_monotonic_time();
    report->is_rank_0 = comm_rank(run.comm) == 0;
    report->under_launcher = comm_under_launcher();
    run.worker_count = share_of_workers(&run);
    report->try_worker_count = (guint)comm_sum(run.comm, run.worker_count);
    g_autoptr(GError) failure = NULL;
    gboolean good = run_stages(&run, &failure);
    tell(&run, failure);
    if (failure)
        g_propagate_error(error, g_steal_pointer(&failure));
    if (run.rank)
        resize_rank_close(run.rank, NULL);
    g_clear_pointer(&run.each, foreach_free);
    g_clear_pointer(&run.source, resize_source_free);
    g_clear_pointer(&run.states, row_states_free);
    g_clear_pointer(&run.attempts, attempts_free);
    resize_folder_close(&run.folder);
    comm_close(run.comm);
    g_free(run.writer);
    g_free(run.node);
    g_free(run.job);
    return good;
}
