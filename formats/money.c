/* money.c - exact decimals. Everything goes through money_divide(), the one place that rounds, on
 * magnitudes without a sign: their 128 bits hold twice any remainder.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/money.h"

#include <string.h>

#include "formats/text_out.h"

/* Longer ones have leading zeros, or do not fit anyway. */
#define DIGITS_READ_MAX 36

typedef unsigned __int128 Wide;

/* Long numbers are printed in parts of as many digits as 64 bits hold. */
#define PART_DIGITS 19
/* 2^127 has 39 digits. */
#define WHOLE_MAX_BYTES    40
#define FRACTION_MAX_BYTES (2 * MONEY_PICO_DIGITS)
G_STATIC_ASSERT(2 + WHOLE_MAX_BYTES + FRACTION_MAX_BYTES <= MONEY_TEXT_MAX_BYTES);
#define PART_WHOLE G_GUINT64_CONSTANT(10000000000000000000)

/* Indexed by MoneyTies. */
static const char *const ties_names[] = {"half-even", "half-up", "half-down", "up", "down"};

gboolean
money_ties_parse(const char *text, MoneyTies *ties)
{
    for (guint i = 0; i < G_N_ELEMENTS(ties_names); i++)
        if (strcmp(text, ties_names[i]) == 0) {
            *ties = (MoneyTies)i;
            return TRUE;
        }
    return FALSE;
}

const char *
money_ties_name(MoneyTies ties)
{
    return ties_names[ties];
}

static gint64
power_of_ten(guint exponent)
{
    static const gint64 powers[] = {1,           10,           100,          1000,      10000,
                                    100000,      1000000,      10000000,     100000000, 1000000000,
                                    10000000000, 100000000000, 1000000000000};
    g_assert(exponent < G_N_ELEMENTS(powers));
    return powers[exponent];
}

/* Reads digits, with at most digits_max behind a point, as a whole number of 10^-*digits. Zeros at
 * the end of what is behind the point are not counted, so that "10.000" reads as "10". */
static gboolean
decimal_parse(const char *text, guint digits_max, Wide *value, guint *digits)
{
    guint read = 0;
    guint behind = 0;
    guint zeros = 0;
    gboolean point = FALSE;

    *value = 0;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '.' && !point && read > 0) {
            point = TRUE;
            continue;
        }
        if (!g_ascii_isdigit(*at) || ++read > DIGITS_READ_MAX)
            return FALSE;
        *value = *value * 10 + (Wide)(*at - '0');
        behind += point;
        zeros = point && *at == '0' ? zeros + 1 : 0;
    }
    if (read == 0 || behind > digits_max || (point && behind == 0))
        return FALSE;
    *digits = behind - zeros;
    for (; zeros > 0; zeros--)
        *value /= 10;
    return TRUE;
}

static gboolean
signed_from(Wide magnitude, gboolean negative, gint64 *value)
{
    if (magnitude > (Wide)G_MAXINT64 + negative)
        return FALSE;
    /* Negated as unsigned, because -G_MININT64 is not an int64. */
    *value = negative ? (gint64)(0 - (guint64)magnitude) : (gint64)magnitude;
    return TRUE;
}

gboolean
money_parse(const char *text, guint digits, gint64 *value)
{
    Wide magnitude;
    guint read_digits;
    gboolean negative = *text == '-';

    g_assert(digits <= MONEY_PICO_DIGITS);
    if (!decimal_parse(text + negative, digits, &magnitude, &read_digits) ||
        magnitude > (Wide)G_MAXINT64 + 1)
        return FALSE;
    return signed_from(magnitude * (Wide)power_of_ten(digits - read_digits), negative, value);
}

gboolean
money_parse_times(const char *text, gint64 factor, gint64 *value)
{
    Wide magnitude;
    Wide product;
    guint digits;

    g_assert(factor > 0);
    if (!decimal_parse(text, MONEY_PICO_DIGITS, &magnitude, &digits) ||
        __builtin_mul_overflow(magnitude, (Wide)factor, &product))
        return FALSE;
    Wide whole = (Wide)power_of_ten(digits);
    return product % whole == 0 && signed_from(product / whole, FALSE, value);
}

/* Writes the digits of magnitude so that they end at end. Returns: where they begin. */
static char *
put_digits_before(char *end, Wide magnitude)
{
    while (magnitude > G_MAXUINT64) {
        Wide rest = magnitude / PART_WHOLE;
        char *begin = end - PART_DIGITS;
        end = text_put_digits_before(end, (guint64)(magnitude - rest * PART_WHOLE));
        while (end > begin)
            *--end = '0';
        magnitude = rest;
    }
    return text_put_digits_before(end, (guint64)magnitude);
}

