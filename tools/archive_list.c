/* archive_list.c - millrace archive list: what an archive has.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_list.h"

#include <string.h>

#include "tools/archive.h"
#include "tools/archive_select.h"
#include "tools/tool.h"

typedef struct {
    ArchiveSelectOptions select;
    char *format;
    gboolean volumes;
    gboolean trail;
    gboolean all;
    char **rest;
} Options;

static void
options_clear(Options *options)
{
    archive_select_options_clear(&options->select);
    g_free(options->format);
    g_strfreev(options->rest);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

static gboolean
refuse(GError **error, const char *text)
{
    g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE, text);
    return FALSE;
}

static gboolean
configure(Options *options, ArchiveListConfig *config, ArchiveOpen *open, int argc, char **argv,
          GError **error)
{
    static const Tool tool = {
        .verb = "archive list",
        .synopsis = "",
        .example = "  millrace archive list --from cold --customer acme --from-time 2026-11-01\n"
                   "  millrace archive list --from cold --volumes\n"
                   "  millrace archive list --from cold --trail --record bills/2026-11/lines.csv",
        .summary = "Lists records: volume, bytes, time, key. Or volumes: class, times, holds, the "
                   "last check.\nOr the trail of one record: where it lies, to be got at with "
                   "tar and zstd alone, and\nall that was done to its volume."};
    const GOptionEntry entries[] = {
        ARCHIVE_SELECT_OPTIONS(options->select),
        {"volumes", 0, 0, G_OPTION_ARG_NONE, &options->volumes, "List volumes", NULL},
        {"all", 0, 0, G_OPTION_ARG_NONE, &options->all,
         "With --volumes: those that have expired, too", NULL},
        {"trail", 0, 0, G_OPTION_ARG_NONE, &options->trail,
         "With --record: where it lies, and what was done to its volume", NULL},
        {"format", 0, 0, G_OPTION_ARG_FILENAME, &options->format,
         "A line of text (default) or of JSON each", "text|json"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->rest, NULL, NULL},
        G_OPTION_ENTRY_NULL};

    if (!tool_parse(&tool, entries, &argc, &argv, error) ||
        !archive_select_options_check(&options->select, &config->selection, open, error))
        return FALSE;
    const char *format = options->format ? options->format : "text";
    const ArchiveSelectOptions *select = &options->select;
    if (options->rest)
        return refuse(error, "expected options alone; see --help");
    if (strcmp(format, "text") != 0 && strcmp(format, "json") != 0)
        return refuse(error, "--format: expected text or json");
    if (options->trail && (!select->record || options->volumes))
        return refuse(error, "--trail goes with --record KEY");
    if (options->volumes && (select->record || select->path || select->customer ||
                             select->from_time || select->to_time))
        return refuse(error, "--volumes: which records is not asked for");
    if (options->all && !options->volumes)
        return refuse(error, "--all goes with --volumes: records of expired volumes are gone");
    config->what = options->volumes ? ARCHIVE_LIST_VOLUMES
                   : options->trail ? ARCHIVE_LIST_TRAIL
                                    : ARCHIVE_LIST_RECORDS;
    config->json = strcmp(format, "json") == 0;
    config->tombstones = options->all;
    config->on_bad = archive_log_bad;
    return TRUE;
}

int
archive_list_main(int argc, char **argv)
{
    g_auto(Options) options = {0};
    ArchiveListConfig config = {0};
    ArchiveOpen open;
    guint64 line_count = 0;
    guint64 bad_count = 0;
    g_autoptr(GError) error = NULL;

    if (!configure(&options, &config, &open, argc, argv, &error))
        return tool_fail(error);
    g_auto(ArchiveSource) source = {0};
    if (!archive_source_open(&options.select, &open, &source, &error))
        return tool_fail(error);
    config.tape = source.tape;
    if (!archive_list(source.archive, &config, stdout, &line_count, &bad_count, &error))
        return tool_finish(tool_fail(error));
    if (bad_count == 0)
        return tool_finish(EXIT_ALL_DONE);
    return tool_finish(line_count > 0 ? EXIT_SOME_FAILED : EXIT_INVARIANT);
}
