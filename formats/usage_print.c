/* usage_print.c - usage events as lines. All of a line's members are written behind one
 * reservation, as logs and stores are printed by the million.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/json.h"
#include "formats/json_scan.h"
#include "formats/usage.h"
#include "formats/usage_internal.h"

/* All that is not strings: literals, commas, a time, a sequence, six counts. */
#define FIXED_MAX_BYTES  640
#define ESCAPE_MAX_BYTES 6  /* what a byte of a string may become */
#define KEY_RAW_MAX      80 /* more than any key of ours, however it is escaped */

/* A member that extra holds, "KEY":VALUE. */
typedef struct {
    const char *text;
    gsize size_bytes;
} Kept;

/* Behind the last quote of the string that begins at text, or NULL. */
static const char *
string_end(const char *text, const char *end)
{
    if (text == end || *text != '"')
        return NULL;
    for (text++; text < end && *text != '"'; text++)
        text += *text == '\\' && text + 1 < end;
    return text < end ? text + 1 : NULL;
}

/* Our member that a kept one is, or MEMBERS. A store's file may hold anything, so what is no key is
 * none of ours. */
static guint
kept_index(char place, const Kept *kept)
{
    const char *behind = string_end(kept->text, kept->text + kept->size_bytes);
    char key[KEY_RAW_MAX + 1];
    guint flags = 0;

    if (!behind || behind - kept->text > KEY_RAW_MAX)
        return MEMBERS;
    gsize size_bytes = (gsize)(behind - kept->text);
    memcpy(key, kept->text, size_bytes);
    key[size_bytes] = '\0';
    JsonScan scan = {.at = key, .end = key + size_bytes};
    if (!json_scan_string(&scan, &flags))
        return MEMBERS;
    return usage_member_find(place, key + 1, json_unescape(key + 1, size_bytes - 2));
}

/* The next line of extra. Returns FALSE at its end. */
static gboolean
next_kept(const char **extra, char *place, Kept *kept)
{
    const char *line = *extra;

    if (*line == '\0')
        return FALSE;
    const char *end = strchrnul(line, '\n');
    *place = *line;
    *kept = (Kept){line + 1, end > line ? (gsize)(end - line - 1) : 0};
    *extra = *end == '\n' ? end + 1 : end;
    return TRUE;
}

/* Finds those that are ours, spelled otherwise. */
static void
find_kept(const char *extra, Kept ours[MEMBERS])
{
    char place = 0;
    Kept kept;

    while (next_kept(&extra, &place, &kept)) {
        guint index = kept_index(place, &kept);
        if (index < MEMBERS)
            ours[index] = kept;
    }
}

static char *
put_bytes(char *at, const void *bytes, gsize size_bytes)
{
    memcpy(at, bytes, size_bytes);
    return at + size_bytes;
}

static char *
put_comma(char *at)
{
    if (at[-1] != '{')
        *at++ = ',';
    return at;
}

/* Writes those members of extra at a place that are not ours. */
static char *
put_unknown(char *at, const char *extra, char wanted)
{
    char place = 0;
    Kept kept;

    while (next_kept(&extra, &place, &kept))
        if (place == wanted && kept_index(place, &kept) == MEMBERS)
            at = put_bytes(put_comma(at), kept.text, kept.size_bytes);
    return at;
}

static char *
put_count(char *at, guint64 value, guint digits_min)
{
    char digits[20];
    guint first = sizeof digits;

    for (; value > 0; value /= 10)
        digits[--first] = (char)('0' + value % 10);
    while (sizeof digits - first < digits_min)
        digits[--first] = '0';
    return put_bytes(at, digits + first, sizeof digits - first);
}

/* Writes a string. One that does not stand for itself goes the way of all JSON of ours. */
static char *
put_text(char *at, GString *out, const char *text, gsize size_bytes)
{
    if (json_is_plain(text, size_bytes)) {
        *at++ = '"';
        at = put_bytes(at, text, size_bytes);
        *at++ = '"';
        return at;
    }
    out->len = (gsize)(at - out->str);
    json_put_string(out, NULL, text);
    return out->str + out->len;
}

static char *
put_value(char *at, GString *out, const UsageEvent *event, const UsageMember *member,
          gsize size_bytes)
{
    gconstpointer field = (const char *)event + member->offset;

    switch (member->kind) {
    case KIND_VERSION:
        return put_bytes(at, "\"1.0\"", 5);
    case KIND_TEXT:
        return put_text(at, out, *(const char *const *)field, size_bytes);
    case KIND_TIME:
        *at++ = '"';
        at = usage_put_time(at, *(const gint64 *)field);
        *at++ = '"';
        return at;
    case KIND_SEQUENCE:
        *at++ = '"';
        at = put_count(at, *(const guint64 *)field, 20);
        *at++ = '"';
        return at;
    case KIND_COUNT:
        return put_count(at, *(const guint64 *)field, 1);
    case KIND_DATA:
        *at++ = '{';
        return at;
    }
    return at;
}

/* Makes room for a line, so that what is put needs no checks. sizes: of the strings. Returns: where
 * the line begins. */
static char *
reserve(GString *out, const UsageEvent *event, gsize sizes[MEMBERS])
{
    gsize need_bytes = FIXED_MAX_BYTES + 2 * strlen(event->extra);
    gsize len = out->len;

    for (guint i = 0; i < MEMBERS; i++) {
        const UsageMember *member = &usage_members[i];
        if (member->kind != KIND_TEXT)
            continue;
        sizes[i] = strlen(*(const char *const *)((const char *)event + member->offset));
        need_bytes += sizes[i] * ESCAPE_MAX_BYTES;
    }
    if (out->allocated_len - len <= need_bytes) {
        g_string_set_size(out, len + need_bytes);
        out->len = len;
    }
    return out->str + len;
}

void
usage_event_print(const UsageEvent *event, GString *out)
{
    Kept kept[MEMBERS] = {0};
    gsize sizes[MEMBERS] = {0};
    char *at = reserve(out, event, sizes);
    guint end = (event->present & USAGE_HAS_DATA) != 0 ? MEMBERS : MEMBER_DATA;

    if (*event->extra)
        find_kept(event->extra, kept);
    *at++ = '{';
    for (guint i = 0; i < end; i++) {
        const UsageMember *member = &usage_members[i];
        if (i == MEMBER_DATA && *event->extra)
            at = put_unknown(at, event->extra, 't');
        if (kept[i].text) {
            at = put_bytes(put_comma(at), kept[i].text, kept[i].size_bytes);
            if (i == MEMBER_DATA)
                *at++ = '{';
        } else if (member->bit == 0 || (event->present & member->bit) != 0) {
            at = put_bytes(put_comma(at), member->literal, member->literal_size);
            at = put_value(at, out, event, member, sizes[i]);
        }
    }
    if (*event->extra)
        at = put_unknown(at, event->extra, end == MEMBERS ? 'd' : 't');
    if (end == MEMBERS)
        *at++ = '}';
    at = put_bytes(at, "}\n", 2);
    *at = '\0';
    out->len = (gsize)(at - out->str);
}
