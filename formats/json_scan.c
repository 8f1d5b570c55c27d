/* json_scan.c - JSON checked and measured where it stands.
 * UTF-8 is checked only where a byte beyond ASCII was seen, and the NUL behind the text ends every
 * loop.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/json_scan.h"

#include <string.h>

void
json_scan_space(JsonScan *scan)
{
    while (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\r')
        scan->at++;
}

gboolean
json_is_plain(const char *text, gsize size_bytes)
{
    guint64 high = 0;

    return json_plain_end(text, text + size_bytes, &high) == text + size_bytes && high == 0;
}

/* The number of four hexadecimal digits, or -1; a NUL is none. */
static int
four_digits(const char *at)
{
    int value = 0;

    for (guint i = 0; i < 4; i++) {
        int digit = g_ascii_xdigit_value(at[i]);
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static gboolean
is_high_surrogate(int unit)
{
    return unit >= 0xd800 && unit <= 0xdbff;
}

static gboolean
is_low_surrogate(int unit)
{
    return unit >= 0xdc00 && unit <= 0xdfff;
}

/* Checks the escape of one UTF-16 unit, or of two that are a pair. */
static gboolean
scan_unit(JsonScan *scan, guint *flags)
{
    int unit = four_digits(scan->at + 2);

    if (unit < 0)
        return json_scan_fail(scan, "\\u and four hexadecimal digits");
    gboolean pair = is_high_surrogate(unit) && scan->at[6] == '\\' && scan->at[7] == 'u' &&
                    is_low_surrogate(four_digits(scan->at + 8));
    if (!pair && (is_high_surrogate(unit) || is_low_surrogate(unit)))
        return json_scan_fail(scan, "both of a surrogate pair");
    if (unit == 0)
        *flags |= JSON_STRING_NUL;
    /* Ours are those of controls that have no letter, in lower case. */
    if (unit >= 0x20 || strchr("\b\f\n\r\t", unit) || g_ascii_isupper(scan->at[5]))
        *flags |= JSON_STRING_FOREIGN;
    scan->at += pair ? 12 : 6;
    return TRUE;
}

static gboolean
scan_escape(JsonScan *scan, guint *flags)
{
    *flags |= JSON_STRING_ESCAPES;
    switch (scan->at[1]) {
    case 'u':
        return scan_unit(scan, flags);
    case '/':
        *flags |= JSON_STRING_FOREIGN;
        break;
    case '"':
    case '\\':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        break;
    default:
        return json_scan_fail(scan, "an escape of JSON");
    }
    scan->at += 2;
    return TRUE;
}

/* Skips plain characters from offset on. */
static void
skip_plain(JsonScan *scan, guint offset, guint64 *high)
{
    const char *begin = scan->at + offset;

    scan->at += json_plain_end(begin, scan->end, high) - begin + offset;
}

gboolean
json_scan_string(JsonScan *scan, guint *flags)
{
    const char *begin = scan->at + 1;
    guint64 high = 0;

    *flags = 0;
    if (*scan->at != '"')
        return json_scan_fail(scan, "a string");
    skip_plain(scan, 1, &high);
    while (*scan->at == '\\') {
        if (!scan_escape(scan, flags))
            return FALSE;
        skip_plain(scan, 0, &high);
    }
    if (*scan->at != '"')
        return json_scan_fail(scan, scan->at == scan->end ? "the end of a string"
                                                          : "no control character in a string");
    if (high != 0 && !g_utf8_validate_len(begin, (gsize)(scan->at - begin), &begin)) {
        scan->at += begin - scan->at;
        return json_scan_fail(scan, "UTF-8");
    }
    scan->at++;
    return TRUE;
}

/* Skips digits. Returns FALSE when there are none. */
static gboolean
skip_digits(JsonScan *scan)
{
    const char *begin = scan->at;

    while (g_ascii_isdigit(*scan->at))
        scan->at++;
    return scan->at > begin;
}

static gboolean
scan_number(JsonScan *scan)
{
    scan->at += *scan->at == '-' ? 1 : 0;
    if (*scan->at == '0')
        scan->at++;
    else if (!skip_digits(scan))
        return json_scan_fail(scan, "a value");
    if (*scan->at == '.') {
        scan->at++;
        if (!skip_digits(scan))
            return json_scan_fail(scan, "a digit");
    }
    if (*scan->at == 'e' || *scan->at == 'E') {
        scan->at++;
        scan->at += *scan->at == '-' || *scan->at == '+' ? 1 : 0;
        if (!skip_digits(scan))
            return json_scan_fail(scan, "a digit");
    }
    return TRUE;
}

/* Reads a value that is no array and no object. */
static gboolean
scan_scalar(JsonScan *scan)
{
    static const char *const words[] = {"true", "false", "null"};
    guint flags = 0;

    if (*scan->at == '"')
        return json_scan_string(scan, &flags);
    for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
        if (!g_str_has_prefix(scan->at, words[i]))
            continue;
        scan->at += strlen(words[i]);
        return TRUE;
    }
    return scan_number(scan);
}

/* The arrays and objects around the place where reading is: bit n is set when the n-th, from the
 * inside, is an object. */
typedef struct {
    guint64 objects;
    guint depth;
} Nesting;

static char
closing_bracket(const Nesting *nesting)
{
    return (nesting->objects & 1) != 0 ? '}' : ']';
}

/* Reads what may stand behind a value: the ends of what it is in, then a comma. */
static gboolean
scan_behind(JsonScan *scan, Nesting *nesting)
{
    while (nesting->depth > 0) {
        json_scan_space(scan);
        if (*scan->at == ',') {
            scan->at++;
            json_scan_space(scan);
            return TRUE;
        }
        if (*scan->at != closing_bracket(nesting))
            return json_scan_fail(scan, (nesting->objects & 1) != 0 ? "\",\" or \"}\""
                                                                    : "\",\" or \"]\"");
        scan->at++;
        nesting->objects >>= 1;
        nesting->depth--;
    }
    return TRUE;
}

/* Reads a key of an unknown object and its colon. A NUL is refused, as in all keys. */
static gboolean
scan_key(JsonScan *scan)
{
    guint flags = 0;

    if (*scan->at != '"')
        return json_scan_fail(scan, "a key");
    if (!json_scan_string(scan, &flags))
        return FALSE;
    if ((flags & JSON_STRING_NUL) != 0)
        return json_scan_fail(scan, "a key without NUL");
    json_scan_space(scan);
    if (*scan->at != ':')
        return json_scan_fail(scan, "\":\"");
    scan->at++;
    json_scan_space(scan);
    return TRUE;
}

gboolean
json_scan_value(JsonScan *scan, guint depth_max)
{
    Nesting nesting = {0};

    g_assert(depth_max <= JSON_SCAN_DEPTH_MAX);
    for (;;) {
        gboolean opens = *scan->at == '{' || *scan->at == '[';
        if (opens) {
            if (nesting.depth == depth_max)
                return json_scan_fail(scan, "at most 64 levels of nesting");
            nesting.objects = nesting.objects << 1 | (*scan->at == '{');
            nesting.depth++;
            scan->at++;
            json_scan_space(scan);
        } else if (!scan_scalar(scan)) {
            return FALSE;
        }
        if (!opens || *scan->at == closing_bracket(&nesting)) {
            if (!scan_behind(scan, &nesting))
                return FALSE;
            if (nesting.depth == 0)
                return TRUE;
        }
        if ((nesting.objects & 1) != 0 && !scan_key(scan))
            return FALSE;
    }
}

/* Appends a unit, or the pair it begins. Returns: how many bytes of text it was read from. */
static gsize
unescape_unit(const char *text, char **out)
{
    gunichar character = (gunichar)four_digits(text + 2);
    gsize read_bytes = 6;

    if (is_high_surrogate((int)character)) {
        gunichar low = (gunichar)four_digits(text + 8);
        character = 0x10000 + ((character - 0xd800) << 10) + (low - 0xdc00);
        read_bytes = 12;
    }
    *out += g_unichar_to_utf8(character, *out);
    return read_bytes;
}

gsize
json_unescape(char *text, gsize size_bytes)
{
    static const char letters[] = "bfnrt";
    static const char controls[] = "\b\f\n\r\t";
    const char *end = text + size_bytes;
    const char *from = text;
    char *out = text;

    while (from < end) {
        if (*from != '\\') {
            *out++ = *from++;
        } else if (from[1] == 'u') {
            from += unescape_unit(from, &out);
        } else {
            const char *letter = strchr(letters, from[1]);
            *out++ = letter ? controls[letter - letters] : from[1];
            from += 2;
        }
    }
    return (gsize)(out - text);
}
