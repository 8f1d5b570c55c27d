/* statement_fixture.h - a book, sums and a statement, in a few words.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TESTS_STATEMENT_FIXTURE_H
#define MILLRACE_TESTS_STATEMENT_FIXTURE_H

#include <string.h>

#include <criterion/criterion.h>
#include <glib.h>

#include "formats/statement.h"

#pragma GCC diagnostic ignored "-Wunused-function"

/* The head of a book, its meters and a price; ' stands for ". */
#define BOOK_HEAD                                                                                  \
    "{'currency':'USD','minor_digits':2,'rounding':{'when':'line','ties':'half-even'},"            \
    "'issuer':'Example, Inc.','skus':["
#define BOOK_GB    "'meter':{'quantity':'bytes_out'},'unit':{'name':'GB','divisor':1000000000},"
#define BOOK_COUNT "'meter':{'quantity':'count'},'unit':{'name':'Requests','divisor':1},"
#define BOOK_FROM  "'from':'2026-01-01T00:00:00Z','to':null,"

static PriceBook *
fixture_book(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *json = g_strdelimit(g_strdup(text), "'", '"');
    PriceBook *book = pricebook_parse("book", json, strlen(json), &error);
    cr_assert(book != NULL, "%s", error != NULL ? error->message : "");
    return book;
}

static Period
fixture_period(const char *name)
{
    Period period;
    cr_assert(period_parse(name, &period, NULL));
    return period;
}

/* The input of 2026-11 without corrections. */
static StatementInput
fixture_input(const PriceBook *book, const char *customer, const MeterSum *sums, guint sum_count)
{
    return (StatementInput){.customer = customer,
                            .period = fixture_period("2026-11"),
                            .book = book,
                            .sums = sums,
                            .sum_count = sum_count,
                            .run = "run"};
}

static Statement *
fixture_rate(const StatementInput *input)
{
    g_autoptr(GError) error = NULL;
    Statement *statement = statement_rate(input, &error);
    cr_assert(statement != NULL, "%s", error != NULL ? error->message : "");
    return statement;
}

#endif
