/* bill_prices.c - millrace bill check-prices: a bad push stops here.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "formats/pricebook.h"
#include "tools/bill.h"
#include "tools/tool.h"

enum { JUMP_DEFAULT = 10 };

static PriceBook *
read_book(const char *path, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) failure = NULL;
    gsize size_bytes = 0;

    if (g_file_get_contents(path, &text, &size_bytes, &failure))
        return pricebook_parse(path, text, size_bytes, error);
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT, "%s", failure->message);
    return NULL;
}

int
bill_check_prices_main(int argc, char **argv)
{
    static const Tool tool = {
        .verb = "bill check-prices",
        .synopsis = "FILE",
        .example = "  millrace bill check-prices --against prices.json new-prices.json",
        .summary = "Prints what is wrong with a price book, a line each: gaps, overlaps, units "
                   "changed in place, prices that jump."};
    g_auto(GStrv) operands = NULL;
    g_autofree char *against_path = NULL;
    int jump = JUMP_DEFAULT;
    g_autoptr(GError) error = NULL;
    GOptionEntry entries[] = {
        {"against", 0, 0, G_OPTION_ARG_FILENAME, &against_path, "The book in force", "FILE"},
        {"jump", 0, 0, G_OPTION_ARG_INT, &jump, "By which factor a price may change at once (10)",
         "N"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &operands, NULL, NULL},
        G_OPTION_ENTRY_NULL};

    if (!tool_parse(&tool, entries, &argc, &argv, &error))
        return tool_fail(error);
    if (!operands || operands[1] || jump < 2) {
        g_set_error(&error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                    "expected one price book, and a --jump of 2 or more");
        return tool_fail(error);
    }
    g_autoptr(PriceBook) book = read_book(operands[0], &error);
    g_autoptr(PriceBook) against = book && against_path ? read_book(against_path, &error) : NULL;
    if (error)
        return tool_fail(error);
    g_autoptr(GPtrArray) findings = g_ptr_array_new_with_free_func(g_free);
    pricebook_check(book, against, (guint)jump, findings);
    for (guint i = 0; i < findings->len; i++)
        printf("%s: %s\n", operands[0], (const char *)findings->pdata[i]);
    return tool_finish(findings->len > 0 ? EXIT_SOME_FAILED : EXIT_ALL_DONE);
}
