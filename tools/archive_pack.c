/* archive_pack.c - millrace archive pack.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_pack.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "formats/compress.h"
#include "jobs/archive_tape.h"
#include "jobs/archive_work.h"
#include "tools/archive.h"
#include "tools/progress.h"
#include "tools/ranks.h"
#include "tools/tool.h"

static volatile sig_atomic_t stop;

static void
on_signal(int signal_number G_GNUC_UNUSED)
{
    stop = 1;
}

typedef struct {
    char **operands;
    char *to;
    char *key;
    char *class;
    char *retain;
    char *parity;
    char *volume_size;
    char *time;
    char *actor;
    char *scratch;
    char *progress;
    int level;
    int threads;
    gboolean nul;
    gboolean new_key;
} PackOptions;

static void
pack_options_clear(PackOptions *options)
{
    g_strfreev(options->operands);
    g_free(options->to);
    g_free(options->key);
    g_free(options->class);
    g_free(options->retain);
    g_free(options->parity);
    g_free(options->volume_size);
    g_free(options->time);
    g_free(options->actor);
    g_free(options->scratch);
    g_free(options->progress);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PackOptions, pack_options_clear)

static gboolean
missing(const char *option, const char *example, GError **error)
{
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE, "%s is missing, as in %s", option,
                example);
    return FALSE;
}

static gboolean
parse_options(int argc, char **argv, PackOptions *options, GError **error)
{
    static const Tool tool = {
        .verb = "archive pack",
        .synopsis = "PATH...|-",
        .example =
            "  millrace archive pack --to cold --key auditor.key bills/2026-11-* store/segments\n"
            "  find records -type f -mtime +30 | millrace archive pack --to cold --key "
            "auditor.key -",
        .summary = "Puts files and usage into volumes that tar opens, with index, parity and "
                   "signature, and commits them at once. Prints the volumes' names."};
    GOptionEntry entries[] = {
        {"to", 0, 0, G_OPTION_ARG_FILENAME, &options->to,
         "The archive: a folder, s3://BUCKET/PREFIX, or - for a stream", "WHERE"},
        {"key", 0, 0, G_OPTION_ARG_FILENAME, &options->key,
         "The secret key that signs (millrace archive keygen)", "NAME.key"},
        {"new-key", 0, 0, G_OPTION_ARG_NONE, &options->new_key,
         "The key may be one that never signed in this archive", NULL},
        {"retain", 0, 0, G_OPTION_ARG_FILENAME, &options->retain,
         "How long it must be kept: 7y, 30d, 12h (7y); can be made longer only", "TIME"},
        {"class", 0, 0, G_OPTION_ARG_FILENAME, &options->class,
         "What the volumes are called by in lists (default)", "NAME"},
        {"parity", 0, 0, G_OPTION_ARG_FILENAME, &options->parity,
         "Blocks and what can be lost of them, or none (10+2)", "K+M"},
        {"volume-size", 0, 0, G_OPTION_ARG_FILENAME, &options->volume_size,
         "Begin another volume beyond so much, uncompressed (4Gi)", "SIZE"},
        {"level", 0, 0, G_OPTION_ARG_INT, &options->level, "zstd's, 1 to 19 (3)", "N"},
        {"time", 0, 0, G_OPTION_ARG_FILENAME, &options->time, "The time of the pack (now)", "TIME"},
        {"actor", 0, 0, G_OPTION_ARG_FILENAME, &options->actor,
         "Who is named in the catalogue (MILLRACE_ACTOR, or USER@HOST)", "NAME"},
        {"scratch", 0, 0, G_OPTION_ARG_FILENAME, &options->scratch,
         "Where volumes are made; all ranks must see it (in the archive)", "DIR"},
        {"threads", 0, 0, G_OPTION_ARG_INT, &options->threads,
         "Threads of a node, shared by its ranks (its cores)", "N"},
        {"null", '0', 0, G_OPTION_ARG_NONE, &options->nul,
         "Paths on standard input end with NUL, not with a newline", NULL},
        {"progress", 0, 0, G_OPTION_ARG_FILENAME, &options->progress,
         "Say how far it is: auto, always, never", "WHEN"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->operands, NULL, NULL},
        G_OPTION_ENTRY_NULL};

    if (!tool_parse(&tool, entries, &argc, &argv, error))
        return FALSE;
    if (!options->to)
        return missing("--to", "--to cold", error);
    if (!options->key)
        return missing("--key", "--key auditor.key", error);
    if (!options->operands)
        return missing("what to pack", "bills/2026-11-*, or - for a list on standard input", error);
    return TRUE;
}

static gboolean
want_progress(const char *when, ArchivePackConfig *config, GError **error)
{
    gboolean wanted = FALSE;
    gboolean good = progress_bytes_wanted(when, &wanted, error);

    config->progress = wanted ? progress_bytes : NULL;
    return good;
}

/* What is kept for no time could be ended the moment it is packed. */
static gboolean
check_retain(const Duration *retain, GError **error)
{
    if (retain->months > 0 || retain->us > 0)
        return TRUE;
    g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                        "--retain: expected more than nothing, as in 7y");
    return FALSE;
}

/* Retention counts from there and never becomes shorter, so a year that is mistyped would be kept
 * for good. */
static gboolean
parse_now(const char *text, gint64 *now_us, GError **error)
{
    if (!time_parse("--time", text, now_us, error))
        return FALSE;
    if (*now_us <= g_get_real_time() + 366 * G_TIME_SPAN_DAY)
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE, "--time=%s: more than a year from now",
                text);
    return FALSE;
}

