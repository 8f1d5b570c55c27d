/* resize_rank.c - what one rank does with the rows it is leased.
 *
 *     resize_rank_ready → begin_row → open_source, open_outputs → pool_submit
 *                                                   on_resized ← (the worker)
 *                         finish_row ─→ committer_push ─→ on_committed
 *
 * A row that fails on the way takes the short cut to finish_row, with its class.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/resize_rank.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "formats/error.h"
#include "jobs/attempts.h"
#include "jobs/commit.h"
#include "jobs/pool.h"
#include "jobs/resize_name.h"
#include "jobs/resize_open.h"
#include "jobs/resize_source.h"
#include "jobs/row_work.h"

enum {
    ROWS_A_TURN = 256, /* rows that fail at once must not keep the main loop from its messages */
    ROWS_PENDING_MAX = 8192, /* rows at the committer */
    FILES_NEEDED = 4096      /* descriptors of rows begun: to be resized, or at the committer */
};

struct _ResizeRank {
    const ResizeConfig *config;
    const ResizeFolder *folder;
    const LedgerHeader *header;
    OutputSpec specs[OUTPUTS_PER_ROW_MAX]; /* of rows that bring none */
    guint spec_count;
    RowSpecs row_specs;
    int beneath_fd; /* -1: sources may lie anywhere */
    Foreach *each;
    Pool *pool;
    Committer *committer;
    guint64 temporary_count;
    guint at_workers; /* or waiting for one */
    guint at_committer;
    gboolean committed;
    gboolean stopping;    /* nothing more is begun */
    guint64 failed_count; /* rows that failed here */
    guint ready_source;
    GError *error;
};

/* The rank cannot go on: nothing more is begun anywhere, what is in hand is finished. */
static void
stop(ResizeRank *rank, const GError *error)
{
    if (!rank->error)
        rank->error = g_error_copy(error);
    rank->stopping = TRUE;
    foreach_stop(rank->each);
}

/* When nothing more will come, what the committer holds need not wait for company. */
static void
flush_at_end(ResizeRank *rank)
{
    if (rank->at_workers == 0 && rank->at_committer > 0 && foreach_exhausted(rank->each))
        committer_flush(rank->committer);
}

static void
remove_outputs(const ResizeRank *rank, const RowWork *work)
{
    for (guint i = 0; i < work->request.spec_count; i++) {
        g_autofree char *temporary = row_work_temporary(work, rank->header->writer, i);
        if (work->fds[1 + i] >= 0)
            unlinkat(rank->folder->tmp_fd, temporary, 0);
    }
}

/* A row of which nothing is known; it stays undone. */
static void
give_back_row(ResizeRank *rank, RowWork *work)
{
    remove_outputs(rank, work);
    row_work_free(work);
    foreach_give_back(rank->each, 1);
}

static void
finish_row(ResizeRank *rank, RowWork *work)
{
    if (work->record.class != ROW_OK)
        remove_outputs(rank, work);
    rank->failed_count += work->record.class != ROW_OK;
    if (rank->failed_count > rank->config->failures_max && !rank->stopping) {
        rank->stopping = TRUE;
        foreach_stop(rank->each);
    }
    rank->at_committer++;
    committer_push(rank->committer, work);
}

static gboolean
on_ready_again(gpointer data)
{
    ResizeRank *rank = data;

    rank->ready_source = 0;
    resize_rank_ready(rank);
    return G_SOURCE_REMOVE;
}

static void
on_committed(guint done_count, guint failed_count, const GError *error, gpointer data)
{
    ResizeRank *rank = data;

    if (error)
        stop(rank, error);
    g_assert(rank->at_committer >= done_count);
    rank->at_committer -= done_count;
    rank->committed = TRUE;
    foreach_done(rank->each, done_count, failed_count);
    resize_rank_ready(rank);
}

/* Fills in what the worker has told of the outputs. Two outputs of one name are no row that can be
 * done. */
static void
describe_outputs(ResizeRank *rank, RowWork *work, const WorkerReply *reply)
{
    LedgerRecord *record = &work->record;

    for (guint i = 0; i < record->output_count; i++) {
        LedgerOutput *output = &record->outputs[i];
        const WorkerOutput *told = &reply->outputs[i];
        OutputName name = {.row = record->row,
                           .source = record->source,
                           .customer = record->customer,
                           .request = record->request,
                           .spec = output->spec,
                           .with_spec = work->names_spec,
                           .format = told->format};
        g_autofree char *path = output_name_make(rank->config->name_template, &name);
        output->path = row_work_keep(work, path);
        output->format = told->format;
        output->width_px = told->width_px;
        output->height_px = told->height_px;
        output->size_bytes = told->size_bytes;
        output->cpu_us = told->cpu_us;
        memcpy(output->digest, told->digest, DIGEST_BYTES);
        for (guint k = 0; k < i && record->class == ROW_OK; k++)
            if (strcmp(record->outputs[k].path, output->path) == 0)
                record->class = ROW_BAD_ROW;
    }
    if (record->class == ROW_BAD_ROW)
        row_work_fail(work, ROW_BAD_ROW,
                      "two outputs would have the same name: put {spec} into --name");
}

