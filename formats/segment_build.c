/* segment_build.c - events on their way into a segment: copied once, into rows of a fixed size.
 * Parsing threads fill builders of their own; to join them is to move lists of chunks. Only
 * segment_builder_finish() sorts events into buckets and texts into tables of the whole segment.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/segment_internal.h"

enum {
    HEAP_MIN_BYTES = 4 << 10,
    HEAP_MAX_BYTES = 64 << 20, /* of a chunk; then the next begins */
    HEAP_KEPT_BYTES = 256 << 10,
    EMPTY_BYTES = sizeof(guint32) + 1,
    COPIES_BLOCK_BYTES = 16 << 10,
    SPARE_GROUPS_MAX = 512
};

/* Groups that no builder has now, at most SPARE_GROUPS_MAX of about 380 KB. Memory that goes back
 * to the system and comes again costs more than filling it does. */
static GMutex spare_lock;
static SegmentGroup *spare_groups[SPARE_GROUPS_MAX];
static guint spare_count;

static SegmentGroup *
group_new(void)
{
    SegmentGroup *group = NULL;

    g_mutex_lock(&spare_lock);
    if (spare_count > 0)
        group = spare_groups[--spare_count];
    g_mutex_unlock(&spare_lock);
    if (!group) {
        group = g_new(SegmentGroup, 1);
        group->heap_capacity = HEAP_MIN_BYTES;
        group->heap = g_malloc0(group->heap_capacity);
    }
    group->count = 0;
    group->heap_size = EMPTY_BYTES;
    return group;
}

static void
group_free(gpointer data)
{
    SegmentGroup *group = data;
    gboolean kept = FALSE;

    g_mutex_lock(&spare_lock);
    if (spare_count < SPARE_GROUPS_MAX && group->heap_capacity <= HEAP_KEPT_BYTES) {
        spare_groups[spare_count++] = group;
        kept = TRUE;
    }
    g_mutex_unlock(&spare_lock);
    if (kept)
        return;
    g_free(group->heap);
    g_free(group);
}

static SegmentChunk *
chunk_new(void)
{
    SegmentChunk *chunk = g_new0(SegmentChunk, 1);

    chunk->groups = g_ptr_array_new_with_free_func(group_free);
    chunk->copies = g_string_chunk_new(COPIES_BLOCK_BYTES);
    chunk->closed = g_array_new(FALSE, FALSE, sizeof(SegmentClosedRun));
    return chunk;
}

static void
chunk_free(gpointer data)
{
    SegmentChunk *chunk = data;

    for (guint i = 0; i < SEGMENT_INTERNED; i++)
        segment_intern_release(&chunk->interned[i]);
    if (chunk->open)
        group_free(chunk->open);
    g_ptr_array_unref(chunk->groups);
    g_string_chunk_free(chunk->copies);
    g_array_unref(chunk->closed);
    g_free(chunk->runs[0]);
    g_free(chunk->runs[1]);
    g_free(chunk);
}

/* Makes room for so many bytes. Returns: where they are in the heap. */
static guint32
heap_reserve(SegmentGroup *group, gsize size_bytes)
{
    gsize at = group->heap_size;

    g_assert(size_bytes <= HEAP_MAX_BYTES);
    group->heap_size += size_bytes;
    if (group->heap_size > group->heap_capacity) {
        group->heap_capacity = 2 * group->heap_size;
        group->heap = g_realloc(group->heap, group->heap_capacity);
    }
    return (guint32)at;
}

static guint32
heap_put_text(SegmentGroup *group, const char *text, guint32 size)
{
    if (size == 0)
        return 0;
    g_assert(size < HEAP_MAX_BYTES - EMPTY_BYTES);
    guint32 place = heap_reserve(group, (gsize)size + EMPTY_BYTES);
    memcpy(group->heap + place, &size, sizeof size);
    memcpy(group->heap + place + sizeof size, text, (gsize)size + 1);
    return place;
}

static guint32
heap_move(SegmentGroup *to, const SegmentGroup *from, guint32 place, gsize size_bytes)
{
    guint32 moved = heap_reserve(to, size_bytes);

    memcpy(to->heap + moved, from->heap + place, size_bytes);
    return moved;
}

static guint32
heap_move_text(SegmentGroup *to, const SegmentGroup *from, guint32 place)
{
    guint32 size = 0;

    if (place == 0)
        return 0;
    memcpy(&size, from->heap + place, sizeof size);
    return heap_move(to, from, place, (gsize)size + EMPTY_BYTES);
}

/* Copies row i of one group to the end of another. */
static void
move_row(SegmentGroup *to, const SegmentGroup *from, guint16 i)
{
    const SegmentRow *row = &from->rows[i];
    SegmentRow *moved = &to->rows[to->count];

    *moved = *row;
    to->keys[to->count] = i;
    to->subjects[to->count++] = row->codes[SEGMENT_AT_SUBJECT];
    moved->request = heap_move_text(to, from, row->request);
    moved->extra = heap_move_text(to, from, row->extra);
    if (row->wide)
        moved->counts[0] = heap_move(to, from, row->counts[0], SEGMENT_COUNTS * sizeof(guint64));
    if (!row->raw_id) {
        guint32 place = 0;
        memcpy(&place, row->id, sizeof place);
        place = heap_move_text(to, from, place);
        memcpy(moved->id, &place, sizeof place);
    }
}

