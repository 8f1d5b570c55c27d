/* resize_results.c - from the ledgers to results.ndjson, the totals, and the proof that they agree.
 * The first pass reads every ledger in order of tries and finds the record that counts for each
 * row; beside it the usage logs are compared with what the ledgers say they must hold. The second
 * pass goes through the rows in order.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/resize_results.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/durable.h"
#include "formats/error.h"
#include "formats/fingerprint.h"
#include "formats/histogram.h"
#include "formats/json.h"
#include "formats/usage.h"
#include "jobs/row_index.h"
#include "jobs/row_states.h"

static const char quarantine_file[] = "quarantine.ndjson";
enum { READERS_OPEN_MAX = 64 };
#define HASH_SUM_MASK ((1ULL << 53) - 1) /* whole numbers that JSON readers keep exact */

/* A multiset of lines: how many, and the sum of their hashes modulo 2^53. */
typedef struct {
    guint64 count;
    guint64 hash_sum;
} LineSet;

typedef struct {
    const ResizeFolder *folder;
    const GPtrArray *ledgers;
    ResizeReport *report;
    RowStates *states;
    RowIndex *index;
    LineSet expected; /* usage lines by the ledgers */
    LineSet logged;   /* usage lines in the logs */
    LedgerReader **readers;
    guint readers_open;
    Histogram *wall;
    Histogram *cpu;
    guint64 files_found;
    DurableStream *stream;
    DurableStream *quarantine; /* opened when there is something to write */
    GString *line;
} Pass;

static void
line_set_add(LineSet *set, const char *line, gsize size_bytes)
{
    set->count++;
    set->hash_sum = (set->hash_sum + fingerprint_line(line, size_bytes)) & HASH_SUM_MASK;
}

/* Adds every line of text, which ends with a newline. */
static void
line_set_add_all(LineSet *set, const GString *text)
{
    const char *at = text->str;
    const char *end = text->str + text->len;

    while (at < end) {
        const char *newline = memchr(at, '\n', (gsize)(end - at));
        line_set_add(set, at, (gsize)(newline - at));
        at = newline + 1;
    }
}

/* Adds the lines of a usage log, whatever is in it. A writer that died between its two files has
 * none, as its ledger has no records. */
static gboolean
read_usage(Pass *pass, const char *ledger, GError **error)
{
    g_autofree char *name =
        g_strconcat("usage-", resize_folder_ledger_writer(ledger), ".ndjson", NULL);
    int fd = openat(pass->folder->state_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size = 0;

    if (!file)
        return errno == ENOENT ||
               millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "opening %s", name);
    while ((size = getline(&line, &capacity, file)) > 0)
        line_set_add(&pass->logged, line, (gsize)(size - (line[size - 1] == '\n')));
    gboolean good = !ferror(file);
    free(line);
    fclose(file);
    return good || millrace_error_set_errno(error, MILLRACE_ERROR_IO, EIO, "reading %s", name);
}

/* The first pass over one ledger. */
static gboolean
read_ledger(Pass *pass, guint ledger, GError **error)
{
    g_autoptr(LedgerReader) reader =
        ledger_reader_open(pass->folder->state_fd, pass->ledgers->pdata[ledger], error);
    LedgerRecord record;
    guint64 sequence = 0;
    guint64 offset = 0;
    int more = reader ? 1 : -1;

    while (more > 0 && (more = ledger_reader_next(reader, &record, &offset, error)) > 0) {
        g_string_truncate(pass->line, 0);
        usage_print_record(ledger_reader_header(reader), &record, sequence + 1, pass->line);
        line_set_add_all(&pass->expected, pass->line);
        sequence += record.output_count;
        if (row_states_note(pass->states, record.row, record.class) &&
            !row_index_set(pass->index, record.row, ledger, offset, error))
            return FALSE;
    }
    return more == 0 && read_usage(pass, pass->ledgers->pdata[ledger], error);
}

static LedgerReader *
open_reader(Pass *pass, guint ledger, GError **error)
{
    if (pass->readers[ledger])
        return pass->readers[ledger];
    for (guint i = 0; i < pass->ledgers->len && pass->readers_open >= READERS_OPEN_MAX; i++)
        g_clear_pointer(&pass->readers[i], ledger_reader_free);
    pass->readers_open = pass->readers_open >= READERS_OPEN_MAX ? 1 : pass->readers_open + 1;
    pass->readers[ledger] =
        ledger_reader_open(pass->folder->state_fd, pass->ledgers->pdata[ledger], error);
    return pass->readers[ledger];
}