/* That a row has killed a worker is known to the next run, should this one be killed too. */
static gboolean
on_worker_died(gpointer data, GError **error)
{
    const RowWork *work = data;
    const ResizeRank *rank = work->owner;

    return attempts_note(rank->folder->state_fd, rank->header->writer, work->record.row, error);
}

/* The digest of what killed its workers, for the quarantine, in place of its first output's. */
static void
digest_input(RowWork *work)
{
    g_autoptr(GChecksum) sha256 = g_checksum_new(G_CHECKSUM_SHA256);
    gsize digest_bytes = DIGEST_BYTES;
    guint8 piece[65536];
    off_t offset = 0;
    ssize_t got = 0;

    while ((got = pread(work->fds[0], piece, sizeof piece, offset)) > 0) {
        g_checksum_update(sha256, piece, got);
        offset += got;
    }
    g_checksum_get_digest(sha256, work->record.outputs[0].digest, &digest_bytes);
}

static void
on_resized(const WorkerReply *reply, guint64 wall_us, const GError *error, gpointer data)
{
    RowWork *work = data;
    ResizeRank *rank = work->owner;
    LedgerRecord *record = &work->record;

    rank->at_workers--;
    record->bytes_in = reply->bytes_in;
    record->pixels_in = reply->pixels_in;
    record->cpu_us = reply->cpu_us;
    record->wall_us = wall_us;
    g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
    if (!failure && reply->output_errno)
        millrace_error_set_errno(&failure, MILLRACE_ERROR_IO, reply->output_errno,
                                 "writing an output");
    if (failure) {
        stop(rank, failure);
        give_back_row(rank, work);
    } else {
        if (reply->class != ROW_OK)
            row_work_fail(work, reply->class, "%s", reply->message);
        else
            describe_outputs(rank, work, reply);
        if (reply->class == ROW_WORKER_CRASH)
            digest_input(work);
        close(work->fds[0]);
        work->fds[0] = -1;
        finish_row(rank, work);
    }
    resize_rank_ready(rank);
}

/* Opens the input. Returns FALSE when the row has failed, or, with the rank's error set, the rank.
 */
static gboolean
open_source(ResizeRank *rank, RowWork *work)
{
    ResizeOpenFailure failure;

    work->fds[0] =
        resize_open(rank->beneath_fd, work->record.source, &work->request.size_bytes, &failure);
    if (work->fds[0] < 0 &&
        (failure.errnum == EMFILE || failure.errnum == ENFILE || failure.errnum == ENOMEM)) {
        g_autoptr(GError) error = NULL;
        millrace_error_set_errno(&error, MILLRACE_ERROR_IO, failure.errnum, "opening %s",
                                 work->record.source);
        stop(rank, error);
        return FALSE;
    }
    if (work->fds[0] < 0) {
        row_work_fail(work, failure.class, "%s", failure.reason);
        return FALSE;
    }
    work->record.bytes_in = work->request.size_bytes;
    if (work->request.size_bytes <= rank->config->bytes_max)
        return TRUE;
    row_work_fail(work, ROW_TOO_LARGE,
                  "%" G_GUINT64_FORMAT " bytes, more than --max-bytes %" G_GUINT64_FORMAT,
                  work->request.size_bytes, rank->config->bytes_max);
    return FALSE;
}

/* Makes a temporary file for each output. Not to be able to is the rank's trouble, not the row's.
 */
