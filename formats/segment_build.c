/* segment_build.c - events on their way into a segment: copied once, into rows of a fixed size.
 * Parsing threads fill builders of their own; to join them is to move lists of chunks. Only
 * segment_builder_finish() makes buckets of all chunks' parts, and tables of all chunks' texts.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/column_numbered.h"
#include "formats/same_bytes.h"
#include "formats/segment_internal.h"

#define EACH_BYTE(value) (G_GUINT64_CONSTANT(0x0101010101010101) * (value))

/* Reads eight lower-case hexadecimal digits, all at once. Returns FALSE when they are none. */
static gboolean
read_hex(const char *digits, guint8 bytes[4])
{
    guint64 word = 0;

    memcpy(&word, digits, sizeof word);
    word = GUINT64_FROM_LE(word);
    /* The low half of a digit's character, and 9 more of a letter. */
    guint64 values = (word & EACH_BYTE(0x0f)) + (word >> 6 & EACH_BYTE(1)) * 9;
    guint64 letters = (values + EACH_BYTE(6)) >> 4 & EACH_BYTE(1);
    guint64 again = values + EACH_BYTE('0') + letters * ('a' - '0' - 10);
    if (again != word || (values & EACH_BYTE(0x10)) != 0)
        return FALSE;
    values = (values << 4 | values >> 8) & G_GUINT64_CONSTANT(0x00ff00ff00ff00ff);
    values = (values | values >> 8) & G_GUINT64_CONSTANT(0x0000ffff0000ffff);
    guint32 little = GUINT32_TO_LE((guint32)(values | values >> 16));
    memcpy(bytes, &little, sizeof little);
    return TRUE;
}

/* Reads an id of USAGE_ID_CHARS lower-case digits. */
static gboolean
read_raw_id(const char *id, guint32 size, guint8 raw[COLUMN_ID_BYTES])
{
    if (size != USAGE_ID_CHARS)
        return FALSE;
    for (guint i = 0; i < COLUMN_ID_BYTES; i += 4)
        if (!read_hex(id + (gsize)2 * i, raw + i))
            return FALSE;
    return TRUE;
}

static void
add_run(SegmentChunk *chunk, gboolean is_source, guint32 code, guint64 sequence)
{
    if (code >= chunk->runs_capacity[is_source]) {
        guint32 capacity = MAX(16, 2 * code);
        chunk->runs[is_source] = g_renew(SegmentRun, chunk->runs[is_source], capacity);
        memset(chunk->runs[is_source] + chunk->runs_capacity[is_source], 0,
               (capacity - chunk->runs_capacity[is_source]) * sizeof(SegmentRun));
        chunk->runs_capacity[is_source] = capacity;
    }
    SegmentRun *run = &chunk->runs[is_source][code];
    if (sequence == 0) {
        run->unnumbered = TRUE;
    } else if (run->first != 0 && sequence == run->last + 1) {
        run->last = sequence;
    } else {
        SegmentClosedRun closed = {
            .code = code, .is_source = is_source, .first = run->first, .last = run->last};
        if (run->first != 0)
            g_array_append_val(chunk->closed, closed);
        run->first = run->last = sequence;
    }
}

/* Each of the following writes members of a row, which is in no cache: so nothing of it is read.
 * Returns: flags. */
static guint
put_numbers(SegmentChunk *chunk, SegmentRow *row, const UsageEvent *event)
{
    const SegmentWide wide = {.counts = {event->bytes_in, event->bytes_out, event->pixels_in,
                                         event->pixels_out, event->cpu_us, event->wall_us},
                              .sequence = event->sequence};
    guint64 all = 0;

    row->time_us = event->time_us;
    row->sequence = (guint32)event->sequence;
    for (guint i = 0; i < SEGMENT_COUNTS; i++) {
        all |= wide.counts[i];
        row->counts[i] = (guint32)wide.counts[i];
    }
    g_assert(all <= G_MAXINT64);
    if ((all | event->sequence) <= G_MAXUINT32)
        return 0;
    row->counts[0] = segment_chunk_put(chunk, &wide, sizeof wide);
    return SEGMENT_ROW_WIDE;
}

