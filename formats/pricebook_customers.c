/* pricebook_customers.c - terms of single customers: discounts, minima, credits, prices.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/pricebook_internal.h"

/* Digits behind the point of a percentage: as a share it then has those of a nano. */
#define PERCENT_DIGITS (MONEY_NANO_DIGITS - 2)
#define SHARE_WHOLE    G_GINT64_CONSTANT(1000000000)

static gint
compare_credits(gconstpointer a, gconstpointer b)
{
    const PriceCredit *left = a;
    const PriceCredit *right = b;
    if (left->expires_us != right->expires_us)
        return left->expires_us < right->expires_us ? -1 : 1;
    if (left->from_us != right->from_us)
        return left->from_us < right->from_us ? -1 : 1;
    return strcmp(left->id, right->id);
}

static gboolean
read_credit(BookReader *reader, const JsonObject *object, const GArray *earlier,
            PriceCredit *credit)
{
    static const char *const known[] = {"id", "amount", "from", "expires", NULL};
    if (object == NULL)
        return book_fail(reader, "expected an object");
    if (!book_check_members(reader, object, known))
        return FALSE;
    credit->id = book_text(reader, object, "id");
    if (credit->id == NULL)
        return FALSE;
    for (guint i = 0; i < earlier->len; i++)
        if (strcmp(g_array_index(earlier, PriceCredit, i).id, credit->id) == 0)
            return book_fail_member(reader, "id", "\"%s\" is there twice", credit->id);
    return book_amount(reader, object, "amount", &credit->amount_nano) &&
           book_interval(reader, object, "expires", &credit->from_us, &credit->expires_us);
}

static gboolean
read_credits(BookReader *reader, const JsonObject *object, PriceCustomer *terms)
{
    g_autoptr(JsonList) list = json_object_list(object, "credits");
    if (list == NULL)
        return book_fail_member(reader, "credits", "expected an array");
    if (json_list_length(list) > PRICEBOOK_CREDITS_MAX)
        return book_fail_member(reader, "credits", "at most %d", PRICEBOOK_CREDITS_MAX);
    GArray *credits = g_array_new(FALSE, TRUE, sizeof(PriceCredit));
    gboolean good = TRUE;
    for (gsize i = 0; good && i < json_list_length(list); i++) {
        gsize mark = book_enter(reader, "credits", i);
        PriceCredit credit = {0};
        g_autoptr(JsonObject) element = json_list_object(list, i);
        good = read_credit(reader, element, credits, &credit);
        g_array_append_val(credits, credit);
        book_leave(reader, mark);
    }
    if (good)
        g_array_sort(credits, compare_credits);
    terms->credit_count = credits->len;
    terms->credits = book_keep(reader->book, credits);
    return good;
}

static gboolean
find_sku(const PriceBook *book, const char *name, guint *sku)
{
    for (guint i = 0; i < book->sku_count; i++)
        if (strcmp(book->skus[i].name, name) == 0) {
            *sku = i;
            return TRUE;
        }
    return FALSE;
}

static gboolean
read_own_prices(BookReader *reader, const JsonObject *object, PriceTerms *customer)
{
    g_autoptr(JsonObject) prices = book_object(reader, object, "prices");
    if (prices == NULL)
        return FALSE;
    gsize mark = book_enter(reader, "prices", G_MAXSIZE);
    g_autofree const char **keys = json_object_keys(prices);
    GArray *own = g_array_new(FALSE, TRUE, sizeof(PriceOwn));
    gboolean good = TRUE;
    for (gsize i = 0; good && keys[i] != NULL; i++) {
        PriceOwn one = {0};
        if (find_sku(reader->book, keys[i], &one.sku))
            good = pricebook_read_versions(reader, prices, keys[i],
                                           reader->book->skus[one.sku].divisor, &one.versions,
                                           &one.version_count);
        else
            good = book_fail_member(reader, keys[i], "there is no such SKU in the book");
        g_array_append_val(own, one);
    }
    customer->own_count = own->len;
    customer->own = book_keep(reader->book, own);
    customer->terms.has_prices = customer->own_count > 0;
    book_leave(reader, mark);
    return good;
}

static gboolean
read_discount(BookReader *reader, const JsonObject *object, PriceCustomer *terms)
{
    if (!book_decimal(reader, object, "discount_percent", PERCENT_DIGITS, &terms->discount_nano))
        return FALSE;
    return terms->discount_nano <= SHARE_WHOLE ||
           book_fail_member(reader, "discount_percent", "expected 0 to 100");
}

static gboolean
read_customer(BookReader *reader, const JsonObject *object, PriceTerms *customer)
{
    static const char *const known[] = {"discount_percent", "minimum", "credits", "prices", NULL};
    PriceCustomer *terms = &customer->terms;
    if (!book_check_members(reader, object, known))
        return FALSE;
    if (json_object_has(object, "discount_percent") && !read_discount(reader, object, terms))
        return FALSE;
    if (json_object_has(object, "minimum") &&
        !book_amount(reader, object, "minimum", &terms->minimum_nano))
        return FALSE;
    if (json_object_has(object, "credits") && !read_credits(reader, object, terms))
        return FALSE;
    return !json_object_has(object, "prices") || read_own_prices(reader, object, customer);
}

static gint
compare_customers(gconstpointer a, gconstpointer b)
{
    return strcmp(((const PriceTerms *)a)->terms.name, ((const PriceTerms *)b)->terms.name);
}

gboolean
pricebook_read_customers(BookReader *reader, const JsonObject *root)
{
    if (!json_object_has(root, "customers"))
        return TRUE;
    g_autoptr(JsonObject) customers = book_object(reader, root, "customers");
    if (customers == NULL)
        return FALSE;
    gsize mark = book_enter(reader, "customers", G_MAXSIZE);
    g_autofree const char **keys = json_object_keys(customers);
    GArray *read = g_array_new(FALSE, TRUE, sizeof(PriceTerms));
    gboolean good = TRUE;
    for (gsize i = 0; good && keys[i] != NULL; i++) {
        gsize customer_mark = book_enter(reader, keys[i], G_MAXSIZE);
        PriceTerms customer = {.terms.name =
                                   g_string_chunk_insert_const(reader->book->strings, keys[i])};
        g_autoptr(JsonObject) object = json_object_object(customers, keys[i]);
        good = object != NULL ? read_customer(reader, object, &customer)
                              : book_fail(reader, "expected an object");
        g_array_append_val(read, customer);
        book_leave(reader, customer_mark);
    }
    g_array_sort(read, compare_customers);
    reader->book->customer_count = read->len;
    reader->book->customers = book_keep(reader->book, read);
    book_leave(reader, mark);
    return good;
}
