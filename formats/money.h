/* money.h - exact decimals and the arithmetic of charges. Amounts are int64 in 1e-9 of the currency
 * ("nano"), prices int64 in 1e-12 ("pico"); products are taken in 128 bits, what does not fit is an
 * error, and a charge is rounded once.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_MONEY_H
#define MILLRACE_FORMATS_MONEY_H

#include <glib.h>

#define MONEY_NANO_DIGITS      9
#define MONEY_PICO_DIGITS      12
#define MONEY_MINOR_DIGITS_MAX 9
/* What is asked for to write a decimal, which itself is shorter. */
#define MONEY_TEXT_MAX_BYTES 72

typedef enum {
    MONEY_HALF_EVEN,
    MONEY_HALF_UP,   /* away from zero */
    MONEY_HALF_DOWN, /* toward zero */
    MONEY_UP,        /* away from zero, whatever is left */
    MONEY_DOWN       /* toward zero */
} MoneyTies;

/* "half-even", "half-up", "half-down", "up", "down". Returns FALSE when it is none. */
gboolean money_ties_parse(const char *text, MoneyTies *ties);
const char *money_ties_name(MoneyTies ties);

/* Reads a decimal, as in "-12.34": an optional '-', digits, at most `digits` behind a point; no
 * exponent, no '+', no blanks. Returns FALSE when it is none or does not fit. */
gboolean money_parse(const char *text, guint digits, gint64 *value);
/* Reads a decimal without a sign, at most MONEY_PICO_DIGITS behind the point, and multiplies it by
 * factor (> 0), as in 10.5 GB x 1,000,000,000. Returns FALSE when it is no decimal, or the product
 * is no whole number or does not fit. */
gboolean money_parse_times(const char *text, gint64 factor, gint64 *value);
/* Appends value / 10^digits with as many digits behind the point as are needed, shown_min at least
 * ("1.20" for 2). */
void money_print(GString *out, gint64 value, guint digits, guint shown_min);
void money_print_wide(GString *out, __int128 value, guint digits, guint shown_min);
/* Write the same. at: has MONEY_TEXT_MAX_BYTES. Return: behind it; there is no NUL. */
char *money_put(char *at, gint64 value, guint digits, guint shown_min);
char *money_put_wide(char *at, __int128 value, guint digits, guint shown_min);

/* numerator / denominator, rounded. denominator > 0. Returns FALSE on overflow. */
gboolean money_divide(__int128 numerator, __int128 denominator, MoneyTies ties, gint64 *value);
/* Rounds nano to minor_digits behind the point. */
gboolean money_round(gint64 nano, guint minor_digits, MoneyTies ties, gint64 *rounded_nano);
/* quantity / divisor x price, rounded once to `digits` (0 to 9) behind the point, in nano. */
gboolean money_charge(gint64 quantity, gint64 divisor, gint64 price_pico, guint digits,
                      MoneyTies ties, gint64 *amount_nano);
/* Appends quantity / divisor as a decimal: exact where that ends within 12 digits behind the point,
 * else rounded half-even to 12. */
void money_print_quantity(GString *out, gint64 quantity, gint64 divisor);
/* The same in units of 1e-12. */
__int128 money_quantity_pico(gint64 quantity, gint64 divisor);

/* Sums that do not wrap. */
static inline gboolean
money_add(gint64 a, gint64 b, gint64 *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}

#endif