static void
put_digest(GString *line, const guint8 digest[DIGEST_BYTES])
{
    char text[2 * DIGEST_BYTES + 1];

    for (guint i = 0; i < DIGEST_BYTES; i++)
        g_snprintf(text + 2 * i, 3, "%02x", digest[i]);
    json_put_string(line, "digest", text);
}

static void
put_source(GString *line, const LedgerRecord *record)
{
    json_put_uint(line, "row", record->row);
    json_put_string(line, "source", record->source);
    if (!g_utf8_validate(record->source, -1, NULL))
        json_put_string(line, "source_encoding", "percent");
}

static void
print_output(const LedgerOutput *output, GString *line)
{
    json_open(line, NULL, '{');
    json_put_string(line, "spec", output->spec);
    json_put_string(line, "path", output->path);
    json_put_string(line, "format", image_format_name(output->format));
    json_put_uint(line, "width", output->width_px);
    json_put_uint(line, "height", output->height_px);
    json_put_uint(line, "bytes", output->size_bytes);
    put_digest(line, output->digest);
    g_string_append_c(line, '}');
}

static void
print_result(const LedgerRecord *record, const char *node, GString *line)
{
    json_open(line, NULL, '{');
    put_source(line, record);
    json_put_string(line, "customer", record->customer);
    json_put_string(line, "request", record->request);
    json_put_string(line, "status", record->class == ROW_OK ? "ok" : "failed");
    if (record->class != ROW_OK) {
        json_put_string(line, "class", row_class_name(record->class));
        json_put_string(line, "message", record->message);
    }
    json_put_uint(line, "bytes_in", record->bytes_in);
    json_put_uint(line, "pixels_in", record->pixels_in);
    json_open(line, "outputs", '[');
    for (guint i = 0; i < record->output_count && record->class == ROW_OK; i++)
        print_output(&record->outputs[i], line);
    g_string_append_c(line, ']');
    json_put_uint(line, "cpu_us", record->cpu_us);
    json_put_uint(line, "wall_us", record->wall_us);
    json_put_string(line, "node", node);
    g_string_append(line, "}\n");
}

static gboolean
is_on_disk(const Pass *pass, const LedgerOutput *output)
{
    struct stat status;

    return fstatat(pass->folder->output_fd, output->path, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(status.st_mode) && (guint64)status.st_size == output->size_bytes;
}

static void
add_up(Pass *pass, const LedgerRecord *record)
{
    ResizeReport *report = pass->report;

    report->class_counts[record->class]++;
    report->bytes_in += record->bytes_in;
    report->pixels_in += record->pixels_in;
    report->cpu_us += record->cpu_us;
    report->wall_us += record->wall_us;
    histogram_add(pass->wall, record->wall_us);
    histogram_add(pass->cpu, record->cpu_us);
    for (guint i = 0; i < record->output_count && record->class == ROW_OK; i++) {
        const LedgerOutput *output = &record->outputs[i];
        report->output_count++;
        report->bytes_out += output->size_bytes;
        report->pixels_out += (guint64)output->width_px * output->height_px;
        pass->files_found += is_on_disk(pass, output);
    }
}

/* Lists an input that killed its workers, for whoever wants to look at it. */
static gboolean
write_quarantine(Pass *pass, const LedgerRecord *record, GError **error)
{
    if (!pass->quarantine)
        pass->quarantine = durable_stream_open(pass->folder->state_fd, quarantine_file, error);
    if (!pass->quarantine)
        return FALSE;
    g_string_truncate(pass->line, 0);
    json_open(pass->line, NULL, '{');
    put_source(pass->line, record);
    put_digest(pass->line, record->outputs[0].digest);
    json_put_string(pass->line, "message", record->message);
    g_string_append(pass->line, "}\n");
    return durable_stream_write(pass->quarantine, pass->line->str, pass->line->len, error);
}

/* A list of an earlier run must not outlive its reasons. */
static gboolean
end_quarantine(Pass *pass, GError **error)
{
    if (pass->quarantine)
        return durable_stream_close(g_steal_pointer(&pass->quarantine), error);
    return unlinkat(pass->folder->state_fd, quarantine_file, 0) == 0 || errno == ENOENT ||
           millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "removing %s",
                                    quarantine_file);
}

