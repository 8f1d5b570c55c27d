/* bill_run.c - millrace bill run: a period's usage in, a run's folder out.
 * SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "jobs/bill.h"
#include "tools/bill.h"
#include "tools/ranks.h"
#include "tools/tool.h"

typedef struct {
    BillScanOptions scan;
    char *prices;
    char *period;
    char *output;
    char **expect;
} RunOptions;

static void
options_clear(RunOptions *options)
{
    bill_scan_options_clear(&options->scan);
    g_strfreev(options->expect);
    g_free(options->prices);
    g_free(options->period);
    g_free(options->output);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RunOptions, options_clear)

static gboolean stop;

static void
on_signal(int signal_number G_GNUC_UNUSED)
{
    stop = TRUE;
}

static gboolean
missing(const char *option, const char *example, GError **error)
{
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE, "%s is missing, as in %s", option,
                example);
    return FALSE;
}

static gboolean
parse(int argc, char **argv, RunOptions *options, BillConfig *config, GError **error)
{
    static const Tool tool = {
        .verb = "bill run",
        .synopsis = "",
        .example =
            "  millrace bill run --store store --prices prices.json --period 2026-11 -o bills",
        .summary = "Rates a period: every event of the stores once, by the price book, into "
                   "statements with their proof. Prints the run's folder."};
    GOptionEntry entries[] = {
        BILL_SCAN_OPTIONS(options->scan),
        {"prices", 0, 0, G_OPTION_ARG_FILENAME, &options->prices, "The price book", "FILE"},
        {"period", 0, 0, G_OPTION_ARG_FILENAME, &options->period, "The month, in UTC", "YYYY-MM"},
        {"output", 'o', 0, G_OPTION_ARG_FILENAME, &options->output, "Where runs are kept", "BILLS"},
        {"expect", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->expect,
         "Writers that shall have sealed the period, with commas between; may be repeated (those "
         "that are seen)",
         "WRITERS"},
        G_OPTION_ENTRY_NULL};

    if (!tool_parse(&tool, entries, &argc, &argv, error))
        return FALSE;
    if (argc > 1) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                    "%s: no operands are expected; a store is --store DIR", argv[1]);
        return FALSE;
    }
    if (!options->scan.stores)
        return missing("--store", "--store store", error);
    if (!options->prices)
        return missing("--prices", "--prices prices.json", error);
    if (!options->period)
        return missing("--period", "--period 2026-11", error);
    if (!options->output)
        return missing("-o", "-o bills", error);
    config->stores = (const char *const *)options->scan.stores;
    config->prices = options->prices;
    config->bills = options->output;
    config->scratch = options->scan.scratch ? options->scan.scratch : g_get_tmp_dir();
    config->node_threads = (guint)options->scan.threads;
    config->stop = &stop;
    return bill_scan_options_check(&options->scan, &config->memory_bytes, error) &&
           period_parse(options->period, &config->period, error);
}

/* --expect a,b --expect c: the names, each by itself. */
static char **
split_expected(char **expect)
{
    if (!expect)
        return NULL;
    g_autofree char *joined = g_strjoinv(",", expect);
    char **names = g_strsplit(joined, ",", -1);
    guint kept = 0;
    for (guint i = 0; names[i]; i++) {
        char *name = names[i];
        names[i] = NULL;
        if (*name)
            names[kept++] = name;
        else
            g_free(name);
    }
    return names;
}

static int
conclude(const RunOptions *options, const BillReport *report)
{
    for (guint i = 0; report->refused[i]; i++)
        tool_log("refused: %s", report->refused[i]);
    tool_log("%" G_GUINT64_FORMAT " segments, %" G_GUINT64_FORMAT " events: %" G_GUINT64_FORMAT
             " billable, %" G_GUINT64_FORMAT " duplicates, %" G_GUINT64_FORMAT
             " conflicts, %" G_GUINT64_FORMAT " late",
             report->segment_count, report->read_count, report->billable_count,
             report->duplicate_count, report->conflict_count, report->late_count);
    tool_log("%" G_GUINT64_FORMAT " statements, %s%s; harvest %u.%06u%s", report->statement_count,
             report->payable, report->existed ? " (this run was there already)" : "",
             (guint)(report->harvest / 1000000), (guint)(report->harvest % 1000000),
             report->preliminary ? ", PRELIMINARY" : "");
    if (report->unsealed_count > 0)
        tool_log("%u writers have not sealed the period (millrace usage seal)",
                 report->unsealed_count);
    if (report->incomplete_count > 0)
        tool_log("%u writers have sealed more than the stores hold; %s tells which",
                 report->incomplete_count, "proof.json");
    g_autofree char *path = g_build_filename(options->output, report->run, NULL);
    printf("%s\n", path);
    if (!report->broken)
        return EXIT_ALL_DONE;
    tool_log("an invariant does not hold: %s; see proof.json, and do not use these statements",
             report->broken);
    return EXIT_INVARIANT;
}

int
bill_run_main(int argc, char **argv)
{
    g_auto(RunOptions) options = {0};
    BillConfig config = {0};
    BillReport report;
    g_autoptr(GError) error = NULL;
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

    /* All ranks meet the same; were another to end first, mpirun would not let this one speak. */
    if (!parse(argc, argv, &options, &config, &error))
        return ranks_is_first() ? tool_fail(error) : EXIT_ALL_DONE;
    g_auto(GStrv) expected = split_expected(options.expect);
    config.expected = (const char *const *)expected;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    Comm *comm = comm_open(&error);
    if (!comm)
        return tool_fail(error);
    int code = EXIT_ALL_DONE;
    gboolean good = bill_run(comm, &config, &report, &error);
    if (good && comm_rank(comm) == 0)
        code = conclude(&options, &report);
    code = ranks_conclude(comm, code, error);
    bill_report_clear(&report);
    comm_close(comm);
    return tool_finish(code);
}
