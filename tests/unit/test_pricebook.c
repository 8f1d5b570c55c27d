/* test_pricebook.c - what a book says is what is charged by, and what a book must not say.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/pricebook.h"

#include <criterion/criterion.h>
#include <string.h>

#include "formats/error.h"

/* The smallest book, in parts that a test replaces. ' stands for ". */
#define HEAD                                                                                       \
    "{'currency':'USD','minor_digits':2,'rounding':{'when':'line','ties':'half-even'},"            \
    "'issuer':'Example'"
#define METER "'meter':{'quantity':'bytes_out'},'unit':{'name':'GB','divisor':1000000000}"
#define FROM  "'from':'2026-01-01T00:00:00Z'"
#define PRICE "{" FROM ",'model':'per_unit','unit_price':'0.02'}"

static char *
with_quotes(const char *text)
{
    return g_strdelimit(g_strdup(text), "'", '"');
}

static PriceBook *
parsed(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *json = with_quotes(text);
    PriceBook *book = pricebook_parse("p.json", json, strlen(json), &error);
    cr_assert(book != NULL, "%s", error != NULL ? error->message : "");
    return book;
}

static void
expect_error(const char *text, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *json = with_quotes(text);
    g_autofree char *message = with_quotes(expected);
    g_autoptr(PriceBook) book = pricebook_parse("p.json", json, strlen(json), &error);
    cr_assert(book == NULL, "%s was accepted", text);
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT));
    cr_expect(strcmp(error->message, message) == 0, "got:      %s\nexpected: %s", error->message,
              message);
}

/* The book with these versions of its one SKU. */
static void
expect_prices_error(const char *versions, const char *expected)
{
    g_autofree char *text =
        g_strconcat(HEAD ",'skus':[{'sku':'egress'," METER ",'prices':[", versions, "]}]}", NULL);
    expect_error(text, expected);
}

static PriceBook *
with_prices(const char *versions)
{
    g_autofree char *text =
        g_strconcat(HEAD ",'skus':[{'sku':'egress'," METER ",'prices':[", versions, "]}]}", NULL);
    return parsed(text);
}

static void
expect_customer_error(const char *terms, const char *expected)
{
    g_autofree char *text = g_strconcat(HEAD ",'skus':[{'sku':'egress'," METER ",'prices':[" PRICE
                                             "]}],'customers':{'acme':",
                                        terms, "}}", NULL);
    expect_error(text, expected);
}

static PriceBook *
example(void)
{
    g_autofree char *text = NULL;
    gsize size_bytes;
    g_autoptr(GError) error = NULL;
    cr_assert(g_file_get_contents("examples/prices.json", &text, &size_bytes, NULL));
    PriceBook *book = pricebook_parse("prices.json", text, size_bytes, &error);
    cr_assert(book != NULL, "%s", error != NULL ? error->message : "");
    return book;
}

Test(pricebook, the_example_is_read_whole)
{
    g_autoptr(PriceBook) book = example();
    cr_expect_str_eq(pricebook_currency(book), "USD");
    cr_expect_str_eq(pricebook_issuer(book), "Example Imaging");
    cr_expect_eq(pricebook_minor_digits(book), 2);
    cr_expect_eq(pricebook_ties(book), MONEY_HALF_EVEN);
    cr_expect(pricebook_rounds_lines(book));
    cr_assert_eq(pricebook_sku_count(book), 5);

    const PriceSku *cpu = pricebook_sku(book, 0);
    cr_expect_str_eq(cpu->name, "cpu");
    cr_expect_str_eq(cpu->unit, "CPU Hours");
    cr_expect_eq(cpu->divisor, G_GINT64_CONSTANT(3600000000));
    cr_expect_eq(cpu->quantity, SEGMENT_CPU_US);
    cr_expect_str_eq(cpu->quantity_name, "cpu_us");
    cr_expect_str_eq(cpu->ops[0], "resize");
    cr_expect_null(cpu->ops[1]);
    cr_expect_str_eq(cpu->statuses[0], "ok");
    cr_expect_null(cpu->types);
    cr_expect_null(cpu->formats);

    guint count;
    const PriceVersion *graduated = pricebook_versions(book, NULL, 0, &count);
    cr_assert_eq(count, 1);
    cr_expect_eq(graduated->model, PRICE_GRADUATED);
    cr_expect_str_eq(graduated->from, "2026-01-01T00:00:00Z");
    cr_expect_eq(graduated->from_us, G_GINT64_CONSTANT(1767225600000000));
    cr_expect_eq(graduated->to_us, G_MAXINT64);
    cr_assert_eq(graduated->tier_count, 2);
    cr_expect_eq(graduated->tiers[0].up_to, G_GINT64_CONSTANT(36000000000));
    cr_expect_eq(graduated->tiers[0].unit_price_pico, 0);
    cr_expect_eq(graduated->tiers[1].up_to, G_MAXINT64);
    cr_expect_eq(graduated->tiers[1].unit_price_pico, G_GINT64_CONSTANT(45000000000));

    cr_expect_eq(pricebook_sku(book, 2)->quantity, SEGMENT_COLUMNS);
    const PriceVersion *package = pricebook_versions(book, NULL, 3, &count);
    cr_expect_eq(package->model, PRICE_PACKAGE);
    cr_expect_eq(package->free, 50000000);
    cr_expect_eq(package->package_size, 100000000);
    cr_expect_eq(package->package_price_pico, G_GINT64_CONSTANT(250000000000));
    const PriceVersion *flat = pricebook_versions(book, NULL, 4, &count);
    cr_expect_eq(flat->model, PRICE_FLAT);
    cr_expect_eq(flat->package_price_pico, G_GINT64_CONSTANT(5000000000000));
}

