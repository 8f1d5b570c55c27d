/* bill.c - the stages of a bill run. Between stages the ranks agree whether all of them go on;
 * nothing has a final name before the last of them. SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill.h"

#include <string.h>

#include "formats/error.h"
#include "formats/focus.h"
#include "formats/json.h"
#include "jobs/bill_conflicts.h"
#include "jobs/bill_output.h"
#include "jobs/bill_sums.h"

/* What a process takes before it holds any data: libraries, and Open MPI's buffers. */
enum { BASE_SOLO_BYTES = 12 << 20, BASE_MPI_BYTES = 30 << 20, DATA_MIN_BYTES = 8 << 20 };
enum { PART_FILES = 3, FILES = 7 };

typedef struct {
    Comm *comm;
    const BillConfig *config;
    BillReport *report;
    guint thread_count;
    gsize data_bytes;
    BillInputs *inputs;
    GPtrArray *moved; /* names of closed periods that the last scan found changed; may be NULL */
    Reduce *reduce;
    Meter *meter;
    BillConflicts *conflicts;
    BillOps *ops;     /* rank 0: of all ranks */
    GHashTable *seen; /* rank 0: writers of all ranks */
    BillHarvest *harvest;
    gint64 harvest_word; /* the same on every rank */
    BillProof proof;     /* rank 0: sums over ranks */
    BillOutput *output;  /* rank 0 */
    BillFile *parts[PART_FILES];
    BillFileDigest digests[FILES];
    guint digest_count;
} BillRun;

void
bill_report_clear(BillReport *report)
{
    g_clear_pointer(&report->payable, g_free);
    g_clear_pointer(&report->broken, g_free);
    g_clear_pointer(&report->refused, g_strfreev);
}

static gboolean
is_rank_0(const BillRun *run)
{
    return comm_rank(run->comm) == 0;
}

/* *Collective.* Does every rank go on? */
static gboolean
agree(const BillRun *run, gboolean good, GError **error)
{
    if (comm_max(run->comm, !good) == 0)
        return TRUE;
    if (good)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_INTERRUPTED, "another rank has failed");
    return FALSE;
}

static gboolean
read_inputs(BillRun *run, GError **error)
{
    BillSources sources = {.stores = run->config->stores,
                           .prices = run->config->prices,
                           .bills = run->config->bills,
                           .expected = run->config->expected,
                           .period = run->config->period,
                           .corrected = run->moved,
                           .thread_count = run->thread_count};

    run->inputs = bill_inputs_read(run->comm, &sources, error);
    return run->inputs != NULL;
}

static gboolean
scan(BillRun *run, ScanCounts *counts, GError **error)
{
    const BillInputs *inputs = run->inputs;
    guint segment_count = inputs->segments->len;
    g_autofree const char **paths = g_new0(const char *, segment_count + 1);
    g_autofree guint64 *late = g_new0(guint64, segment_count + 1);
    g_autofree gboolean *known = g_new0(gboolean, segment_count + 1);

    for (guint i = 0; i < segment_count; i++) {
        const BillSegment *segment = inputs->segments->pdata[i];
        paths[i] = segment->path;
        late[i] = segment->late;
        known[i] = segment->known;
    }
    MeterConfig meter = {
        .periods = inputs->periods,
        .period_count = inputs->period_count,
        .closed = (const Period *)(gpointer)inputs->closed_periods->data,
        .closed_count = inputs->closed_periods->len,
        .late = late,
        .thread_count = run->thread_count,
        .memory_bytes = run->data_bytes / 8,
        .reduce = run->reduce,
    };
    run->meter = meter_new(&meter);
    run->conflicts = bill_conflicts_new(run->meter, inputs, run->thread_count);
    ScanConfig config = {
        .paths = paths,
        .segment_count = segment_count,
        .known = known,
        .numbers = meter_numbers(inputs->periods, inputs->period_count),
        .comm = run->comm,
        .thread_count = run->thread_count,
        .memory_bytes = run->data_bytes / 2,
        .seen_from_us = run->config->period.start_us,
        .seen_to_us = run->config->period.end_us,
        .stop = run->config->stop,
    };
    gboolean good =
        scan_segments(&config, &bill_conflicts_visitor, run->conflicts, counts, error) &&
        meter_flush(run->meter, error);
    meter_finish(run->meter);
    return good;
}

