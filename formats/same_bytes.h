/* same_bytes.h - are two short texts of one size equal? Where millions are compared, a call of
 * memcmp() takes longer than the comparison. SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_SAME_BYTES_H
#define MILLRACE_FORMATS_SAME_BYTES_H

#include <glib.h>
#include <string.h>

/* Up to 16 bytes the two ends are compared as words, which may overlap. */
static inline gboolean
same_bytes(const char *a, const char *b, gsize size)
{
    if (size >= 8 && size <= 16) {
        guint64 words[4];
        memcpy(&words[0], a, 8);
        memcpy(&words[1], b, 8);
        memcpy(&words[2], a + size - 8, 8);
        memcpy(&words[3], b + size - 8, 8);
        return ((words[0] ^ words[1]) | (words[2] ^ words[3])) == 0;
    }
    if (size >= 2 && size <= 4) {
        guint16 halves[4];
        memcpy(&halves[0], a, 2);
        memcpy(&halves[1], b, 2);
        memcpy(&halves[2], a + size - 2, 2);
        memcpy(&halves[3], b + size - 2, 2);
        return ((halves[0] ^ halves[1]) | (halves[2] ^ halves[3])) == 0;
    }
    if (size >= 4 && size <= 8) {
        guint32 words[4];
        memcpy(&words[0], a, 4);
        memcpy(&words[1], b, 4);
        memcpy(&words[2], a + size - 4, 4);
        memcpy(&words[3], b + size - 4, 4);
        return ((words[0] ^ words[1]) | (words[2] ^ words[3])) == 0;
    }
    if (size < 2)
        return size == 0 || *a == *b;
    return memcmp(a, b, size) == 0;
}

#endif
