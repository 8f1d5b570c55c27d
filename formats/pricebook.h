/* pricebook.h - price books: which events are charged for, in which unit, at which price and when.
 * Bytes: formats/README.md, "Price book v1". A book that is read is whole and consistent: intervals
 * do not overlap, tiers ascend, tier bounds are whole numbers of metered units.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_PRICEBOOK_H
#define MILLRACE_FORMATS_PRICEBOOK_H

#include <glib.h>

#include "formats/money.h"
#include "formats/segment.h"

#define PRICEBOOK_SKUS_MAX     64
#define PRICEBOOK_VERSIONS_MAX 1024 /* of one SKU */
#define PRICEBOOK_TIERS_MAX    64
#define PRICEBOOK_CREDITS_MAX  1024 /* of one customer */
#define PRICEBOOK_MAX_BYTES    (64 << 20)

typedef enum {
    PRICE_PER_UNIT,
    PRICE_GRADUATED, /* each tier's price for the units that lie in it */
    PRICE_VOLUME,    /* the price of the tier that the whole quantity reaches, for all of it */
    PRICE_PACKAGE,   /* begun packages */
    PRICE_FLAT       /* once for each period with an event */
} PriceModel;

/* "per_unit", as in the book. */
const char *price_model_name(PriceModel model);

/* Bounds and sizes are in metered units: the book's priced units times the SKU's divisor. */
typedef struct {
    gint64 up_to; /* the last metered unit in it; G_MAXINT64 = no end */
    gint64 unit_price_pico;
} PriceTier;

/* A price in force from from_us until before to_us. */
typedef struct {
    gint64 from_us;
    gint64 to_us;     /* G_MAXINT64 = open */
    const char *from; /* as in the book */
    PriceModel model;
    gint64 free; /* metered units that cost nothing, before tiers are counted; mostly 0 */
    const PriceTier *tiers; /* PER_UNIT: one without an end; PACKAGE, FLAT: none */
    guint tier_count;
    gint64 package_size;       /* PACKAGE */
    gint64 package_price_pico; /* PACKAGE: of one; FLAT: of the period */
} PriceVersion;

typedef struct {
    const char *name;
    /* Events that match: NULL-terminated lists, or NULL for any. */
    const char *const *types;
    const char *const *ops;
    const char *const *formats;
    const char *const *statuses;
    SegmentColumn quantity;       /* what is summed; SEGMENT_COLUMNS = the events are counted */
    const char *quantity_name;    /* "cpu_us", "count" */
    const char *unit;             /* "CPU Hours" */
    gint64 divisor;               /* metered units in one priced unit */
    const PriceVersion *versions; /* by from_us */
    guint version_count;
} PriceSku;

typedef struct {
    const char *id;
    gint64 amount_nano;
    gint64 from_us;
    gint64 expires_us; /* G_MAXINT64 = never */
} PriceCredit;

/* What one customer is charged by other than everybody. */
typedef struct {
    const char *name;
    gint64 discount_nano;       /* a share: 10 % is 100,000,000 */
    gint64 minimum_nano;        /* of a period, after the discount; 0 = none */
    const PriceCredit *credits; /* in the order they are used up: by expires_us, from_us, id */
    guint credit_count;
    gboolean has_prices; /* are there SKUs with versions of its own? */
} PriceCustomer;

typedef struct _PriceBook PriceBook;

/* name: for messages. Returns: (transfer full), or NULL and MILLRACE_ERROR_BAD_INPUT that names the
 * member: `prices.json: skus[1].prices[0].to: …`. */
PriceBook *pricebook_parse(const char *name, const char *text, gsize size_bytes, GError **error);
void pricebook_free(PriceBook *book);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PriceBook, pricebook_free)

const char *pricebook_currency(const PriceBook *book);
const char *pricebook_issuer(const PriceBook *book);
guint pricebook_minor_digits(const PriceBook *book);
MoneyTies pricebook_ties(const PriceBook *book);
/* Is each line rounded to minor digits ("line"), or the statement's sum only ("statement")? */
gboolean pricebook_rounds_lines(const PriceBook *book);

/* SKUs in the book's order. */
guint pricebook_sku_count(const PriceBook *book);
const PriceSku *pricebook_sku(const PriceBook *book, guint sku);
/* Customers with terms of their own, by the bytes of their names. */
guint pricebook_customer_count(const PriceBook *book);
const PriceCustomer *pricebook_customer(const PriceBook *book, guint index);
/* Returns: the terms of one, or NULL when there are none. */
const PriceCustomer *pricebook_find_customer(const PriceBook *book, const char *name);
/* The versions of a SKU that a customer (NULL: anybody without terms) is charged by. */
const PriceVersion *pricebook_versions(const PriceBook *book, const PriceCustomer *customer,
                                       guint sku, guint *count);

/* Finds what should not be pushed: gaps between versions, and against an earlier book (may be NULL)
 * units or meters changed in place, versions already begun that changed, SKUs gone, prices that
 * jump by more than a factor of jump_factor. Appends findings, a sentence each.
 * Returns: how many. */
guint pricebook_check(const PriceBook *book, const PriceBook *against, guint jump_factor,
                      GPtrArray *findings);

#endif
