/* archive_prove.c - millrace archive prove.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_prove.h"

#include <stdio.h>

#include "tools/archive.h"
#include "tools/tool.h"

typedef struct {
    char *from;
    char *record;
    char **trust;
    char **rest;
} ProveOptions;

static void
prove_options_clear(ProveOptions *options)
{
    g_free(options->from);
    g_free(options->record);
    g_strfreev(options->trust);
    g_strfreev(options->rest);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ProveOptions, prove_options_clear)

static gboolean
parse_options(int argc, char **argv, ProveOptions *options, GError **error)
{
    static const Tool tool = {
        .verb = "archive prove",
        .synopsis = "",
        .example =
            "  millrace archive prove --from cold --record bills/2026-11/proof.json > proof\n"
            "  millrace archive cat --from cold --record bills/2026-11/proof.json > record\n"
            "  examples/check-proof.py proof auditor.pub record",
        .summary = "Prints the proof that a record is what was packed and signed. It is checked "
                   "without the archive:\nby the public key, the record's bytes, and a script of "
                   "a page."};
    const GOptionEntry entries[] = {
        {"from", 0, 0, G_OPTION_ARG_FILENAME, &options->from,
         "The archive: a folder or s3://BUCKET/PREFIX", "WHERE"},
        {"record", 0, 0, G_OPTION_ARG_FILENAME, &options->record,
         "Its key; VOLUME:KEY where volumes have other bytes for it", "KEY"},
        {"trust", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->trust,
         "Go by this key alone, not by those in the archive (may be repeated)", "NAME.pub"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->rest, NULL, NULL},
        G_OPTION_ENTRY_NULL};

    if (!tool_parse(&tool, entries, &argc, &argv, error))
        return FALSE;
    if (options->from && options->record && !options->rest)
        return TRUE;
    g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                        "expected --from WHERE and --record KEY; see --help");
    return FALSE;
}

static void
on_bad(const char *text, gpointer data G_GNUC_UNUSED)
{
    tool_log("%s", text);
}

int
archive_prove_main(int argc, char **argv)
{
    g_auto(ProveOptions) options = {0};
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) proof = g_string_new(NULL);

    if (!parse_options(argc, argv, &options, &error))
        return tool_fail(error);
    const ArchiveOpen how = {.where = options.from, .trust = (const char *const *)options.trust};
    g_autoptr(Archive) archive = archive_open(&how, &error);
    if (!archive || !archive_prove(archive, options.record, on_bad, NULL, proof, &error))
        return tool_fail(error);
    fputs(proof->str, stdout);
    return tool_finish(EXIT_ALL_DONE);
}