Test(pricebook, customers_have_their_terms_and_their_own_prices)
{
    g_autoptr(PriceBook) book = example();
    cr_assert_eq(pricebook_customer_count(book), 2);
    const PriceCustomer *acme = pricebook_find_customer(book, "acme");
    const PriceCustomer *globex = pricebook_find_customer(book, "globex");
    cr_assert_not_null(acme);
    cr_assert_not_null(globex);
    cr_expect_eq(pricebook_customer(book, 1), globex);
    cr_expect_null(pricebook_find_customer(book, "acm"));
    cr_expect_eq(acme->discount_nano, 100000000);
    cr_expect_eq(acme->minimum_nano, G_GINT64_CONSTANT(25000000000));
    cr_expect_not(acme->has_prices);
    cr_assert_eq(globex->credit_count, 1);
    cr_expect_str_eq(globex->credits[0].id, "welcome-2026");
    cr_expect_eq(globex->credits[0].amount_nano, G_GINT64_CONSTANT(10000000000));
    cr_expect(globex->has_prices);

    guint count;
    const PriceVersion *own = pricebook_versions(book, globex, 1, &count);
    cr_expect_eq(count, 1);
    cr_expect_eq(own->tiers[0].unit_price_pico, G_GINT64_CONSTANT(10000000000));
    cr_expect_eq(own->tiers[0].up_to, G_MAXINT64);
    pricebook_versions(book, acme, 1, &count);
    cr_expect_eq(count, 2);
    pricebook_versions(book, globex, 0, &count);
    cr_expect_eq(count, 1);
}

Test(pricebook, versions_are_put_in_order_and_may_leave_gaps)
{
    g_autoptr(PriceBook) book = with_prices(
        "{'from':'2026-03-01T01:00:00+01:00','model':'per_unit','unit_price':'3'},"
        "{'from':'2026-01-01T00:00:00Z','to':'2026-02-01T00:00:00Z','model':'flat','amount':'1'}");
    guint count;
    const PriceVersion *versions = pricebook_versions(book, NULL, 0, &count);
    cr_assert_eq(count, 2);
    cr_expect_eq(versions[0].model, PRICE_FLAT);
    cr_expect_str_eq(versions[1].from, "2026-03-01T01:00:00+01:00");
    cr_expect_eq(versions[1].from_us, G_GINT64_CONSTANT(1772323200000000));
}

Test(pricebook, a_misspelt_member_is_named_with_the_one_that_was_meant)
{
    expect_customer_error("{'minimun':'25.00'}", "p.json: customers.acme: unknown member "
                                                 "'minimun': did you mean 'minimum'?");
    expect_error(HEAD ",'skuss':[]}", "p.json: unknown member 'skuss': did you mean 'skus'?");
    expect_prices_error("{" FROM ",'model':'per-unit','unit_price':'1'}",
                        "p.json: skus[0].prices[0]: unknown model 'per-unit': did you mean "
                        "'per_unit'?");
    expect_prices_error("{" FROM ",'model':'flat','unit_price':'1'}",
                        "p.json: skus[0].prices[0]: unknown member 'unit_price': expected one of "
                        "from, to, model, amount");
    expect_error(HEAD ",'skus':[{'sku':'a','meter':{'quantity':'bytes'}}]}",
                 "p.json: skus[0].meter: unknown quantity 'bytes': expected one of count, "
                 "bytes_in, bytes_out, pixels_in, pixels_out, cpu_us, wall_us");
}

