/* archive_copy.c - millrace archive push and pull: one archive gets what another one has.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_copy.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "jobs/archive_tape.h"
#include "tools/archive.h"
#include "tools/tool.h"

static volatile sig_atomic_t stop;

static void
on_signal(int signal_number G_GNUC_UNUSED)
{
    stop = 1;
}

typedef struct {
    char *from;
    char *to;
    char **trust;
    char *scratch;
    gboolean verify;
} CopyOptions;

static void
copy_options_clear(CopyOptions *options)
{
    g_free(options->from);
    g_free(options->to);
    g_strfreev(options->trust);
    g_free(options->scratch);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CopyOptions, copy_options_clear)

static const Tool push_tool = {
    .verb = "archive push",
    .synopsis = "",
    .example = "  millrace archive push --from cold --to s3://records/cold\n"
               "  millrace archive push --from cold --to /mnt/copy --verify\n"
               "  millrace archive push --from cold --to - | dd of=/dev/nst0 obs=1M",
    .summary = "Copies what the archive --to lacks of the archive --from, each file verified by "
               "its\ndigest, the catalogue last. Volumes that have expired are removed there. "
               "Prints the\nvolumes that were copied or removed."};
static const Tool pull_tool = {
    .verb = "archive pull",
    .synopsis = "",
    .example = "  millrace archive pull --from s3://records/cold --to cold --trust auditor.pub\n"
               "  dd if=/dev/nst0 ibs=1M | millrace archive pull --from - --to cold",
    .summary = "Copies what the archive --to lacks of the archive --from, each file verified by "
               "its\ndigest, the catalogue last: as push, seen from the other side."};

static gboolean
parse_options(const Tool *tool, int argc, char **argv, CopyOptions *options, GError **error)
{
    const GOptionEntry entries[] = {
        {"from", 0, 0, G_OPTION_ARG_FILENAME, &options->from,
         "The archive that is copied: a folder, s3://BUCKET/PREFIX, or - for a stream", "WHERE"},
        {"to", 0, 0, G_OPTION_ARG_FILENAME, &options->to,
         "The archive that gets it, which is made when it is not there; or - for a stream",
         "WHERE"},
        {"trust", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->trust,
         "Copy only what is signed by this key; may be given several times", "NAME.pub"},
        {"verify", 0, 0, G_OPTION_ARG_NONE, &options->verify,
         "Read what is there already, and write anew what is damaged", NULL},
        {"scratch", 0, 0, G_OPTION_ARG_FILENAME, &options->scratch,
         "Where a volume of a stream has room (in the archive, or TMPDIR)", "DIR"},
        G_OPTION_ENTRY_NULL};

    if (!tool_parse(tool, entries, &argc, &argv, error))
        return FALSE;
    if (options->from && options->to && argc <= 1)
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                "expected two archives, as in --from cold --to s3://records/cold");
    return FALSE;
}

static void
print_fact(gpointer data G_GNUC_UNUSED, ArchiveCopyFact fact, const char *volume, const char *text)
{
    switch (fact) {
    case ARCHIVE_COPY_COPIED:
        printf("%s copied %s\n", volume, text);
        break;
    case ARCHIVE_COPY_REMOVED:
        printf("%s removed\n", volume);
        break;
    case ARCHIVE_COPY_DAMAGED:
        tool_log("volume %s is left out: %s", volume, text);
        break;
    case ARCHIVE_COPY_REMARK:
        tool_log("%s", text);
        break;
    }
}

static void
print_report(const ArchiveCopyReport *report, const char *to)
{
    tool_log("%s: %" G_GUINT64_FORMAT " volumes are there; copied: %" G_GUINT64_FORMAT
             " files, %" G_GUINT64_FORMAT " bytes; removed: %" G_GUINT64_FORMAT " volumes",
             to, report->volume_count, report->file_count, report->bytes, report->removed_count);
    if (report->damaged_count > 0)
        tool_log("%" G_GUINT64_FORMAT " volumes are damaged at the source and were left out",
                 report->damaged_count);
}

/* On standard output is the stream, so everything is said on standard error. */
static void
tell_written(gpointer data, const char *volume, guint64 bytes, const char *damage)
{
    if (damage)
        (*(guint64 *)data)++;
    if (damage)
        tool_log("volume %s is left out: %s", volume, damage);
    else
        tool_log("volume %s: %" G_GUINT64_FORMAT " bytes", volume, bytes);
}

static int
write_stream(const CopyOptions *options)
{
    const ArchiveOpen how = {.where = options->from, .trust = (const char *const *)options->trust};
    g_autoptr(GError) error = NULL;
    guint64 damaged_count = 0;

    if (isatty(STDOUT_FILENO)) {
        g_set_error_literal(&error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                            "a terminal takes no stream: redirect standard output");
        return tool_fail(error);
    }
    g_autoptr(Archive) archive = archive_open(&how, &error);
    if (!archive ||
        !archive_tape_write(archive, NULL, STDOUT_FILENO, tell_written, &damaged_count, &error))
        return tool_fail(error);
    return tool_finish(damaged_count > 0 ? EXIT_SOME_FAILED : EXIT_ALL_DONE);
}

static int
copy_main(const Tool *tool, int argc, char **argv)
{
    /* The second one ends it whatever it waits for, as it may be ended at any time. */
    const struct sigaction action = {.sa_handler = on_signal,
                                     .sa_flags = (int)(SA_RESTART | SA_RESETHAND)};
    g_auto(CopyOptions) options = {0};
    g_autoptr(GError) error = NULL;
    ArchiveCopyReport report;

    if (!parse_options(tool, argc, argv, &options, &error))
        return tool_fail(error);
    signal(SIGPIPE, SIG_IGN);
    if (strcmp(options.to, "-") == 0)
        return write_stream(&options);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    const ArchiveCopyConfig config = {.from = options.from,
                                      .from_fd = STDIN_FILENO,
                                      .to = options.to,
                                      .scratch = options.scratch,
                                      .trust = (const char *const *)options.trust,
                                      .verify = options.verify,
                                      .stop = &stop,
                                      .tell = print_fact};
    if (!archive_copy(&config, &report, &error))
        return tool_finish(tool_fail(error));
    print_report(&report, options.to);
    return tool_finish(report.damaged_count > 0 ? EXIT_SOME_FAILED : EXIT_ALL_DONE);
}

int
archive_push_main(int argc, char **argv)
{
    return copy_main(&push_tool, argc, argv);
}

int
archive_pull_main(int argc, char **argv)
{
    return copy_main(&pull_tool, argc, argv);
}
