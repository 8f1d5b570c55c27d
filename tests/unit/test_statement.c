/* test_statement.c - statements by hand: order, ids, ends of the range, files. Amounts at random
 * are test_statement_rate.c's. SPDX-License-Identifier: Apache-2.0 */
#include "formats/statement.h"

#include <criterion/criterion.h>

#include "formats/error.h"
#include "tests/unit/statement_fixture.h"

#define PER_UNIT(price) "'prices':[{" BOOK_FROM "'model':'per_unit','unit_price':'" price "'}]}"
#define EGRESS(price)   "{'sku':'egress'," BOOK_GB PER_UNIT(price)
#define HEADER                                                                                     \
    "line_id,customer,period,sku,price_from,tier,metered,quantity,unit,unit_price,amount,"         \
    "charge_class\n"

static char *
csv_of(const StatementInput *input)
{
    g_autoptr(Statement) statement = fixture_rate(input);
    GString *csv = g_string_new(NULL);
    statement_print_csv(statement, csv);
    return g_string_free(csv, FALSE);
}

/* CSV without the ids. */
static void
expect_rows(const StatementInput *input, const char *expected)
{
    g_autofree char *csv = csv_of(input);
    g_autoptr(GString) rows = g_string_new(NULL);
    for (const char *at = csv; *at != '\0'; at = strchr(at, '\n') + 1)
        g_string_append_len(rows, at + STATEMENT_LINE_ID_CHARS + 1,
                            strchr(at, '\n') - at - STATEMENT_LINE_ID_CHARS);
    cr_expect(strcmp(rows->str, expected) == 0, "got:\n%sexpected:\n%s", rows->str, expected);
}

static void
expect_overflow(const StatementInput *input, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Statement) statement = statement_rate(input, &error);
    cr_assert_null(statement);
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT));
    cr_expect(g_str_has_prefix(error->message, message), "%s", error->message);
}

/* By hand: 10 hours are free, 2.5 at 0.045 are 0.1125. 7.5 GB at 0.02 are 0.15, 2.5 at 0.018 are
 * 0.045, a tie: 0.04. 101,000 requests are beyond 100 thousands, so all cost 0.30. 10 % of 30.60.
 */
Test(statement, a_month_as_a_person_would_reckon_it)
{
    g_autofree char *text = NULL;
    cr_assert(g_file_get_contents("examples/prices.json", &text, NULL, NULL));
    g_autoptr(PriceBook) book = fixture_book(text);
    const MeterSum sums[] = {{0, 0, G_GINT64_CONSTANT(45000000000), 7},
                             {1, 0, G_GINT64_CONSTANT(7500000000), 4},
                             {1, 1, G_GINT64_CONSTANT(2500000000), 3},
                             {2, 0, 101000, 101000}};
    StatementInput input = fixture_input(book, "acme", sums, G_N_ELEMENTS(sums));
    expect_rows(
        &input,
        "acme,2026-11,cpu,2026-01-01T00:00:00Z,1,36000000000,10,CPU Hours,0,0.00,usage\n"
        "acme,2026-11,cpu,2026-01-01T00:00:00Z,2,9000000000,2.5,CPU Hours,0.045,0.11,usage\n"
        "acme,2026-11,egress,2026-01-01T00:00:00Z,1,7500000000,7.5,GB,0.02,0.15,usage\n"
        "acme,2026-11,egress,2026-11-15T00:00:00Z,1,2500000000,2.5,GB,0.018,0.04,usage\n"
        "acme,2026-11,requests,2026-01-01T00:00:00Z,2,101000,101,1000 Requests,0.3,30.30,usage\n"
        "acme,2026-11,discount,,,,,,,-3.06,discount\n");
}

