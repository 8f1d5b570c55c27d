/* usage_cat.c - millrace usage cat: events of a batch store as lines again.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/usage_cat.h"

#include <string.h>

#include "formats/usage.h"
#include "tools/tool.h"
#include "tools/usage.h"

/* Reads "2026-11-22T10:00:00Z", or "2026-11-22" for its first moment in UTC. */
static gboolean
parse_time(const char *option, const char *text, gint64 *time_us, GError **error)
{
    g_autofree char *begin_of_day = g_strconcat(text, "T00:00:00Z", NULL);

    if (usage_parse_time(text, strlen(text), time_us) ||
        usage_parse_time(begin_of_day, strlen(begin_of_day), time_us))
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                "%s=%s: expected a day or a time with its zone, as in 2026-11-22 or "
                "2026-11-22T10:00:00Z",
                option, text);
    return FALSE;
}

static gboolean
configure(UsageCatConfig *config, int argc, char **argv, GError **error)
{
    static const Tool tool = {
        .verb = "usage cat",
        .synopsis = "[SEGMENT...]",
        .example = "  millrace usage cat --store store --customer acme --from 2026-11-01",
        .summary = "Prints events of a batch store, or of some of its segments, as NDJSON."};
    static char *store;
    static char *customer;
    static char *from;
    static char *to;
    static char **segments;
    const GOptionEntry entries[] = {
        {"store", 0, 0, G_OPTION_ARG_FILENAME, &store, "The batch store", "DIR"},
        {"customer", 0, 0, G_OPTION_ARG_FILENAME, &customer, "Only events of this customer", "C"},
        {"from", 0, 0, G_OPTION_ARG_FILENAME, &from, "Only events of this time (or day) or later",
         "TIME"},
        {"to", 0, 0, G_OPTION_ARG_FILENAME, &to, "Only events before this time (or day)", "TIME"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &segments, NULL, NULL},
        G_OPTION_ENTRY_NULL};

    if (!tool_parse(&tool, entries, &argc, &argv, error))
        return FALSE;
    if (!store && !segments) {
        g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                            "expected --store DIR, the batch store, or files of segments");
        return FALSE;
    }
    *config = (UsageCatConfig){.store = store,
                               .segments = (const char *const *)segments,
                               .customer = customer,
                               .from_us = G_MININT64,
                               .to_us = G_MAXINT64};
    return (!from || parse_time("--from", from, &config->from_us, error)) &&
           (!to || parse_time("--to", to, &config->to_us, error));
}

int
usage_cat_main(int argc, char **argv)
{
    UsageCatConfig config;
    g_autoptr(GPtrArray) bad = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;

    if (!configure(&config, argc, argv, &error))
        return tool_fail(error);
    gboolean good = usage_cat(&config, stdout, bad, &error);
    for (guint i = 0; i < bad->len; i++)
        tool_log("%s", (const char *)bad->pdata[i]);
    if (!good)
        return tool_finish(tool_fail(error));
    return tool_finish(bad->len > 0 ? EXIT_BAD_INPUT : EXIT_ALL_DONE);
}
