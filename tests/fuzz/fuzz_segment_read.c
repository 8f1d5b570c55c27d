/* fuzz_segment_read.c - segments and columns of any bytes are read or refused; and what a builder
 * makes of any events is read as these events.
 * The first byte chooses what the rest is: a file, whose checksums are set right first, since they
 * would hide everything behind them; a column; or events.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include "formats/column.h"
#include "formats/segment.h"

enum {
    TRAILER_BYTES = 20,
    COLUMN_BYTES = 12, /* in the footer */
    BUCKET_BYTES = 4 + COLUMN_BYTES * SEGMENT_COLUMNS,
    EVENTS_MAX = 4096, /* of a file or a column, so that lies cost no minutes */
    BITS_MAX = 2
};

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes);

/* Kept from input to input: to make them anew takes longer than an input does. */
static SegmentBuilder *builder;
static SegmentBlock *block;

static guint32
get_u32(const guint8 *bytes)
{
    guint32 value = 0;

    memcpy(&value, bytes, sizeof value);
    return GUINT32_FROM_LE(value);
}

static void
put_checksum(guint8 *to, const guint8 *bytes, gsize size_bytes, guint64 seed)
{
    guint64 checksum = GUINT64_TO_LE(XXH3_64bits_withSeed(bytes, size_bytes, seed));

    memcpy(to, &checksum, sizeof checksum);
}

/* Sets right what checksums there are. Returns FALSE when there are too many events. */
static gboolean
mend(guint8 *file, gsize size_bytes)
{
    if (size_bytes < TRAILER_BYTES + 8)
        return TRUE;
    guint8 *trailer = file + size_bytes - TRAILER_BYTES;
    guint32 size = get_u32(trailer);
    if (size > size_bytes - TRAILER_BYTES - 8)
        return TRUE;
    guint8 *footer = trailer - size;
    guint bits = 0;
    while (bits <= BITS_MAX && !(size > ((gsize)BUCKET_BYTES << bits) + 2 &&
                                 trailer[-(BUCKET_BYTES << bits) - 2] == bits))
        bits++;
    gsize offset = 8;
    for (guint bucket = 0; bits <= BITS_MAX && bucket < 1u << bits; bucket++) {
        guint8 *entry = trailer - ((gsize)BUCKET_BYTES << bits) + (gsize)bucket * BUCKET_BYTES;
        if (get_u32(entry) > EVENTS_MAX)
            return FALSE;
        for (guint column = 0; column < SEGMENT_COLUMNS; column++) {
            guint8 *place = entry + 4 + (gsize)column * COLUMN_BYTES;
            gsize stored = get_u32(place);
            if (stored > (gsize)(footer - file) - offset)
                break;
            put_checksum(place + 4, file + offset, stored, bucket << 8 | column);
            offset += stored;
        }
    }
    put_checksum(trailer + 4, footer, size, size);
    return TRUE;
}

/* Uses every text, so that one beyond its memory is seen. */
static gsize
use_event(const UsageEvent *event)
{
    g_assert(event->time_us >= G_GINT64_CONSTANT(-62135596800000000));
    g_assert(event->bytes_in <= G_MAXINT64 && event->wall_us <= G_MAXINT64);
    return strlen(event->id) + strlen(event->source) + strlen(event->type) +
           strlen(event->subject) + strlen(event->writer) + strlen(event->request) +
           strlen(event->op) + strlen(event->format) + strlen(event->status) + strlen(event->node) +
           strlen(event->extra);
}

static SegmentReader *
open_bytes(const guint8 *bytes, gsize size_bytes, int *fd)
{
    *fd = memfd_create("segment", MFD_CLOEXEC);
    g_assert(*fd >= 0 && write(*fd, bytes, size_bytes) == (gssize)size_bytes);
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", *fd);
    return segment_reader_open(path, NULL);
}

static void
try_file(const guint8 *data, gsize size_bytes)
{
    g_autofree guint8 *file = g_malloc(size_bytes + 1);
    gsize used = 0;
    int fd = -1;

    memcpy(file, data, size_bytes);
    if (!mend(file, size_bytes))
        return;
    g_autoptr(SegmentReader) reader = open_bytes(file, size_bytes, &fd);
    for (guint bucket = 0; reader && bucket < 1u << segment_reader_footer(reader)->bucket_bits;
         bucket++) {
        if (!segment_block_read(block, reader, bucket, SEGMENT_ALL_COLUMNS, NULL))
            continue;
        for (guint32 row = 0; row < segment_block_count(block); row++) {
            UsageEvent event;
            segment_block_event(block, row, &event);
            used += use_event(&event);
        }
    }
    if (reader && segment_reader_verify(reader, NULL))
        g_assert(used <= segment_reader_footer(reader)->event_count * COLUMN_TEXT_MAX_BYTES);
    close(fd);
}

static void
check_texts(const SegmentTexts *texts, guint32 count)
{
    for (guint32 i = 0; i < count; i++) {
        guint32 code = texts->codes[i];
        g_assert(code < texts->value_count);
        g_assert(strlen(texts->values[code]) == texts->size_bytes[code]);
        g_assert(g_utf8_validate(texts->values[code], -1, NULL));
    }
}

static void
try_column(const guint8 *data, gsize size_bytes)
{
    static ColumnDecoder decoder;
    static ColumnTexts texts;
    gint64 numbers[EVENTS_MAX];

    if (size_bytes < 2)
        return;
    guint32 count = (data[0] | (guint32)data[1] << 8) % EVENTS_MAX + 1;
    data += 2;
    size_bytes -= 2;
    if (!decoder.decompressor)
        column_decoder_init(&decoder);
    column_get_numbers(&decoder, data, size_bytes, numbers, count);
    if (!column_get_texts(&decoder, data, size_bytes, &texts, count))
        return;
    check_texts(&texts.texts, count);
    column_get_sequences(&decoder, data, size_bytes, numbers, count, &texts.texts);
}

