/* usage_sync.c - millrace usage sync: one batch store gets what another has.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <sys/stat.h>

#include "formats/store.h"
#include "tools/tool.h"
#include "tools/usage.h"

static gboolean
parse_options(char ***operands, int argc, char **argv, GError **error)
{
    static const Tool tool = {
        .verb = "usage sync",
        .synopsis = "SRC DST",
        .example = "  millrace usage sync /var/spool/millrace/store /mnt/archive/store",
        .summary = "Copies what DST lacks of the batch store SRC. Each file is verified by its "
                   "digest\nbefore DST has it; one that does not hold is named and left out."};
    const GOptionEntry entries[] = {
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, operands, NULL, NULL},
        G_OPTION_ENTRY_NULL};

    if (!tool_parse(&tool, entries, &argc, &argv, error))
        return FALSE;
    if (*operands && g_strv_length(*operands) == 2)
        return TRUE;
    g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                        "expected two batch stores: SRC DST");
    return FALSE;
}

/* Copies all kinds. A line for each goes to stdout: what, how many files, how many bytes. */
static gboolean
copy(Store *from, Store *to, GPtrArray *bad, GError **error)
{
    for (StoreKind kind = 0; kind < STORE_KINDS; kind++) {
        guint64 count = 0;
        guint64 size_bytes = 0;
        gboolean good = store_copy(from, to, kind, &count, &size_bytes, bad, error);
        printf("%s %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT "\n", store_folder(kind), count,
               size_bytes);
        if (!good)
            return FALSE;
    }
    return TRUE;
}

static gboolean
is_same(const char *from, const char *to)
{
    struct stat left;
    struct stat right;

    return stat(from, &left) == 0 && stat(to, &right) == 0 && left.st_dev == right.st_dev &&
           left.st_ino == right.st_ino;
}

int
usage_sync_main(int argc, char **argv)
{
    g_auto(GStrv) operands = NULL;
    g_autoptr(GPtrArray) bad = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;

    if (!parse_options(&operands, argc, argv, &error))
        return tool_fail(error);
    g_autoptr(Store) from = store_open(operands[0], FALSE, &error);
    if (from && is_same(operands[0], operands[1]))
        g_set_error_literal(&error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                            "SRC and DST are the same store");
    g_autoptr(Store) to = from && !error ? store_open(operands[1], TRUE, &error) : NULL;
    if (to)
        copy(from, to, bad, &error);
    for (guint i = 0; i < bad->len; i++)
        tool_log("%s: left out", (const char *)bad->pdata[i]);
    if (error)
        return tool_finish(tool_fail(error));
    return tool_finish(bad->len > 0 ? EXIT_BAD_INPUT : EXIT_ALL_DONE);
}
