/* text_out.c - room in a GString, and digits two at a time.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/text_out.h"

char *
text_reserve(GString *out, gsize room_bytes)
{
    gsize size_bytes = out->len;

    if (out->allocated_len - size_bytes <= room_bytes) {
        g_string_set_size(out, size_bytes + room_bytes);
        out->len = size_bytes;
    }
    return out->str + size_bytes;
}

void
text_commit(GString *out, const char *end)
{
    out->len = (gsize)(end - out->str);
    g_assert(out->len < out->allocated_len);
    out->str[out->len] = '\0';
}

char *
text_put_digits_before(char *end, guint64 value)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";

    while (value >= 100) {
        end -= 2;
        memcpy(end, pairs + 2 * (value % 100), 2);
        value /= 100;
    }
    if (value >= 10) {
        end -= 2;
        memcpy(end, pairs + 2 * value, 2);
        return end;
    }
    *--end = (char)('0' + value);
    return end;
}

char *
text_put_uint(char *at, guint64 value)
{
    char text[TEXT_UINT_MAX_BYTES];
    const char *begin = text_put_digits_before(text + sizeof text, value);

    return text_put(at, begin, (gsize)(text + sizeof text - begin));
}
