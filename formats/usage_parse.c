/* usage_parse.c - the lines of a usage log, read strictly.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/json.h"
#include "formats/usage.h"

/* The years 1 to 9999, which are those that RFC 3339 can write. */
#define TIME_MIN_US G_GINT64_CONSTANT(-62135596800000000)
#define TIME_MAX_US G_GINT64_CONSTANT(253402300799999999)

typedef struct {
    JsonObject *object;
    GString *scratch; /* has room for all strings, so that they stay where they are */
    UsageEvent *event;
    const char *reason;
} Parse;

static gboolean
fail(Parse *parse, const char *member, const char *expected)
{
    g_string_printf(parse->scratch, "\"%s\": expected %s", member, expected);
    parse->reason = parse->scratch->str;
    return FALSE;
}

/* Reads a string member; bit 0: one that must be there and not be empty. */
static gboolean
take_string(Parse *parse, const JsonObject *object, const char *key, guint32 bit,
            const char **value)
{
    gboolean wrong_type = FALSE;
    const char *text = object ? json_object_string(object, key, &wrong_type) : NULL;

    if (wrong_type || (bit == 0 && (!text || !*text)))
        return fail(parse, key, bit == 0 ? "a string that is not empty" : "a string");
    *value = "";
    if (!text)
        return TRUE;
    *value = parse->scratch->str + parse->scratch->len;
    g_string_append_len(parse->scratch, text, (gssize)strlen(text) + 1);
    parse->event->present |= bit;
    return TRUE;
}

static gboolean
take_count(Parse *parse, const JsonObject *data, const char *key, guint32 bit, guint64 *value)
{
    gint64 number = 0;

    *value = 0;
    if (!data || !json_object_has(data, key))
        return TRUE;
    if (!json_object_int(data, key, &number) || number < 0)
        return fail(parse, key, "a whole number from 0 to 9223372036854775807");
    *value = (guint64)number;
    parse->event->present |= bit;
    return TRUE;
}

gboolean
usage_parse_time(const char *text, gsize size_bytes, gint64 *time_us)
{
    g_autofree char *copy = g_strndup(text, size_bytes);
    g_autoptr(GDateTime) time = *copy ? g_date_time_new_from_iso8601(copy, NULL) : NULL;

    if (!time)
        return FALSE;
    *time_us = g_date_time_to_unix(time) * G_USEC_PER_SEC + g_date_time_get_microsecond(time);
    return *time_us >= TIME_MIN_US && *time_us <= TIME_MAX_US;
}

static gboolean
take_top(Parse *parse)
{
    UsageEvent *event = parse->event;
    const JsonObject *object = parse->object;
    const char *version = NULL;
    const char *time = NULL;
    const char *sequence = NULL;

    if (!take_string(parse, object, "specversion", 0, &version) ||
        !take_string(parse, object, "id", 0, &event->id) ||
        !take_string(parse, object, "source", 0, &event->source) ||
        !take_string(parse, object, "type", 0, &event->type) ||
        !take_string(parse, object, "subject", USAGE_HAS_SUBJECT, &event->subject) ||
        !take_string(parse, object, "writer", USAGE_HAS_WRITER, &event->writer) ||
        !take_string(parse, object, "time", 0, &time) ||
        !take_string(parse, object, "sequence", USAGE_HAS_SEQUENCE, &sequence))
        return FALSE;
    if (strcmp(version, "1.0") != 0)
        return fail(parse, "specversion", "\"1.0\"");
    if (!usage_parse_time(time, strlen(time), &event->time_us))
        return fail(parse, "time", "RFC 3339 with a zone, as in 2026-11-22T10:00:00.123456Z");
    if (*sequence &&
        !g_ascii_string_to_unsigned(sequence, 10, 0, G_MAXUINT64, &event->sequence, NULL))
        return fail(parse, "sequence", "decimal digits in a string");
    return TRUE;
}

static gboolean
take_data(Parse *parse)
{
    UsageEvent *event = parse->event;
    g_autoptr(JsonObject) data = json_object_object(parse->object, "data");

    if (!data && json_object_has(parse->object, "data"))
        return fail(parse, "data", "an object");
    event->present |= data ? USAGE_HAS_DATA : 0;
    return take_string(parse, data, "request", USAGE_HAS_REQUEST, &event->request) &&
           take_string(parse, data, "op", USAGE_HAS_OP, &event->op) &&
           take_string(parse, data, "format", USAGE_HAS_FORMAT, &event->format) &&
           take_string(parse, data, "status", USAGE_HAS_STATUS, &event->status) &&
           take_string(parse, data, "node", USAGE_HAS_NODE, &event->node) &&
           take_count(parse, data, "bytes_in", USAGE_HAS_BYTES_IN, &event->bytes_in) &&
           take_count(parse, data, "bytes_out", USAGE_HAS_BYTES_OUT, &event->bytes_out) &&
           take_count(parse, data, "pixels_in", USAGE_HAS_PIXELS_IN, &event->pixels_in) &&
           take_count(parse, data, "pixels_out", USAGE_HAS_PIXELS_OUT, &event->pixels_out) &&
           take_count(parse, data, "cpu_us", USAGE_HAS_CPU_US, &event->cpu_us) &&
           take_count(parse, data, "wall_us", USAGE_HAS_WALL_US, &event->wall_us);
}

gboolean
usage_line_parse(char *text, gsize size_bytes, GString *scratch, UsageEvent *event,
                 const char **reason)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) object = json_object_parse(text, size_bytes, &error);
    Parse parse = {.object = object, .scratch = scratch, .event = event};

    *event = (UsageEvent){.extra = ""};
    g_string_set_size(scratch, size_bytes + 64);
    g_string_truncate(scratch, 0);
    if (object && take_top(&parse) && take_data(&parse))
        return TRUE;
    if (!object)
        g_string_assign(scratch, error->message);
    *reason = scratch->str;
    return FALSE;
}
