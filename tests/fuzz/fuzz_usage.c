/* fuzz_usage.c - the reader of usage lines beside jansson, which reads JSON in another way: what
 * one takes the other takes, and finds the same in it. What was read is printed as a line that says
 * the same to both, with every member in its own spelling; and that line is printed as itself.
 * SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <jansson.h>
#include <string.h>

#include "formats/usage.h"

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes);

static void
check_string(json_t *object, const char *key, const char *got)
{
    const char *expected = json_string_value(json_object_get(object, key));

    g_assert_cmpstr(got, ==, expected ? expected : "");
}

static void
check_count(json_t *data, const char *key, guint64 got)
{
    g_assert_cmpuint(got, ==, (guint64)json_integer_value(json_object_get(data, key)));
}

static void
check_event(const UsageEvent *event, json_t *object)
{
    json_t *data = json_object_get(object, "data");

    check_string(object, "id", event->id);
    check_string(object, "source", event->source);
    check_string(object, "type", event->type);
    check_string(object, "subject", event->subject);
    check_string(object, "writer", event->writer);
    const char *sequence = json_string_value(json_object_get(object, "sequence"));
    g_assert_cmpuint(event->sequence, ==, sequence ? g_ascii_strtoull(sequence, NULL, 10) : 0);
    g_assert_cmpint(data != NULL, ==, (event->present & USAGE_HAS_DATA) != 0);
    check_string(data, "request", event->request);
    check_string(data, "op", event->op);
    check_string(data, "format", event->format);
    check_string(data, "status", event->status);
    check_string(data, "node", event->node);
    check_count(data, "bytes_in", event->bytes_in);
    check_count(data, "bytes_out", event->bytes_out);
    check_count(data, "pixels_in", event->pixels_in);
    check_count(data, "pixels_out", event->pixels_out);
    check_count(data, "cpu_us", event->cpu_us);
    check_count(data, "wall_us", event->wall_us);
}

static gboolean
is_text(json_t *object, const char *key, gboolean required)
{
    json_t *value = json_object_get(object, key);

    if (!value || (json_is_null(value) && !required))
        return !required;
    return json_is_string(value) && strlen(json_string_value(value)) == json_string_length(value) &&
           (!required || json_string_length(value) > 0);
}

/* Whether our members are of their types, in an object that jansson has taken. Times and sequences
 * are left to the unit tests. */
static gboolean
is_typed(json_t *object)
{
    static const char *const texts[] = {"request", "op", "format", "status", "node"};
    static const char *const counts[] = {"bytes_in",   "bytes_out", "pixels_in",
                                         "pixels_out", "cpu_us",    "wall_us"};
    json_t *data = json_object_get(object, "data");
    gint64 time_us = 0;

    if (!is_text(object, "id", TRUE) || !is_text(object, "source", TRUE) ||
        !is_text(object, "type", TRUE) || !is_text(object, "time", TRUE) ||
        !is_text(object, "subject", FALSE) || !is_text(object, "writer", FALSE) ||
        json_object_get(object, "sequence") || (data && !json_is_object(data)))
        return FALSE;
    json_t *version = json_object_get(object, "specversion");
    json_t *time = json_object_get(object, "time");
    if (!json_is_string(version) || json_string_length(version) != 3 ||
        strcmp(json_string_value(version), "1.0") != 0 ||
        !usage_parse_time(json_string_value(time), json_string_length(time), &time_us))
        return FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++)
        if (json_is_null(json_object_get(data, texts[i])) || !is_text(data, texts[i], FALSE))
            return FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(counts); i++) {
        json_t *count = json_object_get(data, counts[i]);
        if (count && (!json_is_integer(count) || json_integer_value(count) <= 0))
            return FALSE; /* 0 may be -0, which ours refuses */
    }
    return json_object_size(object) + json_object_size(data) <= 256;
}

/* How deep arrays and objects are nested, at most. */
static guint
depth_max(const guint8 *data, size_t size_bytes)
{
    guint depth = 0;

    for (size_t i = 0; i < size_bytes; i++)
        depth += data[i] == '[' || data[i] == '{';
    return depth;
}

