/* bill.c - millrace bill: turns usage into statements that prove themselves, and shows them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/bill.h"

#include "jobs/bill.h"
#include "tools/tool.h"
#include "tools/verbs.h"

static const Verb verbs[] = {
    {"check-prices", bill_check_prices_main,
     "find what is wrong with a price book before it is used"},
    {"run", bill_run_main, "rate a period: statements, lines and their proof"},
    {"close", bill_close_main, "make a run the period's bill, once and for good"},
    {"explain", bill_explain_main, "the events behind a line"},
    {"diff", bill_diff_main, "what two runs charge differently"},
    {"verify", bill_verify_main, "compute a run's arithmetic again and check its proof"},
    {"show", bill_show_main, "one customer's statement as people read it"},
    {"export", bill_export_main, "a run as FOCUS, for other programs"},
    {"stat", bill_stat_main, "totals, top customers, percentiles; usage by customer, op, hour"},
};

void
bill_scan_options_clear(BillScanOptions *options)
{
    g_strfreev(options->stores);
    g_free(options->memory);
    g_free(options->scratch);
}

gboolean
bill_scan_options_check(const BillScanOptions *options, guint64 *memory_bytes, GError **error)
{
    *memory_bytes = BILL_MEMORY_DEFAULT;
    if (options->threads < 0 || options->threads > 4096) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                    "--threads=%d: expected a number from 1 to 4096", options->threads);
        return FALSE;
    }
    return !options->memory || tool_parse_count("--memory", options->memory, BILL_MEMORY_MIN,
                                                G_MAXINT64, memory_bytes, error);
}

int
main(int argc, char **argv)
{
    static const Verbs all = {
        .program = "bill",
        .example =
            "  millrace bill run --store store --prices prices.json --period 2026-11 -o bills\n"
            "  millrace bill show bills/2026-11-0123456789abcdef acme",
        .verbs = verbs,
        .count = G_N_ELEMENTS(verbs)};

    return verbs_main(&all, argc, argv);
}
