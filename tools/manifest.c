/* manifest.c - millrace manifest: makes the list of images that a run is given, and checks one.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "formats/manifest.h"
#include "formats/outspec.h"
#include "jobs/manifest_build.h"
#include "tools/tool.h"

#define READ_BYTES (256 << 10)

/* What a check found. */
typedef struct {
    guint64 row_count;
    guint64 bad_count;
} Tally;

static gboolean
fail(GError **error, MillraceErrorKind kind, const char *what, const char *why)
{
    g_set_error(error, MILLRACE_ERROR, kind, "%s: %s", what, why);
    return FALSE;
}

/* Joins the --to options. Returns FALSE and error when they are not output specs. */
static gboolean
join_specs(char **specs, char **to, GError **error)
{
    OutputSpec parsed[OUTPUTS_PER_ROW_MAX];
    if (specs == NULL)
        return TRUE;
    *to = g_strjoinv(";", specs);
    if (output_spec_parse_list(*to, parsed, G_N_ELEMENTS(parsed), error) > 0)
        return TRUE;
    g_prefix_error(error, "--to: ");
    return FALSE;
}

static gboolean
build_parse(int argc, char **argv, char ***operands, char **customer, char **to, GError **error)
{
    static const Tool tool = {
        .verb = "manifest build",
        .synopsis = "DIR|FILE...",
        .example = "  millrace manifest build --customer acme --to 320x320 photos > manifest.csv",
        .summary = "Writes a manifest of files, and of the images beneath folders, sorted."};
    g_auto(GStrv) specs = NULL;
    /* All are taken as file names are: as bytes, whatever the locale. */
    GOptionEntry entries[] = {
        {"customer", 0, 0, G_OPTION_ARG_FILENAME, customer, "Whom every row is for", "C"},
        {"to", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &specs,
         "An output, as in 320x320; may be repeated", "SPEC"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, operands, NULL, NULL},
        G_OPTION_ENTRY_NULL};

    if (!tool_parse(&tool, entries, &argc, &argv, error))
        return FALSE;
    if (*operands == NULL)
        return fail(error, MILLRACE_ERROR_USAGE, "no folder or file",
                    "name one, as in millrace manifest build photos");
    const char *problem = *customer != NULL ? manifest_name_problem(*customer) : NULL;
    if (problem != NULL)
        return fail(error, MILLRACE_ERROR_USAGE, "--customer", problem);
    if (*customer != NULL && **customer == '\0')
        return fail(error, MILLRACE_ERROR_USAGE, "--customer", "empty");
    return join_specs(specs, to, error);
}

static int
build_main(int argc, char **argv)
{
    g_auto(GStrv) operands = NULL;
    g_autofree char *customer = NULL;
    g_autofree char *to = NULL;
    g_autoptr(GError) error = NULL;
    guint64 row_count;

    if (!build_parse(argc, argv, &operands, &customer, &to, &error))
        return tool_fail(error);
    ManifestBuildConfig config = {(const char *const *)operands, customer, to};
    if (!manifest_build(&config, stdout, &row_count, &error))
        return tool_finish(tool_fail(error));
    if (row_count == 0)
        tool_log("no images found");
    return tool_finish(EXIT_ALL_DONE);
}

static void
check_row(const char *name, const ManifestRow *row, Tally *tally)
{
    OutputSpec specs[OUTPUTS_PER_ROW_MAX];
    g_autoptr(GError) error = NULL;
    const char *problem = row->problem;

    if (problem == NULL && *row->to != '\0' &&
        output_spec_parse_list(row->to, specs, G_N_ELEMENTS(specs), &error) < 0)
        problem = error->message;
    tally->row_count++;
    tally->bad_count += problem != NULL;
    if (problem != NULL)
        printf("%s:%" G_GUINT64_FORMAT ": %s\n", name, row->line, problem);
}

/* Reads a manifest to its end. Returns FALSE and error when it cannot be. */
static gboolean
check(int fd, const char *name, ManifestKind kind, Tally *tally, GError **error)
{
    g_autoptr(ManifestReader) reader = manifest_reader_new(name, kind);
    g_autofree guint8 *bytes = g_malloc(READ_BYTES);
    ManifestRow row;
    gssize read_bytes;

    do {
        read_bytes = read(fd, bytes, READ_BYTES);
        if (read_bytes < 0 && errno == EISDIR)
            return fail(error, MILLRACE_ERROR_NO_INPUT, name,
                        "is a folder: make a manifest of it with millrace manifest build");
        if (read_bytes < 0)
            return millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "%s", name);
        if (read_bytes > 0)
            manifest_reader_push(reader, bytes, (gsize)read_bytes);
        else
            manifest_reader_finish(reader);
        int found;
        while ((found = manifest_reader_next(reader, &row, error)) > 0)
            check_row(name, &row, tally);
        if (found < 0)
            return FALSE;
    } while (read_bytes > 0);
    return TRUE;
}

static int
check_main(int argc, char **argv)
{
    static const Tool tool = {.verb = "manifest check",
                              .synopsis = "MANIFEST|-",
                              .example = "  millrace manifest check manifest.csv",
                              .summary = "Prints each bad row of a manifest, a line a row."};
    g_auto(GStrv) operands = NULL;
    gboolean nul = FALSE;
    g_autoptr(GError) error = NULL;
    GOptionEntry entries[] = {
        {"null", '0', 0, G_OPTION_ARG_NONE, &nul, "Names end with NUL, as of find -print0", NULL},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &operands, NULL, NULL},
        G_OPTION_ENTRY_NULL};
    Tally tally = {0};

    if (!tool_parse(&tool, entries, &argc, &argv, &error))
        return tool_fail(error);
    if (operands == NULL || operands[1] != NULL) {
        fail(&error, MILLRACE_ERROR_USAGE, "expected one manifest",
             "name it, or - for standard input");
        return tool_fail(error);
    }
    int fd = strcmp(operands[0], "-") == 0 ? STDIN_FILENO : open(operands[0], O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        millrace_error_set_errno(&error, MILLRACE_ERROR_NO_INPUT, errno, "%s", operands[0]);
        return tool_fail(error);
    }
    const char *name = fd == STDIN_FILENO ? "standard input" : operands[0];
    gboolean good = check(fd, name, nul ? MANIFEST_LIST0 : MANIFEST_AUTO, &tally, &error);
    close(fd);
    if (!good)
        return tool_finish(tool_fail(error));
    tool_log("%" G_GUINT64_FORMAT " rows, %" G_GUINT64_FORMAT " bad", tally.row_count,
             tally.bad_count);
    return tool_finish(tally.bad_count > 0 ? EXIT_SOME_FAILED : EXIT_ALL_DONE);
}

int
main(int argc, char **argv)
{
    static const Tool tool = {.verb = "manifest",
                              .synopsis = "build|check ...",
                              .example = "  millrace manifest build photos > manifest.csv\n"
                                         "  millrace manifest check manifest.csv",
                              .summary = "build writes a manifest of the images beneath folders;\n"
                                         "check prints the bad rows of one. Each has its --help."};
    static const GOptionEntry no_entries[] = {G_OPTION_ENTRY_NULL};
    g_autoptr(GError) error = NULL;

    if (argc > 1 && strcmp(argv[1], "build") == 0)
        return build_main(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "check") == 0)
        return check_main(argc - 1, argv + 1);
    if (tool_parse(&tool, no_entries, &argc, &argv, &error))
        fail(&error, MILLRACE_ERROR_USAGE, "expected build or check",
             "as in millrace manifest build photos");
    return tool_fail(error);
}
