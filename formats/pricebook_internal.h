/* pricebook_internal.h - what a price book is made of, and the reader that its parts share. A
 * mistake in a book bills everybody wrongly, so the reader knows every member and tells where it
 * is: `prices.json: skus[1].prices[0].to: …`.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_PRICEBOOK_INTERNAL_H
#define MILLRACE_FORMATS_PRICEBOOK_INTERNAL_H

#include "formats/json.h"
#include "formats/pricebook.h"

/* Versions that one customer has of a SKU, in place of everybody's. */
typedef struct {
    guint sku;
    const PriceVersion *versions;
    guint version_count;
} PriceOwn;

typedef struct {
    PriceCustomer terms; /* first: it is what the outside holds */
    const PriceOwn *own;
    guint own_count;
} PriceTerms;

struct _PriceBook {
    GStringChunk *strings; /* owns */
    GPtrArray *blocks;     /* owns the arrays */
    const char *currency;
    const char *issuer;
    guint minor_digits;
    MoneyTies ties;
    gboolean rounds_lines;
    const PriceSku *skus;
    guint sku_count;
    const PriceTerms *customers; /* by name */
    guint customer_count;
};

typedef struct {
    const char *name; /* of the file */
    PriceBook *book;
    GString *path; /* of the member that is read */
    GError **error;
} BookReader;

/* Goes into a member, then an element of it (G_MAXSIZE: none).
 * Returns: what book_leave() takes to go back. */
gsize book_enter(BookReader *reader, const char *key, gsize index);
void book_leave(BookReader *reader, gsize mark);
/* Sets the error: NAME: PATH: MESSAGE. Returns FALSE, so that it can end a function. */
gboolean book_fail(BookReader *reader, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* The same for a member of the object that is read. */
gboolean book_fail_member(BookReader *reader, const char *key, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* Refuses members that are not in the NULL-terminated list, naming the one that was meant. */
gboolean book_check_members(BookReader *reader, const JsonObject *object, const char *const *known);
/* Each reads a member that must be there; they return FALSE or NULL and the error. */
JsonObject *book_object(BookReader *reader, const JsonObject *object, const char *key);
JsonList *book_list(BookReader *reader, const JsonObject *object, const char *key);
/* A name: a string that is not empty, without control characters. Owned by the book. */
const char *book_text(BookReader *reader, const JsonObject *object, const char *key);
/* One of the NULL-terminated words. Returns its index, or -1. */
int book_word(BookReader *reader, const JsonObject *object, const char *key,
              const char *const *words);
gboolean book_int(BookReader *reader, const JsonObject *object, const char *key, gint64 min,
                  gint64 max, gint64 *value);
/* A decimal that is not negative, in 10^-digits. */
gboolean book_decimal(BookReader *reader, const JsonObject *object, const char *key, guint digits,
                      gint64 *value);
/* An amount that can be paid: of the book's minor digits, in nano. */
gboolean book_amount(BookReader *reader, const JsonObject *object, const char *key, gint64 *nano);
/* A decimal of priced units, in metered units. */
gboolean book_units(BookReader *reader, const JsonObject *object, const char *key, gint64 divisor,
                    gint64 *metered);
/* A time of whole seconds. */
gboolean book_time(BookReader *reader, const JsonObject *object, const char *key, gint64 *time_us);
/* From `from` until before the other, which may be null or absent: G_MAXINT64. */
gboolean book_interval(BookReader *reader, const JsonObject *object, const char *to_key,
                       gint64 *from_us, gint64 *to_us);
gboolean book_is_null(const JsonObject *object, const char *key);

/* Moves an array into the book. Returns: its elements, owned by the book. */
gpointer book_keep(PriceBook *book, GArray *array);

/* The parts: pricebook_skus.c, pricebook_prices.c, pricebook_customers.c. */
gboolean pricebook_read_skus(BookReader *reader, const JsonObject *root);
gboolean pricebook_read_versions(BookReader *reader, const JsonObject *parent, const char *key,
                                 gint64 divisor, const PriceVersion **versions, guint *count);
gboolean pricebook_read_customers(BookReader *reader, const JsonObject *root);

#endif