static guint
put_id(SegmentChunk *chunk, SegmentRow *row, const UsageEvent *event)
{
    if (read_raw_id(event->id, event->sizes.id, row->id))
        return SEGMENT_ROW_RAW_ID;
    guint32 place = segment_chunk_put_text(chunk, event->id, event->sizes.id);
    memcpy(row->id, &place, sizeof place);
    return 0;
}

/* Takes the prefix of requests from the first event. */
static void
find_prefix(SegmentChunk *chunk, const char *request, guint32 size)
{
    gsize prefix = column_numbered_prefix(request, size);

    if (prefix > SEGMENT_PREFIX_MAX_BYTES) {
        chunk->numbered = FALSE;
        return;
    }
    memcpy(chunk->prefix, request, prefix);
    chunk->prefix_size = (guint32)prefix;
}

/* Most requests are numbers behind a prefix. */
static guint
put_request(SegmentChunk *chunk, SegmentRow *row, const UsageEvent *event)
{
    guint32 size = event->sizes.request;
    guint64 number = 0;

    if (event->sizes.extra == 0 && size > chunk->prefix_size &&
        same_bytes(event->request, chunk->prefix, chunk->prefix_size) &&
        column_numbered_read(event->request, size, chunk->prefix_size, 0, &number) &&
        number <= G_MAXUINT32) {
        row->request = (guint32)number;
        return SEGMENT_ROW_NUMBERED;
    }
    chunk->numbered = FALSE;
    row->request = 0;
    if (size > 0 || event->sizes.extra > 0)
        row->request = segment_chunk_put_text(chunk, event->request, size);
    if (event->sizes.extra == 0)
        return 0;
    segment_chunk_put_text(chunk, event->extra, event->sizes.extra);
    return SEGMENT_ROW_EXTRA;
}

/* Made of the codes, since to read them as bytes of the kind would be to wait until they are
 * written. */
static SegmentInternKey
kind_key(const SegmentKind *kind)
{
    const guint16 *codes = kind->codes;
    guint64 head =
        codes[0] | (guint64)codes[1] << 16 | (guint64)codes[2] << 32 | (guint64)codes[3] << 48;
    guint64 tail =
        codes[4] | (guint64)codes[5] << 16 | (guint64)codes[6] << 32 | (guint64)kind->present << 48;

    return segment_intern_words_key(head, tail, sizeof *kind);
}

/* Gives the texts that repeat their codes. subject: its key, its slot fetched. Returns: those of
 * them that are few. */
static SegmentKind
put_codes(SegmentChunk *chunk, SegmentRow *row, const UsageEvent *event,
          const SegmentInternKey *subject)
{
    SegmentIntern *interned = chunk->interned;
    const UsageSizes *sizes = &event->sizes;
    SegmentKind kind;

#define INTERN(PLACE, FIELD)                                                                       \
    kind.codes[PLACE] =                                                                            \
        (guint16)segment_intern_add(&interned[PLACE], event->FIELD, sizes->FIELD, chunk->copies)
    segment_intern_fetch_entry(&interned[SEGMENT_AT_SUBJECT], subject);
    INTERN(SEGMENT_AT_SOURCE, source);
    INTERN(SEGMENT_AT_TYPE, type);
    INTERN(SEGMENT_AT_WRITER, writer);
    INTERN(SEGMENT_AT_OP, op);
    INTERN(SEGMENT_AT_FORMAT, format);
    INTERN(SEGMENT_AT_STATUS, status);
    INTERN(SEGMENT_AT_NODE, node);
#undef INTERN
    kind.present = (guint16)event->present;
    SegmentInternKey key = kind_key(&kind);
    row->kind =
        (guint16)segment_intern_find(&chunk->kinds, &key, (const char *)&kind, chunk->copies);
    row->subject = (guint16)segment_intern_find(&interned[SEGMENT_AT_SUBJECT], subject,
                                                event->subject, chunk->copies);
    return kind;
}

/* The chunk to add to, with room for one event. */
static SegmentChunk *
open_chunk(SegmentBuilder *builder)
{
    GPtrArray *chunks = builder->chunks;
    SegmentChunk *chunk = chunks->len > 0 ? g_ptr_array_index(chunks, chunks->len - 1) : NULL;

    if (chunk && segment_chunk_has_room(chunk))
        return chunk;
    chunk = segment_chunk_new();
    g_ptr_array_add(chunks, chunk);
    return chunk;
}

