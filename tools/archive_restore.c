/* archive_restore.c - millrace archive restore and cat: records out of an archive.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_restore.h"

#include <stdio.h>
#include <unistd.h>

#include "tools/archive.h"
#include "tools/archive_select.h"
#include "tools/tool.h"

typedef struct {
    ArchiveSelectOptions select;
    char *folder;
    char *note;
    gboolean no_note;
    gboolean by_volume;
    gboolean force;
    int threads;
    char **rest;
} Options;

static void
options_clear(Options *options)
{
    archive_select_options_clear(&options->select);
    g_free(options->folder);
    g_free(options->note);
    g_strfreev(options->rest);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

#define COMMON_OPTIONS(options)                                                                    \
    ARCHIVE_SELECT_OPTIONS((options).select),                                                      \
        {"note",                                                                                   \
         0,                                                                                        \
         0,                                                                                        \
         G_OPTION_ARG_FILENAME,                                                                    \
         &(options).note,                                                                          \
         "Why, for the catalogue (default: what was asked for)",                                   \
         "TEXT"},                                                                                  \
        {"no-note", 0, 0, G_OPTION_ARG_NONE, &(options).no_note, "Leave no such entry", NULL},     \
        {"threads",                                                                                \
         0,                                                                                        \
         0,                                                                                        \
         G_OPTION_ARG_INT,                                                                         \
         &(options).threads,                                                                       \
         "How many read ahead (default: one a core)",                                              \
         "N"},                                                                                     \
    {                                                                                              \
        G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &(options).rest, NULL, NULL         \
    }

static gboolean
configure(const Options *options, ArchiveRestoreConfig *config, ArchiveOpen *open, GError **error)
{
    if (!archive_select_options_check(&options->select, &config->selection, open, error))
        return FALSE;
    if (options->rest || options->threads < 0 || options->threads > 1024) {
        g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                            options->rest ? "expected options alone; see --help"
                                          : "--threads: expected 1 to 1024");
        return FALSE;
    }
    config->folder = options->folder;
    config->by_volume = options->by_volume;
    config->force = options->force;
    config->threads = options->threads > 0 ? (guint)options->threads : g_get_num_processors();
    config->on_bad = archive_log_bad;
    return TRUE;
}

/* Who reads an archive leaves a trace where that is possible; where it is not, what was read is
 * still right. */
static void
leave_note(const Options *options, const ArchiveRestoreConfig *config, const ArchiveOpen *open,
           const ArchiveRestored *restored)
{
    g_autofree char *asked = archive_selection_describe(&config->selection);
    g_autoptr(GError) error = NULL;

    if (options->no_note || config->tape || restored->restored_count == 0)
        return;
    if (!archive_restore_note(open, restored, options->note ? options->note : asked, &error))
        tool_log("this is not noted in the catalogue: %s", error->message);
}

static int
exit_code(const ArchiveRestoreConfig *config, const ArchiveRestored *restored)
{
    guint64 failed_count = restored->failed_count;

    /* Where one record was asked for and is there, it does not matter who else may have it. */
    if (!config->selection.record || restored->restored_count == 0)
        failed_count += restored->bad_volume_count;
    if (failed_count == 0)
        return EXIT_ALL_DONE;
    return restored->restored_count > 0 || !restored->damaged ? EXIT_SOME_FAILED : EXIT_INVARIANT;
}

static void
log_summary(const ArchiveRestored *restored, const char *folder)
{
    tool_log("%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " records, %" G_GUINT64_FORMAT
             " bytes, are whole in %s; %" G_GUINT64_FORMAT
             " of them were there before; %" G_GUINT64_FORMAT " failed",
             restored->restored_count, restored->selected_count, restored->restored_bytes, folder,
             restored->there_count, restored->failed_count);
}

int
archive_restore_main(int argc, char **argv)
{
    static const Tool tool = {
        .verb = "archive restore",
        .synopsis = "",
        .example = "  millrace archive restore --from cold -o out --customer acme "
                   "--from-time 2026-11-01\n"
                   "  millrace archive restore --from cold -o out --record "
                   "bills/2026-11/lines.csv",
        .summary = "Restores records into a folder, each whole and checked before it has its name. "
                   "Files that are\nthere with the same bytes are fine, with other bytes they stay "
                   "as they are. Can be run again.\nNotes in the catalogue what was restored."};
    g_auto(Options) options = {0};
    ArchiveRestoreConfig config = {0};
    ArchiveOpen open;
    g_auto(ArchiveRestored) restored = {0};
    g_autoptr(GError) error = NULL;
    const GOptionEntry entries[] = {{"output", 'o', 0, G_OPTION_ARG_FILENAME, &options.folder,
                                     "Where to; made if missing", "DIR"},
                                    {"by-volume", 0, 0, G_OPTION_ARG_NONE, &options.by_volume,
                                     "To DIR/VOLUME/KEY, so that volumes may have the same keys",
                                     NULL},
                                    {"force", 0, 0, G_OPTION_ARG_NONE, &options.force,
                                     "Replace files that have other bytes", NULL},
                                    COMMON_OPTIONS(options),
                                    G_OPTION_ENTRY_NULL};

    if (!tool_parse(&tool, entries, &argc, &argv, &error) ||
        !configure(&options, &config, &open, &error))
        return tool_fail(error);
    if (!options.folder) {
        g_set_error(&error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                    "expected -o DIR, the folder to restore into");
        return tool_fail(error);
    }
    g_auto(ArchiveSource) source = {0};
    if (!archive_source_open(&options.select, &open, &source, &error))
        return tool_fail(error);
    config.tape = source.tape;
    gboolean good = archive_restore(source.archive, &config, &restored, &error);
    leave_note(&options, &config, &open, &restored);
    if (!good)
        return tool_fail(error);
    log_summary(&restored, options.folder);
    return tool_finish(exit_code(&config, &restored));
}

int
archive_cat_main(int argc, char **argv)
{
    static const Tool tool = {
        .verb = "archive cat",
        .synopsis = "",
        .example = "  millrace archive cat --from cold --record bills/2026-11/lines.csv\n"
                   "  millrace archive cat --from cold --customer acme --from-time 2026-11-03 "
                   "--to-time 2026-11-04",
        .summary = "Prints records, volume by volume, each checked. Notes in the catalogue what "
                   "was read."};
    g_auto(Options) options = {0};
    ArchiveRestoreConfig config = {0};
    ArchiveOpen open;
    g_auto(ArchiveRestored) restored = {0};
    g_autoptr(GError) error = NULL;
    const GOptionEntry entries[] = {COMMON_OPTIONS(options), G_OPTION_ENTRY_NULL};

    if (!tool_parse(&tool, entries, &argc, &argv, &error) ||
        !configure(&options, &config, &open, &error))
        return tool_fail(error);
    g_auto(ArchiveSource) source = {0};
    if (!archive_source_open(&options.select, &open, &source, &error))
        return tool_fail(error);
    config.tape = source.tape;
    gboolean good = archive_cat(source.archive, &config, STDOUT_FILENO, &restored, &error);
    leave_note(&options, &config, &open, &restored);
    if (!good)
        return tool_fail(error);
    return tool_finish(exit_code(&config, &restored));
}
