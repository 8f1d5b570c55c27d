/* json_scan.h - reads the JSON text of one line where it stands: checks it against RFC 8259 and
 * finds where things end, without making anything of them. For lines that come by the million.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_JSON_SCAN_H
#define MILLRACE_FORMATS_JSON_SCAN_H

#include <glib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

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

/* The first byte from at on that does not stand for itself in a string: a quote, a backslash, a
 * control, or the end. *high: gets bits where bytes beyond ASCII were. Nearly all of a line is
 * within strings, so they are looked through 16 bytes at a time, or 8. */
static inline const char *
json_plain_end(const char *at, const char *end, guint64 *high)
{
#ifdef __SSE2__
    while (end - at >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i special =
            _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
                                      _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))),
                         _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes));
        guint found = (guint)_mm_movemask_epi8(special);
        guint beyond = (guint)_mm_movemask_epi8(bytes);
        if (found != 0) {
            *high |= beyond & (found ^ (found - 1));
            return at + __builtin_ctz(found);
        }
        *high |= beyond;
        at += 16;
    }
#endif
    while (end - at >= 8) {
        const guint64 ones = G_GUINT64_CONSTANT(0x0101010101010101);
        guint64 word = 0;
        memcpy(&word, at, 8);
        word = GUINT64_FROM_LE(word);
        guint64 quote = word ^ ones * '"';
        guint64 backslash = word ^ ones * '\\';
        /* The high bit of a byte of 0, or of one below 0x20; wrong only above the first of them. */
        guint64 special = ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) |
                          ((word - ones * 0x20) & ~word);
        special &= ones * 0x80;
        if (special != 0) {
            *high |= word & ones * 0x80 & (special ^ (special - 1));
            return at + __builtin_ctzll(special) / 8;
        }
        *high |= word & ones * 0x80;
        at += 8;
    }
    for (; at < end && (guchar)*at >= 0x20 && *at != '"' && *at != '\\'; at++)
        *high |= (guchar)*at & 0x80;
    return at;
}

#define JSON_BLOCK_BYTES 16
/* Bit n: byte n of a block is none that stands for itself in a string, or beyond ASCII. */
static inline guint32
json_block_others(const char *block)
{
#ifdef __SSE2__
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)block);
    __m128i marks = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
                                 _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
    /* As signed numbers, those beyond ASCII are below 0. */
    __m128i low = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));
    return (guint32)_mm_movemask_epi8(_mm_or_si128(marks, low));
#else
    guint32 others = 0;

    for (guint i = 0; i < JSON_BLOCK_BYTES; i++)
        others |= (guint32)((guchar)block[i] < 0x20 || (guchar)block[i] >= 0x80 ||
                            block[i] == '"' || block[i] == '\\')
                  << i;
    return others;
#endif
}

#endif
