/* column_id.h - ids of USAGE_ID_CHARS hexadecimal digits, which columns hold as half as many bytes.
 * Inline, and eight digits at a time, since this is done for every event that is read.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_COLUMN_ID_H
#define MILLRACE_FORMATS_COLUMN_ID_H

#include <glib.h>
#include <string.h>

#include "formats/column.h"

#define COLUMN_ID_EACH(byte) (G_GUINT64_CONSTANT(0x0101010101010101) * (byte))

/* The digits of four bytes, in lower case, the first in the lowest byte. */
static inline guint64
column_id_digits(guint32 packed)
{
    guint64 spread = packed;

    spread = (spread | spread << 16) & G_GUINT64_CONSTANT(0x0000ffff0000ffff);
    spread = (spread | spread << 8) & G_GUINT64_CONSTANT(0x00ff00ff00ff00ff);
    guint64 values = (spread >> 4 | spread << 8) & COLUMN_ID_EACH(0x0f);
    guint64 letters = (values + COLUMN_ID_EACH(6)) >> 4 & COLUMN_ID_EACH(1); /* 1 for a to f */
    return values + COLUMN_ID_EACH('0') + letters * ('a' - '9' - 1);
}

/* Writes USAGE_ID_CHARS digits, without a NUL. */
static inline void
column_id_spell(const guint8 *packed, char *to)
{
    for (guint i = 0; i < COLUMN_ID_BYTES / 4; i++) {
        guint32 bytes = 0;
        memcpy(&bytes, packed + (gsize)4 * i, sizeof bytes);
        guint64 digits = GUINT64_TO_LE(column_id_digits(GUINT32_FROM_LE(bytes)));
        memcpy(to + (gsize)8 * i, &digits, sizeof digits);
    }
}

#endif
