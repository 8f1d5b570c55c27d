/* usage_seal.c - millrace usage seal: a writer's word that all of a period is there.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/period.h"
#include "formats/store.h"
#include "tools/tool.h"
#include "tools/usage.h"

typedef struct {
    char *store;
    char *writer;
    char *period;
    char *through;
    char **lost;
} Options;

static gboolean
usage_error(GError **error, const char *message)
{
    g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE, message);
    return FALSE;
}

static gboolean
parse_options(Options *options, int argc, char **argv, GError **error)
{
    static const Tool tool = {
        .verb = "usage seal",
        .synopsis = "",
        .example = "  millrace usage seal --store store --writer n07-0-1 --period 2026-11 "
                   "--through 48211",
        .summary = "Gives a writer's word: its events up to the end of the period are those of "
                   "sequences\nup to SEQ, save those declared lost. A word is given once."};
    char **rest = NULL;
    const GOptionEntry entries[] = {
        {"store", 0, 0, G_OPTION_ARG_FILENAME, &options->store, "The batch store", "DIR"},
        {"writer", 0, 0, G_OPTION_ARG_FILENAME, &options->writer, "Whose word it is", "W"},
        {"period", 0, 0, G_OPTION_ARG_FILENAME, &options->period, "The month, as in 2026-11",
         "PERIOD"},
        {"through", 0, 0, G_OPTION_ARG_FILENAME, &options->through,
         "Its last sequence of the period; 0 for a writer without sequences", "SEQ"},
        {"lost", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->lost,
         "Sequences that are lost for good; may be repeated", "A-B"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &rest, NULL, NULL},
        G_OPTION_ENTRY_NULL};

    if (!tool_parse(&tool, entries, &argc, &argv, error))
        return FALSE;
    if (rest) {
        g_strfreev(rest);
        return usage_error(error, "expected options alone; see --help");
    }
    if (!options->store || !options->writer || !options->period || !options->through)
        return usage_error(error, "expected --store, --writer, --period and --through");
    if (!*options->writer || !g_utf8_validate(options->writer, -1, NULL))
        return usage_error(error, "--writer: expected the name that is in its events");
    return TRUE;
}

/* Reads "17" or "17-19". */
static gboolean
lose(StoreSeal *seal, const char *text, GError **error)
{
    guint64 first = 0;
    guint64 last = 0;
    const char *dash = strchr(text, '-');
    g_autofree char *begin = dash ? g_strndup(text, (gsize)(dash - text)) : g_strdup(text);

    if (!g_ascii_string_to_unsigned(begin, 10, 1, G_MAXINT64, &first, NULL) ||
        !g_ascii_string_to_unsigned(dash ? dash + 1 : text, 10, 1, G_MAXINT64, &last, NULL)) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                    "--lost=%s: expected sequences, as in 17-19", text);
        return FALSE;
    }
    if (store_seal_lose(seal, first, last, error))
        return TRUE;
    g_prefix_error(error, "--lost=");
    return FALSE;
}

/* Returns: (transfer full), or NULL and error. */
static StoreSeal *
make_seal(const Options *options, GError **error)
{
    Period period;
    guint64 through = 0;

    if (!period_parse(options->period, &period, error))
        return NULL;
    if (!g_ascii_string_to_unsigned(options->through, 10, 0, G_MAXINT64, &through, NULL)) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                    "--through=%s: expected a sequence, a whole number from 0 on",
                    options->through);
        return NULL;
    }
    g_autoptr(StoreSeal) seal = store_seal_new(options->writer, period.name, through);
    for (char **lost = options->lost; lost && *lost; lost++)
        if (!lose(seal, *lost, error))
            return NULL;
    return g_steal_pointer(&seal);
}

int
usage_seal_main(int argc, char **argv)
{
    static Options options;
    gboolean added = FALSE;
    g_autoptr(GError) error = NULL;

    if (!parse_options(&options, argc, argv, &error))
        return tool_fail(error);
    g_autoptr(StoreSeal) seal = make_seal(&options, &error);
    g_autoptr(Store) store = seal ? store_open(options.store, FALSE, &error) : NULL;
    if (!store || !store_seal_put(store, seal, &added, &error))
        return tool_fail(error);
    tool_log("%s has sealed %s through %" G_GUINT64_FORMAT "%s", seal->writer, seal->period,
             seal->through, added ? "" : ", as before");
    return tool_finish(EXIT_ALL_DONE);
}
