/* text_out.h - text that is put down at a cursor, where room was made for all of it. For lines that
 * are printed by the million, whose pieces would each be a call and a check in a GString.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_TEXT_OUT_H
#define MILLRACE_FORMATS_TEXT_OUT_H

#include <glib.h>
#include <string.h>

#define TEXT_UINT_MAX_BYTES 20

/* Returns: where the next room_bytes of out may be written. */
char *text_reserve(GString *out, gsize room_bytes);
/* Ends out where writing ended. */
void text_commit(GString *out, const char *end);

/* Each writes at the cursor and returns it behind what was written. */
static inline char *
text_put(char *at, const char *text, gsize size_bytes)
{
    if (size_bytes > 32) {
        memcpy(at, text, size_bytes);
    } else if (size_bytes >= 16) {
        memcpy(at, text, 16);
        memcpy(at + size_bytes - 16, text + size_bytes - 16, 16);
    } else if (size_bytes >= 8) {
        memcpy(at, text, 8);
        memcpy(at + size_bytes - 8, text + size_bytes - 8, 8);
    } else if (size_bytes >= 4) {
        memcpy(at, text, 4);
        memcpy(at + size_bytes - 4, text + size_bytes - 4, 4);
    } else if (size_bytes > 0) {
        at[0] = text[0];
        at[size_bytes / 2] = text[size_bytes / 2];
        at[size_bytes - 1] = text[size_bytes - 1];
    }
    return at + size_bytes;
}

char *text_put_uint(char *at, guint64 value);

/* Writes the digits of value so that they end at end. Returns: where they begin. */
char *text_put_digits_before(char *end, guint64 value);

#endif
