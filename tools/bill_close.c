/* bill_close.c - millrace bill close and verify.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_close.h"

#include <stdio.h>

#include "jobs/bill_verify.h"
#include "tools/bill.h"
#include "tools/tool.h"

static gboolean
one_run(char **operands, GError **error)
{
    if (operands && !operands[1])
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                "expected one run's folder, as in bills/2026-11-0123456789abcdef");
    return FALSE;
}

int
bill_close_main(int argc, char **argv)
{
    static const Tool tool = {
        .verb = "bill close",
        .synopsis = "BILLS/RUN",
        .example = "  millrace bill close bills/2026-11-0123456789abcdef",
        .summary = "Makes a run the bill of its period, once and for good. What arrives later is "
                   "corrected in the next period."};
    g_auto(GStrv) operands = NULL;
    gboolean accept_conflicts = FALSE;
    gboolean again = FALSE;
    g_autoptr(GError) error = NULL;
    GOptionEntry entries[] = {
        {"accept-conflicts", 0, 0, G_OPTION_ARG_NONE, &accept_conflicts,
         "Close although copies of an event contradict each other", NULL},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &operands, NULL, NULL},
        G_OPTION_ENTRY_NULL};

    if (!tool_parse(&tool, entries, &argc, &argv, &error) || !one_run(operands, &error) ||
        !bill_close(operands[0], accept_conflicts, &again, &error))
        return tool_fail(error);
    tool_log("%s is closed%s", operands[0], again ? " already" : "");
    return tool_finish(EXIT_ALL_DONE);
}

int
bill_verify_main(int argc, char **argv)
{
    static const Tool tool = {
        .verb = "bill verify",
        .synopsis = "BILLS/RUN",
        .example = "  millrace bill verify bills/2026-11-0123456789abcdef",
        .summary = "Computes a run's arithmetic again from its own files, and prints what does "
                   "not agree, a line each. Needs nothing else."};
    g_auto(GStrv) operands = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) findings = g_ptr_array_new_with_free_func(g_free);
    GOptionEntry entries[] = {
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &operands, NULL, NULL},
        G_OPTION_ENTRY_NULL};

    if (!tool_parse(&tool, entries, &argc, &argv, &error) || !one_run(operands, &error))
        return tool_fail(error);
    g_autoptr(BillFolder) folder = bill_folder_open(operands[0], &error);
    if (!folder || !bill_verify(folder, findings, &error))
        return tool_fail(error);
    for (guint i = 0; i < findings->len; i++)
        printf("%s: %s\n", operands[0], (const char *)findings->pdata[i]);
    if (findings->len == 0)
        tool_log("%s: every digest, line and sum agrees", operands[0]);
    return tool_finish(findings->len > 0 ? EXIT_INVARIANT : EXIT_ALL_DONE);
}
