/* test_statement_printer.c - a printer that is kept says of each statement what a new one would,
 * whatever it has printed before. What that is, test_statement.c and test_focus.c tell by hand.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/statement_printer.h"

#include "tests/unit/statement_fixture.h"

static StatementRun
run_of(const PriceBook *book)
{
    return (StatementRun){.book = book,
                          .period = fixture_period("2026-11"),
                          .run = "run",
                          .preliminary = TRUE,
                          .harvest = 999999};
}

/* Appends lines.csv, statements.ndjson and focus.csv. */
static void
print(StatementPrinter *printer, const Statement *statement, GString *out)
{
    g_autoptr(GString) json = g_string_new(NULL);
    g_autoptr(GString) focus = g_string_new(NULL);
    statement_printer_print(printer, statement, out, json, focus);
    g_string_append(out, json->str);
    g_string_append(out, focus->str);
}

static void
expect_same(StatementPrinter *kept, const Statement *statement, const StatementRun *run)
{
    g_autoptr(StatementPrinter) fresh = statement_printer_new(run);
    g_autoptr(GString) got = g_string_new(NULL);
    g_autoptr(GString) expected = g_string_new(NULL);
    print(kept, statement, got);
    print(fresh, statement, expected);
    cr_assert_gt(expected->len, 0);
    cr_assert(strcmp(got->str, expected->str) == 0, "got:\n%s\nexpected:\n%s", got->str,
              expected->str);
}

/* One SKU; each customer has a price of its own, and as many versions as there may be months. */
static PriceBook *
book_of_many_prices(guint customer_count, guint version_count)
{
    g_autoptr(GString) text =
        g_string_new(BOOK_HEAD "{'sku':'egress'," BOOK_GB "'prices':[{" BOOK_FROM
                               "'model':'per_unit','unit_price':'0.02'}]}],'customers':{");
    for (guint i = 0; i < customer_count; i++) {
        g_string_append_printf(text, "%s'c%u':{'prices':{'egress':[", i > 0 ? "," : "", i);
        for (guint v = 0; v < version_count; v++)
            g_string_append_printf(text,
                                   "%s{'from':'%u-01-01T00:00:00Z','to':'%u-01-01T00:00:00Z',"
                                   "'model':'per_unit','unit_price':'%u.%u'}",
                                   v > 0 ? "," : "", 1990 + v, 1991 + v, i, v + 1);
        g_string_append(text, "]}}");
    }
    g_string_append(text, "}}");
    return fixture_book(text->str);
}

Test(statement_printer, more_prices_than_are_remembered_are_printed_too)
{
    enum { CUSTOMERS = 40, VERSIONS = 35 };
    g_autoptr(PriceBook) book = book_of_many_prices(CUSTOMERS, VERSIONS);
    StatementRun run = run_of(book);
    g_autoptr(StatementPrinter) kept = statement_printer_new(&run);
    for (guint i = 0; i < 2 * CUSTOMERS; i++) {
        char customer[8];
        MeterSum sums[VERSIONS];
        g_snprintf(customer, sizeof customer, "c%u", i % CUSTOMERS);
        for (guint v = 0; v < VERSIONS; v++)
            sums[v] = (MeterSum){0, v, 1000000 * (i + v), v};
        StatementInput input = fixture_input(book, customer, sums, VERSIONS);
        g_autoptr(Statement) statement = fixture_rate(&input);
        expect_same(kept, statement, &run);
    }
}

/* Lines of the same SKU, version and tier in several periods and classes; lines of no SKU; of one
 * that is not in the book. */
Test(statement_printer, lines_that_look_alike_are_told_apart)
{
    g_autoptr(PriceBook) book =
        fixture_book(BOOK_HEAD "{'sku':'requests'," BOOK_COUNT "'prices':[{" BOOK_FROM
                               "'model':'volume','tiers':[{'up_to':'5','unit_price':'2'},"
                               "{'up_to':null,'unit_price':'1.5'}]}]}],"
                               "'customers':{'acme':{'discount_percent':'10','minimum':'9.00'},"
                               "'b':{'credits':[{'id':'x','amount':'1.00','from':"
                               "'2026-01-01T00:00:00Z','expires':null}]}}}");
    static const char *const customers[] = {"acme", "b", "acme", "c,\"d\"", "b", "\xff", "12"};
    static const StatementLine billed[] = {
        {.sku = "requests", .price_from = "2026-01-01T00:00:00Z", .tier = 1, .amount_nano = 7},
        {.sku = "gone", .price_from = "2026-01-01T00:00:00Z", .tier = 1, .metered = 3},
        {.sku = "gone,too", .price_from = "2025-01-01T00:00:00Z", .tier = 2, .metered = 4}};
    StatementRun run = run_of(book);
    g_autoptr(StatementPrinter) kept = statement_printer_new(&run);
    for (guint i = 0; i < 64; i++) {
        MeterSum sums[] = {{0, 0, i % 9, i}};
        const StatementCorrection corrections[] = {
            {.period = fixture_period("2026-09"),
             .book = book,
             .sums = sums,
             .sum_count = i % 2,
             .billed = billed,
             .billed_count = i % 4},
            {.period = fixture_period("2026-10"), .book = book, .sums = sums, .sum_count = 1}};
        StatementInput input =
            fixture_input(book, customers[i % G_N_ELEMENTS(customers)], sums, i % 3 != 0);
        input.corrections = corrections;
        input.correction_count = i / 4 % 3;
        g_autoptr(Statement) statement = fixture_rate(&input);
        expect_same(kept, statement, &run);
    }
}