/* 49.999999 MP are within the 50 free ones; 1 byte more than 150 begins a second package. */
Test(statement, packages_that_are_begun_and_a_flat_price)
{
    g_autofree char *text = NULL;
    cr_assert(g_file_get_contents("examples/prices.json", &text, NULL, NULL));
    g_autoptr(PriceBook) book = fixture_book(text);
    const MeterSum few[] = {{3, 0, 49999999, 1}};
    const MeterSum many[] = {{3, 0, 150000001, 1}, {4, 0, 1, 1}};
    StatementInput input = fixture_input(book, "other", few, 1);
    expect_rows(&input, "other,2026-11,avif,2026-01-01T00:00:00Z,0,49999999,49.999999,Megapixels,"
                        "0,0.00,usage\n");
    input.sums = many;
    input.sum_count = 2;
    expect_rows(
        &input,
        "other,2026-11,avif,2026-01-01T00:00:00Z,0,50000000,50,Megapixels,0,0.00,usage\n"
        "other,2026-11,avif,2026-01-01T00:00:00Z,1,100000001,2,100 Megapixels,0.25,0.50,usage\n"
        "other,2026-11,support,2026-01-01T00:00:00Z,1,1,1,Months,5,5.00,usage\n");
}

Test(statement, who_has_a_minimum_pays_it_without_an_event)
{
    g_autoptr(PriceBook) book =
        fixture_book(BOOK_HEAD EGRESS("0.02") "],'customers':{'acme':{'minimum':'25'}}}");
    const MeterSum little[] = {{0, 0, G_GINT64_CONSTANT(50000000000), 1}};
    const MeterSum enough[] = {{0, 0, G_GINT64_CONSTANT(1250000000000), 1}};
    StatementInput input = fixture_input(book, "acme", NULL, 0);
    expect_rows(&input, "acme,2026-11,true-up,,,,,,,25.00,true-up\n");
    input.sums = little;
    input.sum_count = 1;
    expect_rows(&input, "acme,2026-11,egress,2026-01-01T00:00:00Z,1,50000000000,50,GB,0.02,1.00,"
                        "usage\n"
                        "acme,2026-11,true-up,,,,,,,24.00,true-up\n");
    input.sums = enough;
    expect_rows(&input, "acme,2026-11,egress,2026-01-01T00:00:00Z,1,1250000000000,1250,GB,0.02,"
                        "25.00,usage\n");
    input.customer = "nobody";
    input.sum_count = 0;
    expect_rows(&input, "");
}

Test(statement, a_sum_of_nothing_has_its_line_because_there_were_events)
{
    g_autoptr(PriceBook) book = fixture_book(BOOK_HEAD EGRESS("0.02") "]}");
    const MeterSum sums[] = {{0, 0, 0, 3}};
    StatementInput input = fixture_input(book, "acme", sums, 1);
    expect_rows(&input, "acme,2026-11,egress,2026-01-01T00:00:00Z,1,0,0,GB,0.02,0.00,usage\n");
}

/* 0.004 and 0.004 are 0.00 and 0.00 by line, and 0.008, so 0.01, by statement. */
Test(statement, rounding_by_statement_is_a_line_of_its_own)
{
#define TWO "{'sku':'a'," BOOK_COUNT PER_UNIT("0.004") ",{'sku':'b'," BOOK_COUNT PER_UNIT("0.004")
    const MeterSum sums[] = {{0, 0, 1, 1}, {1, 0, 1, 1}};
    g_autoptr(PriceBook) by_line = fixture_book(BOOK_HEAD TWO "]}");
    g_autoptr(PriceBook) by_statement =
        fixture_book("{'currency':'USD','minor_digits':2,'rounding':{'when':'statement','ties':"
                     "'half-even'},'issuer':'x','skus':[" TWO "]}");
    StatementInput input = fixture_input(by_line, "c", sums, 2);
    expect_rows(&input, "c,2026-11,a,2026-01-01T00:00:00Z,1,1,1,Requests,0.004,0.00,usage\n"
                        "c,2026-11,b,2026-01-01T00:00:00Z,1,1,1,Requests,0.004,0.00,usage\n");
    input.book = by_statement;
    expect_rows(&input, "c,2026-11,a,2026-01-01T00:00:00Z,1,1,1,Requests,0.004,0.004,usage\n"
                        "c,2026-11,b,2026-01-01T00:00:00Z,1,1,1,Requests,0.004,0.004,usage\n"
                        "c,2026-11,rounding,,,,,,,0.002,rounding\n");
}

