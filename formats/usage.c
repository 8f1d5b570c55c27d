/* usage.c - usage events as CloudEvents lines.
 * A line is a pure function of a ledger record, so that an event repeated after a crash is the same
 * bytes and the log can always be completed from the ledger.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/usage.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "formats/json.h"

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

/* Appends the members of "data" that are there. */
static void
print_data(const UsageEvent *event, GString *out)
{
    const struct {
        guint32 bit;
        const char *key;
        const char *text;
        guint64 count;
    } members[] = {
        {USAGE_HAS_REQUEST, "request", event->request, 0},
        {USAGE_HAS_OP, "op", event->op, 0},
        {USAGE_HAS_FORMAT, "format", event->format, 0},
        {USAGE_HAS_STATUS, "status", event->status, 0},
        {USAGE_HAS_BYTES_IN, "bytes_in", NULL, event->bytes_in},
        {USAGE_HAS_BYTES_OUT, "bytes_out", NULL, event->bytes_out},
        {USAGE_HAS_PIXELS_IN, "pixels_in", NULL, event->pixels_in},
        {USAGE_HAS_PIXELS_OUT, "pixels_out", NULL, event->pixels_out},
        {USAGE_HAS_CPU_US, "cpu_us", NULL, event->cpu_us},
        {USAGE_HAS_WALL_US, "wall_us", NULL, event->wall_us},
        {USAGE_HAS_NODE, "node", event->node, 0},
    };

    json_open(out, "data", '{');
    for (guint i = 0; i < G_N_ELEMENTS(members); i++) {
        if (!(event->present & members[i].bit))
            continue;
        if (members[i].text)
            json_put_string(out, members[i].key, members[i].text);
        else
            json_put_uint(out, members[i].key, members[i].count);
    }
    g_string_append_c(out, '}');
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
    if (event->present & USAGE_HAS_SUBJECT)
        json_put_string(out, "subject", event->subject);
    g_string_append(out, ",\"time\":\"");
    usage_print_time(out, event->time_us);
    g_string_append_c(out, '"');
    if (event->present & USAGE_HAS_WRITER)
        json_put_string(out, "writer", event->writer);
    if (event->present & USAGE_HAS_SEQUENCE)
        json_put_string(out, "sequence", sequence);
    if (event->present & USAGE_HAS_DATA)
        print_data(event, out);
    g_string_append(out, "}\n");
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
            .status = row_class_name(record->class),
            .bytes_in = record->bytes_in,
            .bytes_out = output->size_bytes,
            .pixels_in = record->pixels_in,
            .pixels_out = (guint64)output->width_px * output->height_px,
            .cpu_us = output->cpu_us,
            .wall_us = record->wall_us,
            .node = header->node,
            .extra = "",
            .present = USAGE_HAS_ALL,
        };
        usage_event_print(&event, out);
    }
}

guint64
usage_source_seed(const char *source)
{
    return XXH3_64bits(source, strlen(source));
}

guint64
usage_identity_hash(guint64 source_seed, const char *id, gsize id_size_bytes)
{
    return XXH3_64bits_withSeed(id, id_size_bytes, source_seed);
}
