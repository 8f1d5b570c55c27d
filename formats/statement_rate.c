/* statement_rate.c - from what was metered to what is charged for it, one period and one book at a
 * time.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/statement_internal.h"

#define UNIT_FLAT "Months"

void
rating_append(Rating *rating, StatementLine line, LineOrigin origin)
{
    line.customer = rating->statement->input->customer;
    memcpy(line.period, rating->period->name, sizeof line.period);
    if (line.unit == NULL) { /* of no SKU */
        line.unit = "";
        line.price_from = "";
        line.start_us = rating->period->start_us;
        line.end_us = rating->period->end_us;
    }
    g_array_append_val(rating->lines, line);
    g_array_append_val(rating->origins, origin);
}

/* How many digits behind the point an amount is rounded to. */
static guint
amount_digits(const PriceBook *book)
{
    return pricebook_rounds_lines(book) ? pricebook_minor_digits(book) : MONEY_NANO_DIGITS;
}

gint64
rating_packages(const PriceVersion *version, gint64 metered)
{
    return metered / version->package_size + (metered % version->package_size > 0);
}

/* The unit that a package is sold in, as in "100 Megapixels". */
static const char *
package_unit(Rating *rating, const PriceSku *sku, const PriceVersion *version)
{
    g_autoptr(GString) unit = g_string_new(NULL);
    if (version->package_size == sku->divisor)
        return sku->unit;
    money_print_quantity(unit, version->package_size, sku->divisor);
    g_string_append(unit, g_ascii_isdigit(*sku->unit) ? " x " : " ");
    g_string_append(unit, sku->unit);
    return statement_string(rating->statement, unit->str);
}

void
rating_describe(Rating *rating, LineOrigin origin, StatementLine *line)
{
    const PriceSku *sku = pricebook_sku(origin.book, origin.sku);
    const PriceVersion *version = origin.version;

    line->sku = sku->name;
    line->price_from = version->from;
    line->start_us = CLAMP(version->from_us, rating->period->start_us, rating->period->end_us);
    line->end_us = CLAMP(version->to_us, rating->period->start_us, rating->period->end_us);
    line->unit = sku->unit;
    line->divisor = sku->divisor;
    if (line->tier == 0)
        return;
    if (version->model == PRICE_PACKAGE || version->model == PRICE_FLAT) {
        gboolean flat = version->model == PRICE_FLAT;
        line->unit = flat ? UNIT_FLAT : package_unit(rating, sku, version);
        line->divisor = 1;
        line->unit_price_pico = version->package_price_pico;
    } else if (line->tier <= version->tier_count) {
        line->unit_price_pico = version->tiers[line->tier - 1].unit_price_pico;
    }
}

/* Appends one line of usage. quantity: in 1/divisor of the line's unit. */
static gboolean
charge_line(Rating *rating, const MeterSum *sum, LineOrigin origin, guint tier, gint64 metered,
            gint64 quantity)
{
    StatementLine line = {.tier = tier,
                          .metered = metered,
                          .quantity = quantity,
                          .class = LINE_USAGE,
                          .event_count = sum->event_count};
    rating_describe(rating, origin, &line);
    if (!money_charge(quantity, line.divisor, line.unit_price_pico, amount_digits(rating->book),
                      pricebook_ties(rating->book), &line.amount_nano))
        return statement_overflow(rating->statement, line.sku, rating->error);
    rating_append(rating, line, origin);
    return TRUE;
}

/* A unit exactly at a bound belongs to the tier that ends there. */
static gboolean
charge_graduated(Rating *rating, const MeterSum *sum, LineOrigin origin, gint64 metered)
{
    const PriceVersion *version = origin.version;
    gint64 below = 0; /* units in the tiers before */
    for (guint i = 0; i < version->tier_count && (below < metered || i == 0); i++) {
        gint64 here = MIN(metered, version->tiers[i].up_to) - below;
        if (!charge_line(rating, sum, origin, i + 1, here, here))
            return FALSE;
        below += here;
    }
    return TRUE;
}

static gboolean
charge_volume(Rating *rating, const MeterSum *sum, LineOrigin origin, gint64 metered)
{
    guint reached = 0;
    while (metered > origin.version->tiers[reached].up_to)
        reached++;
    return charge_line(rating, sum, origin, reached + 1, metered, metered);
}

static gboolean
charge_sum(Rating *rating, const MeterSum *sum)
{
    guint count;
    const PriceVersion *versions =
        pricebook_versions(rating->book, rating->terms, sum->sku, &count);
    g_assert(sum->version < count && sum->metered >= 0);
    const PriceVersion *version = &versions[sum->version];
    LineOrigin origin = {rating->book, sum->sku, sum->version, version};
    if (version->model == PRICE_FLAT)
        return charge_line(rating, sum, origin, 1, sum->metered, 1);

    gint64 free = MIN(sum->metered, version->free);
    gint64 metered = sum->metered - free;
    if (version->free > 0 && !charge_line(rating, sum, origin, 0, free, free))
        return FALSE;
    /* There is a line for each sum, even of nothing, so that every event is found in one. */
    if (metered == 0 && version->free > 0)
        return TRUE;
    if (version->model == PRICE_PACKAGE)
        return charge_line(rating, sum, origin, 1, metered, rating_packages(version, metered));
    if (version->model == PRICE_VOLUME)
        return charge_volume(rating, sum, origin, metered);
    return charge_graduated(rating, sum, origin, metered);
}

static void
append_without_sku(Rating *rating, const char *name, LineClass class, gint64 amount_nano)
{
    StatementLine line = {.sku = name, .class = class, .amount_nano = amount_nano};
    LineOrigin origin = {.book = rating->book, .sku = G_MAXUINT};
    if (amount_nano != 0)
        rating_append(rating, line, origin);
}

/* A share of the usage is a charge too: usage / 1e9 nano x share, in pico. */
static gboolean
append_discount(Rating *rating, gint64 usage_nano, gint64 *amount_nano)
{
    gint64 share_nano = rating->terms != NULL ? rating->terms->discount_nano : 0;
    if (!money_charge(usage_nano, NANO_WHOLE, share_nano * 1000, amount_digits(rating->book),
                      pricebook_ties(rating->book), amount_nano))
        return statement_overflow(rating->statement, LINE_SKU_DISCOUNT, rating->error);
    *amount_nano = -*amount_nano; /* a share of what is not negative */
    append_without_sku(rating, LINE_SKU_DISCOUNT, LINE_DISCOUNT, *amount_nano);
    return TRUE;
}

gboolean
rating_charge(Rating *rating, const MeterSum *sums, guint sum_count)
{
    gint64 usage_nano = 0;
    gint64 discount_nano;
    guint first = rating->lines->len;

    for (guint i = 0; i < sum_count; i++)
        if (!charge_sum(rating, &sums[i]))
            return FALSE;
    for (guint i = first; i < rating->lines->len; i++) {
        const StatementLine *line = &g_array_index(rating->lines, StatementLine, i);
        if (!money_add(usage_nano, line->amount_nano, &usage_nano))
            return statement_overflow(rating->statement, line->sku, rating->error);
    }
    if (!append_discount(rating, usage_nano, &discount_nano))
        return FALSE;
    gint64 minimum_nano = rating->terms != NULL ? rating->terms->minimum_nano : 0;
    append_without_sku(rating, LINE_SKU_TRUE_UP, LINE_TRUE_UP,
                       MAX(minimum_nano - (usage_nano + discount_nano), 0));
    return TRUE;
}