static gboolean
check_options(const PackOptions *options, ArchivePackConfig *config, GError **error)
{
    const char *class = options->class ? options->class : "default";

    *config = (ArchivePackConfig){.operands = {.operands = (const char *const *)options->operands,
                                               .list = stdin,
                                               .list_end = options->nul ? '\0' : '\n'},
                                  .to = options->to,
                                  .key = options->key,
                                  .class = class,
                                  .volume_max_bytes = ARCHIVE_VOLUME_DEFAULT,
                                  .level = options->level,
                                  .actor = options->actor,
                                  .scratch = options->scratch,
                                  .new_key = options->new_key,
                                  .node_threads = (guint)options->threads,
                                  .stop = &stop};
    if (options->level < ZSTD_LEVEL_MIN || options->level > ZSTD_LEVEL_MAX) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                    "--level=%d: expected a number from %d to %d", options->level, ZSTD_LEVEL_MIN,
                    ZSTD_LEVEL_MAX);
        return FALSE;
    }
    if (options->threads < 1 || options->threads > 4096) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                    "--threads=%d: expected a number from 1 to 4096", options->threads);
        return FALSE;
    }
    if (*class == '\0' || strlen(class) > 64 ||
        strspn(class, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "._-") != strlen(class)) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                    "--class=%s: expected at most 64 letters, digits, '.', '_' and '-'", class);
        return FALSE;
    }
    return duration_parse("--retain", options->retain ? options->retain : "7y", &config->retain,
                          error) &&
           parity_shape_parse(options->parity ? options->parity : "10+2", &config->parity, error) &&
           check_retain(&config->retain, error) &&
           (!options->time || parse_now(options->time, &config->now_us, error)) &&
           want_progress(options->progress, config, error) &&
           (!options->volume_size ||
            tool_parse_count("--volume-size", options->volume_size, 1 << 20, G_MAXINT64,
                             &config->volume_max_bytes, error));
}

static void
print_report(const ArchivePackReport *report, FILE *out)
{
    for (guint i = 0; i < report->volumes->len; i++) {
        const ArchiveDone *done = &g_array_index(report->volumes, ArchiveDone, i);
        fprintf(out, "%s\n", done->manifest.volume);
        if (done->existed)
            tool_log("%s is in the archive already", done->manifest.volume);
    }
    if (report->kept_count > 0)
        tool_log("%" G_GUINT64_FORMAT " frames were there from an earlier try", report->kept_count);
    tool_log("%" G_GUINT64_FORMAT " records, %" G_GUINT64_FORMAT
             " bytes, in %u volumes: read back and committed",
             report->record_count, report->record_bytes, report->volumes->len);
}

/* --to -: the archive is made in a folder first, since a stream cannot be read back. */
static gboolean
begin_stream(const PackOptions *options, ArchivePackConfig *config, char **folder, GError **error)
{
    if (isatty(STDOUT_FILENO)) {
        g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                            "a terminal takes no stream: redirect standard output");
        return FALSE;
    }
    *folder = archive_work_stream(options->scratch, error);
    config->to = *folder;
    config->scratch = options->scratch ? options->scratch : g_get_tmp_dir();
    return *folder != NULL;
}

static gboolean
write_stream(const char *folder, GError **error)
{
    const ArchiveOpen how = {.where = folder};
    g_autoptr(Archive) archive = archive_open(&how, error);

    return archive && archive_tape_write(archive, NULL, STDOUT_FILENO, NULL, NULL, error);
}

/* *Collective.* Packs; rank 0 tells of it. */
static int
pack(Comm *comm, const PackOptions *options, ArchivePackConfig *config)
{
    ArchivePackReport report = {0};
    g_autofree char *folder = NULL;
    g_autoptr(GError) error = NULL;
    gboolean first = comm_rank(comm) == 0;
    gboolean streams = strcmp(options->to, "-") == 0;
    gboolean good = !first || !streams || begin_stream(options, config, &folder, &error);

    if (comm_max(comm, !good) != 0)
        return ranks_conclude(comm, EXIT_ALL_DONE, error);
    good = archive_pack(comm, config, &report, &error);
    progress_end();
    if (good && folder)
        good = write_stream(folder, &error);
    if (good && first)
        print_report(&report, streams ? stderr : stdout);
    if (folder)
        archive_work_stream_remove(folder);
    archive_pack_report_clear(&report);
    return ranks_conclude(comm, EXIT_ALL_DONE, error);
}

int
archive_pack_main(int argc, char **argv)
{
    g_auto(PackOptions)
        options = {.level = ARCHIVE_LEVEL_DEFAULT, .threads = (int)g_get_num_processors()};
    ArchivePackConfig config;
    g_autoptr(GError) error = NULL;
    /* The second one ends it whatever it waits for, as it may be ended at any time. */
    const struct sigaction action = {.sa_handler = on_signal,
                                     .sa_flags = (int)(SA_RESTART | SA_RESETHAND)};

    /* All ranks meet the same; were another to end first, mpirun would not let this one speak. */
    if (!parse_options(argc, argv, &options, &error) || !check_options(&options, &config, &error))
        return ranks_is_first() ? tool_fail(error) : EXIT_ALL_DONE;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    Comm *comm = comm_open(&error);
    if (!comm)
        return tool_fail(error);
    int code = pack(comm, &options, &config);
    comm_close(comm);
    return tool_finish(code);
}