/* The second pass for one row. */
static gboolean
write_row(Pass *pass, guint64 row, GError **error)
{
    guint ledger = 0;
    guint64 offset = 0;
    LedgerRecord record;

    if (!row_states_done(pass->states, row)) {
        pass->report->skipped_count++;
        return TRUE;
    }
    if (row_index_get(pass->index, row, &ledger, &offset, error) < 0)
        return FALSE;
    LedgerReader *reader = open_reader(pass, ledger, error);
    if (!reader)
        return FALSE;
    ledger_reader_seek(reader, offset);
    int found = ledger_reader_next(reader, &record, NULL, error);
    if (found == 0)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT, "%s changed while it was read",
                    (const char *)pass->ledgers->pdata[ledger]);
    if (found <= 0)
        return FALSE;
    add_up(pass, &record);
    if (record.class == ROW_WORKER_CRASH && !write_quarantine(pass, &record, error))
        return FALSE;
    g_string_truncate(pass->line, 0);
    print_result(&record, ledger_reader_header(reader)->node, pass->line);
    return durable_stream_write(pass->stream, pass->line->str, pass->line->len, error);
}

static void
state_invariants(Pass *pass)
{
    ResizeReport *report = pass->report;
    guint64 accounted = report->skipped_count;

    for (guint i = 0; i < ROW_CLASS_COUNT; i++)
        accounted += report->class_counts[i];
    const ResizeInvariant invariants[] = {
        {"every row is accounted for", report->row_count, accounted, "rows of the manifest",
         "resized + failed + skipped"},
        {"every output is on disk", report->output_count, pass->files_found,
         "outputs in the ledgers", "files of their size"},
        {"every output is metered once", pass->expected.count, pass->logged.count,
         "outputs in the ledgers, of all tries", "usage events"},
        {"usage says what the ledgers say", pass->expected.hash_sum, pass->logged.hash_sum,
         "hash of the ledgers' events", "hash of the usage logs"},
    };
    report->invariant_count = G_N_ELEMENTS(invariants);
    memcpy(report->invariants, invariants, sizeof invariants);
    report->event_count = pass->logged.count;
}

static void
state_percentiles(Pass *pass)
{
    static const guint permille[] = {500, 990, 999};

    for (guint i = 0; i < G_N_ELEMENTS(permille); i++) {
        pass->report->wall_us_percentiles[i] = histogram_percentile(pass->wall, permille[i]);
        pass->report->cpu_us_percentiles[i] = histogram_percentile(pass->cpu, permille[i]);
    }
}

static gboolean
run_passes(Pass *pass, GError **error)
{
    pass->index = row_index_new(pass->folder->state_fd, error);
    if (!pass->index)
        return FALSE;
    for (guint i = 0; i < pass->ledgers->len; i++)
        if (!read_ledger(pass, i, error))
            return FALSE;
    pass->stream = durable_stream_open(pass->folder->state_fd, "results.ndjson", error);
    if (!pass->stream)
        return FALSE;
    guint64 row_highest = MAX(pass->report->row_count, row_states_highest(pass->states));
    for (guint64 row = 1; row <= row_highest; row++)
        if (!write_row(pass, row, error))
            return FALSE;
    state_invariants(pass);
    state_percentiles(pass);
    return end_quarantine(pass, error) &&
           durable_stream_close(g_steal_pointer(&pass->stream), error);
}

gboolean
resize_results_write(const ResizeFolder *folder, const GPtrArray *ledgers, ResizeReport *report,
                     GError **error)
{
    Pass pass = {.folder = folder,
                 .ledgers = ledgers,
                 .report = report,
                 .states = row_states_new(),
                 .readers = g_new0(LedgerReader *, ledgers->len + 1),
                 .wall = histogram_new(),
                 .cpu = histogram_new(),
                 .line = g_string_new(NULL)};
    gboolean good = run_passes(&pass, error);

    g_clear_pointer(&pass.stream, durable_stream_abandon);
    g_clear_pointer(&pass.quarantine, durable_stream_abandon);
    g_clear_pointer(&pass.index, row_index_free);
    for (guint i = 0; i < ledgers->len; i++)
        g_clear_pointer(&pass.readers[i], ledger_reader_free);
    g_free(pass.readers);
    row_states_free(pass.states);
    histogram_free(pass.wall);
    histogram_free(pass.cpu);
    g_string_free(pass.line, TRUE);
    return good;
}
