/* tier_s3_xml.c - lists, upload numbers and errors, by GLib's parser, which knows no entities but
 * XML's five and no files.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/tier_s3_xml.h"

#include <string.h>

enum { VALUE_MAX_BYTES = 4096 };

typedef struct {
    const char *wanted; /* of s3_xml_value */
    char *value;
    GPtrArray *keys; /* of s3_xml_list */
    char *token;
    gboolean truncated;
} Reading;

static void
on_text(GMarkupParseContext *context, const char *text, gsize size_bytes, gpointer data,
        GError **error)
{
    Reading *reading = data;
    const char *element = g_markup_parse_context_get_element(context);

    if (!element)
        return;
    if (size_bytes > VALUE_MAX_BYTES) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                    "an element of %" G_GSIZE_FORMAT " bytes", size_bytes);
        return;
    }
    if (reading->wanted && !reading->value && strcmp(element, reading->wanted) == 0)
        reading->value = g_strndup(text, size_bytes);
    if (!reading->keys)
        return;
    if (strcmp(element, "Key") == 0)
        g_ptr_array_add(reading->keys, g_strndup(text, size_bytes));
    else if (strcmp(element, "IsTruncated") == 0)
        reading->truncated = size_bytes == 4 && memcmp(text, "true", 4) == 0;
    else if (strcmp(element, "NextContinuationToken") == 0 && !reading->token)
        reading->token = g_strndup(text, size_bytes);
}

static gboolean
parse(const char *text, gsize size_bytes, Reading *reading, GError **error)
{
    static const GMarkupParser parser = {.text = on_text};
    g_autoptr(GMarkupParseContext) context =
        g_markup_parse_context_new(&parser, (GMarkupParseFlags)0, reading, NULL);

    return g_markup_parse_context_parse(context, text, (gssize)size_bytes, error) &&
           g_markup_parse_context_end_parse(context, error);
}

char *
s3_xml_value(const char *text, gsize size_bytes, const char *element)
{
    Reading reading = {.wanted = element};

    if (parse(text, size_bytes, &reading, NULL))
        return reading.value;
    g_free(reading.value);
    return NULL;
}

gboolean
s3_xml_list(const char *text, gsize size_bytes, GPtrArray *keys, char **token, GError **error)
{
    Reading reading = {.keys = keys};
    g_autoptr(GError) reason = NULL;

    *token = NULL;
    gboolean good = parse(text, size_bytes, &reading, &reason);
    if (good && reading.truncated == (reading.token != NULL)) {
        *token = reading.token;
        return TRUE;
    }
    g_free(reading.token);
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                "the server's list of files cannot be read: %s",
                reason ? reason->message : "it does not say how to go on");
    return FALSE;
}
