/* archive_keygen.c - millrace archive keygen: a pair of keys, as the program minisign makes them.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <unistd.h>

#include "formats/durable.h"
#include "formats/minisign.h"
#include "jobs/key_pair.h"
#include "tools/archive.h"
#include "tools/tool.h"

static gboolean
parse_options(char **out, int argc, char **argv, GError **error)
{
    static const Tool tool = {
        .verb = "archive keygen",
        .synopsis = "",
        .example = "  millrace archive keygen --out auditor",
        .summary =
            "Makes a pair of keys: NAME.key signs and has no password, so keep it where only "
            "the\narchivist reads; NAME.pub checks, and is for everybody. The program minisign "
            "reads both.\nPrints the key's number. Never replaces a file."};
    g_auto(GStrv) rest = NULL;
    const GOptionEntry entries[] = {
        {"out", 0, 0, G_OPTION_ARG_FILENAME, out, "Makes NAME.key and NAME.pub", "NAME"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &rest, NULL, NULL},
        G_OPTION_ENTRY_NULL};

    if (!tool_parse(&tool, entries, &argc, &argv, error))
        return FALSE;
    if (*out && **out && !g_str_has_suffix(*out, "/") && !rest)
        return TRUE;
    g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                        rest ? "expected options alone; see --help" : "expected --out NAME");
    return FALSE;
}

static gboolean
generate(const char *out, char id[MINISIGN_ID_CHARS + 1], GError **error)
{
    g_autofree char *folder = g_path_get_dirname(out);
    g_autofree char *base = g_path_get_basename(out);
    g_autoptr(MinisignSecret) secret = minisign_generate(error);

    if (!secret)
        return FALSE;
    minisign_id(minisign_public(secret), id);
    int folder_fd = durable_folder_open(folder, TRUE, error);
    if (folder_fd < 0)
        return FALSE;
    gboolean done = key_pair_write(folder_fd, base, secret, error);
    close(folder_fd);
    return done;
}

int
archive_keygen_main(int argc, char **argv)
{
    g_autofree char *out = NULL;
    char id[MINISIGN_ID_CHARS + 1];
    g_autoptr(GError) error = NULL;

    if (!parse_options(&out, argc, argv, &error) || !generate(out, id, &error))
        return tool_fail(error);
    puts(id);
    tool_log("%s.key signs: keep it secret; %s.pub checks: give it to all who verify", out, out);
    return tool_finish(EXIT_ALL_DONE);
}
