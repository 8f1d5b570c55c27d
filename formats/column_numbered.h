/* column_numbered.h - texts that are a prefix and a decimal number, as COLUMN_NUMBERED has them.
 * Inline, since this is asked of every event that is written.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_COLUMN_NUMBERED_H
#define MILLRACE_FORMATS_COLUMN_NUMBERED_H

#include <string.h>

#include "formats/column_internal.h"
#include "formats/digits.h"

/* How much of a text is before the digits that it ends with. */
static inline gsize
column_numbered_prefix(const char *text, gsize size_bytes)
{
    gsize prefix = size_bytes;

    while (prefix > 0 && size_bytes - prefix < COLUMN_DIGITS_MAX &&
           g_ascii_isdigit(text[prefix - 1]))
        prefix--;
    return prefix;
}

/* The last eight characters, or as many as there are, in the highest bytes; at least four. */
static inline guint64
column_numbered_last(const char *text, gsize size)
{
    guint32 first = 0;
    guint32 last = 0;

    if (size >= DIGITS_AT_ONCE)
        return digits_load(text + size - DIGITS_AT_ONCE);
    memcpy(&first, text, sizeof first);
    memcpy(&last, text + size - sizeof last, sizeof last);
    return ((guint64)GUINT32_FROM_LE(last) << 32 | (guint64)GUINT32_FROM_LE(first)
                                                       << (8 * (DIGITS_AT_ONCE - size))) ^
           DIGITS_EACH('0');
}

/* Reads the number behind a prefix. width: its digits, with leading zeros; 0 when none has a
 * leading zero. */
static inline gboolean
column_numbered_read(const char *text, gsize text_size, gsize prefix, guint width, guint64 *number)
{
    const char *digits = text + prefix;
    gsize size = text_size - prefix;
    guint64 value = 0;

    if (size == 0 || size > COLUMN_DIGITS_MAX ||
        (width > 0 ? size != width : size > 1 && *digits == '0'))
        return FALSE;
    if (size <= DIGITS_AT_ONCE && text_size >= sizeof(guint32)) {
        guint others = 8 * (guint)(DIGITS_AT_ONCE - size);
        guint64 word = column_numbered_last(text, text_size) >> others << others;
        *number = digits_value(word);
        return digits_count(word) == DIGITS_AT_ONCE;
    }
    for (gsize i = 0; i < size; i++) {
        guint digit = (guint)(digits[i] - '0');
        if (digit > 9)
            return FALSE;
        value = 10 * value + digit;
    }
    *number = value;
    return TRUE;
}

#endif