char *
money_put_wide(char *at, __int128 value, guint digits, guint shown_min)
{
    char text[2 * WHOLE_MAX_BYTES];
    char *end = text + WHOLE_MAX_BYTES;
    Wide magnitude = value < 0 ? 0 - (Wide)value : (Wide)value;

    g_assert(digits <= FRACTION_MAX_BYTES && shown_min <= digits);
    char *begin = put_digits_before(end, magnitude);
    const char *point = end - digits;
    while (begin >= point)
        *--begin = '0';
    /* Zeros at the end are left out, down to the last that must be shown. */
    while (end > point + shown_min && end[-1] == '0')
        end--;
    /* Copies of a size that the compiler knows are no calls; what is too much is written over. */
    *at = '-';
    at += value < 0;
    memcpy(at, begin, WHOLE_MAX_BYTES);
    at += point - begin;
    if (end == point)
        return at;
    *at++ = '.';
    memcpy(at, point, FRACTION_MAX_BYTES);
    return at + (end - point);
}

char *
money_put(char *at, gint64 value, guint digits, guint shown_min)
{
    return money_put_wide(at, value, digits, shown_min);
}

void
money_print_wide(GString *out, __int128 value, guint digits, guint shown_min)
{
    char text[MONEY_TEXT_MAX_BYTES];
    const char *end = money_put_wide(text, value, digits, shown_min);
    g_string_append_len(out, text, end - text);
}

void
money_print(GString *out, gint64 value, guint digits, guint shown_min)
{
    money_print_wide(out, value, digits, shown_min);
}

/* Does a quotient whose remainder is not 0 go away from zero? */
static gboolean
rounds_away(Wide quotient, Wide remainder, Wide denominator, MoneyTies ties)
{
    if (ties == MONEY_UP || ties == MONEY_DOWN)
        return ties == MONEY_UP;
    if (remainder * 2 != denominator)
        return remainder * 2 > denominator;
    return ties == MONEY_HALF_UP || (ties == MONEY_HALF_EVEN && quotient % 2 == 1);
}

static Wide
divide(Wide numerator, Wide denominator, MoneyTies ties)
{
    /* Most fit in 64 bits, which a CPU divides at once; otherwise one division is enough. */
    Wide quotient = (numerator | denominator) <= G_MAXUINT64
                        ? (guint64)numerator / (guint64)denominator
                        : numerator / denominator;
    Wide remainder = numerator - quotient * denominator;
    if (remainder != 0 && rounds_away(quotient, remainder, denominator, ties))
        quotient++;
    return quotient;
}

gboolean
money_divide(__int128 numerator, __int128 denominator, MoneyTies ties, gint64 *value)
{
    g_assert(denominator > 0);
    Wide magnitude = numerator < 0 ? 0 - (Wide)numerator : (Wide)numerator;
    return signed_from(divide(magnitude, (Wide)denominator, ties), numerator < 0, value);
}

/* Counts of 10^-digits of the currency, in nano. */
static gboolean
to_nano(gint64 count, guint digits, gint64 *nano)
{
    return !__builtin_mul_overflow(count, power_of_ten(MONEY_NANO_DIGITS - digits), nano);
}

gboolean
money_round(gint64 nano, guint minor_digits, MoneyTies ties, gint64 *rounded_nano)
{
    gint64 count;
    g_assert(minor_digits <= MONEY_MINOR_DIGITS_MAX);
    return money_divide(nano, power_of_ten(MONEY_NANO_DIGITS - minor_digits), ties, &count) &&
           to_nano(count, minor_digits, rounded_nano);
}

gboolean
money_charge(gint64 quantity, gint64 divisor, gint64 price_pico, guint digits, MoneyTies ties,
             gint64 *amount_nano)
{
    gint64 count;
    g_assert(divisor > 0 && digits <= MONEY_MINOR_DIGITS_MAX);
    __int128 denominator = (__int128)divisor * power_of_ten(MONEY_PICO_DIGITS - digits);
    return money_divide((__int128)quantity * price_pico, denominator, ties, &count) &&
           to_nano(count, digits, amount_nano);
}

__int128
money_quantity_pico(gint64 quantity, gint64 divisor)
{
    g_assert(divisor > 0);
    Wide magnitude = quantity < 0 ? 0 - (Wide)quantity : (Wide)quantity;
    __int128 rounded = (__int128)divide(magnitude * (Wide)power_of_ten(MONEY_PICO_DIGITS),
                                        (Wide)divisor, MONEY_HALF_EVEN);
    return quantity < 0 ? -rounded : rounded;
}

void
money_print_quantity(GString *out, gint64 quantity, gint64 divisor)
{
    money_print_wide(out, money_quantity_pico(quantity, divisor), MONEY_PICO_DIGITS, 0);
}