/* Usage is 30; the credit that expires first goes first. */
Test(statement, credits_are_used_up_in_order_and_no_further_than_to_nothing)
{
    g_autoptr(PriceBook) book = fixture_book(BOOK_HEAD "{'sku':'a'," BOOK_COUNT PER_UNIT(
        "1") "],'customers':{'c':{'credits':["
             "{'id':'late','amount':'100','from':'2026-11-30T23:59:59Z'},"
             "{'id':'soon','amount':'12.5','from':'2026-01-01T00:00:00Z',"
             "'expires':'2026-11-01T00:00:01Z'},"
             "{'id':'past','amount':'9','from':'2026-01-01T00:00:00Z',"
             "'expires':'2026-11-01T00:00:00Z'},"
             "{'id':'next','amount':'9','from':'2026-12-01T00:00:00Z'}]}}}");
    const MeterSum sums[] = {{0, 0, 30, 30}};
    const StatementLine burned[] = {{.sku = "credit:soon", .amount_nano = -2500000000},
                                    {.sku = "credit:so", .amount_nano = -1000000000}};
    StatementInput input = fixture_input(book, "c", sums, 1);
    input.burned = burned;
    input.burned_count = 2;
    expect_rows(&input, "c,2026-11,a,2026-01-01T00:00:00Z,1,30,30,Requests,1,30.00,usage\n"
                        "c,2026-11,credit:soon,,,,,,,-10.00,credit\n"
                        "c,2026-11,credit:late,,,,,,,-20.00,credit\n");
    g_autoptr(Statement) statement = fixture_rate(&input);
    g_autoptr(GString) json = g_string_new(NULL);
    cr_expect_eq(statement_payable_nano(statement), 0);
    statement_print_json(statement, FALSE, 1000000, json);
    cr_expect_not_null(strstr(
        json->str, "\"credits\":[{\"id\":\"soon\",\"opening\":\"10.00\",\"granted\":\"0.00\","
                   "\"burned\":\"10.00\",\"expired\":\"0.00\",\"closing\":\"0.00\"},"
                   "{\"id\":\"late\",\"opening\":\"0.00\",\"granted\":\"100.00\","
                   "\"burned\":\"20.00\",\"expired\":\"0.00\",\"closing\":\"80.00\"}],"
                   "\"credit\":\"-30.00\""));
}

/* October was 90 requests at 0.40; with 20 late ones all 110 are in the second tier, at 0.30. */
Test(statement, a_correction_gives_back_and_takes_anew_and_a_credit_note_burns_no_credit)
{
    g_autoptr(PriceBook) book =
        fixture_book(BOOK_HEAD "{'sku':'a'," BOOK_COUNT "'prices':[{" BOOK_FROM
                               "'model':'volume','tiers':[{'up_to':'100','unit_price':"
                               "'0.40'},{'up_to':null,'unit_price':'0.30'}]}]}],'customers':{'c':{"
                               "'discount_percent':'10','credits':[{'id':'x','amount':'5',"
                               "'from':'2026-01-01T00:00:00Z'}]}}}");
    const MeterSum october[] = {{0, 0, 110, 110}};
    const StatementLine billed[] = {
        {.sku = "a",
         .price_from = "2026-01-01T00:00:00Z",
         .tier = 1,
         .metered = 90,
         .amount_nano = G_GINT64_CONSTANT(36000000000)},
        {.sku = "discount", .price_from = "", .amount_nano = -3600000000, .class = LINE_DISCOUNT},
        {.sku = "rounding", .price_from = "", .amount_nano = 77, .class = LINE_ROUNDING},
        {.sku = "credit:x", .price_from = "", .amount_nano = -77, .class = LINE_CREDIT}};
    const StatementCorrection correction = {.period = fixture_period("2026-10"),
                                            .book = book,
                                            .sums = october,
                                            .sum_count = 1,
                                            .billed = billed,
                                            .billed_count = 4};
    StatementInput input = fixture_input(book, "c", NULL, 0);
    input.corrections = &correction;
    input.correction_count = 1;
    expect_rows(&input,
                "c,2026-10,a,2026-01-01T00:00:00Z,1,-90,-90,Requests,0.4,-36.00,correction\n"
                "c,2026-10,a,2026-01-01T00:00:00Z,2,110,110,Requests,0.3,33.00,correction\n"
                "c,2026-10,discount,,,,,,,0.30,correction\n");
    g_autoptr(Statement) statement = fixture_rate(&input);
    cr_expect_eq(statement_payable_nano(statement), G_GINT64_CONSTANT(-2700000000));
}

