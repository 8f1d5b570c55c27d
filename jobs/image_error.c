/* image_error.c - from the text of a failure to its class, and to one clean line for the report.
 * libvips keeps one error text for the process and its decoders have no codes: so the text is read.
 * The patterns are those of libvips 8.14 and the libraries it uses on Debian 12.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <string.h>

#include "jobs/image_internal.h"

typedef struct {
    const char *pattern;
    RowClass class;
} Pattern;

/* The first that occurs in the text decides. */
static const Pattern patterns[] = {
    {"Security limit exceeded", ROW_TOO_LARGE}, /* libheif calls it a memory allocation error */
    {"out of memory", ROW_OUT_OF_MEMORY},
    {"Out of memory", ROW_OUT_OF_MEMORY},
    {"Insufficient memory", ROW_OUT_OF_MEMORY},
    {"Memory allocation", ROW_OUT_OF_MEMORY},
    {"Unsupported JPEG process", ROW_UNSUPPORTED_FORMAT},
    {"Unsupported JPEG data precision", ROW_UNSUPPORTED_FORMAT},
    {"arithmetic coding is not supported", ROW_UNSUPPORTED_FORMAT},
    {"Requested feature was omitted", ROW_UNSUPPORTED_FORMAT},
    {"Unsupported color conversion", ROW_UNSUPPORTED_FORMAT},
    {"Unsupported feature", ROW_UNSUPPORTED_FORMAT},
    {"Unsupported codec", ROW_UNSUPPORTED_FORMAT},
    {"Unsupported image type", ROW_UNSUPPORTED_FORMAT},
    {"is not configured", ROW_UNSUPPORTED_FORMAT},
    {"no known route from", ROW_UNSUPPORTED_FORMAT},
    {"operation is blocked", ROW_UNSUPPORTED_FORMAT},
    {"Maximum supported image dimension", ROW_TOO_LARGE},
    {"exceeds the maximum image size", ROW_TOO_LARGE},
    {"image too large", ROW_TOO_LARGE},
    {"CRC error", ROW_CORRUPT},
    {"invalid chunk", ROW_CORRUPT},
    {"Missing PLTE", ROW_CORRUPT},
    {"Bogus", ROW_CORRUPT},
    {"Premature end of", ROW_TRUNCATED},
    {"premature end of", ROW_TRUNCATED},
    {"Unexpected end of", ROW_TRUNCATED},
    {"unexpected end of", ROW_TRUNCATED},
    {"End of file", ROW_TRUNCATED},
    {"end of file", ROW_TRUNCATED},
    {"Unexpected EOF", ROW_TRUNCATED},
    {"Empty input file", ROW_TRUNCATED},
    {"not enough data", ROW_TRUNCATED},
    {"Read error", ROW_TRUNCATED},
    {"Not enough data", ROW_TRUNCATED},
    {"Read Error", ROW_TRUNCATED},
    {"bad seek to", ROW_TRUNCATED},
    {"Unexpected end", ROW_TRUNCATED},
    {"unable to read source", ROW_TRUNCATED},
};

/* The last warning about the image in hand; libvips has one thread at a time for us. */
static char heard[IMAGE_MESSAGE_MAX_BYTES];

void
image_error_clear(void)
{
    vips_error_clear();
    heard[0] = '\0';
}

void
image_error_hear(const char *domain, GLogLevelFlags level, const char *message, gpointer data)
{
    (void)domain, (void)data;
    if ((level & G_LOG_LEVEL_MASK) <= G_LOG_LEVEL_WARNING)
        g_strlcpy(heard, message, sizeof heard);
}

static RowClass
classify(const ImageJob *job, const char *text)
{
    for (guint i = 0; i < G_N_ELEMENTS(patterns); i++) {
        if (strstr(text, patterns[i].pattern))
            return patterns[i].class;
    }
    if (image_ends_early(job->format, job->bytes, job->size_bytes))
        return ROW_TRUNCATED;
    return ROW_CORRUPT;
}

/* One line of text: lines are joined by "; ", controls go, a line said twice is said once. */
static void
message_put(char *message, const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    g_auto(GStrv) lines = g_strsplit(valid, "\n", -1);
    g_autoptr(GString) joined = g_string_new(NULL);
    const char *last = "";

    for (char **line = lines; *line; line++) {
        g_strstrip(*line);
        if (**line == '\0' || g_str_equal(*line, last))
            continue;
        if (joined->len > 0)
            g_string_append(joined, "; ");
        for (const char *p = *line; *p; p = g_utf8_next_char(p)) {
            if (!g_unichar_iscntrl(g_utf8_get_char(p)))
                g_string_append_unichar(joined, g_utf8_get_char(p));
        }
        last = *line;
    }
    if (joined->len > IMAGE_MESSAGE_MAX_BYTES - 1) {
        const char *end = joined->str + IMAGE_MESSAGE_MAX_BYTES - 1;

        if (((guchar)*end & 0xc0) == 0x80) /* never cut inside a character */
            end = g_utf8_find_prev_char(joined->str, end);
        g_string_truncate(joined, (gsize)(end - joined->str));
    }
    memcpy(message, joined->str, joined->len + 1);
}

gboolean
image_fail(ImageJob *job, RowClass class, const char *format, ...)
{
    va_list args;

    g_assert(class != ROW_OK);
    if (job->result->class != ROW_OK)
        return FALSE;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    job->result->class = class;
    message_put(job->result->message, text);
    return FALSE;
}

gboolean
image_fail_vips(ImageJob *job)
{
    g_autofree char *text = g_strconcat(vips_error_buffer(), heard, NULL);
    RowClass class = classify(job, text);

    image_fail(job, class, "%s", *text ? text : "the image library failed without a message");
    image_error_clear();
    return FALSE;
}
