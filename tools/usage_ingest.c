/* usage_ingest.c - millrace usage ingest: usage logs become segments of a batch store.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/usage_ingest.h"

#include <stdio.h>
#include <string.h>

#include "tools/ranks.h"
#include "tools/tool.h"
#include "tools/usage.h"

static gboolean
usage_error(GError **error, const char *message)
{
    g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE, message);
    return FALSE;
}

static gboolean
configure(UsageIngestConfig *config, int argc, char **argv, GError **error)
{
    static const Tool tool = {
        .verb = "usage ingest",
        .synopsis = "LOG...|-",
        .example = "  millrace usage ingest --store store thumbs/.millrace/usage-*.ndjson",
        .summary = "Reads usage logs (NDJSON, plain or .zst) into a batch store. What was read of "
                   "them\nbefore is not read again. Bad lines are quarantined with their reasons."};
    static char *store;
    static char *quarantine;
    static char *threads;
    static char *region;
    static char **logs;
    /* All are taken as file names are: as bytes, whatever the locale. */
    const GOptionEntry entries[] = {
        {"store", 0, 0, G_OPTION_ARG_FILENAME, &store, "The batch store; made when it is not there",
         "DIR"},
        {"quarantine", 0, 0, G_OPTION_ARG_FILENAME, &quarantine,
         "Append bad lines to this file as well", "FILE"},
        {"threads", 0, 0, G_OPTION_ARG_FILENAME, &threads,
         "Threads of each rank (default: the node's cores, shared by its ranks)", "N"},
        {"region", 0, 0, G_OPTION_ARG_FILENAME, &region,
         "How much of a log becomes one segment (default: 256Mi)", "SIZE"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &logs, NULL, NULL},
        G_OPTION_ENTRY_NULL};
    guint64 thread_count = 0;

    if (!tool_parse(&tool, entries, &argc, &argv, error))
        return FALSE;
    if (!store || !*store)
        return usage_error(error, "expected --store DIR, the batch store");
    if (!logs)
        return usage_error(error, "expected a LOG, or - for standard input; see --help");
    *config = (UsageIngestConfig){.store = store,
                                  .logs = (const char *const *)logs,
                                  .quarantine = quarantine,
                                  .region_bytes = USAGE_INGEST_REGION_BYTES};
    if ((threads && !tool_parse_count("--threads", threads, 1, 1024, &thread_count, error)) ||
        (region && !tool_parse_count("--region", region, USAGE_INGEST_REGION_MIN_BYTES, 1ULL << 30,
                                     &config->region_bytes, error)))
        return FALSE;
    config->thread_count = (guint)thread_count;
    return TRUE;
}

/* A line about each log on stdout; what is wrong with one, and the sums, on stderr. */
static void
print_report(const UsageIngestReport *report, const UsageIngestConfig *config)
{
    const UsageIngestLog *total = &report->total;
    g_autofree char *size = g_format_size_full(total->segment_bytes, G_FORMAT_SIZE_IEC_UNITS);

    for (guint i = 0; i < report->logs->len; i++) {
        const UsageIngestLog *log = report->logs->pdata[i];
        fputs(log->json ? log->json : "", stdout);
        if (log->error)
            tool_log("%s", log->error);
        if (log->truncated)
            tool_log("%s: ends in the middle of a zstd frame: read to its last whole line",
                     config->logs[i]);
    }
    tool_log("%" G_GUINT64_FORMAT " events of %" G_GUINT64_FORMAT " lines in %" G_GUINT64_FORMAT
             " new segments of %s; %" G_GUINT64_FORMAT " lines quarantined",
             total->event_count, total->line_count, total->segment_count, size,
             total->quarantined_count);
}

/* Rank 0 tells for all: its exit code becomes mpirun's. */
static int
conclude(const UsageIngestReport *report, const UsageIngestConfig *config, const GError *error)
{
    int code = report->total.exit_code;

    if (report->is_rank_0 && report->logs->len > 0)
        print_report(report, config);
    if (error && !report->error_elsewhere)
        code = tool_fail(error);
    else if (error)
        code = EXIT_INCOMPLETE;
    else if (code == EXIT_ALL_DONE && report->total.quarantined_count > 0)
        code = EXIT_SOME_FAILED;
    return tool_finish(code);
}

int
usage_ingest_main(int argc, char **argv)
{
    UsageIngestConfig config;
    UsageIngestReport report;
    g_autoptr(GError) error = NULL;

    if (!configure(&config, argc, argv, &error))
        return ranks_is_first() ? tool_fail(error) : EXIT_ALL_DONE;
    usage_ingest(&config, &report, &error);
    int code = conclude(&report, &config, error);
    usage_ingest_report_clear(&report);
    return code;
}
