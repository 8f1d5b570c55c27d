/* archive_repair.c - millrace archive repair and scrub.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_repair.h"

#include <stdio.h>
#include <string.h>

#include "formats/duration.h"
#include "jobs/archive_scrub.h"
#include "tools/archive.h"
#include "tools/tool.h"

typedef struct {
    char **operands;
    char *from;
    char *copy;
    char **trust;
    char *budget;
    char *actor;
    int threads;
} RepairOptions;

static void
repair_options_clear(RepairOptions *options)
{
    g_strfreev(options->operands);
    g_free(options->from);
    g_free(options->copy);
    g_strfreev(options->trust);
    g_free(options->budget);
    g_free(options->actor);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RepairOptions, repair_options_clear)

static guint
thread_count(const RepairOptions *options)
{
    return options->threads > 0 ? (guint)options->threads : g_get_num_processors();
}

/* volumes: are they the operands? Else there are none, and a budget. */
static gboolean
parse_options(const Tool *tool, gboolean volumes, int argc, char **argv, RepairOptions *options,
              GError **error)
{
    const GOptionEntry entries[] = {
        {"from", 0, 0, G_OPTION_ARG_FILENAME, &options->from,
         "The archive: a folder or s3://BUCKET/PREFIX", "WHERE"},
        {"copy", 0, 0, G_OPTION_ARG_FILENAME, &options->copy,
         "Another copy of the archive, for what parity cannot bring back", "WHERE"},
        {"trust", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->trust,
         "A public key that may have signed; can be given several times", "NAME.pub"},
        {"actor", 0, 0, G_OPTION_ARG_FILENAME, &options->actor,
         "Who is named in the catalogue (MILLRACE_ACTOR, or USER@HOST)", "NAME"},
        {"threads", 0, 0, G_OPTION_ARG_INT, &options->threads, "Threads (the cores)", "N"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->operands, NULL, NULL},
        {"budget", 0, volumes ? G_OPTION_FLAG_HIDDEN : 0, G_OPTION_ARG_FILENAME, &options->budget,
         "Begin no other volume after that long: 30m, 2h", "TIME"},
        G_OPTION_ENTRY_NULL};
    const char *wrong = NULL;

    if (!tool_parse(tool, entries, &argc, &argv, error))
        return FALSE;
    if (options->threads < 0 || options->threads > 4096)
        wrong = "--threads: expected a number from 1 to 4096";
    else if (volumes && !options->operands)
        wrong = "expected a volume: its name, or the path of its V.tar.zst";
    else if (volumes && options->budget)
        wrong = "--budget is scrub's";
    else if (!volumes && options->operands)
        wrong = "expected options alone; see --help";
    else if (!volumes && !options->from)
        wrong = "--from is missing, as in --from cold";
    else if (!volumes && !options->budget)
        wrong = "--budget is missing, as in --budget 30m";
    if (wrong)
        g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE, wrong);
    return wrong == NULL;
}

/* An operand is a volume's name, or the path of one of its files, which tells the archive too.
 * (transfer full), or NULL and error. */
static char *
find_volume(const char *operand, char **where, GError **error)
{
    g_autofree char *base = g_path_get_basename(operand);
    g_autofree char *name = g_strndup(base, strcspn(base, "."));

    if (!volume_is_name(name)) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                    "\"%s\" is no volume: expected 32 digits (0-9, a-f), as verify prints them, or "
                    "the path of its V.tar.zst",
                    operand);
        return NULL;
    }
    if (!*where && strchr(operand, '/')) {
        g_autofree char *folder = g_path_get_dirname(operand);
        g_autofree char *last = g_path_get_basename(folder);
        *where = strcmp(last, ARCHIVE_VOLUMES) == 0 ? g_path_get_dirname(folder) : NULL;
    }
    if (*where)
        return g_steal_pointer(&name);
    g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                        "--from is missing, as in --from cold");
    return NULL;
}

static void
print_report(const ArchiveRepairReport *report, const char *indent)
{
    for (guint i = 0; i < report->done->len; i++)
        printf("%s%s\n", indent, (const char *)report->done->pdata[i]);
    for (guint i = 0; i < report->left->len; i++)
        printf("%s%s\n", indent, (const char *)report->left->pdata[i]);
}

