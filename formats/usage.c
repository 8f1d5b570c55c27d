/* usage.c - usage events as CloudEvents lines.
 * A line is a pure function of a ledger record, so that an event repeated after a crash is the same
 * bytes and the log can always be completed from the ledger.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/usage.h"

#include <string.h>
#include <xxhash.h>

#include "formats/usage_internal.h"

/* The literal of a key and its size; where a field lies. */
#define LITERAL(KEY)  "\"" KEY "\":", sizeof(KEY) + 2
#define OFFSET(FIELD) G_STRUCT_OFFSET(UsageEvent, FIELD)

/* In the order of UsageMemberIndex. */
const UsageMember usage_members[MEMBERS] = {
    {LITERAL("specversion"), KIND_VERSION, 0, 0},
    {LITERAL("id"), KIND_TEXT, 0, OFFSET(id)},
    {LITERAL("source"), KIND_TEXT, 0, OFFSET(source)},
    {LITERAL("type"), KIND_TEXT, 0, OFFSET(type)},
    {LITERAL("subject"), KIND_TEXT, USAGE_HAS_SUBJECT, OFFSET(subject)},
    {LITERAL("time"), KIND_TIME, 0, OFFSET(time_us)},
    {LITERAL("writer"), KIND_TEXT, USAGE_HAS_WRITER, OFFSET(writer)},
    {LITERAL("sequence"), KIND_SEQUENCE, USAGE_HAS_SEQUENCE, OFFSET(sequence)},
    {LITERAL("data"), KIND_DATA, USAGE_HAS_DATA, 0},
    {LITERAL("request"), KIND_TEXT, USAGE_HAS_REQUEST, OFFSET(request)},
    {LITERAL("op"), KIND_TEXT, USAGE_HAS_OP, OFFSET(op)},
    {LITERAL("format"), KIND_TEXT, USAGE_HAS_FORMAT, OFFSET(format)},
    {LITERAL("status"), KIND_TEXT, USAGE_HAS_STATUS, OFFSET(status)},
    {LITERAL("bytes_in"), KIND_COUNT, USAGE_HAS_BYTES_IN, OFFSET(bytes_in)},
    {LITERAL("bytes_out"), KIND_COUNT, USAGE_HAS_BYTES_OUT, OFFSET(bytes_out)},
    {LITERAL("pixels_in"), KIND_COUNT, USAGE_HAS_PIXELS_IN, OFFSET(pixels_in)},
    {LITERAL("pixels_out"), KIND_COUNT, USAGE_HAS_PIXELS_OUT, OFFSET(pixels_out)},
    {LITERAL("cpu_us"), KIND_COUNT, USAGE_HAS_CPU_US, OFFSET(cpu_us)},
    {LITERAL("wall_us"), KIND_COUNT, USAGE_HAS_WALL_US, OFFSET(wall_us)},
    {LITERAL("node"), KIND_TEXT, USAGE_HAS_NODE, OFFSET(node)},
};

guint
usage_member_first(char place)
{
    return place == 't' ? 0 : MEMBER_DATA_FIRST;
}

guint
usage_member_end(char place)
{
    return place == 't' ? MEMBER_DATA_FIRST : MEMBERS;
}

guint
usage_member_find(char place, const char *key, gsize size_bytes)
{
    for (guint i = usage_member_first(place); i < usage_member_end(place); i++) {
        const UsageMember *member = &usage_members[i];
        if (member->literal_size == size_bytes + 3 &&
            memcmp(member->literal + 1, key, size_bytes) == 0)
            return i;
    }
    return MEMBERS;
}

void
usage_event_measure(UsageEvent *event)
{
    event->sizes = (UsageSizes){.id = (guint32)strlen(event->id),
                                .source = (guint32)strlen(event->source),
                                .type = (guint32)strlen(event->type),
                                .subject = (guint32)strlen(event->subject),
                                .writer = (guint32)strlen(event->writer),
                                .request = (guint32)strlen(event->request),
                                .op = (guint32)strlen(event->op),
                                .format = (guint32)strlen(event->format),
                                .status = (guint32)strlen(event->status),
                                .node = (guint32)strlen(event->node),
                                .extra = (guint32)strlen(event->extra)};
    event->measured = TRUE;
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