/* Takes bytes from the input; zeros when there are no more. */
typedef struct {
    const guint8 *at;
    const guint8 *end;
} Input;

static guint64
take(Input *input, guint size_bytes)
{
    guint64 value = 0;

    for (guint i = 0; i < size_bytes && input->at < input->end; i++)
        value = value << 8 | *input->at++;
    return value;
}

/* A text of a few alphabets. (transfer full) */
static char *
take_text(Input *input)
{
    static const char *const words[] = {"", "r-", "//millrace/job/a", "\xc3\xa4", "x"};
    guint64 how = take(input, 1);
    GString *text = g_string_new(words[how % G_N_ELEMENTS(words)]);

    how /= G_N_ELEMENTS(words);
    if (how % 4 == 1)
        g_string_append_printf(text, "%" G_GUINT64_FORMAT, take(input, (guint)(how / 4 % 8)));
    else if (how % 4 == 2)
        g_string_append_printf(text, "%08x", (guint)take(input, 4));
    else if (how % 4 == 3)
        g_string_append_printf(text, "%032" G_GINT64_MODIFIER "x", take(input, 8));
    return g_string_free(text, FALSE);
}

enum { TEXTS = 11, EVENTS_TAKEN = 64 };

typedef struct {
    UsageEvent event;
    char *texts[TEXTS];
} Taken;

static void
take_event(Input *input, Taken *taken, const Taken *before)
{
    UsageEvent *event = &taken->event;
    guint64 width = take(input, 1);
    const char **const places[TEXTS] = {&event->id,      &event->source, &event->type,
                                        &event->subject, &event->writer, &event->request,
                                        &event->op,      &event->format, &event->status,
                                        &event->node,    &event->extra};

    for (guint i = 0; i < TEXTS; i++) { /* half of them as in the event before */
        gboolean same = before && take(input, 1) % 2 == 0;
        taken->texts[i] = same ? g_strdup(before->texts[i]) : take_text(input);
        *places[i] = taken->texts[i];
    }
    if (*event->source == '\0') /* no parser lets that pass */
        event->source = "s";
    event->time_us = (gint64)take(input, (guint)(width % 8)) % G_GINT64_CONSTANT(62135596800000000);
    event->sequence = take(input, (guint)(width / 8 % 9));
    event->bytes_in = take(input, (guint)(width % 7));
    event->bytes_out = take(input, 8) >> 1;
    event->pixels_in = take(input, 1);
    event->pixels_out = take(input, 3);
    event->cpu_us = take(input, 4);
    event->wall_us = take(input, 5);
    event->present = (guint32)take(input, 2) & USAGE_HAS_ALL;
}

static void
expect_equal(const UsageEvent *got, const UsageEvent *event)
{
    g_assert_cmpstr(got->id, ==, event->id);
    g_assert_cmpstr(got->source, ==, event->source);
    g_assert_cmpstr(got->type, ==, event->type);
    g_assert_cmpstr(got->subject, ==, event->subject);
    g_assert_cmpstr(got->writer, ==, event->writer);
    g_assert_cmpstr(got->request, ==, event->request);
    g_assert_cmpstr(got->op, ==, event->op);
    g_assert_cmpstr(got->format, ==, event->format);
    g_assert_cmpstr(got->status, ==, event->status);
    g_assert_cmpstr(got->node, ==, event->node);
    g_assert_cmpstr(got->extra, ==, event->extra);
    g_assert(got->time_us == event->time_us && got->sequence == event->sequence);
    g_assert(got->bytes_in == event->bytes_in && got->bytes_out == event->bytes_out);
    g_assert(got->pixels_in == event->pixels_in && got->pixels_out == event->pixels_out);
    g_assert(got->cpu_us == event->cpu_us && got->wall_us == event->wall_us);
    g_assert(got->present == event->present);
}

static void
try_events(const guint8 *data, gsize size_bytes)
{
    Input input = {.at = data, .end = data + size_bytes};
    g_autofree Taken *taken = g_new0(Taken, EVENTS_TAKEN);
    char name[SEGMENT_NAME_CHARS + 1];
    guint count = 0;
    int fd = -1;

    for (; count < EVENTS_TAKEN && input.at < input.end; count++) {
        UsageEvent *event = &taken[count].event;
        take_event(&input, &taken[count], count > 0 ? &taken[count - 1] : NULL);
        segment_builder_add(
            builder, event,
            usage_identity_hash(usage_source_seed(event->source), event->id, strlen(event->id)));
    }
    g_autoptr(GByteArray) bytes = segment_builder_finish(builder, name);
    g_autoptr(SegmentReader) reader = open_bytes(bytes->data, bytes->len, &fd);
    g_assert(reader && segment_reader_verify(reader, NULL));
    g_assert(segment_block_read(block, reader, 0, SEGMENT_ALL_COLUMNS, NULL));
    g_assert(segment_block_count(block) == count);
    for (guint i = 0; i < count; i++) {
        UsageEvent event;
        segment_block_event(block, i, &event);
        expect_equal(&event, &taken[i].event);
        for (guint k = 0; k < TEXTS; k++)
            g_free(taken[i].texts[k]);
    }
    close(fd);
}

int
LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes)
{
    if (size_bytes == 0)
        return 0;
    if (!builder) {
        builder = segment_builder_new();
        block = segment_block_new();
    }
    if (data[0] % 3 == 0)
        try_file(data + 1, size_bytes - 1);
    else if (data[0] % 3 == 1)
        try_column(data + 1, size_bytes - 1);
    else
        try_events(data + 1, size_bytes - 1);
    return 0;
}
