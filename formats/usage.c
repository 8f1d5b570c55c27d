/* usage.c - usage events as CloudEvents lines.
 * A line is a pure function of a ledger record, so that an event repeated after a crash is the same
 * bytes and the log can always be completed from the ledger.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/usage.h"

#include <stdio.h>
#include <string.h>

#include "formats/error.h"
#include "formats/json.h"

/* The years 1 to 9999, which are those that RFC 3339 can write. */
#define TIME_MIN_US G_GINT64_CONSTANT(-62135596800000000)
#define TIME_MAX_US G_GINT64_CONSTANT(253402300799999999)

struct _UsageLine {
    UsageEvent event;
    JsonObject *object;
    JsonObject *data;
};

void
usage_print_time(GString *out, gint64 time_us)
{
    gint64 seconds = time_us / G_USEC_PER_SEC - (time_us % G_USEC_PER_SEC < 0);
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(seconds);
    g_assert(time);

    g_string_append_printf(out, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", g_date_time_get_year(time),
                           g_date_time_get_month(time), g_date_time_get_day_of_month(time),
                           g_date_time_get_hour(time), g_date_time_get_minute(time),
                           g_date_time_get_second(time), (int)(time_us - seconds * G_USEC_PER_SEC));
}

void
usage_event_print(const UsageEvent *event, GString *out)
{
    char sequence[24];

    g_snprintf(sequence, sizeof sequence, "%020" G_GUINT64_FORMAT, event->sequence);
    g_string_append(out, "{\"specversion\":\"1.0\"");
    json_put_string(out, "id", event->id);
    json_put_string(out, "source", event->source);
    json_put_string(out, "type", event->type);
    json_put_string(out, "subject", event->subject);
    g_string_append(out, ",\"time\":\"");
    usage_print_time(out, event->time_us);
    g_string_append_c(out, '"');
    json_put_string(out, "writer", event->writer);
    json_put_string(out, "sequence", sequence);
    json_open(out, "data", '{');
    json_put_string(out, "request", event->request);
    json_put_string(out, "op", event->op);
    json_put_string(out, "format", event->format);
    json_put_string(out, "status", event->status);
    if (*event->failure)
        json_put_string(out, "class", event->failure);
    json_put_uint(out, "bytes_in", event->bytes_in);
    json_put_uint(out, "bytes_out", event->bytes_out);
    json_put_uint(out, "pixels_in", event->pixels_in);
    json_put_uint(out, "pixels_out", event->pixels_out);
    json_put_uint(out, "cpu_us", event->cpu_us);
    json_put_uint(out, "wall_us", event->wall_us);
    json_put_string(out, "node", event->node);
    g_string_append(out, "}}\n");
}

void
usage_event_id(const char *job, guint64 row, guint output, char id[USAGE_ID_CHARS + 1])
{
    g_autoptr(GChecksum) sha256 = g_checksum_new(G_CHECKSUM_SHA256);
    char numbers[48];
    int size = g_snprintf(numbers, sizeof numbers, "%" G_GUINT64_FORMAT "%c%u", row, 0, output);

    g_checksum_update(sha256, (const guchar *)USAGE_TYPE_IMAGE, sizeof USAGE_TYPE_IMAGE);
    g_checksum_update(sha256, (const guchar *)job, (gssize)strlen(job) + 1);
    g_checksum_update(sha256, (const guchar *)numbers, size);
    g_strlcpy(id, g_checksum_get_string(sha256), USAGE_ID_CHARS + 1);
}

void
usage_print_record(const LedgerHeader *header, const LedgerRecord *record, guint64 sequence,
                   GString *out)
{
    g_autofree char *source = g_strconcat("//millrace/job/", header->job, NULL);

    for (guint i = 0; i < record->output_count; i++) {
        const LedgerOutput *output = &record->outputs[i];
        char id[USAGE_ID_CHARS + 1];
        usage_event_id(header->job, record->row, i, id);
        UsageEvent event = {
            .id = id,
            .source = source,
            .type = USAGE_TYPE_IMAGE,
            .subject = record->customer,
            .time_us = record->time_us,
            .writer = header->writer,
            .sequence = sequence + i,
            .request = record->request,
            .op = "resize",
            .format = image_format_name(output->format),
            .status = record->class == ROW_OK ? "ok" : "failed",
            .failure = record->class == ROW_OK ? "" : row_class_name(record->class),
            .bytes_in = record->bytes_in,
            .bytes_out = output->size_bytes,
            .pixels_in = record->pixels_in,
            .pixels_out = (guint64)output->width_px * output->height_px,
            .cpu_us = output->cpu_us,
            .wall_us = record->wall_us,
            .node = header->node,
        };
        usage_event_print(&event, out);
    }
}

