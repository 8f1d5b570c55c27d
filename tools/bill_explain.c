/* bill_explain.c - millrace bill explain: the events behind a line.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_explain.h"

#include <stdio.h>

#include "tools/bill.h"
#include "tools/tool.h"

int
bill_explain_main(int argc, char **argv)
{
    static const Tool tool = {
        .verb = "bill explain",
        .synopsis = "BILLS/RUN LINE",
        .example = "  grep ^acme, -n bills/2026-11-*/lines.csv\n"
                   "  millrace bill explain bills/2026-11-0123456789abcdef "
                   "1d9a53c2f08e4b7a6c5d0e1f2a3b4c5d",
        .summary = "Prints the events behind a line of lines.csv, by its line_id, as NDJSON: "
                   "source, id, time and what each metered. They are read from the segments that "
                   "the run was made from, and must add up to the line."};
    g_auto(GStrv) operands = NULL;
    g_auto(BillScanOptions) scan = {0};
    g_autoptr(GError) error = NULL;
    GOptionEntry entries[] = {
        BILL_SCAN_OPTIONS(scan),
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &operands, NULL, NULL},
        G_OPTION_ENTRY_NULL};
    guint64 memory_bytes = 0;

    if (!tool_parse(&tool, entries, &argc, &argv, &error) ||
        !bill_scan_options_check(&scan, &memory_bytes, &error))
        return tool_fail(error);
    if (!operands || !operands[1] || operands[2]) {
        g_set_error(&error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                    "expected a run's folder and a line_id of its lines.csv");
        return tool_fail(error);
    }
    BillExplainConfig config = {.run = operands[0],
                                .line = operands[1],
                                .stores = (const char *const *)scan.stores,
                                .thread_count =
                                    scan.threads > 0 ? (guint)scan.threads : g_get_num_processors(),
                                .memory_bytes = memory_bytes};
    g_autoptr(GString) out = g_string_new(NULL);
    BillExplained explained;
    gboolean good = bill_explain(&config, out, &explained, &error);
    int code = good ? EXIT_ALL_DONE : tool_fail(error);
    fwrite(out->str, 1, out->len, stdout);
    if (good)
        tool_log("%s", explained.what);
    g_free(explained.what);
    return tool_finish(code);
}