Test(statement, a_correction_in_another_currency_is_refused)
{
    g_autoptr(PriceBook) book = fixture_book(BOOK_HEAD EGRESS("1") "]}");
    g_autoptr(PriceBook) euros =
        fixture_book("{'currency':'EUR','minor_digits':2,'rounding':{'when':'line','ties':"
                     "'half-even'},'issuer':'x','skus':[" EGRESS("1") "]}");
    const StatementCorrection correction = {
        .period = fixture_period("2026-10"),
        .book = euros,
    };
    StatementInput input = fixture_input(book, "c", NULL, 0);
    input.corrections = &correction;
    input.correction_count = 1;
    expect_overflow(&input, "2026-10 was billed in EUR and cannot be corrected in USD: ");
}

Test(statement, what_does_not_fit_names_the_customer_and_the_sku)
{
    g_autoptr(PriceBook) book = fixture_book(BOOK_HEAD "{'sku':'a'," BOOK_COUNT PER_UNIT(
        "1") ",{'sku':'b'," BOOK_COUNT PER_UNIT("1") "]}");
    const MeterSum most[] = {{0, 0, G_GINT64_CONSTANT(9223372036), 1}};
    const MeterSum more[] = {{0, 0, G_GINT64_CONSTANT(9223372037), 1}};
    const MeterSum all[] = {{0, 0, G_MAXINT64, 1}};
    const MeterSum two[] = {{0, 0, G_GINT64_CONSTANT(9223372036), 1}, {1, 0, 1, 1}};
    StatementInput input = fixture_input(book, "ac\nme", most, 1);
    g_autoptr(Statement) statement = fixture_rate(&input);
    cr_expect_eq(statement_payable_nano(statement), G_GINT64_CONSTANT(9223372036000000000));
    input.sums = more;
    expect_overflow(&input, "customer \"ac?me\": SKU \"a\": does not fit in 64 bits");
    input.sums = all;
    expect_overflow(&input, "customer \"ac?me\": SKU \"a\": does not fit in 64 bits");
    input.sums = two;
    input.sum_count = 2;
    expect_overflow(&input, "customer \"ac?me\": SKU \"b\": does not fit in 64 bits");
}

Test(statement, metered_units_at_their_limit_are_rated_where_the_price_allows)
{
    g_autoptr(PriceBook) book = fixture_book(
        BOOK_HEAD "{'sku':'a'," BOOK_GB "'prices':[{" BOOK_FROM
                  "'model':'graduated','free':'1','tiers':[{'up_to':'9223372035.5','unit_price':"
                  "'0.1'},{'up_to':null,'unit_price':'0.2'}]}]}]}");
    const MeterSum sums[] = {{0, 0, G_MAXINT64, 1}};
    StatementInput input = fixture_input(book, "c", sums, 1);
    /* 9223372036.854775807 GB: 1 free, 9223372035.5 at 0.1, 0.354775807 at 0.2. */
    expect_rows(&input, "c,2026-11,a,2026-01-01T00:00:00Z,0,1000000000,1,GB,0,0.00,usage\n"
                        "c,2026-11,a,2026-01-01T00:00:00Z,1,9223372035500000000,9223372035.5,GB,"
                        "0.1,922337203.55,usage\n"
                        "c,2026-11,a,2026-01-01T00:00:00Z,2,354775807,0.354775807,GB,0.2,0.07,"
                        "usage\n");
}

/* printf 'acme\0002026-11\000egress\0002026-01-01T00:00:00Z\0001\000usage\000' | sha256sum
 * and the same for the customer of the second line. */
