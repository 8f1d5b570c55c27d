/* archive_retain.c - millrace archive hold, release, extend, expire.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_retain.h"

#include <stdio.h>
#include <string.h>

#include "formats/duration.h"
#include "tools/archive.h"
#include "tools/tool.h"

typedef struct {
    char *from;
    char *key;
    char **trust;
    char *actor;
    char **volumes;
    char **records;
    char **customers;
    char *class;
    char *name;
    char *note;
    char *to;
    char *retain;
    char **rest;
    gboolean all;
    gboolean dry_run;
} RetainOptions;

static void
retain_options_clear(RetainOptions *options)
{
    g_free(options->from);
    g_free(options->key);
    g_strfreev(options->trust);
    g_free(options->actor);
    g_strfreev(options->volumes);
    g_strfreev(options->records);
    g_strfreev(options->customers);
    g_free(options->class);
    g_free(options->name);
    g_free(options->note);
    g_free(options->to);
    g_free(options->retain);
    g_strfreev(options->rest);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RetainOptions, retain_options_clear)

/* What a verb is open with, from its options to its end. */
typedef struct {
    Archive *archive;
    MinisignSecret *secret; /* NULL in a dry run */
    GPtrArray *lines;
} Retain;

static void
retain_clear(Retain *retain)
{
    g_clear_pointer(&retain->secret, minisign_secret_free);
    archive_close(retain->archive);
    g_clear_pointer(&retain->lines, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Retain, retain_clear)

static gboolean
usage(GError **error, const char *text)
{
    g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE, text);
    return FALSE;
}

/* own: the verb's options. */
static gboolean
parse_options(const Tool *tool, const GOptionEntry *own, RetainOptions *options, int argc,
              char **argv, GError **error)
{
    g_autoptr(GArray) entries = g_array_new(TRUE, TRUE, sizeof(GOptionEntry));
    const GOptionEntry common[] = {
        {"from", 0, 0, G_OPTION_ARG_FILENAME, &options->from,
         "The archive: a folder or s3://BUCKET/PREFIX", "WHERE"},
        {"key", 0, 0, G_OPTION_ARG_FILENAME, &options->key, "The secret key that packed",
         "NAME.key"},
        {"trust", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->trust,
         "Go by this key alone, not by those in the archive (may be repeated)", "NAME.pub"},
        {"actor", 0, 0, G_OPTION_ARG_FILENAME, &options->actor,
         "Who is named in the catalogue (MILLRACE_ACTOR, or USER@HOST)", "NAME"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->rest, NULL, NULL}};

    for (const GOptionEntry *entry = own; entry->long_name; entry++)
        g_array_append_vals(entries, entry, 1);
    g_array_append_vals(entries, common, G_N_ELEMENTS(common));
    if (!tool_parse(tool, (const GOptionEntry *)(const void *)entries->data, &argc, &argv, error))
        return FALSE;
    if (options->rest)
        return usage(error, "expected options alone: volumes are given by --volume; see --help");
    if (!options->from)
        return usage(error, "--from is missing, as in --from cold");
    if (!options->key && !options->dry_run)
        return usage(error, "--key is missing, as in --key auditor.key");
    return TRUE;
}

static gboolean
retain_open(Retain *retain, const RetainOptions *options, GError **error)
{
    const ArchiveOpen how = {.where = options->from,
                             .actor = options->actor,
                             .trust = (const char *const *)options->trust,
                             .write = !options->dry_run};

    retain->lines = retain_lines_new();
    if (!options->dry_run && !(retain->secret = archive_read_secret(options->key, error)))
        return FALSE;
    retain->archive = archive_open(&how, error);
    return retain->archive != NULL;
}

/* The end of every verb. */
static int
conclude(const Retain *retain, gboolean good, const GError *error)
{
    if (!good)
        return tool_finish(tool_fail(error));
    for (guint i = 0; i < retain->lines->len; i++) {
        const RetainLine *line = retain->lines->pdata[i];
        printf("%s %s\n", line->volume, line->text);
    }
    return tool_finish(EXIT_ALL_DONE);
}

