/* digits.h - decimal digits, eight at once. A line has a dozen numbers, and whether the next
 * character is one more digit is what no processor can foretell.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_DIGITS_H
#define MILLRACE_FORMATS_DIGITS_H

#include <glib.h>
#include <string.h>

#define DIGITS_AT_ONCE    8
#define DIGITS_EACH(BYTE) (G_GUINT64_CONSTANT(0x0101010101010101) * (BYTE))

/* The values of eight characters, of the first in the lowest byte; of those that are no digits,
 * more than 9. */
static inline guint64
digits_load(const char *text)
{
    guint64 word = 0;

    memcpy(&word, text, sizeof word);
    return GUINT64_FROM_LE(word) ^ DIGITS_EACH('0');
}

/* How many of them are digits, up to the first that is none. */
static inline guint
digits_count(guint64 word)
{
    /* The high bit of a byte above 9; wrong only behind the first of them. */
    guint64 others = ((word + DIGITS_EACH(0x7f - 9)) | word) & DIGITS_EACH(0x80);

    return others == 0 ? DIGITS_AT_ONCE : (guint)__builtin_ctzll(others) / 8;
}

/* Byte k of the result is 10 times byte k and byte k + 1, of digits. */
static inline guint64
digits_pairs(guint64 word)
{
    return word * 10 + (word >> 8);
}

/* The number that eight digits are: pairs, then fours, then all, each in one multiplication. */
static inline guint64
digits_value(guint64 word)
{
    const guint64 pairs = G_GUINT64_CONSTANT(0x000000ff000000ff);

    word = digits_pairs(word);
    return ((word & pairs) * (100 + (G_GUINT64_CONSTANT(1000000) << 32)) +
            (word >> 16 & pairs) * (1 + (G_GUINT64_CONSTANT(10000) << 32))) >>
           32;
}

#endif