static gboolean
open_outputs(ResizeRank *rank, RowWork *work)
{
    work->first_temporary = rank->temporary_count;
    rank->temporary_count += work->request.spec_count;
    for (guint i = 0; i < work->request.spec_count; i++) {
        g_autofree char *temporary = row_work_temporary(work, rank->header->writer, i);
        /* To be read as well, since libtiff reads back what it wrote. */
        work->fds[1 + i] = openat(rank->folder->tmp_fd, temporary,
                                  O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (work->fds[1 + i] >= 0)
            continue;
        g_autoptr(GError) error = NULL;
        millrace_error_set_errno(&error, MILLRACE_ERROR_IO, errno, "creating a temporary file");
        stop(rank, error);
        return FALSE;
    }
    return TRUE;
}

/* Which outputs the row wants: its own, or the job's. */
static gboolean
choose_specs(ResizeRank *rank, RowWork *work, const ManifestRow *row)
{
    OutputSpec specs[OUTPUTS_PER_ROW_MAX];
    g_autoptr(GError) error = NULL;

    if (row->problem) {
        row_work_fail(work, ROW_BAD_ROW, "line %" G_GUINT64_FORMAT ": %s", row->line, row->problem);
        return FALSE;
    }
    if (!*row->to && rank->spec_count > 0) {
        row_work_set_specs(work, rank->specs, rank->spec_count);
        work->names_spec = rank->spec_count > 1 || rank->row_specs == ROW_SPECS_VARY;
        return TRUE;
    }
    int count = *row->to ? output_spec_parse_list(row->to, specs, G_N_ELEMENTS(specs), &error) : 0;
    if (count > 0) {
        row_work_set_specs(work, specs, (guint)count);
        work->names_spec = count > 1 || rank->row_specs != ROW_SPECS_ALIKE;
        return TRUE;
    }
    row_work_fail(work, ROW_BAD_ROW, "line %" G_GUINT64_FORMAT ": %s", row->line,
                  error ? error->message : "no output spec: give --to, or fill the column \"to\"");
    return FALSE;
}

/* Gives the row to a worker, or lets it wait for one. */
static void
begin_row(ResizeRank *rank, const LeaseItem *item)
{
    ManifestRow row;

    guint deaths = 0;
    gboolean whole = resize_item_decode(item, &row, &deaths);
    g_assert(whole);
    g_autoptr(RowWork) work = row_work_new(&row, rank->config->customer);
    work->owner = rank;
    work->request.limits.pixels_max = rank->config->pixels_max;
    if (choose_specs(rank, work, &row) && open_source(rank, work) && open_outputs(rank, work)) {
        rank->at_workers++;
        PoolOwner owner = {
            .done = on_resized, .died = on_worker_died, .deaths = deaths, .data = work};
        pool_submit(rank->pool, &work->request, work->fds, &owner);
        g_steal_pointer(&work);
    } else if (work->record.class != ROW_OK) {
        finish_row(rank, g_steal_pointer(&work));
    } else {
        give_back_row(rank, g_steal_pointer(&work)); /* the rank has failed, not the row */
    }
}

/* When the run is to end, it waits for images at workers alone, not for those behind them. */
static void
take_back_waiting(ResizeRank *rank)
{
    RowWork *work = NULL;

    while ((work = pool_take_back(rank->pool))) {
        rank->at_workers--;
        give_back_row(rank, work);
    }
}

void
resize_rank_ready(ResizeRank *rank)
{
    LeaseItem item;
    guint turn = 0;

    if (rank->stopping || foreach_stopped(rank->each))
        take_back_waiting(rank);
    while (!rank->stopping && turn < ROWS_A_TURN && rank->at_committer < ROWS_PENDING_MAX &&
           pool_free_count(rank->pool) > 0 && foreach_take(rank->each, &item)) {
        begin_row(rank, &item);
        turn++;
    }
    if (turn == ROWS_A_TURN && !rank->ready_source)
        rank->ready_source = g_idle_add_full(G_PRIORITY_DEFAULT, on_ready_again, rank, NULL);
    flush_at_end(rank);
}

/* Rows at the committer keep their descriptors, so the common soft limit of 1,024 is too low. */
static void
raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= FILES_NEEDED)
        return;
    limit.rlim_cur = MIN(limit.rlim_max, FILES_NEEDED);
    setrlimit(RLIMIT_NOFILE, &limit);
}

ResizeRank *
resize_rank_open(const ResizeConfig *config, const ResizeFolder *folder, const LedgerHeader *header,
                 RowSpecs row_specs, guint worker_count, GError **error)
{
    ResizeRank *rank = g_new0(ResizeRank, 1);

    rank->config = config;
    rank->folder = folder;
    rank->header = header;
    rank->row_specs = row_specs;
    if (config->to) {
        int count = output_spec_parse_list(config->to, rank->specs, OUTPUTS_PER_ROW_MAX, error);
        if (count < 0) {
            g_free(rank);
            return NULL;
        }
        rank->spec_count = (guint)count;
    }
    rank->beneath_fd = config->beneath ? resize_beneath_open(config->beneath, error) : -1;
    if (config->beneath && rank->beneath_fd < 0) {
        g_free(rank);
        return NULL;
    }
    raise_file_limit();
    rank->pool = pool_new(config->worker_program, worker_count, config->deadline_us);
    rank->committer = committer_new(folder, header, on_committed, rank);
    return rank;
}

void
resize_rank_set_foreach(ResizeRank *rank, Foreach *each)
{
    rank->each = each;
}

gboolean
resize_rank_committed(const ResizeRank *rank)
{
    return rank->committed;
}

gboolean
resize_rank_close(ResizeRank *rank, GError **error)
{
    GError *stopped = g_steal_pointer(&rank->error);
    gboolean closed = committer_close(rank->committer, stopped ? NULL : error);

    if (rank->ready_source)
        g_source_remove(rank->ready_source);
    pool_free(rank->pool);
    if (rank->beneath_fd >= 0)
        close(rank->beneath_fd);
    g_free(rank);
    if (!stopped)
        return closed;
    g_propagate_error(error, stopped);
    return FALSE;
}