static void
check_sizes(const UsageEvent *event)
{
    UsageEvent counted = *event;

    usage_event_measure(&counted);
    g_assert_true(event->measured);
    g_assert_cmpmem(&event->sizes, sizeof event->sizes, &counted.sizes, sizeof counted.sizes);
}

/* Prints what was read, and reads it again. object: what jansson has read. */
static void
check_print(const UsageEvent *event, json_t *object)
{
    g_autoptr(GString) printed = g_string_new(NULL);
    g_autoptr(GString) again = g_string_new(NULL);
    g_autoptr(GString) scratch = g_string_new(NULL);
    const char *reason = NULL;
    UsageEvent reread;

    usage_event_print(event, printed);
    g_assert_true(memchr(printed->str, '\n', printed->len) == printed->str + printed->len - 1);
    json_t *other = json_loadb(printed->str, printed->len, JSON_ALLOW_NUL, NULL);
    if (object) {
        g_assert_true(json_equal(object, other));
        check_event(event, object);
    }
    json_decref(other);
    g_autofree char *copy = g_strndup(printed->str, printed->len);
    g_assert_true(usage_line_parse(copy, printed->len - 1, scratch, &reread, &reason));
    g_assert_cmpint(event->time_us, ==, reread.time_us);
    g_assert_cmpuint(event->present, ==, reread.present);
    g_assert_cmpuint(strlen(event->extra), ==, strlen(reread.extra));
    check_sizes(event);
    check_sizes(&reread);
    usage_event_print(&reread, again);
    g_assert_cmpstr(printed->str, ==, again->str);
}

/* What the quick way takes, the strict one takes as the same; else the text is as it was. guess: at
 * the sizes. */
static void
check_quick(const guint8 *data, size_t size_bytes, gboolean good, const UsageEvent *event,
            const UsageSizes *guess)
{
    g_autofree char *text = g_malloc(size_bytes + 2);
    g_autoptr(GString) quick = g_string_new(NULL);
    g_autoptr(GString) strict = g_string_new(NULL);
    UsageEvent read = {.sizes = *guess};

    memcpy(text, data, size_bytes);
    memcpy(text + size_bytes, "\n", 2);
    if (!usage_line_quick(text, text + size_bytes + 1, &read)) {
        g_assert_cmpmem(text, size_bytes, data, size_bytes);
        return;
    }
    g_assert_true(good);
    check_sizes(&read);
    usage_event_print(&read, quick);
    usage_event_print(event, strict);
    g_assert_cmpstr(quick->str, ==, strict->str);
}

int
LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes)
{
    g_autofree char *text = g_malloc(size_bytes + 1);
    g_autoptr(GString) scratch = g_string_new(NULL);
    const char *reason = NULL;
    json_error_t why;
    UsageEvent event;

    size_bytes -= size_bytes > 0 && data[size_bytes - 1] == '\n';
    if (size_bytes == 0 || memchr(data, '\n', size_bytes))
        return 0;
    memcpy(text, data, size_bytes);
    gboolean good = usage_line_parse(text, size_bytes, scratch, &event, &reason);
    g_assert_true(good || reason);
    check_quick(data, size_bytes, good, &event, &(UsageSizes){0});
    check_quick(data, size_bytes, good, &event, &event.sizes);
    /* Ours does not look for doubles within what it does not know, nor does it make numbers. */
    json_t *object = json_loadb((const char *)data, size_bytes, JSON_ALLOW_NUL, &why);
    g_assert_true(!good || object || json_error_code(&why) == json_error_numeric_overflow);
    if (good)
        check_print(&event, object);
    json_decref(object);
    if (good || memchr(data, '\0', size_bytes)) /* which jansson skips behind a number */
        return 0;
    object =
        json_loadb((const char *)data, size_bytes, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &why);
    g_assert_false(object && json_is_object(object) && is_typed(object) &&
                   size_bytes <= USAGE_LINE_MAX_BYTES && depth_max(data, size_bytes) <= 64);
    json_decref(object);
    return 0;
}
