/* json_scan.h - reads the JSON text of one line where it stands: checks it against RFC 8259 and
 * finds where things end, without making anything of them. For lines that come by the million.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_JSON_SCAN_H
#define MILLRACE_FORMATS_JSON_SCAN_H

#include <glib.h>

#define JSON_SCAN_DEPTH_MAX 64

/* A text being read. */
typedef struct {
    char *at;             /* where reading is; when it failed, what is wrong */
    const char *end;      /* *end is NUL */
    const char *expected; /* when it failed: what should stand there; static */
} JsonScan;

/* What a string is made of. */
enum {
    JSON_STRING_ESCAPES = 1 << 0,
    JSON_STRING_FOREIGN = 1 << 1, /* has an escape that json_put_string() would not write so */
    JSON_STRING_NUL = 1 << 2      /* has \u0000 */
};

/* Skips white space; LF is none, as the text is one line. */
void json_scan_space(JsonScan *scan);
/* Reads a string, UTF-8 and escapes checked, from its first quote to behind its last. *flags: set.
 */
gboolean json_scan_string(JsonScan *scan, guint *flags);
/* Reads any value, from its first character to behind its last. depth_max: how deep arrays and
 * objects may be nested, at most JSON_SCAN_DEPTH_MAX. */
gboolean json_scan_value(JsonScan *scan, guint depth_max);
/* Fails. Returns FALSE. */
static inline gboolean
json_scan_fail(JsonScan *scan, const char *expected)
{
    scan->expected = expected;
    return FALSE;
}

/* Whether text is ASCII that stands for itself in a JSON string. */
gboolean json_is_plain(const char *text, gsize size_bytes);
/* Replaces the escapes of a string that has been read, without its quotes, in place.
 * Returns: its size, which is never larger. */
gsize json_unescape(char *text, gsize size_bytes);

#endif
