/* test_focus.c - the rules of FOCUS 1.2 that every row must keep, and some rows by hand.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/focus.h"

#include <criterion/criterion.h>

#include "tests/unit/statement_fixture.h"

static const char header[] =
    "BilledCost,BillingAccountId,BillingAccountName,BillingCurrency,BillingPeriodEnd,"
    "BillingPeriodStart,ChargeCategory,ChargeClass,ChargeDescription,ChargePeriodEnd,"
    "ChargePeriodStart,ConsumedQuantity,ConsumedUnit,ContractedCost,ContractedUnitPrice,"
    "EffectiveCost,InvoiceId,InvoiceIssuerName,ListCost,ListUnitPrice,PricingQuantity,PricingUnit,"
    "ProviderName,PublisherName,ServiceCategory,ServiceName,SkuId,SkuMeter,SkuPriceDetails,"
    "SkuPriceId,x_LineId,x_PriceFrom\n";

/* Cuts the next field off, unquoted. */
static char *
next_field(const char **at)
{
    g_autoptr(GString) field = g_string_new(NULL);
    gboolean quoted = **at == '"';
    for (*at += quoted; quoted || (**at != ',' && **at != '\n'); (*at)++) {
        if (quoted && **at == '"' && *++*at != '"')
            break;
        g_string_append_c(field, **at);
    }
    cr_assert(**at == ',' || **at == '\n', "%s", *at);
    (*at)++;
    return g_string_free(g_steal_pointer(&field), FALSE);
}

static GPtrArray *
rows_of(const Statement *statement)
{
    g_autoptr(GString) csv = g_string_new(NULL);
    GPtrArray *rows = g_ptr_array_new_with_free_func((GDestroyNotify)g_hash_table_unref);
    focus_print(FOCUS_1_2, statement, csv);
    g_auto(GStrv) names = g_strsplit_set(header, ",\n", -1);
    for (const char *at = csv->str; *at != '\0';) {
        GHashTable *row = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        for (guint i = 0; *names[i] != '\0'; i++)
            g_hash_table_insert(row, g_strdup(names[i]), next_field(&at));
        cr_assert_eq(at[-1], '\n');
        g_ptr_array_add(rows, row);
    }
    return rows;
}

static const char *
field(const GPtrArray *rows, guint row, const char *name)
{
    const char *value = g_hash_table_lookup(rows->pdata[row], name);
    cr_assert_not_null(value, "%s", name);
    return value;
}

/* A decimal in 10^-24, so that a product of two is exact; it must have a point. */
static __int128
decimal(const char *text, guint digits)
{
    __int128 value = 0;
    gboolean negative = *text == '-';
    const char *point = strchr(text, '.');
    cr_assert_not_null(point, "%s", text);
    cr_assert_leq(strlen(point + 1), digits);
    for (const char *at = text + negative; *at != '\0'; at++) {
        cr_assert(g_ascii_isdigit(*at) || at == point, "%s", text);
        if (at != point)
            value = value * 10 + (*at - '0');
    }
    for (gsize i = strlen(point + 1); i < digits; i++)
        value *= 10;
    return negative ? -value : value;
}

static void
expect_id(const GPtrArray *rows, guint row, const char *name)
{
    const char *id = field(rows, row, name);
    cr_expect_neq(id[strspn(id, "0123456789")], '\0', "%s %s", name, id);
}

static void
expect_cost(const GPtrArray *rows, guint row, const char *cost, const char *price)
{
    __int128 product =
        decimal(field(rows, row, price), 12) * decimal(field(rows, row, "PricingQuantity"), 12);
    cr_expect(product == decimal(field(rows, row, cost), 24), "%s of row %u", cost, row);
}

static void
expect_null(const GPtrArray *rows, guint row, const char *const *names)
{
    for (; *names != NULL; names++)
        cr_expect_str_eq(field(rows, row, *names), "", "%s of row %u", *names, row);
}

static void
expect_not_null(const GPtrArray *rows, guint row, const char *const *names)
{
    for (; *names != NULL; names++)
        cr_expect_str_not_empty(field(rows, row, *names), "%s of row %u", *names, row);
}

static const char *const never_null[] = {
    "BilledCost",       "BillingAccountId",   "BillingCurrency",
    "BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory",
    "ChargePeriodEnd",  "ChargePeriodStart",  "ContractedCost",
    "EffectiveCost",    "InvoiceId",          "InvoiceIssuerName",
    "ListCost",         "ProviderName",       "PublisherName",
    "ServiceCategory",  "ServiceName",        NULL};