Test(pricebook, what_is_missing_or_of_another_type_is_named)
{
    expect_error("{}", "p.json: 'currency' is missing: expected a string of 1 to 255 bytes without "
                       "control characters");
    expect_error("[]", "p.json: not a JSON object");
    expect_error(HEAD "}", "p.json: 'skus' is missing: expected an array that is not empty");
    expect_error(HEAD ",'skus':{}}", "p.json: skus: expected an array that is not empty");
    expect_error(HEAD ",'skus':[]}", "p.json: skus: expected an array that is not empty");
    expect_error(HEAD ",'skus':[7]}", "p.json: skus[0]: expected an object");
    expect_error("{'currency':'usd'}", "p.json: currency: expected a code of ISO 4217, as in USD");
    expect_error("{'currency':'USD','minor_digits':10}",
                 "p.json: minor_digits: expected a whole number from 0 to 9");
    expect_error(HEAD ",'skus':[{'sku':'a\\n'}]}",
                 "p.json: skus[0].sku: 'a?': expected a string of 1 to 255 bytes without control "
                 "characters");
    expect_prices_error("{" FROM ",'model':'per_unit'}",
                        "p.json: skus[0].prices[0]: 'unit_price' is missing: expected a decimal in "
                        "a string, as in '0.5', not negative, of at most 12 digits behind the "
                        "point");
}

Test(pricebook, decimals_that_are_numbers_or_negative_or_too_fine_are_refused)
{
    static const char *const wrong[] = {"0.02", "'-0.02'", "'0.0000000000001'", "'1e3'", "null"};
    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autofree char *text = g_strconcat(HEAD ",'skus':[{'sku':'a'," METER ",'prices':[{" FROM
                                                 ",'model':'per_unit','unit_price':",
                                            wrong[i], "}]}]}", NULL);
        g_autofree char *json = with_quotes(text);
        g_autoptr(GError) error = NULL;
        cr_expect_null(pricebook_parse("p", json, strlen(json), &error), "%s", wrong[i]);
        cr_expect(g_str_has_prefix(error->message, "p: skus[0].prices[0].unit_price: "), "%s",
                  error->message);
    }
}

Test(pricebook, two_prices_for_one_time_are_refused)
{
    expect_prices_error(
        PRICE ",{'from':'2026-11-15T00:00:00Z','model':'per_unit','unit_price':'0.018'}",
        "p.json: skus[0].prices: the version from 2026-01-01T00:00:00Z overlaps that from "
        "2026-11-15T00:00:00Z: end it there");
    expect_prices_error(PRICE "," PRICE,
                        "p.json: skus[0].prices: the version from 2026-01-01T00:00:00Z overlaps "
                        "that from 2026-01-01T00:00:00Z: end it there");
    expect_prices_error("{" FROM ",'to':'2026-01-01T00:00:00Z','model':'flat','amount':'1'}",
                        "p.json: skus[0].prices[0].to: expected a time behind 'from'");
    expect_prices_error("{" FROM ",'to':'2026','model':'flat','amount':'1'}",
                        "p.json: skus[0].prices[0].to: '2026': expected a time of whole seconds "
                        "with a zone, as in '2026-11-01T00:00:00Z'");
    expect_prices_error("{'from':'2026-01-01T00:00:00.5Z','model':'flat','amount':'1'}",
                        "p.json: skus[0].prices[0].from: '2026-01-01T00:00:00.5Z': expected a time "
                        "of whole seconds with a zone, as in '2026-11-01T00:00:00Z'");
}