Test(statement, ids_are_digests_of_what_a_line_is_about)
{
    g_autoptr(PriceBook) book = fixture_book(BOOK_HEAD EGRESS("0.02") "]}");
    const MeterSum sums[] = {{0, 0, 5, 1}};
    StatementInput input = fixture_input(book, "acme", sums, 1);
    g_autoptr(Statement) statement = fixture_rate(&input);
    guint count;
    cr_expect_str_eq(statement_lines(statement, &count)->id, "1ffc3ebccea144bac8c9968ca91524e8");
}

Test(statement, a_statement_that_is_rated_again_is_as_good_as_new)
{
    g_autoptr(PriceBook) book = fixture_book(
        BOOK_HEAD EGRESS("5") "],'customers':{'acme':{'discount_percent':'50','credits':[{"
                              "'id':'x','amount':'1.00','from':'2026-01-01T00:00:00Z',"
                              "'expires':null}]}}}");
    static const char *const customers[] = {"acme", "b", "acme", "c"};
    g_autoptr(Statement) again = statement_new();
    for (guint i = 0; i < G_N_ELEMENTS(customers); i++) {
        const MeterSum sums[] = {{0, 0, (i + 1) * G_GINT64_CONSTANT(5000000000), i}};
        const MeterSum far[] = {{0, 0, 1, 1}, {0, 0, G_MAXINT64, 1}};
        StatementInput input = fixture_input(book, customers[i], sums, 1);
        StatementInput wrong = fixture_input(book, customers[i], far, 2);
        g_autoptr(GString) got = g_string_new(NULL);
        g_autoptr(GString) expected = g_string_new(NULL);
        g_autoptr(Statement) fresh = fixture_rate(&input);
        cr_assert_not(statement_rate_into(again, &wrong, NULL));
        cr_assert(statement_rate_into(again, &input, NULL));
        statement_print_json(again, FALSE, 1000000, got);
        statement_print_json(fresh, FALSE, 1000000, expected);
        cr_expect_str_eq(got->str, expected->str);
    }
}

Test(statement, a_statement_is_one_line_of_json)
{
    g_autoptr(PriceBook) book =
        fixture_book(BOOK_HEAD EGRESS("0.02") "],'customers':{'acme':{'discount_percent':'50'}}}");
    const MeterSum sums[] = {{0, 0, G_GINT64_CONSTANT(5000000000), 2}};
    StatementInput input = fixture_input(book, "acme", sums, 1);
    g_autoptr(Statement) statement = fixture_rate(&input);
    g_autoptr(GString) json = g_string_new(NULL);
    statement_print_json(statement, TRUE, 987654, json);
    /* The ids are checked elsewhere; here they are those of the lines. */
    guint count;
    const StatementLine *lines = statement_lines(statement, &count);
    g_autofree char *expected = g_strdup_printf(
        "{\"customer\":\"acme\",\"period\":\"2026-11\",\"run\":\"run\","
        "\"invoice\":\"INV-2026-11-dbccfd456dcc4680\",\"issuer\":\"Example, "
        "Inc.\",\"currency\":\"USD\","
        "\"preliminary\":true,\"harvest\":\"0.987654\",\"lines\":["
        "{\"id\":\"%s\",\"class\":\"usage\",\"period\":\"2026-11\",\"sku\":\"egress\","
        "\"price_from\":\"2026-01-01T00:00:00Z\",\"tier\":1,\"metered\":5000000000,"
        "\"quantity\":\"5\",\"unit\":\"GB\",\"unit_price\":\"0.02\",\"events\":2,"
        "\"start\":\"2026-11-01T00:00:00Z\",\"end\":\"2026-12-01T00:00:00Z\","
        "\"amount\":\"0.10\"},"
        "{\"id\":\"%s\",\"class\":\"discount\",\"period\":\"2026-11\",\"sku\":\"discount\","
        "\"start\":\"2026-11-01T00:00:00Z\",\"end\":\"2026-12-01T00:00:00Z\","
        "\"amount\":\"-0.05\"}],"
        "\"usage\":\"0.10\",\"discount\":\"-0.05\",\"true_up\":\"0.00\",\"corrections\":\"0.00\","
        "\"credits\":[],\"credit\":\"0.00\",\"rounding\":\"0.00\",\"payable\":\"0.05\","
        "\"events\":2}\n",
        lines[0].id, lines[1].id);
    cr_expect(strcmp(json->str, expected) == 0, "got:\n%sexpected:\n%s", json->str, expected);
}