/* Options by which volumes are chosen, at the head of entries. */
enum { CHOICE_ENTRIES = 3 };
static void
fill_choice(GOptionEntry entries[CHOICE_ENTRIES], RetainOptions *options)
{
    entries[0] = (GOptionEntry){"volume",
                                0,
                                0,
                                G_OPTION_ARG_FILENAME_ARRAY,
                                &options->volumes,
                                "This volume, or a begin of its name (may be repeated)",
                                "V"};
    entries[1] = (GOptionEntry){"record",
                                0,
                                0,
                                G_OPTION_ARG_FILENAME_ARRAY,
                                &options->records,
                                "Volumes with this record (may be repeated)",
                                "KEY"};
    entries[2] = (GOptionEntry){"customer",
                                0,
                                0,
                                G_OPTION_ARG_FILENAME_ARRAY,
                                &options->customers,
                                "Volumes with usage of this customer (may be repeated)",
                                "C"};
}

static ArchiveChoice
choice_of(const RetainOptions *options)
{
    return (ArchiveChoice){.volumes = (const char *const *)options->volumes,
                           .records = (const char *const *)options->records,
                           .customers = (const char *const *)options->customers,
                           .class = options->class,
                           .hold = options->all ? options->name : NULL};
}

static gboolean
is_chosen(const RetainOptions *options, const char *missing, GError **error)
{
    if (options->volumes || options->records || options->customers || options->class ||
        options->all)
        return TRUE;
    return usage(error, missing);
}

int
archive_hold_main(int argc, char **argv)
{
    static const Tool tool = {
        .verb = "archive hold",
        .synopsis = "",
        .example = "  millrace archive hold --from cold --key auditor.key --customer acme "
                   "--name CASE-17 --note 'letter of 2 May'",
        .summary = "Holds volumes: while anything holds one it does not expire, whatever its "
                   "retention."};
    g_auto(RetainOptions) options = {0};
    g_auto(Retain) retain = {0};
    g_autoptr(GError) error = NULL;
    GOptionEntry entries[] = {
        {NULL},
        {NULL},
        {NULL},
        {"name", 0, 0, G_OPTION_ARG_FILENAME, &options.name, "What holds them", "NAME"},
        {"note", 0, 0, G_OPTION_ARG_FILENAME, &options.note, "Why, for the catalogue", "TEXT"},
        G_OPTION_ENTRY_NULL};

    fill_choice(entries, &options);
    if (!parse_options(&tool, entries, &options, argc, argv, &error) ||
        !(options.name || usage(&error, "--name is missing, as in --name CASE-17")) ||
        !is_chosen(&options, "expected --volume, --record or --customer: what to hold", &error) ||
        !retain_open(&retain, &options, &error))
        return tool_fail(error);
    const ArchiveChoice choice = choice_of(&options);
    gboolean good = archive_hold(retain.archive, &choice, options.name, options.note, retain.secret,
                                 retain.lines, &error);
    return conclude(&retain, good, error);
}

int
archive_release_main(int argc, char **argv)
{
    static const Tool tool = {
        .verb = "archive release",
        .synopsis = "",
        .example = "  millrace archive release --from cold --key auditor.key --name CASE-17 --all",
        .summary = "Takes a hold from volumes. Each expires when its retention is over and "
                   "nothing else holds it."};
    g_auto(RetainOptions) options = {0};
    g_auto(Retain) retain = {0};
    g_autoptr(GError) error = NULL;
    GOptionEntry entries[] = {
        {NULL},
        {NULL},
        {NULL},
        {"all", 0, 0, G_OPTION_ARG_NONE, &options.all, "All volumes that it holds", NULL},
        {"name", 0, 0, G_OPTION_ARG_FILENAME, &options.name, "What holds them", "NAME"},
        {"note", 0, 0, G_OPTION_ARG_FILENAME, &options.note, "Why, for the catalogue", "TEXT"},
        G_OPTION_ENTRY_NULL};

    fill_choice(entries, &options);
    if (!parse_options(&tool, entries, &options, argc, argv, &error) ||
        !(options.name || usage(&error, "--name is missing, as in --name CASE-17")) ||
        !is_chosen(&options, "expected --volume, --record, --customer or --all: what to release",
                   &error) ||
        !retain_open(&retain, &options, &error))
        return tool_fail(error);
    const ArchiveChoice choice = choice_of(&options);
    gboolean good = archive_release(retain.archive, &choice, options.name, options.note,
                                    retain.secret, retain.lines, &error);
    return conclude(&retain, good, error);
}