Test(pricebook, tiers_ascend_to_an_open_one_by_whole_metered_units)
{
#define TIERS(list) "{" FROM ",'model':'volume','tiers':[" list "]}"
    expect_prices_error(TIERS("{'up_to':'10','unit_price':'1'}"),
                        "p.json: skus[0].prices[0].tiers[0].up_to: expected null, because it is "
                        "the last tier");
    expect_prices_error(TIERS("{'unit_price':'1'}"),
                        "p.json: skus[0].prices[0].tiers[0].up_to: expected null, because it is "
                        "the last tier");
    expect_prices_error(TIERS("{'up_to':null,'unit_price':'1'},{'up_to':null,'unit_price':'1'}"),
                        "p.json: skus[0].prices[0].tiers[0].up_to: only the last tier may be open");
    expect_prices_error(TIERS("{'up_to':'10','unit_price':'1'},{'up_to':'10','unit_price':'1'},"
                              "{'up_to':null,'unit_price':'1'}"),
                        "p.json: skus[0].prices[0].tiers[1].up_to: expected more than the tier "
                        "before ends at");
    expect_prices_error(TIERS("{'up_to':'0','unit_price':'1'},{'up_to':null,'unit_price':'1'}"),
                        "p.json: skus[0].prices[0].tiers[0].up_to: expected more than the tier "
                        "before ends at");
    expect_prices_error(
        TIERS("{'up_to':'0.0000000001','unit_price':'1'},{'up_to':null,'unit_price':'1'}"),
        "p.json: skus[0].prices[0].tiers[0].up_to: '0.0000000001': expected a decimal in a string "
        "that is a whole number, below 2^63, of metered units when multiplied by the divisor "
        "1000000000");
    expect_prices_error(
        TIERS("{'up_to':'10000000000','unit_price':'1'},{'up_to':null,'unit_price':'1'}"),
        "p.json: skus[0].prices[0].tiers[0].up_to: '10000000000': expected a decimal in a string "
        "that is a whole number, below 2^63, of metered units when multiplied by the divisor "
        "1000000000");
    expect_prices_error("{" FROM ",'model':'package','package_size':'0','package_price':'1'}",
                        "p.json: skus[0].prices[0].package_size: expected more than 0");
}

Test(pricebook, names_are_unique_and_not_those_of_lines_without_a_sku)
{
    static const char *const reserved[] = {"discount", "true-up", "rounding", "credit:x"};
    for (guint i = 0; i < G_N_ELEMENTS(reserved); i++) {
        g_autofree char *text = g_strconcat(HEAD ",'skus':[{'sku':'", reserved[i], "'}]}", NULL);
        g_autofree char *expected =
            g_strconcat("p.json: skus[0].sku: '", reserved[i],
                        "' has a meaning of its own: take another name", NULL);
        expect_error(text, expected);
    }
    expect_error(HEAD ",'skus':[{'sku':'a'," METER ",'prices':[" PRICE "]},{'sku':'a'}]}",
                 "p.json: skus[1].sku: 'a' is there twice");
    expect_customer_error("{'prices':{'cpu':[" PRICE "]}}",
                          "p.json: customers.acme.prices.cpu: there is no such SKU in the book");
}

Test(pricebook, terms_of_a_customer_are_checked)
{
    expect_customer_error("{'discount_percent':'100.1'}",
                          "p.json: customers.acme.discount_percent: expected 0 to 100");
    expect_customer_error("{'minimum':'25.005'}", "p.json: customers.acme.minimum: expected at "
                                                  "most the 2 minor digits behind the point");
    expect_customer_error("{'credits':[{'id':'a','amount':'1','from':'2026-01-01T00:00:00Z',"
                          "'expires':'2025-01-01T00:00:00Z'}]}",
                          "p.json: customers.acme.credits[0].expires: expected a time behind "
                          "'from'");
    expect_customer_error("{'credits':[{'id':'a','amount':'1'," FROM "},"
                          "{'id':'a','amount':'2'," FROM "}]}",
                          "p.json: customers.acme.credits[1].id: 'a' is there twice");
    expect_customer_error("[]", "p.json: customers.acme: expected an object");
    expect_customer_error("{'prices':{'egress':[" PRICE "," PRICE "]}}",
                          "p.json: customers.acme.prices.egress: the version from "
                          "2026-01-01T00:00:00Z overlaps that from 2026-01-01T00:00:00Z: end it "
                          "there");
}

