/* pricebook.c - a price book as a whole. It is read once and never changes, so that all ranks and
 * all customers are charged by the same one.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/pricebook.h"

#include <stdlib.h>
#include <string.h>

#include "formats/error.h"
#include "formats/pricebook_internal.h"

/* A file of 64 MiB needs some; a book of one SKU does not mind. */
#define STRINGS_BLOCK_BYTES 4096
#define CURRENCY_CHARS      3

static gboolean
read_rounding(BookReader *reader, const JsonObject *root)
{
    static const char *const known[] = {"when", "ties", NULL};
    static const char *const whens[] = {"line", "statement", NULL};
    const char *ties[MONEY_DOWN + 2] = {NULL};
    for (guint i = MONEY_HALF_EVEN; i <= MONEY_DOWN; i++)
        ties[i] = money_ties_name((MoneyTies)i);

    g_autoptr(JsonObject) rounding = book_object(reader, root, "rounding");
    if (rounding == NULL)
        return FALSE;
    gsize mark = book_enter(reader, "rounding", G_MAXSIZE);
    if (!book_check_members(reader, rounding, known))
        return FALSE;
    int when = book_word(reader, rounding, "when", whens);
    int tie = when < 0 ? -1 : book_word(reader, rounding, "ties", ties);
    reader->book->rounds_lines = when == 0;
    reader->book->ties = (MoneyTies)MAX(tie, 0);
    book_leave(reader, mark);
    return when >= 0 && tie >= 0;
}

static gboolean
read_currency(BookReader *reader, const JsonObject *root)
{
    const char *currency = book_text(reader, root, "currency");
    if (currency == NULL)
        return FALSE;
    gboolean good = strlen(currency) == CURRENCY_CHARS;
    for (gsize i = 0; good && i < CURRENCY_CHARS; i++)
        good = g_ascii_isupper(currency[i]);
    reader->book->currency = currency;
    return good || book_fail_member(reader, "currency", "expected a code of ISO 4217, as in USD");
}

static gboolean
read_book(BookReader *reader, const JsonObject *root)
{
    static const char *const known[] = {"currency", "minor_digits", "rounding", "issuer",
                                        "skus",     "customers",    NULL};
    gint64 minor_digits = 0;
    if (!book_check_members(reader, root, known) || !read_currency(reader, root) ||
        !book_int(reader, root, "minor_digits", 0, MONEY_MINOR_DIGITS_MAX, &minor_digits))
        return FALSE;
    reader->book->minor_digits = (guint)minor_digits;
    reader->book->issuer = book_text(reader, root, "issuer");
    return reader->book->issuer != NULL && read_rounding(reader, root) &&
           pricebook_read_skus(reader, root) && pricebook_read_customers(reader, root);
}

PriceBook *
pricebook_parse(const char *name, const char *text, gsize size_bytes, GError **error)
{
    if (size_bytes > PRICEBOOK_MAX_BYTES) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                    "%s: longer than %d bytes: is it a price book?", name, PRICEBOOK_MAX_BYTES);
        return NULL;
    }
    g_autoptr(JsonObject) root = json_object_parse(text, size_bytes, error);
    if (root == NULL) {
        g_prefix_error(error, "%s: ", name);
        return NULL;
    }
    g_autoptr(PriceBook) book = g_new0(PriceBook, 1);
    book->strings = g_string_chunk_new(STRINGS_BLOCK_BYTES);
    book->blocks = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GString) path = g_string_new(NULL);
    BookReader reader = {name, book, path, error};
    return read_book(&reader, root) ? g_steal_pointer(&book) : NULL;
}

void
pricebook_free(PriceBook *book)
{
    if (book == NULL)
        return;
    g_string_chunk_free(book->strings);
    g_ptr_array_free(book->blocks, TRUE);
    g_free(book);
}

const char *
pricebook_currency(const PriceBook *book)
{
    return book->currency;
}

const char *
pricebook_issuer(const PriceBook *book)
{
    return book->issuer;
}

guint
pricebook_minor_digits(const PriceBook *book)
{
    return book->minor_digits;
}

MoneyTies
pricebook_ties(const PriceBook *book)
{
    return book->ties;
}

gboolean
pricebook_rounds_lines(const PriceBook *book)
{
    return book->rounds_lines;
}

guint
pricebook_sku_count(const PriceBook *book)
{
    return book->sku_count;
}

const PriceSku *
pricebook_sku(const PriceBook *book, guint sku)
{
    g_assert(sku < book->sku_count);
    return &book->skus[sku];
}

guint
pricebook_customer_count(const PriceBook *book)
{
    return book->customer_count;
}

const PriceCustomer *
pricebook_customer(const PriceBook *book, guint index)
{
    g_assert(index < book->customer_count);
    return &book->customers[index].terms;
}

static int
compare_name(const void *name, const void *customer)
{
    return strcmp(name, ((const PriceTerms *)customer)->terms.name);
}

const PriceCustomer *
pricebook_find_customer(const PriceBook *book, const char *name)
{
    const PriceTerms *found = NULL;
    if (book->customer_count > 0)
        found = bsearch(name, book->customers, book->customer_count, sizeof *book->customers,
                        compare_name);
    return found != NULL ? &found->terms : NULL;
}

const PriceVersion *
pricebook_versions(const PriceBook *book, const PriceCustomer *customer, guint sku, guint *count)
{
    const PriceTerms *terms = (const PriceTerms *)customer;
    g_assert(sku < book->sku_count);
    for (guint i = 0; terms != NULL && i < terms->own_count; i++)
        if (terms->own[i].sku == sku) {
            *count = terms->own[i].version_count;
            return terms->own[i].versions;
        }
    *count = book->skus[sku].version_count;
    return book->skus[sku].versions;
}