/* Repairs one operand. *left: something could not be. */
static gboolean
repair_one(const RepairOptions *options, const char *operand, gboolean *left, GError **error)
{
    g_autofree char *where = g_strdup(options->from);
    g_auto(ArchiveRepairReport) report = {0};
    const char *const *trust = (const char *const *)options->trust;
    gboolean good = FALSE;

    archive_repair_report_init(&report);
    if (strcmp(operand, ARCHIVE_CATALOGUE) == 0) {
        if (where && options->copy)
            good = archive_repair_catalogue(where, options->copy, trust, &report, error);
        else
            g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                        "%s is repaired from another copy of the archive: give --from and --copy",
                        ARCHIVE_CATALOGUE);
    } else {
        g_autofree char *volume = find_volume(operand, &where, error);
        const ArchiveOpen how = {
            .where = where, .actor = options->actor, .trust = trust, .write = TRUE};
        g_autoptr(Archive) archive = volume ? archive_open(&how, error) : NULL;
        g_autoptr(Tier) copy =
            archive && options->copy ? tier_open(options->copy, FALSE, error) : NULL;
        good = archive && (copy || !options->copy) &&
               archive_repair_volume(archive, volume, copy, thread_count(options), &report, error);
    }
    print_report(&report, "");
    if (good && report.done->len + report.left->len == 0)
        tool_log("%s: nothing to repair", operand);
    *left |= report.left->len > 0;
    return good;
}

int
archive_repair_main(int argc, char **argv)
{
    static const Tool tool = {
        .verb = "archive repair",
        .synopsis = "VOLUME...|catalogue.log",
        .example = "  millrace archive repair --from cold --copy /mnt/second/cold "
                   "0123456789abcdef0123456789abcdef",
        .summary =
            "Makes damaged and missing files of volumes again: blocks from parity, index and\n"
            "parity from the volume, and all of them from another copy. A file is replaced only\n"
            "by one that has the digest in the signed manifest. Prints what was done and what "
            "could\nnot be. Exit code 76: something is still damaged."};
    g_auto(RepairOptions) options = {0};
    gboolean left = FALSE;
    g_autoptr(GError) error = NULL;

    if (!parse_options(&tool, TRUE, argc, argv, &options, &error))
        return tool_fail(error);
    for (char **operand = options.operands; *operand; operand++)
        if (!repair_one(&options, *operand, &left, &error))
            return tool_finish(tool_fail(error));
    return tool_finish(left ? EXIT_INVARIANT : EXIT_ALL_DONE);
}

static void
on_scrubbed(const ArchiveScrubbed *scrubbed, gpointer data)
{
    gboolean trusted = *(const gboolean *)data;

    if (scrubbed->result == VERIFY_INTACT)
        printf("%s intact%s\n", scrubbed->volume, trusted ? "" : " but UNTRUSTED");
    else
        printf("%s %s\n", scrubbed->volume,
               scrubbed->repaired ? "repaired" : verify_result_name(scrubbed->result));
    for (guint i = 0; i < scrubbed->findings->texts->len; i++)
        printf("  %s\n", (const char *)scrubbed->findings->texts->pdata[i]);
    print_report(scrubbed->repair, "  ");
    fflush(stdout);
}

static int
scrub(const ArchiveScrubConfig *config)
{
    ArchiveScrubReport report;
    g_autoptr(GError) error = NULL;

    gboolean good = archive_scrub(config, &report, &error);
    tool_log("%" G_GUINT64_FORMAT " volumes checked, %" G_GUINT64_FORMAT
             " of them repaired, %" G_GUINT64_FORMAT
             " still damaged; no time for %" G_GUINT64_FORMAT,
             report.checked_count, report.repaired_count, report.damaged_count, report.left_count);
    if (report.removed_count > 0)
        tool_log("%" G_GUINT64_FORMAT " files of expired volumes removed", report.removed_count);
    if (good && report.checked_count > 0 && !report.trusted)
        tool_log("UNTRUSTED: the signatures were checked with the keys that lie in the archive "
                 "itself; to know whose it is, give --trust NAME.pub");
    if (!good)
        return tool_fail(error);
    return report.damaged_count > 0 ? EXIT_INVARIANT : EXIT_ALL_DONE;
}

int
archive_scrub_main(int argc, char **argv)
{
    static const Tool tool = {
        .verb = "archive scrub",
        .synopsis = "",
        .example = "  millrace archive scrub --from cold --copy /mnt/second/cold --trust "
                   "auditor.pub --budget 30m",
        .summary =
            "For cron: verifies volumes, those first whose last check is longest ago, until the\n"
            "budget is spent (one at least); repairs what is damaged, and notes both in the\n"
            "catalogue. Removes what is left of expired volumes. Exit code 76: something could "
            "not\nbe repaired."};
    g_auto(RepairOptions) options = {0};
    Duration budget = {0};
    g_autoptr(GError) error = NULL;

    if (!parse_options(&tool, FALSE, argc, argv, &options, &error) ||
        !duration_parse("--budget", options.budget, &budget, &error))
        return tool_fail(error);
    gboolean trusted = options.trust && *options.trust;
    gint64 now_us = g_get_real_time();
    ArchiveScrubConfig config = {.open = {.where = options.from,
                                          .actor = options.actor,
                                          .trust = (const char *const *)options.trust},
                                 .copy = options.copy,
                                 .budget_us = duration_after(&budget, now_us) - now_us,
                                 .threads = thread_count(&options),
                                 .on_scrubbed = on_scrubbed,
                                 .data = &trusted};
    return tool_finish(scrub(&config));
}