static const char *const with_price[] = {"ConsumedQuantity",
                                         "ConsumedUnit",
                                         "ContractedUnitPrice",
                                         "ListUnitPrice",
                                         "PricingQuantity",
                                         "PricingUnit",
                                         "SkuId",
                                         "SkuMeter",
                                         "SkuPriceDetails",
                                         "SkuPriceId",
                                         NULL};

static void
expect_rules(const GPtrArray *rows, guint row)
{
    gboolean usage = strcmp(field(rows, row, "ChargeCategory"), "Usage") == 0;
    expect_not_null(rows, row, never_null);
    expect_id(rows, row, "BillingAccountId");
    expect_id(rows, row, "InvoiceId");
    cr_expect_str_eq(field(rows, row, "EffectiveCost"), field(rows, row, "BilledCost"));
    if (usage) {
        expect_not_null(rows, row, with_price);
        expect_id(rows, row, "SkuId");
        expect_id(rows, row, "SkuPriceId");
        expect_cost(rows, row, "ListCost", "ListUnitPrice");
        expect_cost(rows, row, "ContractedCost", "ContractedUnitPrice");
    } else {
        expect_null(rows, row, with_price);
        cr_expect_str_eq(field(rows, row, "ListCost"), field(rows, row, "BilledCost"));
    }
}

static void
expect_all(const Statement *statement, const GPtrArray *rows)
{
    guint count;
    __int128 sum = 0;
    statement_lines(statement, &count);
    cr_assert_eq(rows->len, count);
    for (guint i = 0; i < count; i++) {
        expect_rules(rows, i);
        sum += decimal(field(rows, i, "BilledCost"), 9);
    }
    cr_expect(sum == statement_payable_nano(statement));
}

static PriceBook *
example(void)
{
    g_autofree char *text = NULL;
    cr_assert(g_file_get_contents("examples/prices.json", &text, NULL, NULL));
    return fixture_book(text);
}

Test(focus, versions_are_known_by_their_numbers)
{
    FocusVersion version;
    g_autoptr(GString) out = g_string_new(NULL);
    cr_assert(focus_parse_version("1.2", &version));
    focus_print_header(version, out);
    cr_expect_str_eq(out->str, header);
    cr_expect_not(focus_parse_version("1.0", &version));
    cr_expect_not(focus_parse_version("", &version));
}

Test(focus, every_row_keeps_the_rules)
{
    g_autoptr(PriceBook) book = example();
    const MeterSum sums[] = {{0, 0, G_GINT64_CONSTANT(40000000000), 7},
                             {1, 0, G_GINT64_CONSTANT(7500000001), 4},
                             {1, 1, 3, 3},
                             {2, 0, 101007, 101007},
                             {3, 0, 150000001, 9},
                             {4, 0, 9, 9}};
    static const char *const customers[] = {"acme", "globex", "007", "", "a,\"b\"\nc"};
    for (guint i = 0; i < G_N_ELEMENTS(customers); i++) {
        StatementInput input = fixture_input(book, customers[i], sums, G_N_ELEMENTS(sums));
        input.sum_count = i == 1 ? 2 : input.sum_count; /* it has one version of egress */
        g_autoptr(Statement) statement = fixture_rate(&input);
        g_autoptr(GPtrArray) rows = rows_of(statement);
        expect_all(statement, rows);
        cr_expect_str_eq(field(rows, 0, "BillingAccountName"), customers[i]);
    }
}

Test(focus, ids_of_digits_get_a_word_and_no_two_become_one)
{
    g_autoptr(PriceBook) book = example();
    const MeterSum sums[] = {{4, 0, 9, 9}};
    static const char *const ids[][2] = {{"007", "account-007"},
                                         {"", "account-"},
                                         {"account-007", "account-account-007"},
                                         {"account-x", "account-x"},
                                         {"7a", "7a"}};
    for (guint i = 0; i < G_N_ELEMENTS(ids); i++) {
        StatementInput input = fixture_input(book, ids[i][0], sums, 1);
        g_autoptr(Statement) statement = fixture_rate(&input);
        g_autoptr(GPtrArray) rows = rows_of(statement);
        cr_expect_str_eq(field(rows, 0, "BillingAccountId"), ids[i][1]);
    }
}

