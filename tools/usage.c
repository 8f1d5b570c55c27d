/* usage.c - millrace usage: logs into the batch store, and what can be asked of one.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/usage.h"

#include <string.h>

#include "tools/tool.h"

static const struct {
    const char *verb;
    int (*main)(int argc, char **argv);
} verbs[] = {
    {"ingest", usage_ingest_main}, {"cat", usage_cat_main},   {"stat", usage_stat_main},
    {"seal", usage_seal_main},     {"sync", usage_sync_main},
};

int
main(int argc, char **argv)
{
    static const Tool tool = {
        .verb = "usage",
        .synopsis = "ingest|cat|stat|seal|sync ...",
        .example = "  millrace usage ingest --store store thumbs/.millrace/usage-*.ndjson\n"
                   "  millrace usage stat --store store",
        .summary = "ingest reads usage logs into a batch store; cat prints its events; stat says "
                   "what\nit holds; seal gives a writer's word that all of a period is there; "
                   "sync copies\nwhat another store lacks. Each has its --help."};
    static const GOptionEntry no_entries[] = {G_OPTION_ENTRY_NULL};
    g_autoptr(GError) error = NULL;

    for (guint i = 0; argc > 1 && i < G_N_ELEMENTS(verbs); i++)
        if (strcmp(argv[1], verbs[i].verb) == 0)
            return verbs[i].main(argc - 1, argv + 1);
    if (tool_parse(&tool, no_entries, &argc, &argv, &error))
        g_set_error(&error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                    "%s%sexpected ingest, cat, stat, seal or sync", argc > 1 ? argv[1] : "",
                    argc > 1 ? ": " : "");
    return tool_fail(error);
}
