/* test_statement_show.c - what a person sees of a statement, and what must not reach a terminal or
 * a browser. SPDX-License-Identifier: Apache-2.0 */
#include "formats/statement_show.h"

#include <criterion/criterion.h>

#include "formats/error.h"
#include "formats/json.h"
#include "tests/unit/statement_fixture.h"

/* October's 90 requests are 110 by now, so that all are in the second tier. */
static GString *
statement_json(const char *customer, gboolean preliminary)
{
    g_autoptr(PriceBook) book = fixture_book(
        BOOK_HEAD "{'sku':'a'," BOOK_COUNT
                  "'prices':[{'from':'2026-01-01T00:00:00Z','to':'2026-11-15T00:00:00Z','model':"
                  "'volume','tiers':[{'up_to':'100','unit_price':'0.40'},{'up_to':null,"
                  "'unit_price':'0.30'}]},{'from':'2026-11-15T00:00:00Z','model':'graduated',"
                  "'free':'1','tiers':[{'up_to':'2','unit_price':'1'},{'up_to':null,"
                  "'unit_price':'0.5'}]}]}],'customers':{'acme':{'discount_percent':'10',"
                  "'minimum':'40','credits':[{'id':'x','amount':'5',"
                  "'from':'2026-01-01T00:00:00Z'}]}}}");
    const MeterSum october[] = {{0, 0, 110, 110}};
    const StatementLine billed[] = {{.sku = "a",
                                     .price_from = "2026-01-01T00:00:00Z",
                                     .tier = 1,
                                     .metered = 90,
                                     .amount_nano = G_GINT64_CONSTANT(36000000000)}};
    const StatementCorrection correction = {.period = fixture_period("2026-10"),
                                            .book = book,
                                            .sums = october,
                                            .sum_count = 1,
                                            .billed = billed,
                                            .billed_count = 1};
    const MeterSum sums[] = {{0, 0, 50, 50}, {0, 1, 6, 6}};
    StatementInput input = fixture_input(book, customer, sums, 2);
    input.corrections = &correction;
    input.correction_count = 1;
    g_autoptr(Statement) statement = fixture_rate(&input);
    GString *json = g_string_new(NULL);
    statement_print_json(statement, preliminary, preliminary ? 987654 : 1000000, json);
    return json;
}

static GString *
shown(StatementFormat format, const GString *json)
{
    g_autoptr(GError) error = NULL;
    GString *out = g_string_new(NULL);
    cr_assert(statement_show(format, json->str, json->len, out, &error), "%s",
              error != NULL ? error->message : "");
    return out;
}

Test(statement_show, a_terminal_shows_aligned_columns)
{
    g_autoptr(GString) json = statement_json("acme", TRUE);
    g_autoptr(GString) text = shown(STATEMENT_TEXT, json);
    g_autofree char *below = g_strdup(strstr(text->str, "\nfor "));
    /* 50 at 0.40 are 20; 1 free, 2 at 1 and 3 at 0.5 are 3.50; 23.50 less 2.35 is 18.85 short
     * of 40. October: 33 less 3.30 are 10.30 short of 40, and 36 were billed. */
    static const char expected[] =
        "\nfor acme, 2026-11\n"
        "\n"
        "PRELIMINARY: 98.7654 % of what was expected is in here. This is no bill yet.\n"
        "\n"
        "Item                        Quantity  Unit      Unit price     USD\n"
        "------------------------------------------------------------------\n"
        "a, before 2026-11-15              50  Requests         0.4   20.00\n"
        "a, free, from 2026-11-15           1  Requests           0    0.00\n"
        "a, tier 1, from 2026-11-15         2  Requests           1    2.00\n"
        "a, tier 2, from 2026-11-15         3  Requests         0.5    1.50\n"
        "------------------------------------------------------------------\n"
        "Usage                                                        23.50\n"
        "Discount                                                     -2.35\n"
        "True-up to the minimum                                       18.85\n"
        "Correction of 2026-10\n"
        "  a, tier 1                      -90  Requests         0.4  -36.00\n"
        "  a, tier 2                      110  Requests         0.3   33.00\n"
        "  Discount                                                   -3.30\n"
        "  True-up to the minimum                                     10.30\n"
        "Credit x                                                     -5.00\n"
        "------------------------------------------------------------------\n"
        "Payable                                                      39.00\n"
        "\n"
        "Credit x: opening 5.00, granted 0.00, used 5.00, expired 0.00, left 0.00\n"
        "\n"
        "Harvest 98.7654 %. Times are UTC. Run run\n";
    cr_expect(strcmp(below, expected) == 0, "got:%s\nexpected:%s", below, expected);
    cr_expect(g_str_has_prefix(text->str, "Example, Inc.\nStatement INV-2026-11-"));
}