Test(focus, own_prices_stand_beside_the_list_price)
{
    g_autoptr(PriceBook) book = example();
    const MeterSum sums[] = {{1, 0, G_GINT64_CONSTANT(2500000000), 3}};
    StatementInput input = fixture_input(book, "globex", sums, 1);
    g_autoptr(Statement) statement = fixture_rate(&input);
    g_autoptr(GPtrArray) rows = rows_of(statement);
    expect_all(statement, rows);
    cr_expect_str_eq(field(rows, 0, "ListUnitPrice"), "0.02");
    cr_expect_str_eq(field(rows, 0, "ListCost"), "0.05");
    cr_expect_str_eq(field(rows, 0, "ContractedUnitPrice"), "0.01");
    cr_expect_str_eq(field(rows, 0, "ContractedCost"), "0.025");
    cr_expect_str_eq(field(rows, 0, "BilledCost"), "0.02");
    cr_expect_str_eq(field(rows, 0, "SkuPriceId"), "egress/per_unit/1");
    cr_expect_str_eq(field(rows, 0, "PricingQuantity"), "2.5");
    cr_expect_str_eq(field(rows, 0, "ConsumedQuantity"), "2500000000.0");
    cr_expect_str_eq(field(rows, 0, "ConsumedUnit"), "B");
    cr_expect_str_eq(field(rows, 1, "ChargeCategory"), "Credit");
}

Test(focus, a_correction_keeps_its_period_and_stands_in_a_later_invoice)
{
    g_autoptr(PriceBook) book = example();
    const MeterSum now[] = {{2, 0, 101000, 101000}};
    const StatementLine billed[] = {{.sku = "requests",
                                     .price_from = "2026-01-01T00:00:00Z",
                                     .tier = 1,
                                     .metered = 99000,
                                     .amount_nano = G_GINT64_CONSTANT(39600000000)},
                                    {.sku = "discount",
                                     .price_from = "",
                                     .amount_nano = G_GINT64_CONSTANT(-3960000000),
                                     .class = LINE_DISCOUNT}};
    const StatementCorrection correction = {.period = fixture_period("2026-10"),
                                            .book = book,
                                            .sums = now,
                                            .sum_count = 1,
                                            .billed = billed,
                                            .billed_count = 2};
    StatementInput input = fixture_input(book, "nobody", NULL, 0);
    input.corrections = &correction;
    input.correction_count = 1;
    g_autoptr(Statement) statement = fixture_rate(&input);
    g_autoptr(GPtrArray) rows = rows_of(statement);
    expect_all(statement, rows);
    cr_assert_eq(rows->len, 3);
    for (guint i = 0; i < 3; i++) {
        cr_expect_str_eq(field(rows, i, "ChargeClass"), "Correction");
        cr_expect_str_eq(field(rows, i, "ChargePeriodStart"), "2026-10-01T00:00:00Z");
        cr_expect_str_eq(field(rows, i, "ChargePeriodEnd"), "2026-11-01T00:00:00Z");
        cr_expect_str_eq(field(rows, i, "BillingPeriodStart"), "2026-11-01T00:00:00Z");
        cr_expect_str_eq(field(rows, i, "BillingPeriodEnd"), "2026-12-01T00:00:00Z");
    }
    cr_expect_str_eq(field(rows, 0, "BilledCost"), "-39.60");
    cr_expect_str_eq(field(rows, 0, "PricingQuantity"), "-99.0");
    cr_expect_str_eq(field(rows, 0, "ListCost"), "-39.6");
    cr_expect_str_eq(field(rows, 1, "BilledCost"), "30.30");
    cr_expect_str_eq(field(rows, 2, "ChargeCategory"), "Adjustment");
    cr_expect_str_eq(field(rows, 2, "BilledCost"), "3.96");
}

Test(focus, a_version_is_charged_for_the_part_of_the_month_it_was_in_force)
{
    g_autoptr(PriceBook) book = example();
    const MeterSum sums[] = {{1, 0, 5, 1}, {1, 1, 5, 1}};
    StatementInput input = fixture_input(book, "acme", sums, 2);
    g_autoptr(Statement) statement = fixture_rate(&input);
    g_autoptr(GPtrArray) rows = rows_of(statement);
    cr_expect_str_eq(field(rows, 0, "ChargePeriodStart"), "2026-11-01T00:00:00Z");
    cr_expect_str_eq(field(rows, 0, "ChargePeriodEnd"), "2026-11-15T00:00:00Z");
    cr_expect_str_eq(field(rows, 1, "ChargePeriodStart"), "2026-11-15T00:00:00Z");
    cr_expect_str_eq(field(rows, 1, "ChargePeriodEnd"), "2026-12-01T00:00:00Z");
    cr_expect_str_eq(field(rows, 1, "ListCost"), "0.00000000009");
}