static GArray *
parse(const char *text, GError **error)
{
    g_autofree char *copy = g_strdup(text);
    return statement_parse_csv("lines.csv", copy, strlen(copy), error);
}

Test(statement, a_customer_may_have_any_name)
{
    g_autoptr(PriceBook) book = fixture_book(BOOK_HEAD EGRESS("0.02") "]}");
    const MeterSum sums[] = {{0, 0, 5, 1}};
    static const char *const names[] = {"", "a,b", "say \"hi\"", "two\nlines", "\r", "007", "é"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        StatementInput input = fixture_input(book, names[i], sums, 1);
        g_autofree char *rows = csv_of(&input);
        g_autofree char *csv = g_strconcat(HEADER, rows, rows, NULL);
        g_autoptr(GArray) lines = statement_parse_csv("lines.csv", csv, strlen(csv), NULL);
        cr_assert_not_null(lines, "%s", names[i]);
        cr_assert_eq(lines->len, 2);
        cr_expect_str_eq(g_array_index(lines, StatementLine, 1).customer, names[i]);
    }
}

#define ID "0123456789abcdef0123456789abcdef"
Test(statement, lines_that_are_damaged_are_refused_with_their_number)
{
    static const char *const wrong[] = {
        "x",
        ID ",a,2026-11,s,f,1,5,5,GB,1,0.10\n",
        ID ",a,2026-11,s,f,1,5,5,GB,1,0.10,usage,\n",
        ID ",a,2026-11,s,f,1,5,5,GB,1,0.10,usage",
        ID ",a,2026-11,s,f,1,5,5,GB,1,0.1x,usage\n",
        ID ",a,2026-13,s,f,1,5,5,GB,1,0.10,usage\n",
        ID ",a,2026-11,s,f,65,5,5,GB,1,0.10,usage\n",
        ID ",a,2026-11,s,f,-1,5,5,GB,1,0.10,usage\n",
        ID ",a,2026-11,s,f,1,5.0,5,GB,1,0.10,usage\n",
        ID ",a,2026-11,s,f,1,5,5,GB,1,0.10,usages\n",
        "0123456789ABCDEF0123456789abcdef,a,2026-11,s,f,1,5,5,GB,1,0.10,usage\n",
        ID ",\"a,2026-11,s,f,1,5,5,GB,1,0.10,usage\n",
        ID ",\"a\"b,2026-11,s,f,1,5,5,GB,1,0.10,usage\n",
    };
    static const char good[] = ID ",\"a\n\"\"\",2026-11,s,f,1,5,0.5,GB,1,0.10,usage\n";
    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = g_strconcat(HEADER, good, wrong[i], NULL);
        g_autoptr(GArray) lines = parse(text, &error);
        cr_assert_null(lines, "%s", wrong[i]);
        cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT));
        /* The good line is two of the file's. */
        cr_expect(g_str_has_prefix(error->message, "lines.csv:4: "), "%s", error->message);
    }
    g_autoptr(GError) error = NULL;
    cr_expect_null(parse("line_id,customer\n", &error));
    cr_expect(g_str_has_prefix(error->message, "lines.csv:1: "));
}

Test(statement, every_prefix_of_lines_csv_is_read_or_refused_and_no_byte_behind_it)
{
    static const char text[] = HEADER ID ",\"a\n\"\"\",2026-11,s,f,1,5,0.5,GB,1,0.10,usage\n" ID
                                         ",b,2026-11,discount,,,,,,,-0.10,discount\n";
    guint read_count = 0;
    for (gsize size = 0; size < sizeof text; size++) {
        g_autofree char *exact = g_memdup2(text, size);
        g_autoptr(GArray) lines = statement_parse_csv("x", exact, size, NULL);
        read_count += lines != NULL;
    }
    cr_expect_eq(read_count, 3); /* with 0, 1 and 2 lines */
}
