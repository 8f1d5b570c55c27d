/* bill_show.c - millrace bill show: one customer's statement as people read it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_show.h"

#include <stdio.h>
#include <string.h>

#include "formats/statement_show.h"
#include "tools/bill.h"
#include "tools/tool.h"

int
bill_show_main(int argc, char **argv)
{
    static const Tool tool = {
        .verb = "bill show",
        .synopsis = "BILLS/RUN CUSTOMER",
        .example =
            "  millrace bill show bills/2026-11-0123456789abcdef acme\n"
            "  millrace bill show --format=html bills/2026-11-0123456789abcdef acme > acme.html",
        .summary = "Prints one customer's statement, for a terminal, a program or a browser."};
    g_auto(GStrv) operands = NULL;
    g_autofree char *format_name = NULL;
    StatementFormat format = STATEMENT_TEXT;
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) out = g_string_new(NULL);
    GOptionEntry entries[] = {
        {"format", 0, 0, G_OPTION_ARG_FILENAME, &format_name, "text (default), json or html",
         "FORMAT"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &operands, NULL, NULL},
        G_OPTION_ENTRY_NULL};

    if (!tool_parse(&tool, entries, &argc, &argv, &error))
        return tool_fail(error);
    if (format_name && !statement_format_parse(format_name, &format)) {
        g_set_error(&error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                    "--format=%s: expected text, json or html", format_name);
        return tool_fail(error);
    }
    if (!operands || !operands[1] || operands[2]) {
        g_set_error(&error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                    "expected a run's folder and a customer");
        return tool_fail(error);
    }
    g_autofree char *line = bill_find_statement(operands[0], operands[1], &error);
    if (!line || !statement_show(format, line, strlen(line), out, &error))
        return tool_fail(error);
    fwrite(out->str, 1, out->len, stdout);
    return tool_finish(EXIT_ALL_DONE);
}