Test(statement_show, a_statement_that_is_whole_has_no_banner)
{
    g_autoptr(GString) json = statement_json("acme", FALSE);
    g_autoptr(GString) text = shown(STATEMENT_TEXT, json);
    g_autoptr(GString) html = shown(STATEMENT_HTML, json);
    cr_expect_null(strstr(text->str, "PRELIMINARY"));
    cr_expect_null(strstr(html->str, "PRELIMINARY"));
    cr_expect_not_null(strstr(text->str, "Harvest 100 %."));
    cr_expect_not_null(strstr(html->str, "Harvest 100 %."));
}

Test(statement_show, json_is_the_same_object)
{
    g_autoptr(GString) json = statement_json("acme", FALSE);
    g_autoptr(GString) pretty = shown(STATEMENT_JSON, json);
    g_autoptr(JsonObject) again = json_object_parse(pretty->str, pretty->len, NULL);
    cr_assert_not_null(again);
    cr_expect_str_eq(json_object_string(again, "payable", NULL), "39.00");
    cr_expect(g_str_has_prefix(pretty->str, "{\n  \"customer\": \"acme\",\n  \"period\": "));
}

Test(statement_show, a_name_is_no_markup_and_moves_no_cursor)
{
    g_autoptr(GString) json =
        statement_json("<img src=x onerror=\"a\">&amp;'\n\033[2J\342\200\256", FALSE);
    g_autoptr(GString) html = shown(STATEMENT_HTML, json);
    g_autoptr(GString) text = shown(STATEMENT_TEXT, json);
    cr_expect_null(strstr(html->str, "<img"));
    cr_expect_not_null(strstr(html->str, "<dd>&lt;img src=x onerror=&quot;a&quot;&gt;&amp;amp;&apos"
                                         ";??[2J?</dd>"));
    cr_expect_not_null(strstr(text->str, "for <img src=x onerror=\"a\">&amp;'??[2J?, 2026-11\n"));
    cr_expect_null(strchr(text->str, '\033'));
}

Test(statement_show, columns_are_aligned_whatever_the_script)
{
    g_autoptr(GString) json = statement_json("acme", FALSE);
    /* Two wide characters take the place of four. */
    g_autofree char *wide = g_strdup(strstr(json->str, "\"sku\":\"a\""));
    g_autoptr(GString) text = g_string_new_len(json->str, (gssize)(json->len - strlen(wide)));
    g_string_append(text, "\"sku\":\"写真\"");
    g_string_append(text, wide + strlen("\"sku\":\"a\""));
    g_autoptr(GString) shown_text = shown(STATEMENT_TEXT, text);
    cr_expect_not_null(strstr(shown_text->str,
                              "\n写真, before 2026-11-15           50  Requests         0.4   20.00"
                              "\n"),
                       "%s", shown_text->str);
}

Test(statement_show, what_is_no_statement_is_refused)
{
    g_autoptr(GString) json = statement_json("acme", FALSE);
    g_autoptr(GString) out = g_string_new(NULL);
    for (gsize size = 0; size < json->len - 1; size++) {
        g_autofree char *exact = g_memdup2(json->str, size);
        cr_assert_not(statement_show(STATEMENT_HTML, exact, size, out, NULL));
    }
    static const char *const keys[] = {"customer", "run",         "invoice", "issuer",
                                       "currency", "usage",       "payable", "period",
                                       "harvest",  "preliminary", "lines",   "credits"};
    for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *key = g_strdup_printf("\"%s\":", keys[i]);
        g_autoptr(GString) without = g_string_new(json->str);
        /* "lines" hold periods of their own; the first is the statement's. */
        g_string_replace(without, key, "\"other\":", 1);
        cr_expect_not(statement_show(STATEMENT_TEXT, without->str, without->len, out, &error), "%s",
                      keys[i]);
        cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT));
    }
}

Test(statement_show, formats_are_known_by_their_names)
{
    StatementFormat format;
    cr_expect(statement_format_parse("html", &format));
    cr_expect_eq(format, STATEMENT_HTML);
    cr_expect(statement_format_parse("text", &format));
    cr_expect_eq(format, STATEMENT_TEXT);
    cr_expect_not(statement_format_parse("pdf", &format));
}