Test(pricebook, credits_stand_in_the_order_in_which_they_are_used_up)
{
    g_autoptr(PriceBook) book = parsed(
        HEAD ",'skus':[{'sku':'egress'," METER ",'prices':[" PRICE "]}],'customers':{'acme':{"
             "'credits':[{'id':'never','amount':'1'," FROM ",'expires':null},"
             "{'id':'b','amount':'1'," FROM ",'expires':'2027-01-01T00:00:00Z'},"
             "{'id':'a','amount':'1'," FROM ",'expires':'2027-01-01T00:00:00Z'},"
             "{'id':'early','amount':'1','from':'2025-01-01T00:00:00Z',"
             "'expires':'2027-01-01T00:00:00Z'}]},'none':{'credits':[]}}}");
    const PriceCustomer *acme = pricebook_find_customer(book, "acme");
    cr_assert_eq(acme->credit_count, 4);
    cr_expect_str_eq(acme->credits[0].id, "early");
    cr_expect_str_eq(acme->credits[1].id, "a");
    cr_expect_str_eq(acme->credits[2].id, "b");
    cr_expect_str_eq(acme->credits[3].id, "never");
    cr_expect_eq(acme->credits[3].expires_us, G_MAXINT64);
}

static void
expect_findings(const char *book_prices, const char *against_prices, const char *expected)
{
    g_autoptr(PriceBook) book = with_prices(book_prices);
    g_autoptr(PriceBook) against = against_prices != NULL ? with_prices(against_prices) : NULL;
    g_autoptr(GPtrArray) findings = g_ptr_array_new_with_free_func(g_free);
    guint count = pricebook_check(book, against, 3, findings);
    cr_expect_eq(count, findings->len);
    g_ptr_array_add(findings, NULL);
    g_autofree char *got = g_strjoinv("\n", (char **)findings->pdata);
    cr_expect(strcmp(got, expected) == 0, "got:\n%s\nexpected:\n%s", got, expected);
}

Test(pricebook, a_gap_between_versions_is_found)
{
    expect_findings("{" FROM ",'to':'2026-02-01T00:00:00Z','model':'per_unit','unit_price':'1'},"
                    "{'from':'2026-03-01T00:00:00Z','model':'per_unit','unit_price':'1'}",
                    NULL, "egress: no price from 2026-02-01T00:00:00Z until 2026-03-01T00:00:00Z");
    expect_findings(PRICE, NULL, "");
}

Test(pricebook, a_price_that_jumps_is_found)
{
    expect_findings("{" FROM ",'to':'2026-02-01T00:00:00Z','model':'per_unit','unit_price':'0.02'},"
                    "{'from':'2026-02-01T00:00:00Z','model':'per_unit','unit_price':'0.061'}",
                    NULL,
                    "egress: from 2026-02-01T00:00:00Z the unit price goes from 0.02 to 0.061");
    expect_findings("{" FROM ",'to':'2026-02-01T00:00:00Z','model':'per_unit','unit_price':'0.02'},"
                    "{'from':'2026-02-01T00:00:00Z','model':'per_unit','unit_price':'0.06'}",
                    NULL, "");
    expect_findings("{" FROM ",'to':'2026-02-01T00:00:00Z','model':'per_unit','unit_price':'0.06'},"
                    "{'from':'2026-02-01T00:00:00Z','model':'per_unit','unit_price':'0'}",
                    NULL, "egress: from 2026-02-01T00:00:00Z the unit price goes from 0.06 to 0");
}

Test(pricebook, a_version_that_changed_in_place_is_found)
{
    expect_findings("{" FROM ",'model':'per_unit','unit_price':'0.03'}", PRICE,
                    "egress: the version from 2026-01-01T00:00:00Z is charged otherwise than "
                    "before: let it end and begin a new one");
    expect_findings("{'from':'2026-02-01T00:00:00Z','model':'per_unit','unit_price':'0.02'}", PRICE,
                    "egress: the version from 2026-01-01T00:00:00Z is gone");
    /* How a price is changed. */
    expect_findings("{" FROM ",'to':'2026-12-01T00:00:00Z','model':'per_unit','unit_price':'0.02'},"
                    "{'from':'2026-12-01T00:00:00Z','model':'per_unit','unit_price':'0.03'}",
                    PRICE, "");
}

