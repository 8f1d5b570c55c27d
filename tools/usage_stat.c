/* usage_stat.c - millrace usage stat: what a batch store holds.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/usage_stat.h"

#include <stdio.h>

#include "tools/tool.h"
#include "tools/usage.h"

int
usage_stat_main(int argc, char **argv)
{
    static const Tool tool = {
        .verb = "usage stat",
        .synopsis = "",
        .example = "  millrace usage stat --store store\n"
                   "  millrace usage stat --store store --json | jq '.writers[] | select(.missing "
                   "> 0)'",
        .summary = "Says what a batch store holds: events, times, writers and the gaps in their "
                   "sequences,\nseals, quarantined lines. Reads no more than the segments' ends."};
    g_autofree char *store = NULL;
    gboolean json = FALSE;
    g_auto(GStrv) rest = NULL;
    g_autoptr(GError) error = NULL;
    const GOptionEntry entries[] = {
        {"store", 0, 0, G_OPTION_ARG_FILENAME, &store, "The batch store", "DIR"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "As one JSON object", NULL},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &rest, NULL, NULL},
        G_OPTION_ENTRY_NULL};

    if (tool_parse(&tool, entries, &argc, &argv, &error) && (!store || rest))
        g_set_error_literal(&error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                            "expected --store DIR, the batch store, and nothing more");
    if (error)
        return tool_fail(error);
    g_autoptr(UsageStat) stat = usage_stat(store, &error);
    if (!stat)
        return tool_fail(error);
    g_autoptr(GString) text = g_string_new(NULL);
    if (json)
        usage_stat_print_json(stat, text);
    else
        usage_stat_print_text(stat, text);
    fputs(text->str, stdout);
    for (guint i = 0; i < stat->bad->len; i++)
        tool_log("%s", (const char *)stat->bad->pdata[i]);
    return tool_finish(stat->bad->len > 0 ? EXIT_BAD_INPUT : EXIT_ALL_DONE);
}