/* Sorts the open group by the top bits of identities. */
static void
sort_group(SegmentChunk *chunk)
{
    SegmentGroup *open = chunk->open;
    guint16 next[SEGMENT_GROUP_PARTS + 1] = {0};
    guint16 order[SEGMENT_GROUP_EVENTS];

    if (!open || open->count == 0)
        return;
    SegmentGroup *sorted = group_new();
    for (guint32 i = 0; i < open->count; i++)
        next[open->keys[i] + 1]++;
    for (guint i = 1; i < G_N_ELEMENTS(next); i++)
        next[i] += next[i - 1];
    memcpy(sorted->starts, next, sizeof next);
    for (guint32 i = 0; i < open->count; i++)
        order[next[open->keys[i]]++] = (guint16)i;
    for (guint32 i = 0; i < open->count; i++)
        move_row(sorted, open, order[i]);
    g_ptr_array_add(chunk->groups, sorted);
    chunk->heap_bytes += sorted->heap_size;
    chunk->count += sorted->count;
    open->count = 0;
    open->heap_size = EMPTY_BYTES;
}

void
segment_builder_sort(SegmentBuilder *builder)
{
    if (builder->chunks->len == 0)
        return;
    SegmentChunk *chunk = g_ptr_array_index(builder->chunks, builder->chunks->len - 1);
    sort_group(chunk);
    g_clear_pointer(&chunk->open, group_free);
}

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

static void
put_counts(SegmentGroup *group, SegmentRow *row, const UsageEvent *event)
{
    const guint64 counts[SEGMENT_COUNTS] = {event->bytes_in,   event->bytes_out, event->pixels_in,
                                            event->pixels_out, event->cpu_us,    event->wall_us};
    guint64 all = 0;

    for (guint i = 0; i < SEGMENT_COUNTS; i++) {
        all |= counts[i];
        row->counts[i] = (guint32)counts[i];
    }
    g_assert(all <= G_MAXINT64);
    row->wide = all > G_MAXUINT32;
    if (row->wide) {
        row->counts[0] = heap_reserve(group, sizeof counts);
        memcpy(group->heap + row->counts[0], counts, sizeof counts);
    }
}

/* The chunk to add to, with room in its group. */
static SegmentChunk *
open_chunk(SegmentBuilder *builder)
{
    GPtrArray *chunks = builder->chunks;
    SegmentChunk *chunk = chunks->len > 0 ? g_ptr_array_index(chunks, chunks->len - 1) : NULL;

    if (chunk && chunk->open && chunk->open->count < SEGMENT_GROUP_EVENTS &&
        chunk->open->heap_size <= HEAP_MAX_BYTES)
        return chunk;
    segment_builder_sort(builder);
    if (!chunk || chunk->count > SEGMENT_CHUNK_EVENTS - SEGMENT_GROUP_EVENTS ||
        chunk->heap_bytes > HEAP_MAX_BYTES) {
        chunk = chunk_new();
        g_ptr_array_add(chunks, chunk);
    }
    chunk->open = group_new();
    return chunk;
}

SegmentBuilder *
segment_builder_new(void)
{
    SegmentBuilder *builder = g_new0(SegmentBuilder, 1);

    builder->chunks = g_ptr_array_new_with_free_func(chunk_free);
    builder->time_max_us = -1;
    return builder;
}

void
segment_builder_free(SegmentBuilder *builder)
{
    g_ptr_array_unref(builder->chunks);
    g_free(builder);
}

/* Gives the texts that repeat their codes. subject: its key, its slot fetched. */
static void
put_codes(SegmentChunk *chunk, SegmentRow *row, const UsageEvent *event,
          const SegmentInternKey *subject)
{
    SegmentIntern *interned = chunk->interned;
    const UsageSizes *sizes = &event->sizes;

#define INTERN(PLACE, FIELD)                                                                       \
    row->codes[PLACE] =                                                                            \
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
    row->codes[SEGMENT_AT_SUBJECT] = (guint16)segment_intern_find(
        &interned[SEGMENT_AT_SUBJECT], subject, event->subject, chunk->copies);
}

static void
add_event(SegmentBuilder *builder, const UsageEvent *event, guint64 identity)
{
    SegmentChunk *chunk = open_chunk(builder);
    SegmentGroup *group = chunk->open;
    SegmentRow *row = &group->rows[group->count];
    const UsageSizes *sizes = &event->sizes;
    /* Subjects are so many that their table is not in the cache. */
    SegmentInternKey subject = segment_intern_key(event->subject, sizes->subject);

    segment_intern_fetch_slot(&chunk->interned[SEGMENT_AT_SUBJECT], &subject);
    group->keys[group->count++] = (guint16)(identity >> (64 - SEGMENT_GROUP_BITS));
    row->raw_id = read_raw_id(event->id, sizes->id, row->id);
    if (!row->raw_id) {
        guint32 place = heap_put_text(group, event->id, sizes->id);
        memcpy(row->id, &place, sizeof place);
    }
    row->time_us = event->time_us;
    row->sequence = event->sequence;
    put_counts(group, row, event);
    row->request = heap_put_text(group, event->request, sizes->request);
    row->extra = heap_put_text(group, event->extra, sizes->extra);
    row->present = (guint16)event->present;
    put_codes(chunk, row, event, &subject);
    gboolean is_source = sizes->writer == 0;
    add_run(chunk, is_source, row->codes[is_source ? SEGMENT_AT_SOURCE : SEGMENT_AT_WRITER],
            event->sequence);
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
    segment_builder_sort(into);
    segment_builder_sort(from);
    g_ptr_array_extend_and_steal(into->chunks, from->chunks);
    into->event_count += from->event_count;
    into->quarantined_count += from->quarantined_count;
    into->identity_sum += from->identity_sum;
    from->chunks = g_ptr_array_new_with_free_func(chunk_free);
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