static void
release_sums(BillRun *run)
{
    g_clear_pointer(&run->conflicts, bill_conflicts_free);
    g_clear_pointer(&run->meter, meter_free);
    g_clear_pointer(&run->reduce, reduce_free);
    g_clear_pointer(&run->inputs, bill_inputs_free);
}

/* Scan and shuffle: from segments to sums by customer. Where the scan has found closed periods
 * changed that nothing else told of, nothing is shuffled, and run->moved names them. */
static gboolean
sum_up(BillRun *run, ScanCounts *counts, GError **error)
{
    g_autoptr(GError) failure = NULL;
    ReduceConfig config = {.sum_count = METER_SUM_COUNT,
                           .input_count = run->thread_count,
                           .memory_bytes = MAX(run->data_bytes / 4, 1 << 20),
                           .scratch = run->config->scratch};

    run->reduce = reduce_new(run->comm, &config);
    gboolean good = scan(run, counts, &failure);
    g_clear_pointer(&run->moved, g_ptr_array_unref);
    run->moved = bill_sum_moved(run->comm, run->inputs, run->meter);
    if (run->moved->len > 0) {
        good = agree(run, good, failure ? NULL : &failure);
        if (failure)
            g_propagate_error(error, g_steal_pointer(&failure));
        return good;
    }
    if (good && is_rank_0(run))
        good = bill_rate_feed(run->inputs, run->reduce, &failure);
    good = reduce_shuffle(run->reduce, !good, failure ? NULL : &failure) && good;
    if (failure)
        g_propagate_error(error, g_steal_pointer(&failure));
    return good;
}

/* Rank 0 learns which writers there are, and tells all how much of what is expected is there. */
static gboolean
find_harvest(BillRun *run, GError **error)
{
    g_autoptr(GByteArray) word = g_byte_array_new();

    run->seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    run->ops = bill_ops_new();
    if (!bill_sum_shares(run->comm, run->meter, run->seen, run->ops, error))
        return FALSE;
    if (is_rank_0(run))
        run->harvest = bill_harvest(run->inputs, run->seen, error);
    if (run->harvest)
        bytes_put_u64(word, run->harvest->harvest);
    comm_broadcast(run->comm, word);
    if (word->len == 0) {
        if (!is_rank_0(run))
            g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_INTERRUPTED, "rank 0 has failed");
        return FALSE;
    }
    ByteReader reader = byte_reader(word->data, word->len);
    run->harvest_word = (gint64)bytes_get_u64(&reader);
    return TRUE;
}

static gboolean
take_statement(gpointer data, const GatherItem *item, GError **error G_GNUC_UNUSED)
{
    BillRun *run = data;

    for (guint i = 0; i < PART_FILES; i++)
        bill_file_write(run->parts[i], item->parts[i], item->part_size_bytes[i]);
    return TRUE;
}

typedef struct {
    BillRun *run;
    BillRater *rater;
} Rating;

static int
next_statement(gpointer data, GatherItem *item, GError **error)
{
    return bill_rater_next(((Rating *)data)->rater, item, error);
}

static gboolean
take_rated(gpointer data, const GatherItem *item, GError **error)
{
    return take_statement(((Rating *)data)->run, item, error);
}

static gboolean
close_file(BillRun *run, BillFile *file, const char *name, GError **error)
{
    BillFileDigest *digest = &run->digests[run->digest_count++];

    digest->name = name;
    return bill_file_close(file, digest->digest, &digest->size_bytes, error);
}

static gboolean
write_file(BillRun *run, const char *name, const GString *text, GError **error)
{
    BillFile *file = bill_output_open(run->output, name, error);

    if (!file)
        return FALSE;
    bill_file_write(file, text->str, text->len);
    return close_file(run, file, name, error);
}

/* Opens the files that statements go to, and begins them. */
static gboolean
begin_files(BillRun *run, GError **error)
{
    static const char *const names[PART_FILES] = {BILL_LINES, BILL_STATEMENTS, BILL_FOCUS};
    g_autoptr(GString) header = g_string_new(NULL);

    run->output = bill_output_new(run->config->bills, error);
    for (guint i = 0; run->output && i < PART_FILES; i++) {
        run->parts[i] = bill_output_open(run->output, names[i], error);
        if (!run->parts[i])
            return FALSE;
    }
    if (!run->output)
        return FALSE;
    statement_print_csv_header(header);
    bill_file_write(run->parts[0], header->str, header->len);
    g_string_truncate(header, 0);
    focus_print_header(FOCUS_1_2, header);
    bill_file_write(run->parts[2], header->str, header->len);
    return TRUE;
}

