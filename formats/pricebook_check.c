/* pricebook_check.c - what should make a person look before a price book is pushed. Nothing here is
 * an error of the book: it can be rated, but perhaps was not meant so.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/period.h"
#include "formats/pricebook_internal.h"

#define SHARE_WHOLE G_GINT64_CONSTANT(1000000000)

typedef struct {
    const PriceBook *book;
    const PriceBook *against; /* NULL: there is none */
    guint jump_factor;
    GPtrArray *findings;
    const char *label; /* "egress", "customer acme: egress" */
} Check;

static void add(Check *check, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void
add(Check *check, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *finding = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    for (char *at = finding; *at != '\0'; at++) /* names of customers may hold anything */
        if (g_ascii_iscntrl(*at))
            *at = '?';
    g_ptr_array_add(check->findings, finding);
}

static gboolean
jumps(const Check *check, gint64 before, gint64 after)
{
    return MAX(before, after) > (__int128)MIN(before, after) * check->jump_factor;
}

/* Finds a value that jumps. what: before the values; digits: of both. */
static void
check_jump(Check *check, const char *what, gint64 before, gint64 after, guint digits)
{
    if (before == after || !jumps(check, before, after))
        return;
    g_autoptr(GString) text = g_string_new(NULL);
    money_print(text, before, digits, 0);
    g_string_append(text, " to ");
    money_print(text, after, digits, 0);
    add(check, "%s: %s goes from %s", check->label, what, text->str);
}

static void
check_unit_prices(Check *check, const PriceVersion *before, const PriceVersion *after)
{
    /* Where tiers do not correspond, the last ones do: they are open. */
    gboolean same_tiers = before->tier_count == after->tier_count;
    guint count = same_tiers ? after->tier_count : 1;
    for (guint i = 0; i < count; i++) {
        guint tier_before = same_tiers ? i : before->tier_count - 1;
        guint tier_after = same_tiers ? i : after->tier_count - 1;
        g_autofree char *which =
            after->tier_count > 1 ? g_strdup_printf(" of tier %u", tier_after + 1) : g_strdup("");
        g_autofree char *what = g_strdup_printf("from %s the unit price%s", after->from, which);
        check_jump(check, what, before->tiers[tier_before].unit_price_pico,
                   after->tiers[tier_after].unit_price_pico, MONEY_PICO_DIGITS);
    }
}

static void
check_price_jumps(Check *check, const PriceVersion *before, const PriceVersion *after)
{
    if (before->tier_count > 0 && after->tier_count > 0) {
        check_unit_prices(check, before, after);
    } else if (before->model == after->model && before->package_size == after->package_size) {
        g_autofree char *what = g_strdup_printf("from %s the amount", after->from);
        check_jump(check, what, before->package_price_pico, after->package_price_pico,
                   MONEY_PICO_DIGITS);
    }
}

/* Finds a time without a price, from one until another (G_MAXINT64: for good). */
static void
check_gap(Check *check, gint64 from_us, gint64 until_us)
{
    if (from_us >= until_us)
        return;
    g_autoptr(GString) text = g_string_new(NULL);
    period_print_time(text, from_us);
    g_string_append(text, until_us == G_MAXINT64 ? " on" : " until ");
    if (until_us != G_MAXINT64)
        period_print_time(text, until_us);
    add(check, "%s: no price from %s", check->label, text->str);
}

static void
check_succession(Check *check, const PriceVersion *versions, guint count)
{
    for (guint i = 1; i < count; i++) {
        check_gap(check, versions[i - 1].to_us, versions[i].from_us);
        check_price_jumps(check, &versions[i - 1], &versions[i]);
    }
}

static gboolean
charges_the_same(const PriceVersion *a, const PriceVersion *b)
{
    if (a->model != b->model || a->free != b->free || a->tier_count != b->tier_count ||
        a->package_size != b->package_size || a->package_price_pico != b->package_price_pico)
        return FALSE;
    for (guint i = 0; i < a->tier_count; i++)
        if (a->tiers[i].up_to != b->tiers[i].up_to ||
            a->tiers[i].unit_price_pico != b->tiers[i].unit_price_pico)
            return FALSE;
    return TRUE;
}

/* Compares versions by the time at which they begin. That they end earlier now is how a price is
 * changed. */
static void
check_versions_kept(Check *check, const PriceVersion *before, guint before_count,
                    const PriceVersion *now, guint now_count)
{
    for (guint i = 0; i < before_count; i++) {
        const PriceVersion *same = NULL;
        for (guint j = 0; j < now_count && same == NULL; j++)
            if (now[j].from_us == before[i].from_us)
                same = &now[j];
        if (same == NULL) {
            add(check, "%s: the version from %s is gone", check->label, before[i].from);
        } else if (!charges_the_same(&before[i], same)) {
            add(check,
                "%s: the version from %s is charged otherwise than before: let it end and begin a "
                "new one",
                check->label, same->from);
            check_price_jumps(check, &before[i], same);
        }
    }
}

static gboolean
same_filter(const char *const *a, const char *const *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return g_strv_equal(a, b);
}

static gboolean
same_meter(const PriceSku *a, const PriceSku *b)
{
    return a->quantity == b->quantity && same_filter(a->types, b->types) &&
           same_filter(a->ops, b->ops) && same_filter(a->formats, b->formats) &&
           same_filter(a->statuses, b->statuses);
}

static const PriceSku *
find_sku(const PriceBook *book, const char *name, guint *index)
{
    for (guint i = 0; book != NULL && i < book->sku_count; i++)
        if (strcmp(book->skus[i].name, name) == 0) {
            *index = i;
            return &book->skus[i];
        }
    return NULL;
}

static void
check_sku(Check *check, const PriceSku *now)
{
    guint index;
    const PriceSku *before = find_sku(check->against, now->name, &index);
    check->label = now->name;
    check_succession(check, now->versions, now->version_count);
    if (before == NULL)
        return;
    gboolean same_unit = before->divisor == now->divisor && strcmp(before->unit, now->unit) == 0;
    if (!same_unit)
        add(check,
            "%s: the unit was %s of %" G_GINT64_FORMAT " %s and is %s of %" G_GINT64_FORMAT
            ": take a new SKU",
            now->name, before->unit, before->divisor, before->quantity_name, now->unit,
            now->divisor);
    if (!same_meter(before, now))
        add(check, "%s: other events are metered than before: take a new SKU", now->name);
    if (same_unit)
        check_versions_kept(check, before->versions, before->version_count, now->versions,
                            now->version_count);
}

static void
check_book(Check *check)
{
    const PriceBook *before = check->against;
    const PriceBook *now = check->book;
    if (strcmp(before->currency, now->currency) != 0)
        add(check, "the currency was %s and is %s", before->currency, now->currency);
    if (before->minor_digits != now->minor_digits)
        add(check, "the minor digits were %u and are %u", before->minor_digits, now->minor_digits);
    if (before->rounds_lines != now->rounds_lines || before->ties != now->ties)
        add(check, "the rounding is another");
}

static const PriceOwn *
find_own(const PriceTerms *customer, guint sku)
{
    for (guint i = 0; customer != NULL && i < customer->own_count; i++)
        if (customer->own[i].sku == sku)
            return &customer->own[i];
    return NULL;
}

/* Compares what a customer had of its own with what it has. */
static void
check_own_kept(Check *check, const PriceTerms *before, const PriceTerms *now)
{
    for (guint i = 0; i < before->own_count; i++) {
        const PriceOwn *own = &before->own[i];
        guint index;
        if (find_sku(check->book, check->against->skus[own->sku].name, &index) == NULL)
            continue; /* said already */
        const PriceSku *sku = &check->book->skus[index];
        const PriceOwn *kept = find_own(now, index);
        g_autofree char *label = g_strdup_printf("customer %s: %s", now->terms.name, sku->name);
        check->label = label;
        if (kept != NULL)
            check_versions_kept(check, own->versions, own->version_count, kept->versions,
                                kept->version_count);
        else
            add(check, "%s: its own prices are gone", label);
    }
}

/* A customer's own prices take the place of everybody's, so a time that they leave out has none. */
static void
check_own_prices(Check *check, const PriceTerms *customer)
{
    for (guint i = 0; i < customer->own_count; i++) {
        const PriceOwn *own = &customer->own[i];
        const PriceSku *sku = &check->book->skus[own->sku];
        g_autofree char *label =
            g_strdup_printf("customer %s: %s", customer->terms.name, sku->name);
        check->label = label;
        check_gap(check, sku->versions[0].from_us, own->versions[0].from_us);
        check_succession(check, own->versions, own->version_count);
        check_gap(check, own->versions[own->version_count - 1].to_us,
                  sku->versions[sku->version_count - 1].to_us);
    }
}

static void
check_credits(Check *check, const PriceCustomer *now, const PriceCustomer *before)
{
    for (guint i = 0; i < before->credit_count; i++) {
        const PriceCredit *credit = &before->credits[i];
        gboolean kept = FALSE;
        for (guint j = 0; j < now->credit_count && !kept; j++)
            kept = strcmp(now->credits[j].id, credit->id) == 0 &&
                   now->credits[j].amount_nano == credit->amount_nano &&
                   now->credits[j].from_us == credit->from_us;
        if (!kept)
            add(check, "%s: the credit %s is gone or is another", check->label, credit->id);
    }
}

static void
check_customer(Check *check, const PriceTerms *now)
{
    const PriceTerms *before = NULL;
    if (check->against != NULL)
        before = (const PriceTerms *)pricebook_find_customer(check->against, now->terms.name);
    g_autofree char *label = g_strdup_printf("customer %s", now->terms.name);
    check->label = label;
    if (before != NULL) {
        check_jump(check, "the minimum", before->terms.minimum_nano, now->terms.minimum_nano,
                   MONEY_NANO_DIGITS);
        check_jump(check, "what the discount leaves", SHARE_WHOLE - before->terms.discount_nano,
                   SHARE_WHOLE - now->terms.discount_nano, MONEY_NANO_DIGITS);
        check_credits(check, &now->terms, &before->terms);
        check_own_kept(check, before, now);
    }
    check_own_prices(check, now);
}

guint
pricebook_check(const PriceBook *book, const PriceBook *against, guint jump_factor,
                GPtrArray *findings)
{
    guint found_before = findings->len;
    guint index;
    Check check = {book, against, MAX(jump_factor, 1), findings, NULL};

    if (against != NULL)
        check_book(&check);
    for (guint i = 0; i < book->sku_count; i++)
        check_sku(&check, &book->skus[i]);
    for (guint i = 0; against != NULL && i < against->sku_count; i++)
        if (find_sku(book, against->skus[i].name, &index) == NULL)
            add(&check, "%s: the SKU is gone", against->skus[i].name);
    for (guint i = 0; i < book->customer_count; i++)
        check_customer(&check, &book->customers[i]);
    for (guint i = 0; against != NULL && i < against->customer_count; i++)
        if (pricebook_find_customer(book, against->customers[i].terms.name) == NULL)
            add(&check, "customer %s: has no terms any more", against->customers[i].terms.name);
    return findings->len - found_before;
}
