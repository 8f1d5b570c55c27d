/* bill_stat.c - millrace bill stat: what a run adds up to, and usage by whatever is asked for.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "jobs/bill_by.h"
#include "jobs/bill_folder.h"
#include "jobs/bill_segments.h"
#include "jobs/bill_stat.h"
#include "tools/bill.h"
#include "tools/ranks.h"
#include "tools/tool.h"

enum { TOP_DEFAULT = 10 };

typedef struct {
    BillScanOptions scan;
    guint64 memory_bytes;
    char **operands;
    char *by;
    int top;
    gboolean json;
} StatOptions;

static void
options_clear(StatOptions *options)
{
    bill_scan_options_clear(&options->scan);
    g_strfreev(options->operands);
    g_free(options->by);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(StatOptions, options_clear)

static gboolean
parse(int argc, char **argv, StatOptions *options, GError **error)
{
    static const Tool tool = {
        .verb = "bill stat",
        .synopsis = "BILLS/RUN",
        .example = "  millrace bill stat bills/2026-11-0123456789abcdef\n"
                   "  millrace bill stat --by customer,op,hour bills/2026-11-0123456789abcdef",
        .summary = "Prints a run's totals, its largest customers and the percentiles of CPU and "
                   "wall time by op; or, with --by, the period's usage as CSV, from the store."};
    GOptionEntry entries[] = {
        {"by", 0, 0, G_OPTION_ARG_FILENAME, &options->by,
         "Add up by customer, source, writer, type, op, format, status, day, hour", "COLUMNS"},
        {"top", 0, 0, G_OPTION_ARG_INT, &options->top, "How many customers to show (10)", "N"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &options->json, "Print JSON", NULL},
        BILL_SCAN_OPTIONS(options->scan),
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->operands, NULL, NULL},
        G_OPTION_ENTRY_NULL};

    if (!tool_parse(&tool, entries, &argc, &argv, error) ||
        !bill_scan_options_check(&options->scan, &options->memory_bytes, error))
        return FALSE;
    if (options->operands && !options->operands[1] && options->top >= 0)
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE, "expected one run's folder");
    return FALSE;
}

static void
write_out(const char *text, gsize size_bytes)
{
    fwrite(text, 1, size_bytes, stdout);
}

/* --by: under mpirun every rank does its share. */
static int
stat_by(const StatOptions *options, const BillFolder *folder)
{
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) kept = NULL;
    BillByConfig config = {.period = folder->inputs->period,
                           .memory_bytes = options->memory_bytes,
                           .scratch =
                               options->scan.scratch ? options->scan.scratch : g_get_tmp_dir()};
    int column_count = bill_by_parse(options->by, config.columns, &error);
    if (column_count < 0)
        return tool_fail(error);
    config.column_count = (guint)column_count;
    const char *const *stores = (const char *const *)options->scan.stores;
    if (!stores) {
        kept = bill_folder_stores(folder, &error);
        stores = (const char *const *)kept;
    }
    g_autoptr(GPtrArray) paths =
        stores ? bill_segments_find(stores, folder->inputs->segments, &error) : NULL;
    if (!paths)
        return tool_fail(error);
    config.paths = paths;
    Comm *comm = comm_open(&error);
    if (!comm)
        return tool_fail(error);
    config.thread_count = options->scan.threads > 0 ? (guint)options->scan.threads
                          : comm_size(comm) > 1     ? 1
                                                    : g_get_num_processors();
    bill_by(comm, &config, write_out, &error);
    int code = ranks_conclude(comm, EXIT_ALL_DONE, error);
    comm_close(comm);
    return tool_finish(code);
}

int
bill_stat_main(int argc, char **argv)
{
    g_auto(StatOptions) options = {.top = TOP_DEFAULT};
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    int code = EXIT_ALL_DONE;

    if (!parse(argc, argv, &options, &error))
        return tool_fail(error);
    g_autoptr(BillFolder) folder = bill_folder_open(options.operands[0], &error);
    if (folder && options.by) {
        code = stat_by(&options, folder);
    } else if (folder && bill_stat(folder, (guint)options.top, options.json, text, &error)) {
        fwrite(text->str, 1, text->len, stdout);
        code = tool_finish(EXIT_ALL_DONE);
    } else {
        code = tool_fail(error);
    }
    return code;
}