/* Until when: a time, or so long from now, where now is the latest that the catalogue knows of. */
static gboolean
find_until(const RetainOptions *options, const Archive *archive, gint64 *until_us, GError **error)
{
    Duration duration;

    if (options->to)
        return time_parse("--to", options->to, until_us, error);
    if (!duration_parse("--retain", options->retain, &duration, error))
        return FALSE;
    *until_us = duration_after(&duration, catalogue_latest_us(archive->catalogue, archive->now_us));
    return TRUE;
}

int
archive_extend_main(int argc, char **argv)
{
    static const Tool tool = {
        .verb = "archive extend",
        .synopsis = "",
        .example = "  millrace archive extend --from cold --key auditor.key --class bills "
                   "--to 2040-01-01",
        .summary = "Keeps volumes longer. Retention never gets shorter: that is refused."};
    g_auto(RetainOptions) options = {0};
    g_auto(Retain) retain = {0};
    g_autoptr(GError) error = NULL;
    gint64 until_us = 0;
    GOptionEntry entries[] = {
        {NULL},
        {NULL},
        {NULL},
        {"class", 0, 0, G_OPTION_ARG_FILENAME, &options.class, "All volumes of this class", "NAME"},
        {"to", 0, 0, G_OPTION_ARG_FILENAME, &options.to,
         "Keep them until then: 2040-01-01 or 2040-01-01T12:00:00Z", "TIME"},
        {"retain", 0, 0, G_OPTION_ARG_FILENAME, &options.retain, "Keep them so long from now: 3y",
         "TIME"},
        G_OPTION_ENTRY_NULL};

    fill_choice(entries, &options);
    if (!parse_options(&tool, entries, &options, argc, argv, &error) ||
        !(!options.to != !options.retain ||
          usage(&error, "expected either --to TIME or --retain TIME")) ||
        !is_chosen(&options, "expected --volume, --class, --record or --customer: what to keep",
                   &error) ||
        !retain_open(&retain, &options, &error) ||
        !find_until(&options, retain.archive, &until_us, &error))
        return tool_fail(error);
    const ArchiveChoice choice = choice_of(&options);
    gboolean good =
        archive_extend(retain.archive, &choice, until_us, retain.secret, retain.lines, &error);
    return conclude(&retain, good, error);
}

int
archive_expire_main(int argc, char **argv)
{
    static const Tool tool = {
        .verb = "archive expire",
        .synopsis = "",
        .example = "  millrace archive expire --from cold --dry-run\n"
                   "  millrace archive expire --from cold --key auditor.key",
        .summary = "Ends the volumes whose retention is over and that nothing holds: each gets a "
                   "tombstone in\nthe catalogue, then its files are removed. The clock alone is "
                   "not believed: the catalogue\nmust have entries at least every 35 days up to "
                   "then."};
    g_auto(RetainOptions) options = {0};
    g_auto(Retain) retain = {0};
    g_autoptr(GError) error = NULL;
    ExpireReport report = {0};
    const GOptionEntry entries[] = {{"dry-run", 0, 0, G_OPTION_ARG_NONE, &options.dry_run,
                                     "Only tell what would be done; needs no key", NULL},
                                    G_OPTION_ENTRY_NULL};

    if (!parse_options(&tool, entries, &options, argc, argv, &error) ||
        !retain_open(&retain, &options, &error))
        return tool_fail(error);
    gboolean good = archive_expire(retain.archive, retain.secret, retain.lines, &report, &error);
    int code = conclude(&retain, good, error);
    if (good)
        tool_log("%" G_GUINT64_FORMAT " volumes %s, %" G_GUINT64_FORMAT " kept",
                 report.expired_count, options.dry_run ? "would expire" : "expired",
                 report.kept_count);
    return code;
}
