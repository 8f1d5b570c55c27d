/* archive_verify.c - millrace archive verify.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_verify.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "formats/duration.h"
#include "tools/archive.h"
#include "tools/tool.h"

typedef struct {
    char *from;
    char **trust;
    char *sample;
    char *max_age;
    char *actor;
    char *scratch;
    int threads;
    gboolean no_note;
} VerifyOptions;

static void
verify_options_clear(VerifyOptions *options)
{
    g_free(options->from);
    g_strfreev(options->trust);
    g_free(options->sample);
    g_free(options->max_age);
    g_free(options->actor);
    g_free(options->scratch);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VerifyOptions, verify_options_clear)

static gboolean
parse_options(int argc, char **argv, VerifyOptions *options, GError **error)
{
    static const Tool tool = {
        .verb = "archive verify",
        .synopsis = "",
        .example = "  millrace archive verify --from cold --trust auditor.pub\n"
                   "  millrace archive verify --from cold --trust auditor.pub --sample 3/12\n"
                   "  dd if=/dev/nst0 bs=1M | millrace archive verify --from - --trust auditor.pub",
        .summary =
            "Checks every volume that is kept: signature, index, each frame and record, parity.\n"
            "A line for each goes to standard output, and what is wrong with it below. Without\n"
            "--trust the keys are those that lie in the archive: it may be whole, and anybody's.\n"
            "Exit code 76: something is damaged."};
    g_auto(GStrv) rest = NULL;
    const GOptionEntry entries[] = {
        {"from", 0, 0, G_OPTION_ARG_FILENAME, &options->from,
         "The archive: a folder, s3://BUCKET/PREFIX, or - for a stream", "WHERE"},
        {"trust", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->trust,
         "A public key that may have signed; can be given several times", "NAME.pub"},
        {"sample", 0, 0, G_OPTION_ARG_FILENAME, &options->sample,
         "Read the N-th of every T frames, or P% of them at random", "N/T|P%"},
        {"max-age", 0, 0, G_OPTION_ARG_FILENAME, &options->max_age,
         "Pass over volumes found intact, as a whole, since then: 30d, 12h", "TIME"},
        {"no-note", 0, 0, G_OPTION_ARG_NONE, &options->no_note,
         "Leave the results out of the catalogue", NULL},
        {"actor", 0, 0, G_OPTION_ARG_FILENAME, &options->actor,
         "Who is named in the catalogue (MILLRACE_ACTOR, or USER@HOST)", "NAME"},
        {"scratch", 0, 0, G_OPTION_ARG_FILENAME, &options->scratch,
         "Where a stream's volumes are put, one at a time (TMPDIR)", "DIR"},
        {"threads", 0, 0, G_OPTION_ARG_INT, &options->threads, "Threads (the cores)", "N"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &rest, NULL, NULL},
        G_OPTION_ENTRY_NULL};

    if (!tool_parse(&tool, entries, &argc, &argv, error))
        return FALSE;
    if (options->from && !rest && options->threads >= 0 && options->threads <= 4096)
        return TRUE;
    g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                        rest             ? "expected options alone; see --help"
                        : !options->from ? "--from is missing, as in --from cold"
                                         : "--threads: expected a number from 1 to 4096");
    return FALSE;
}

static void
on_verified(const ArchiveVerified *verified, gpointer data)
{
    const CatalogueVolume *volume = verified->volume;
    gboolean trusted = *(const gboolean *)data;
    const VolumeFindings *findings = verified->findings;

    printf("%s %s%s", volume->name, verify_result_name(verified->result),
           verified->result == VERIFY_INTACT && !trusted ? " but UNTRUSTED" : "");
    if (verified->result == VERIFY_YOUNG)
        printf(" enough: passed over");
    else if (verified->result == VERIFY_INTACT)
        printf(": %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " frames, %" G_GUINT64_FORMAT
               " records, %" G_GUINT64_FORMAT " bytes",
               findings->frames_read, findings->frame_count, volume->record_count, volume->bytes);
    printf("\n");
    for (guint i = 0; findings && findings->texts && i < findings->texts->len; i++)
        printf("  %s\n", (const char *)findings->texts->pdata[i]);
    fflush(stdout);
}

/* s clean frames out of many: were p of them damaged, all s would be clean with (1 - p)^s, which is
 * below 5 % from p = 3 / s on. */
