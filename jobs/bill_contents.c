/* bill_contents.c - texts by their hashes, and numbers. A member that is missing is "" or 0, so
 * which of them a line has tells nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_contents.h"

#include <string.h>

#include "formats/fingerprint.h"

static const SegmentColumn texts[] = {SEGMENT_TYPE,   SEGMENT_SUBJECT, SEGMENT_REQUEST, SEGMENT_OP,
                                      SEGMENT_FORMAT, SEGMENT_STATUS,  SEGMENT_EXTRA};
static const SegmentColumn numbers[] = {SEGMENT_BYTES_IN, SEGMENT_BYTES_OUT, SEGMENT_PIXELS_IN,
                                        SEGMENT_PIXELS_OUT};

/* Is a line of extra a member of ours that is only spelled otherwise? */
static gboolean
is_ours(const char *line, gsize size_bytes)
{
    static const char *const ours[] = {
        "t\"specversion\"", "t\"id\"",     "t\"source\"",   "t\"type\"",      "t\"subject\"",
        "t\"time\"",        "t\"writer\"", "t\"sequence\"", "d\"request\"",   "d\"op\"",
        "d\"format\"",      "d\"status\"", "d\"bytes_in\"", "d\"bytes_out\"", "d\"pixels_in\"",
        "d\"pixels_out\"",  "d\"cpu_us\"", "d\"wall_us\"",  "d\"node\""};

    for (guint i = 0; i < G_N_ELEMENTS(ours); i++) {
        gsize length = strlen(ours[i]);
        if (size_bytes > length && memcmp(line, ours[i], length) == 0)
            return TRUE;
    }
    return FALSE;
}

/* An attribute of the event that is null is one that is missing. */
static gboolean
is_missing(const char *line, gsize size_bytes)
{
    gsize length = strlen("\":null");

    return *line == 't' && size_bytes > length &&
           memcmp(line + size_bytes - length, "\":null", length) == 0;
}

/* Members that are not ours, in any order. */
static guint64
hash_extra(const char *extra, gsize size_bytes)
{
    guint64 sum = 0;

    for (const char *at = extra, *end = extra + size_bytes; at < end;) {
        const char *newline = memchr(at, '\n', (gsize)(end - at));
        gsize line_bytes = (gsize)((newline ? newline : end) - at);
        if (!is_ours(at, line_bytes) && !is_missing(at, line_bytes))
            sum += fingerprint_line(at, line_bytes);
        at += line_bytes + 1;
    }
    return sum;
}

guint64
bill_contents_hash(SegmentBlock *block, guint32 row)
{
    guint64 parts[G_N_ELEMENTS(texts) + G_N_ELEMENTS(numbers)];
    guint count = 0;

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        guint32 size_bytes = 0;
        const char *text = segment_block_text(block, texts[i], row, &size_bytes);
        parts[count++] = texts[i] == SEGMENT_EXTRA ? hash_extra(text, size_bytes)
                                                   : fingerprint_line(text, size_bytes);
    }
    for (guint i = 0; i < G_N_ELEMENTS(numbers); i++)
        parts[count++] = (guint64)segment_block_numbers(block, numbers[i])[row];
    return fingerprint_line(parts, sizeof parts);
}