/* Of each pair of these something differs in the texts. */
Test(statement_printer, prices_that_are_nearly_the_same_are_told_apart)
{
    static const char *const prices[] = {
        BOOK_FROM "'model':'per_unit','unit_price':'2'",
        BOOK_FROM "'model':'per_unit','unit_price':'3'",
        BOOK_FROM "'model':'per_unit','free':'1','unit_price':'2'",
        BOOK_FROM "'model':'graduated','tiers':[{'up_to':null,'unit_price':'2'}]",
        BOOK_FROM "'model':'graduated','tiers':[{'up_to':'9','unit_price':'2'},"
                  "{'up_to':null,'unit_price':'1'}]",
        BOOK_FROM "'model':'volume','tiers':[{'up_to':null,'unit_price':'2'}]",
        BOOK_FROM "'model':'package','package_size':'2','package_price':'2'",
        BOOK_FROM "'model':'package','package_size':'1','package_price':'2'",
        BOOK_FROM "'model':'flat','amount':'2'",
        "'from':'2026-01-01T00:00:00+00:00','to':null,'model':'per_unit','unit_price':'2'",
        "'from':'2026-11-01T00:00:00Z','to':null,'model':'per_unit','unit_price':'2'",
        "'from':'2026-01-01T00:00:00Z','to':'2026-11-02T00:00:00Z',"
        "'model':'per_unit','unit_price':'2'"};
    g_autoptr(GString) text = g_string_new(BOOK_HEAD "{'sku':'n'," BOOK_COUNT "'prices':[{" //
                                           BOOK_FROM "'model':'flat','amount':'5'}]}],"
                                                     "'customers':{");
    for (guint i = 0; i < G_N_ELEMENTS(prices); i++)
        g_string_append_printf(text, "%s'c%02u':{'prices':{'n':[{%s}]}}", i > 0 ? "," : "", i,
                               prices[i]);
    g_string_append(text, "}}");
    g_autoptr(PriceBook) book = fixture_book(text->str);
    StatementRun run = run_of(book);
    for (guint i = 0; i < G_N_ELEMENTS(prices) * G_N_ELEMENTS(prices); i++) {
        const guint pair[] = {i / G_N_ELEMENTS(prices), i % G_N_ELEMENTS(prices)};
        g_autoptr(StatementPrinter) kept = statement_printer_new(&run);
        for (guint j = 0; j < G_N_ELEMENTS(pair); j++) {
            char customer[8];
            const MeterSum sums[] = {{0, 0, 4, 1}};
            g_snprintf(customer, sizeof customer, "c%02u", pair[j]);
            StatementInput input = fixture_input(book, customer, sums, 1);
            g_autoptr(Statement) statement = fixture_rate(&input);
            expect_same(kept, statement, &run);
        }
    }
}

Test(statement_printer, only_texts_that_are_wanted_are_printed)
{
    g_autoptr(PriceBook) book = fixture_book(BOOK_HEAD "{'sku':'n'," BOOK_COUNT "'prices':[{" //
                                             BOOK_FROM "'model':'flat','amount':'3'}]}]}");
    const MeterSum sums[] = {{0, 0, 1, 1}};
    StatementInput input = fixture_input(book, "acme", sums, 1);
    g_autoptr(Statement) statement = fixture_rate(&input);
    StatementRun run = run_of(book);
    g_autoptr(StatementPrinter) printer = statement_printer_new(&run);
    g_autoptr(GString) csv = g_string_new(NULL);
    g_autoptr(GString) all = g_string_new(NULL);
    g_autoptr(GString) expected = g_string_new(NULL);
    statement_printer_print(printer, statement, csv, NULL, NULL);
    print(printer, statement, all);
    statement_print_csv(statement, expected);
    cr_expect_str_eq(csv->str, expected->str);
    statement_print_json(statement, run.preliminary, run.harvest, expected);
    focus_print(FOCUS_1_2, statement, expected);
    cr_expect_str_eq(all->str, expected->str);
}

/* Amounts without digits behind a point get one in FOCUS, which wants decimals. */
Test(statement_printer, whole_amounts_have_a_point_in_focus_alone)
{
    g_autoptr(PriceBook) book = fixture_book(
        "{'currency':'JPY','minor_digits':0,'rounding':{'when':'line','ties':'half-even'},"
        "'issuer':'Example','skus':[{'sku':'n'," BOOK_COUNT "'prices':[{" BOOK_FROM
        "'model':'per_unit','unit_price':'20'}]}]}");
    const MeterSum sums[] = {{0, 0, 3, 1}};
    StatementInput input = fixture_input(book, "acme", sums, 1);
    g_autoptr(Statement) statement = fixture_rate(&input);
    StatementRun run = run_of(book);
    g_autoptr(StatementPrinter) printer = statement_printer_new(&run);
    g_autoptr(GString) csv = g_string_new(NULL);
    g_autoptr(GString) focus = g_string_new(NULL);
    statement_printer_print(printer, statement, csv, NULL, focus);
    cr_expect_not_null(strstr(csv->str, ",3,3,Requests,20,60,usage\n"), "%s", csv->str);
    cr_expect(g_str_has_prefix(focus->str, "60.0,acme,acme,JPY,"), "%s", focus->str);
    cr_expect_not_null(strstr(focus->str, ",3.0,Requests,60.0,20.0,60.0,"), "%s", focus->str);
    cr_expect_not_null(strstr(focus->str, ",60.0,20.0,3.0,Requests,Example,"), "%s", focus->str);
}
