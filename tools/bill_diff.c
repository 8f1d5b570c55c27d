/* bill_diff.c - millrace bill diff and export.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_diff.h"

#include <stdio.h>
#include <string.h>

#include "formats/focus.h"
#include "formats/json.h"
#include "formats/sha256.h"
#include "jobs/bill_folder.h"
#include "jobs/bill_proof.h"
#include "tools/bill.h"
#include "tools/tool.h"

int
bill_diff_main(int argc, char **argv)
{
    static const Tool tool = {
        .verb = "bill diff",
        .synopsis = "BILLS/RUN BILLS/RUN",
        .example = "  millrace bill diff bills/2026-11-0123456789abcdef "
                   "trial/2026-11-fedcba9876543210",
        .summary = "Prints what two runs charge differently, as CSV: a row for each SKU of a "
                   "customer that differs, and one for what the customer pays."};
    g_auto(GStrv) operands = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) out = g_string_new(NULL);
    BillDifference difference;
    GOptionEntry entries[] = {
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &operands, NULL, NULL},
        G_OPTION_ENTRY_NULL};

    if (!tool_parse(&tool, entries, &argc, &argv, &error))
        return tool_fail(error);
    if (!operands || !operands[1] || operands[2]) {
        g_set_error(&error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE, "expected two runs' folders");
        return tool_fail(error);
    }
    if (!bill_diff(operands[0], operands[1], out, &difference, &error))
        return tool_fail(error);
    fwrite(out->str, 1, out->len, stdout);
    g_string_truncate(out, 0);
    bill_print_amount(out, difference.from_nano, 0);
    g_string_append(out, " before, ");
    bill_print_amount(out, difference.to_nano, 0);
    tool_log("%" G_GUINT64_FORMAT " customers differ; in all %s after", difference.customer_count,
             out->str);
    return tool_finish(EXIT_ALL_DONE);
}

/* focus.csv must be what the run has written. */
static gboolean
check_focus(const BillFolder *folder, GMappedFile *focus, GError **error)
{
    g_autoptr(GMappedFile) file = bill_folder_map(folder, BILL_PROOF, error);
    g_autoptr(JsonObject) proof = file ? json_object_parse(g_mapped_file_get_contents(file),
                                                           g_mapped_file_get_length(file), error)
                                       : NULL;
    g_autoptr(JsonObject) files = proof ? json_object_object(proof, "files") : NULL;
    g_autoptr(JsonObject) entry = files ? json_object_object(files, BILL_FOCUS) : NULL;
    const char *expected = entry ? json_object_string(entry, "sha256", NULL) : NULL;
    char digest[SHA256_CHARS + 1];

    if (!proof)
        return FALSE;
    sha256_hex(g_mapped_file_get_contents(focus), g_mapped_file_get_length(focus), digest);
    if (expected && strcmp(expected, digest) == 0)
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                "%s/" BILL_FOCUS ": is not what " BILL_PROOF " names", folder->path);
    return FALSE;
}

int
bill_export_main(int argc, char **argv)
{
    static const Tool tool = {
        .verb = "bill export",
        .synopsis = "BILLS/RUN",
        .example = "  millrace bill export --focus=1.2 bills/2026-11-0123456789abcdef > focus.csv",
        .summary = "Prints a run as FOCUS, the FinOps Open Cost and Usage Specification: CSV with "
                   "a row for each line."};
    g_auto(GStrv) operands = NULL;
    g_autofree char *focus = NULL;
    FocusVersion version = FOCUS_1_2;
    g_autoptr(GError) error = NULL;
    GOptionEntry entries[] = {
        {"focus", 0, 0, G_OPTION_ARG_FILENAME, &focus, "The version of FOCUS (1.2)", "VERSION"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &operands, NULL, NULL},
        G_OPTION_ENTRY_NULL};

    if (!tool_parse(&tool, entries, &argc, &argv, &error))
        return tool_fail(error);
    if (!operands || operands[1]) {
        g_set_error(&error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE, "expected one run's folder");
        return tool_fail(error);
    }
    if (focus && !focus_parse_version(focus, &version)) {
        g_set_error(&error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                    "--focus=%s: the version that is known is 1.2", focus);
        return tool_fail(error);
    }
    g_autoptr(BillFolder) folder = bill_folder_open(operands[0], &error);
    g_autoptr(GMappedFile) file = folder ? bill_folder_map(folder, BILL_FOCUS, &error) : NULL;
    if (!file || !check_focus(folder, file, &error))
        return tool_fail(error);
    fwrite(g_mapped_file_get_contents(file), 1, g_mapped_file_get_length(file), stdout);
    return tool_finish(EXIT_ALL_DONE);
}