static gboolean
fail(GError **error, const char *member, const char *expected)
{
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT, "\"%s\": expected %s", member,
                expected);
    return FALSE;
}

/* Reads a string member; one that must be there must not be empty. */
static gboolean
take_string(const JsonObject *object, const char *key, gboolean required, const char **value,
            GError **error)
{
    gboolean wrong_type = FALSE;
    const char *text = object ? json_object_string(object, key, &wrong_type) : NULL;

    if (wrong_type || (required && (!text || !*text)))
        return fail(error, key, required ? "a string that is not empty" : "a string");
    *value = text ? text : "";
    return TRUE;
}

static gboolean
take_count(const JsonObject *data, const char *key, guint64 *value, GError **error)
{
    gint64 number = 0;

    if (data && json_object_has(data, key) && (!json_object_int(data, key, &number) || number < 0))
        return fail(error, key, "a whole number from 0 to 9223372036854775807");
    *value = (guint64)number;
    return TRUE;
}

static gboolean
take_time(const char *text, gint64 *time_us, GError **error)
{
    g_autoptr(GDateTime) time = *text ? g_date_time_new_from_iso8601(text, NULL) : NULL;

    if (!time)
        return fail(error, "time", "RFC 3339 with a zone, as in 2026-11-22T10:00:00.123456Z");
    *time_us = g_date_time_to_unix(time) * G_USEC_PER_SEC + g_date_time_get_microsecond(time);
    if (*time_us >= TIME_MIN_US && *time_us <= TIME_MAX_US)
        return TRUE;
    return fail(error, "time", "a year from 1 to 9999, in UTC");
}

static gboolean
take_sequence(const JsonObject *object, guint64 *sequence, GError **error)
{
    const char *text = NULL;

    if (!take_string(object, "sequence", FALSE, &text, error))
        return FALSE;
    *sequence = 0;
    if (*text && !g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64, sequence, NULL))
        return fail(error, "sequence", "decimal digits in a string");
    return TRUE;
}

static gboolean
take_data(const JsonObject *data, UsageEvent *event, GError **error)
{
    return take_string(data, "request", FALSE, &event->request, error) &&
           take_string(data, "op", FALSE, &event->op, error) &&
           take_string(data, "format", FALSE, &event->format, error) &&
           take_string(data, "status", FALSE, &event->status, error) &&
           take_string(data, "class", FALSE, &event->failure, error) &&
           take_string(data, "node", FALSE, &event->node, error) &&
           take_count(data, "bytes_in", &event->bytes_in, error) &&
           take_count(data, "bytes_out", &event->bytes_out, error) &&
           take_count(data, "pixels_in", &event->pixels_in, error) &&
           take_count(data, "pixels_out", &event->pixels_out, error) &&
           take_count(data, "cpu_us", &event->cpu_us, error) &&
           take_count(data, "wall_us", &event->wall_us, error);
}

UsageLine *
usage_line_parse(const char *text, gsize size_bytes, GError **error)
{
    g_autoptr(JsonObject) object = json_object_parse(text, size_bytes, error);
    if (!object)
        return NULL;

    g_autoptr(UsageLine) line = g_new0(UsageLine, 1);
    UsageEvent *event = &line->event;
    const char *version = NULL;
    const char *time = NULL;
    line->object = g_steal_pointer(&object);
    line->data = json_object_object(line->object, "data");
    if (!take_string(line->object, "specversion", TRUE, &version, error) ||
        !take_string(line->object, "id", TRUE, &event->id, error) ||
        !take_string(line->object, "source", TRUE, &event->source, error) ||
        !take_string(line->object, "type", TRUE, &event->type, error) ||
        !take_string(line->object, "subject", FALSE, &event->subject, error) ||
        !take_string(line->object, "writer", FALSE, &event->writer, error) ||
        !take_sequence(line->object, &event->sequence, error) ||
        !take_string(line->object, "time", TRUE, &time, error) ||
        !take_time(time, &event->time_us, error) || !take_data(line->data, event, error))
        return NULL;
    if (strcmp(version, "1.0") != 0) {
        fail(error, "specversion", "\"1.0\"");
        return NULL;
    }
    return g_steal_pointer(&line);
}

const UsageEvent *
usage_line_event(const UsageLine *line)
{
    return &line->event;
}

void
usage_line_free(UsageLine *line)
{
    if (line->data)
        json_object_free(line->data);
    if (line->object)
        json_object_free(line->object);
    g_free(line);
}