static char *
findings_of(const char *now, const char *before)
{
    g_autoptr(PriceBook) book = parsed(now);
    g_autoptr(PriceBook) against = parsed(before);
    g_autoptr(GPtrArray) findings = g_ptr_array_new_with_free_func(g_free);
    pricebook_check(book, against, 3, findings);
    g_ptr_array_add(findings, NULL);
    return g_strjoinv("\n", (char **)findings->pdata);
}

Test(pricebook, a_unit_or_a_meter_that_changed_in_place_is_found)
{
    static const char before[] =
        HEAD ",'skus':[{'sku':'a'," METER ",'prices':[" PRICE "]},{'sku':'b'," METER
             ",'prices':[" PRICE "]},{'sku':'c'," METER ",'prices':[" PRICE "]}]}";
    static const char now[] =
        HEAD ",'skus':[{'sku':'a','meter':{'quantity':'bytes_out'},'unit':{'name':'GB',"
             "'divisor':1000000},'prices':[" PRICE "]},{'sku':'b','meter':{'quantity':'bytes_out',"
             "'op':['resize']},'unit':{'name':'GB','divisor':1000000000},'prices':[" PRICE "]}]}";
    g_autofree char *got = findings_of(now, before);
    cr_expect_str_eq(got, "a: the unit was GB of 1000000000 bytes_out and is GB of 1000000: take a "
                          "new SKU\n"
                          "b: other events are metered than before: take a new SKU\n"
                          "c: the SKU is gone");
}

Test(pricebook, terms_of_a_customer_that_went_or_jumped_are_found)
{
    static const char start[] =
        HEAD ",'skus':[{'sku':'a'," METER ",'prices':[" PRICE "]}],'customers':{";
    g_autofree char *before = g_strconcat(
        start, "'acme':{'minimum':'10','discount_percent':'10','credits':[{'id':'x','amount':'5',",
        FROM, "}]},'gone':{'minimum':'1'}}}", NULL);
    g_autofree char *now =
        g_strconcat(start,
                    "'acme':{'minimum':'31','discount_percent':'75'},'new':{'prices':{'a':["
                    "{'from':'2026-02-01T00:00:00Z','to':'2027-01-01T00:00:00Z',"
                    "'model':'per_unit','unit_price':'0.02'}]}}}}",
                    NULL);
    g_autofree char *got = findings_of(now, before);
    cr_expect_str_eq(got, "customer acme: the minimum goes from 10 to 31\n"
                          "customer acme: what the discount leaves goes from 0.9 to 0.25\n"
                          "customer acme: the credit x is gone or is another\n"
                          "customer new: a: no price from 2026-01-01T00:00:00Z until "
                          "2026-02-01T00:00:00Z\n"
                          "customer new: a: no price from 2027-01-01T00:00:00Z on\n"
                          "customer gone: has no terms any more");
}

Test(pricebook, own_prices_that_changed_in_place_or_went_are_found)
{
    static const char start[] =
        HEAD ",'skus':[{'sku':'a'," METER ",'prices':[" PRICE "]},{'sku':'b'," METER
             ",'prices':[" PRICE "]}],'customers':{'acme':{'prices':{";
    g_autofree char *before = g_strconcat(start, "'a':[" PRICE "],'b':[" PRICE "]}}}}", NULL);
    g_autofree char *now =
        g_strconcat(start, "'b':[{" FROM ",'model':'per_unit','unit_price':'0.09'}]}}}}", NULL);
    g_autofree char *got = findings_of(now, before);
    cr_expect_str_eq(got, "customer acme: a: its own prices are gone\n"
                          "customer acme: b: the version from 2026-01-01T00:00:00Z is charged "
                          "otherwise than before: let it end and begin a new one\n"
                          "customer acme: b: from 2026-01-01T00:00:00Z the unit price goes from "
                          "0.02 to 0.09");
}

Test(pricebook, another_currency_or_rounding_is_found)
{
    static const char skus[] = ",'skus':[{'sku':'a'," METER ",'prices':[" PRICE "]}]}";
    g_autofree char *before = g_strconcat(HEAD, skus, NULL);
    g_autofree char *now = g_strconcat("{'currency':'EUR','minor_digits':3,'rounding':{'when':"
                                       "'statement','ties':'up'},'issuer':'Other'",
                                       skus, NULL);
    g_autofree char *got = findings_of(now, before);
    cr_expect_str_eq(got, "the currency was USD and is EUR\n"
                          "the minor digits were 2 and are 3\n"
                          "the rounding is another");
}
