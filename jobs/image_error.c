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
    {"out of memory", ROW_OUT_OF_MEMORY},
    {"Out of memory", ROW_OUT_OF_MEMORY},
    {"Insufficient memory", ROW_OUT_OF_MEMORY},
    {"Memory allocation", ROW_OUT_OF_MEMORY},
    {"Unsupported JPEG process", ROW_UNSUPPORTED_FORMAT},
    {"Unsupported JPEG data precision", ROW_UNSUPPORTED_FORMAT},
    {"arithmetic coding is not supported", ROW_UNSUPPORTED_FORMAT},
    {"Requested feature was omitted", ROW_UNSUPPORTED_FORMAT},
    {"Unsupported color conversion", ROW_UNSUPPORTED_FORMAT},
    {"Unsupported marker type", ROW_UNSUPPORTED_FORMAT},
    {"Unsupported feature", ROW_UNSUPPORTED_FORMAT},
    {"Unsupported codec", ROW_UNSUPPORTED_FORMAT},
    {"Unsupported image type", ROW_UNSUPPORTED_FORMAT},
    {"is not configured", ROW_UNSUPPORTED_FORMAT},
    {"no known route from", ROW_UNSUPPORTED_FORMAT},
    {"operation is blocked", ROW_UNSUPPORTED_FORMAT},
    {"Maximum supported image dimension", ROW_TOO_LARGE},
    {"exceeds the maximum image size", ROW_TOO_LARGE},
    {"Security limit exceeded", ROW_TOO_LARGE},
    {"image too large", ROW_TOO_LARGE},
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
};

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

/* Appends text to a message of one line: newlines become "; ", other controls go. */
static void
message_put(char *message, const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    gsize used = 0;

    g_strchomp(valid);
    for (const char *p = valid; *p; p = g_utf8_next_char(p)) {
        const char *piece = p;
        gsize size = (gsize)(g_utf8_next_char(p) - p);

        if (*p == '\n') {
            piece = "; ";
            size = 2;
        } else if (g_unichar_iscntrl(g_utf8_get_char(p))) {
            continue;
        }
        if (used + size > IMAGE_MESSAGE_MAX_BYTES - 1)
            break;
        memcpy(message + used, piece, size);
        used += size;
    }
    message[used] = '\0';
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
    const char *text = vips_error_buffer();
    RowClass class = classify(job, text);

    if (*text == '\0')
        text = "the image library failed without a message";
    image_fail(job, class, "%s", text);
    vips_error_clear();
    return FALSE;
}