static void
print_bound(const ArchiveVerifyReport *report)
{
    guint64 read = report->frames_read;

    printf("sample: of %" G_GUINT64_FORMAT " frames %" G_GUINT64_FORMAT " were read",
           report->frame_count, read);
    if (report->count[VERIFY_DAMAGED] + report->count[VERIFY_MISSING] > 0)
        printf("; there is damage, so verify all\n");
    else if (read == report->frame_count)
        printf(" and are clean: all of them\n");
    else if (read <= 3)
        printf(" and are clean: too few to say anything of the others\n");
    else
        printf(" and are clean: with 95 %% confidence fewer than %.3g %% of all are damaged\n",
               300.0 / (double)read);
}

static void
print_strays(const ArchiveVerifyReport *report)
{
    for (guint i = 0; i < report->keys->len; i++)
        printf("%s damaged: it is no key, or another than its name says\n",
               (const char *)report->keys->pdata[i]);
    for (guint i = 0; i < report->uncommitted->len; i++)
        printf("%s not committed\n", (const char *)report->uncommitted->pdata[i]);
    for (guint i = 0; i < report->expired->len; i++)
        printf("%s expired: scrub removes it\n", (const char *)report->expired->pdata[i]);
    if (report->torn_bytes > 0)
        printf("catalogue.log torn: %" G_GUINT64_FORMAT
               " bytes at its end do not hold; the next writer cuts them off\n",
               report->torn_bytes);
}

static const char *
place(const ArchiveVerifyConfig *config)
{
    return config->open.where ? config->open.where : "WHERE";
}

static void
say_summary(const ArchiveVerifyConfig *config, const ArchiveVerifyReport *report)
{
    guint64 bad = report->count[VERIFY_DAMAGED] + report->count[VERIFY_MISSING];

    tool_log("%" G_GUINT64_FORMAT " volumes intact, %" G_GUINT64_FORMAT
             " damaged, %" G_GUINT64_FORMAT " missing, %" G_GUINT64_FORMAT " passed over",
             report->count[VERIFY_INTACT], report->count[VERIFY_DAMAGED],
             report->count[VERIFY_MISSING], report->count[VERIFY_YOUNG]);
    if (!report->trusted)
        tool_log("UNTRUSTED: the signatures were checked with the keys that lie in the archive "
                 "itself; to know whose it is, give --trust NAME.pub");
    if (bad > 0)
        tool_log("to repair: millrace archive repair --from %s VOLUME [--copy ANOTHER-ARCHIVE]",
                 place(config));
    if (report->not_noted)
        tool_log("the results are not in the catalogue: %s", report->not_noted);
}

static int
verify(const ArchiveVerifyConfig *config)
{
    g_auto(ArchiveVerifyReport) report = {0};
    g_autoptr(GError) error = NULL;

    if (archive_verify(config, &report, &error)) {
        print_strays(&report);
        if (!verify_scope_is_whole(&config->scope))
            print_bound(&report);
        say_summary(config, &report);
        gboolean bad =
            report.count[VERIFY_DAMAGED] + report.count[VERIFY_MISSING] > 0 || report.keys->len > 0;
        return bad ? EXIT_INVARIANT : EXIT_ALL_DONE;
    }
    int code = tool_fail(error);
    if (!g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT))
        return code;
    printf("catalogue.log does not hold: %s\n", error->message);
    tool_log("if it is damaged: millrace archive repair --from %s --copy ANOTHER-ARCHIVE "
             "catalogue.log",
             place(config));
    return EXIT_INVARIANT;
}

int
archive_verify_main(int argc, char **argv)
{
    g_auto(VerifyOptions) options = {0};
    ArchiveVerifyConfig config = {.on_verified = on_verified};
    Duration max_age = {0};
    g_autoptr(GError) error = NULL;

    if (!parse_options(argc, argv, &options, &error) ||
        (options.sample && !verify_scope_parse(options.sample, &config.scope, &error)) ||
        (options.max_age && !duration_parse("--max-age", options.max_age, &max_age, &error)))
        return tool_fail(error);
    gboolean trusted = options.trust && *options.trust;
    gint64 now_us = g_get_real_time();
    config.open = (ArchiveOpen){.where = strcmp(options.from, "-") == 0 ? NULL : options.from,
                                .actor = options.actor,
                                .trust = (const char *const *)options.trust};
    config.max_age_us = options.max_age ? duration_after(&max_age, now_us) - now_us : 0;
    config.stream_fd = STDIN_FILENO;
    config.scratch = options.scratch ? options.scratch : g_get_tmp_dir();
    config.note = !options.no_note;
    config.threads = options.threads > 0 ? (guint)options.threads : g_get_num_processors();
    config.data = &trusted;
    return tool_finish(verify(&config));
}