static gboolean
end_files(BillRun *run, gboolean good, GError **error)
{
    static const char *const names[PART_FILES] = {BILL_LINES, BILL_STATEMENTS, BILL_FOCUS};

    for (guint i = 0; i < PART_FILES; i++)
        if (run->parts[i])
            bill_file_end(run->parts[i]);
    for (guint i = 0; i < PART_FILES; i++)
        if (run->parts[i]) {
            GError **where = good ? error : NULL;
            good = close_file(run, g_steal_pointer(&run->parts[i]), names[i], where) && good;
        }
    return good;
}

/* Rates what each rank owns; rank 0 writes it. */
static gboolean
rate(BillRun *run, GError **error)
{
    g_autoptr(GError) failure = NULL;
    gboolean good = !is_rank_0(run) || begin_files(run, &failure);

    if (!agree(run, good, failure ? NULL : &failure)) {
        end_files(run, FALSE, NULL);
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    g_autoptr(BillRater) rater =
        bill_rater_new(run->inputs, run->reduce, run->thread_count,
                       run->harvest_word < HARVEST_WHOLE, (guint64)run->harvest_word);
    Rating rating = {run, rater};
    good = gather(run->comm, next_statement, take_rated, &rating, &failure);
    good = end_files(run, good, failure ? NULL : &failure) && good;
    good = agree(run, good, failure ? NULL : &failure) && good;
    if (good)
        bill_sum_totals(run->comm, run->inputs->book, bill_rater_totals(rater), &run->proof.totals);
    else
        g_propagate_error(error, g_steal_pointer(&failure));
    return good;
}

static gboolean
take_conflict(gpointer data, const GatherItem *item, GError **error G_GNUC_UNUSED)
{
    BillRun *run = data;

    bill_file_write(run->parts[0], item->parts[0], item->part_size_bytes[0]);
    return TRUE;
}

static int
next_conflict(gpointer data, GatherItem *item, GError **error G_GNUC_UNUSED)
{
    return bill_conflicts_next(((BillRun *)data)->conflicts, item);
}

static gboolean
write_conflicts(BillRun *run, GError **error)
{
    g_autoptr(GError) failure = NULL;
    gboolean good = TRUE;

    if (is_rank_0(run)) {
        run->parts[0] = bill_output_open(run->output, BILL_CONFLICTS, &failure);
        good = run->parts[0] != NULL;
    }
    good = agree(run, good, failure ? NULL : &failure);
    if (good)
        good = gather(run->comm, next_conflict, take_conflict, run, &failure);
    if (run->parts[0])
        good = close_file(run, g_steal_pointer(&run->parts[0]), BILL_CONFLICTS,
                          failure ? NULL : &failure) &&
               good;
    if (failure)
        g_propagate_error(error, g_steal_pointer(&failure));
    return good;
}

/* Where explain and stat look for the segments when nobody tells them. */
static gboolean
write_stores(BillRun *run, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    BillFile *file = bill_output_open(run->output, BILL_STORES, error);
    BillFileDigest unused;

    if (!file)
        return FALSE;
    for (guint i = 0; run->config->stores[i]; i++) {
        g_autofree char *path = g_canonicalize_filename(run->config->stores[i], NULL);
        g_string_append_printf(text, "%s\n", path);
    }
    bill_file_write(file, text->str, text->len);
    return bill_file_close(file, unused.digest, &unused.size_bytes, error);
}

/* The rest of the folder, and its name. Rank 0 alone. */
static gboolean
publish(BillRun *run, GError **error)
{
    g_autoptr(GString) stat = g_string_new(NULL);
    g_autoptr(GString) text = g_string_new(NULL);
    BillProof *proof = &run->proof;

    json_open(stat, NULL, '{');
    json_put_string(stat, "period", run->inputs->frozen->period.name);
    bill_ops_print(run->ops, stat);
    g_string_append(stat, "}\n");
    if (!write_file(run, BILL_INPUTS, run->inputs->frozen_text, error) ||
        !write_file(run, BILL_PRICES, run->inputs->book_text, error) ||
        !write_file(run, BILL_STAT, stat, error) || !write_stores(run, error))
        return FALSE;
    proof->inputs = run->inputs;
    proof->harvest = run->harvest;
    proof->files = run->digests;
    proof->file_count = run->digest_count;
    g_assert(run->digest_count == FILES);
    bill_proof_print(proof, text, &run->report->broken);
    BillFile *file = bill_output_open(run->output, BILL_PROOF, error);
    BillFileDigest unused;
    if (!file)
        return FALSE;
    bill_file_write(file, text->str, text->len);
    return bill_file_close(file, unused.digest, &unused.size_bytes, error) &&
           bill_output_publish(run->output, run->inputs->run, &run->report->existed, error);
}

static void
fill_report(BillRun *run)
{
    BillReport *report = run->report;
    const BillProof *proof = &run->proof;
    const BillInputs *inputs = run->inputs;
    g_autoptr(GString) payable = g_string_new(NULL);

    g_strlcpy(report->run, inputs->run, sizeof report->run);
    report->preliminary = run->harvest->preliminary;
    report->harvest = run->harvest->harvest;
    report->segment_count = inputs->segments->len;
    report->refused_count = inputs->refused->len;
    report->read_count = proof->scan.read_count;
    report->billable_count = proof->meter.billable_count;
    report->duplicate_count = proof->scan.duplicate_count;
    report->conflict_count = proof->concerning_count;
    report->late_count = proof->meter.late_count;
    report->statement_count = proof->totals.statement_count;
    report->line_count = proof->totals.line_count;
    bill_print_amount(payable, proof->totals.payable_nano, pricebook_minor_digits(inputs->book));
    g_string_append_printf(payable, " %s", pricebook_currency(inputs->book));
    report->payable = g_string_free(g_steal_pointer(&payable), FALSE);
    for (guint i = 0; i < run->harvest->writers->len; i++) {
        const BillWriter *writer = run->harvest->writers->pdata[i];
        report->unsealed_count += !writer->sealed;
        report->incomplete_count += writer->missing_count > 0;
    }
    report->refused = g_new0(char *, inputs->refused->len + 1);
    for (guint i = 0; i < inputs->refused->len; i++)
        report->refused[i] = g_strdup(((const BillRefused *)inputs->refused->pdata[i])->reason);
}

static gboolean
run_stages(BillRun *run, GError **error)
{
    ScanCounts counts;
    g_autoptr(GError) failure = NULL;

    do {
        release_sums(run);
        if (!read_inputs(run, error) || !sum_up(run, &counts, error))
            return FALSE;
    } while (run->moved->len > 0);
    run->proof.concerning_count =
        (guint64)comm_sum(run->comm, (gint64)bill_conflicts_count(run->conflicts));
    bill_sum_counts(run->comm, run->inputs->book, &counts, run->meter, &run->proof);
    if (!find_harvest(run, error) || !rate(run, error) || !write_conflicts(run, error))
        return FALSE;
    gboolean good = !is_rank_0(run) || publish(run, &failure);
    if (good && is_rank_0(run))
        fill_report(run);
    good = agree(run, good, failure ? NULL : &failure) && good;
    if (failure)
        g_propagate_error(error, g_steal_pointer(&failure));
    return good;
}

/* *Collective.* This rank's share of the node's threads. */
static guint
share_threads(Comm *comm, guint node_threads)
{
    guint threads = node_threads > 0 ? node_threads : g_get_num_processors();
    guint ranks = (guint)comm_node_size(comm);
    guint share = threads / ranks + ((guint)comm_node_rank(comm) < threads % ranks);

    return MAX(1, share);
}

gboolean
bill_run(Comm *comm, const BillConfig *config, BillReport *report, GError **error)
{
    BillRun run = {.comm = comm, .config = config, .report = report};
    gsize base_bytes = comm_under_launcher() ? BASE_MPI_BYTES : BASE_SOLO_BYTES;

    memset(report, 0, sizeof *report);
    run.thread_count = share_threads(comm, config->node_threads);
    run.data_bytes = config->memory_bytes > base_bytes ? config->memory_bytes - base_bytes : 0;
    run.data_bytes = MAX(run.data_bytes, DATA_MIN_BYTES);
    gboolean good = run_stages(&run, error);
    g_clear_pointer(&run.output, bill_output_free);
    g_clear_pointer(&run.harvest, bill_harvest_free);
    g_clear_pointer(&run.seen, g_hash_table_unref);
    g_clear_pointer(&run.ops, bill_ops_free);
    g_clear_pointer(&run.moved, g_ptr_array_unref);
    release_sums(&run);
    return good;
}
