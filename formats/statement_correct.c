/* statement_correct.c - closed periods. An issued statement is never edited: the period is rated
 * anew, with the book it was closed with, and the difference to what was billed is billed now.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/error.h"
#include "formats/statement_internal.h"

/* What a line is now less what it was. */
typedef struct {
    StatementLine line;
    LineOrigin origin;
    gint64 billed_metered;
    gint64 billed_nano;
    guint place; /* among those without a SKU */
} Difference;

/* Strings that are compared are mostly the same pointers: both come from the book. */
static gboolean
has_key(const StatementLine *a, const StatementLine *b)
{
    return a->tier == b->tier && strcmp(a->sku, b->sku) == 0 &&
           strcmp(a->price_from, b->price_from) == 0;
}

/* Finds where the price of a billed line stands. */
static LineOrigin
find_origin(const Rating *rating, const StatementLine *billed)
{
    for (guint sku = 0; sku < pricebook_sku_count(rating->book); sku++) {
        guint count;
        const PriceVersion *versions = pricebook_versions(rating->book, rating->terms, sku, &count);
        if (strcmp(pricebook_sku(rating->book, sku)->name, billed->sku) != 0)
            continue;
        for (guint i = 0; i < count; i++)
            if (strcmp(versions[i].from, billed->price_from) == 0)
                return (LineOrigin){rating->book, sku, i, &versions[i]};
    }
    return (LineOrigin){.book = rating->book, .sku = G_MAXUINT};
}

/* The difference of a line that was billed and is not there any more. */
static Difference
gone(Rating *rating, const StatementLine *billed)
{
    Difference gone = {.origin = find_origin(rating, billed),
                       .line = {.sku = billed->sku, .tier = billed->tier}};
    if (gone.origin.version != NULL) {
        rating_describe(rating, gone.origin, &gone.line);
    } else if (statement_line_has_sku(billed)) { /* of a book that says otherwise now */
        gone.line.price_from = billed->price_from;
        gone.line.unit = billed->unit != NULL ? billed->unit : "";
        gone.line.divisor = 1;
        gone.line.start_us = rating->period->start_us;
        gone.line.end_us = rating->period->end_us;
    } else {
        gone.line.price_from = "";
    }
    gone.place = strcmp(billed->sku, LINE_SKU_TRUE_UP) == 0;
    return gone;
}

static gboolean
subtract_billed(Rating *rating, GArray *differences, const StatementLine *billed)
{
    Difference *found = NULL;
    for (guint i = 0; i < differences->len && found == NULL; i++) {
        Difference *here = &g_array_index(differences, Difference, i);
        if (has_key(&here->line, billed))
            found = here;
    }
    if (found == NULL) {
        Difference difference = gone(rating, billed);
        g_array_append_val(differences, difference);
        found = &g_array_index(differences, Difference, differences->len - 1);
    }
    return (money_add(found->billed_metered, billed->metered, &found->billed_metered) &&
            money_add(found->billed_nano, billed->amount_nano, &found->billed_nano)) ||
           statement_overflow(rating->statement, billed->sku, rating->error);
}

/* What was billed of packages and months follows from what was metered and paid. */
static gint64
billed_quantity(const Rating *rating, const Difference *difference)
{
    const PriceVersion *version = difference->origin.version;
    if (version == NULL || difference->line.tier == 0)
        return difference->billed_metered;
    if (version->model == PRICE_PACKAGE)
        return rating_packages(version, MAX(difference->billed_metered, 0));
    if (version->model != PRICE_FLAT)
        return difference->billed_metered;
    gint64 month_nano = 0;
    guint digits = pricebook_rounds_lines(rating->book) ? pricebook_minor_digits(rating->book)
                                                        : MONEY_NANO_DIGITS;
    money_charge(1, 1, version->package_price_pico, digits, pricebook_ties(rating->book),
                 &month_nano);
    return month_nano != 0 ? difference->billed_nano / month_nano : difference->billed_metered != 0;
}

/* Usage in the order of the book, then those without a SKU. */
static gint
compare_differences(gconstpointer a, gconstpointer b)
{
    const Difference *left = a;
    const Difference *right = b;
    if (left->origin.sku != right->origin.sku)
        return left->origin.sku < right->origin.sku ? -1 : 1;
    if (left->origin.version_index != right->origin.version_index)
        return left->origin.version_index < right->origin.version_index ? -1 : 1;
    if (left->line.tier != right->line.tier)
        return left->line.tier < right->line.tier ? -1 : 1;
    if (left->place != right->place)
        return left->place < right->place ? -1 : 1;
    gint names = strcmp(left->line.sku, right->line.sku);
    return names != 0 ? names : strcmp(left->line.price_from, right->line.price_from);
}

static gboolean
append_difference(Rating *rating, const Difference *difference)
{
    StatementLine line = difference->line;
    if (__builtin_sub_overflow(line.quantity, billed_quantity(rating, difference),
                               &line.quantity) ||
        __builtin_sub_overflow(line.metered, difference->billed_metered, &line.metered) ||
        __builtin_sub_overflow(line.amount_nano, difference->billed_nano, &line.amount_nano))
        return statement_overflow(rating->statement, line.sku, rating->error);
    if (line.metered == 0 && line.amount_nano == 0)
        return TRUE;
    line.class = LINE_CORRECTION;
    Rating into = *rating;
    into.lines = rating->statement->lines;
    into.origins = rating->statement->origins;
    rating_append(&into, line, difference->origin);
    return TRUE;
}

static gboolean
append_differences(Rating *rating, const StatementCorrection *correction)
{
    g_autoptr(GArray) differences = g_array_new(FALSE, TRUE, sizeof(Difference));
    for (guint i = 0; i < rating->lines->len; i++) {
        Difference difference = {.line = g_array_index(rating->lines, StatementLine, i),
                                 .origin = g_array_index(rating->origins, LineOrigin, i)};
        difference.place = difference.line.class == LINE_TRUE_UP;
        g_array_append_val(differences, difference);
    }
    for (guint i = 0; i < correction->billed_count; i++) {
        LineClass class = correction->billed[i].class;
        if (class != LINE_CREDIT && class != LINE_ROUNDING &&
            !subtract_billed(rating, differences, &correction->billed[i]))
            return FALSE;
    }
    g_array_sort(differences, compare_differences);
    for (guint i = 0; i < differences->len; i++)
        if (!append_difference(rating, &g_array_index(differences, Difference, i)))
            return FALSE;
    return TRUE;
}

gboolean
statement_correct(Statement *statement, const StatementCorrection *correction, GError **error)
{
    const StatementInput *input = statement->input;
    const char *currency = pricebook_currency(input->book);
    if (strcmp(currency, pricebook_currency(correction->book)) != 0) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                    "%s was billed in %s and cannot be corrected in %s: its late events need a "
                    "price book in %s",
                    correction->period.name, pricebook_currency(correction->book), currency,
                    pricebook_currency(correction->book));
        return FALSE;
    }
    g_autoptr(GArray) lines = g_array_new(FALSE, TRUE, sizeof(StatementLine));
    g_autoptr(GArray) origins = g_array_new(FALSE, TRUE, sizeof(LineOrigin));
    Rating rating = {.statement = statement,
                     .book = correction->book,
                     .terms = pricebook_find_customer(correction->book, input->customer),
                     .period = &correction->period,
                     .lines = lines,
                     .origins = origins,
                     .error = error};
    return rating_charge(&rating, correction->sums, correction->sum_count) &&
           append_differences(&rating, correction);
}
