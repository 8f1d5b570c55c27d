/* run.c - millrace run: a verb under mpirun, supervised.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>

#include "jobs/supervise.h"
#include "tools/tool.h"

static const Tool tool = {
    .verb = "run",
    .synopsis = "-- VERB ARGS...",
    .example = "  millrace run -n 2 -- resize --to 320x320 -o thumbs manifest.csv\n"
               "  millrace run -n 64 --hostfile hosts -- resize --to 320x320 -o /shared/thumbs "
               "manifest.csv",
    .summary =
        "Runs a verb on N ranks under mpirun, starts it again after a crash while it gets on, "
        "and exits with the verb's own code."};

static gboolean
usage_error(GError **error, const char *message)
{
    g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE, message);
    return FALSE;
}

/* Splits at "--": what is before it is ours, what is behind it the verb's. */
static gboolean
split(int *argc, char **argv, char ***verb, GError **error)
{
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "--") != 0)
            continue;
        if (!argv[i + 1] || strchr(argv[i + 1], '/'))
            return usage_error(error, "expected a verb behind --, as in -- resize ...");
        *verb = argv + i + 1;
        *argc = i;
        argv[i] = NULL;
        return TRUE;
    }
    return TRUE;
}

static gboolean
configure(int argc, char **argv, SuperviseConfig *config, GError **error)
{
    static char *ranks;
    static char *retries;
    static char *hostfile;
    static char **rest;
    const GOptionEntry entries[] = {
        {"ranks", 'n', 0, G_OPTION_ARG_FILENAME, &ranks, "How many ranks", "N"},
        {"hostfile", 0, 0, G_OPTION_ARG_FILENAME, &hostfile,
         "Hosts, as mpirun reads them: a name a line, slots=N behind it", "FILE"},
        {"retries", 0, 0, G_OPTION_ARG_FILENAME, &retries,
         "Tries without any progress before it gives up (default: 3)", "N"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &rest, NULL, NULL},
        G_OPTION_ENTRY_NULL};
    char **verb = NULL;
    guint64 rank_count = 0;
    guint64 retries_max = SUPERVISE_RETRIES_DEFAULT;

    if (!split(&argc, argv, &verb, error) || !tool_parse(&tool, entries, &argc, &argv, error))
        return FALSE;
    if (!verb || rest)
        return usage_error(error,
                           "expected -- VERB ARGS..., as in millrace run -n 2 -- resize ...");
    if (!ranks)
        return usage_error(error, "expected -n N, the number of ranks");
    if (!tool_parse_count("-n", ranks, 1, 1000000, &rank_count, error) ||
        (retries && !tool_parse_count("--retries", retries, 0, 1000000, &retries_max, error)))
        return FALSE;
    if (hostfile && access(hostfile, R_OK) != 0) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT, "--hostfile %s cannot be read",
                    hostfile);
        return FALSE;
    }
    if (strcmp(verb[0], "resize") != 0) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                    "\"%s\" is no verb that runs on ranks; resize is", verb[0]);
        return FALSE;
    }
    g_autofree char *name = g_strconcat("millrace-", verb[0], NULL);
    config->program = tool_find_program(name);
    config->rank_count = (guint)rank_count;
    config->retries_max = (guint)retries_max;
    config->hostfile = hostfile;
    config->arguments = verb + 1;
    return TRUE;
}

static void
notice(const char *message)
{
    tool_log("%s", message);
}

int
main(int argc, char **argv)
{
    static SuperviseConfig config = {.notice = notice};
    g_autoptr(GError) error = NULL;
    int exit_code = EXIT_BUG;

    if (!configure(argc, argv, &config, &error) || !supervise_run(&config, &exit_code, &error))
        return tool_fail(error);
    return exit_code;
}