/* A row behind those of its part. */
static SegmentRow *
add_row(SegmentChunk *chunk, guint64 identity)
{
    SegmentPart *part = &chunk->parts[identity >> (64 - SEGMENT_PART_BITS)];

    if (part->count % SEGMENT_BLOCK_ROWS == 0)
        segment_chunk_add_block(chunk, part);
    part->count++;
    SegmentRow *row = part->next++;
    /* Until the part's turn comes again there is time to bring the next row's line. */
    __builtin_prefetch(part->next, 1);
    row->order = (guint16)chunk->count++;
    return row;
}

static void
add_event(SegmentBuilder *builder, const UsageEvent *event, guint64 identity)
{
    SegmentChunk *chunk = open_chunk(builder);
    /* Subjects are so many that their table is not in the cache. */
    SegmentInternKey subject = segment_intern_key(event->subject, event->sizes.subject);

    segment_intern_fetch_slot(&chunk->interned[SEGMENT_AT_SUBJECT], &subject);
    if (chunk->count == 0)
        find_prefix(chunk, event->request, event->sizes.request);
    SegmentRow *row = add_row(chunk, identity);
    row->flags = (guint16)(put_id(chunk, row, event) | put_numbers(chunk, row, event) |
                           put_request(chunk, row, event));
    SegmentKind kind = put_codes(chunk, row, event, &subject);
    gboolean is_source = event->sizes.writer == 0;
    add_run(chunk, is_source, kind.codes[is_source ? SEGMENT_AT_SOURCE : SEGMENT_AT_WRITER],
            event->sequence);
}

SegmentBuilder *
segment_builder_new(void)
{
    SegmentBuilder *builder = g_new0(SegmentBuilder, 1);

    segment_intern_draw();
    builder->chunks = g_ptr_array_new_with_free_func(segment_chunk_free);
    builder->time_max_us = -1;
    return builder;
}

void
segment_builder_free(SegmentBuilder *builder)
{
    g_ptr_array_unref(builder->chunks);
    g_free(builder);
}

void
segment_builder_add(SegmentBuilder *builder, const UsageEvent *event, guint64 identity)
{
    g_assert(*event->source != '\0' && event->present <= USAGE_HAS_ALL &&
             event->time_us >= SEGMENT_TIME_MIN_US && event->time_us <= SEGMENT_TIME_MAX_US);
    if (event->measured) {
        add_event(builder, event, identity);
    } else {
        UsageEvent measured = *event;
        usage_event_measure(&measured);
        add_event(builder, &measured, identity);
    }
    if (builder->event_count == 0 || event->time_us < builder->time_min_us)
        builder->time_min_us = event->time_us;
    if (builder->event_count == 0 || event->time_us > builder->time_max_us)
        builder->time_max_us = event->time_us;
    builder->identity_sum += identity;
    builder->event_count++;
}

guint64
segment_builder_count(const SegmentBuilder *builder)
{
    return builder->event_count;
}

void
segment_builder_append(SegmentBuilder *into, SegmentBuilder *from)
{
    if (from->event_count > 0) {
        gboolean first = into->event_count == 0;
        into->time_min_us = first ? from->time_min_us : MIN(into->time_min_us, from->time_min_us);
        into->time_max_us = first ? from->time_max_us : MAX(into->time_max_us, from->time_max_us);
    }
    g_assert(into != from);
    g_ptr_array_extend_and_steal(into->chunks, from->chunks);
    into->event_count += from->event_count;
    into->quarantined_count += from->quarantined_count;
    into->identity_sum += from->identity_sum;
    from->chunks = g_ptr_array_new_with_free_func(segment_chunk_free);
    segment_builder_clear(from);
}

void
segment_builder_quarantined(SegmentBuilder *builder, guint64 count)
{
    builder->quarantined_count += count;
}

void
segment_builder_clear(SegmentBuilder *builder)
{
    g_ptr_array_set_size(builder->chunks, 0);
    *builder = (SegmentBuilder){.chunks = builder->chunks, .time_max_us = -1};
}
