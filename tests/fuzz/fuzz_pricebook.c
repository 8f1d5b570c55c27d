/* fuzz_pricebook.c - whatever parses as a price book can be rated: tiers add up to what was
 * metered, lines to what is paid, and lines.csv reads back.
 * SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <string.h>

#include "formats/focus.h"
#include "formats/statement.h"

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes);

enum { SKUS_TRIED = 4, VERSIONS_TRIED = 4, CUSTOMERS_TRIED = 3 };

/* Quantities about the bounds of a version, and at the ends of the range. */
static guint
quantities_of(const PriceVersion *version, gint64 *quantities)
{
    gint64 bound = version->tier_count > 1 ? version->tiers[0].up_to : version->package_size;
    guint count = 0;
    quantities[count++] = 0;
    quantities[count++] = 1;
    quantities[count++] = version->free;
    quantities[count++] = G_MAXINT64;
    if (bound < G_MAXINT64 - version->free) {
        quantities[count++] = bound + version->free;
        quantities[count++] = bound + version->free + 1;
    }
    return count;
}

static void
check_files(const Statement *statement)
{
    guint count;
    const StatementLine *lines = statement_lines(statement, &count);
    g_autoptr(GString) csv = g_string_new(NULL);
    g_autoptr(GString) other = g_string_new(NULL);

    statement_print_csv_header(csv);
    statement_print_csv(statement, csv);
    statement_print_json(statement, FALSE, 1000000, other);
    g_assert_true(g_utf8_validate(other->str, (gssize)other->len, NULL));
    focus_print(FOCUS_1_2, statement, other);
    g_autoptr(GArray) read = statement_parse_csv("lines.csv", csv->str, csv->len, NULL);
    g_assert_nonnull(read);
    g_assert_cmpuint(read->len, ==, count);
    for (guint i = 0; i < count; i++) {
        const StatementLine *line = &g_array_index(read, StatementLine, i);
        g_assert_cmpstr(line->id, ==, lines[i].id);
        g_assert_cmpstr(line->sku, ==, lines[i].sku);
        g_assert_cmpint(line->metered, ==, lines[i].metered);
        g_assert_cmpint(line->amount_nano, ==, lines[i].amount_nano);
    }
}

static void
check_lines(const Statement *statement, const MeterSum *sum)
{
    guint count;
    const StatementLine *lines = statement_lines(statement, &count);
    __int128 metered = 0;
    __int128 amount = 0;
    for (guint i = 0; i < count; i++) {
        amount += lines[i].amount_nano;
        if (lines[i].class == LINE_USAGE)
            metered += lines[i].metered;
    }
    g_assert_true(metered == sum->metered);
    g_assert_true(amount == statement_payable_nano(statement));
}

/* Rates one sum; then again as a correction of what was just billed, which changes nothing. */
static void
check_sum(const PriceBook *book, const char *customer, const MeterSum *sum)
{
    StatementInput input = {
        .customer = customer, .book = book, .sums = sum, .sum_count = 1, .run = "run"};
    g_assert_true(period_parse("2026-11", &input.period, NULL));
    g_autoptr(GError) error = NULL;
    g_autoptr(Statement) statement = statement_rate(&input, &error);
    g_assert_true((statement == NULL) == (error != NULL));
    if (statement == NULL)
        return;
    check_lines(statement, sum);
    check_files(statement);

    StatementCorrection same = {.period = input.period, .book = book, .sums = sum, .sum_count = 1};
    same.billed = statement_lines(statement, &same.billed_count);
    StatementInput later = {.customer = customer,
                            .book = book,
                            .corrections = &same,
                            .correction_count = 1,
                            .run = "later"};
    g_assert_true(period_parse("9998-12", &later.period, NULL));
    g_autoptr(Statement) corrected = statement_rate(&later, NULL);
    guint count = 0;
    const StatementLine *lines = corrected != NULL ? statement_lines(corrected, &count) : NULL;
    for (guint i = 0; i < count; i++)
        g_assert_cmpint(lines[i].class, !=, LINE_CORRECTION);
}

static void
check_version(const PriceBook *book, const char *name, guint sku, guint i,
              const PriceVersion *version)
{
    gint64 quantities[8];
    guint quantity_count = quantities_of(version, quantities);

    for (guint j = 0; j < quantity_count; j++) {
        MeterSum sum = {sku, i, quantities[j], 1};
        check_sum(book, name, &sum);
    }
}

static void
check_sku(const PriceBook *book, const PriceCustomer *customer, const char *name, guint sku)
{
    guint count = 0;
    const PriceVersion *versions = pricebook_versions(book, customer, sku, &count);

    g_assert_cmpuint(count, >, 0);
    for (guint i = 0; i < MIN(count, VERSIONS_TRIED); i++) {
        g_assert_true(i == 0 || versions[i - 1].to_us <= versions[i].from_us);
        check_version(book, name, sku, i, &versions[i]);
    }
}

static void
check_customer(const PriceBook *book, const char *name)
{
    const PriceCustomer *customer = pricebook_find_customer(book, name);

    for (guint sku = 0; sku < MIN(pricebook_sku_count(book), SKUS_TRIED); sku++)
        check_sku(book, customer, name, sku);
}

int
LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes)
{
    g_autoptr(GError) error = NULL;
    const char *text = size_bytes > 0 ? (const char *)data : "";
    g_autoptr(PriceBook) book = pricebook_parse("book", text, size_bytes, &error);
    g_assert_true((book == NULL) == (error != NULL));
    if (error != NULL)
        g_assert_true(g_utf8_validate(error->message, -1, NULL));
    if (book == NULL)
        return 0;
    check_customer(book, "nobody");
    for (guint i = 0; i < MIN(pricebook_customer_count(book), CUSTOMERS_TRIED); i++)
        check_customer(book, pricebook_customer(book, i)->name);
    g_autoptr(GPtrArray) findings = g_ptr_array_new_with_free_func(g_free);
    guint alone = pricebook_check(book, NULL, 3, findings);
    g_assert_cmpuint(pricebook_check(book, book, 3, findings), ==, alone);
    return 0;
}
