/* segment_gather.c - from a builder's chunks to columns: events come bucket by bucket out of the
 * chunks' parts, and texts get codes of the bucket. Nothing here depends on how events came to be
 * in this chunk or that. SPDX-License-Identifier: Apache-2.0 */
#include "formats/segment_gather.h"

#include <string.h>

enum {
    WINDOW_EVENTS = 4096,
    REQUEST_TEXT_BYTES = SEGMENT_PREFIX_MAX_BYTES + 10 + 1 /* with a number of 32 bits, and NUL */
};

static const SegmentColumn interned_columns[SEGMENT_INTERNED] = {
    [SEGMENT_AT_SOURCE] = SEGMENT_SOURCE, [SEGMENT_AT_TYPE] = SEGMENT_TYPE,
    [SEGMENT_AT_WRITER] = SEGMENT_WRITER, [SEGMENT_AT_OP] = SEGMENT_OP,
    [SEGMENT_AT_FORMAT] = SEGMENT_FORMAT, [SEGMENT_AT_STATUS] = SEGMENT_STATUS,
    [SEGMENT_AT_NODE] = SEGMENT_NODE,     [SEGMENT_AT_SUBJECT] = SEGMENT_SUBJECT};

/* How far a part is listed. */
typedef struct {
    const SegmentChunk *chunk;
    const SegmentPart *part;
    guint32 at; /* of its rows, the one that is next */
    guint16 block;
} PartCursor;

/* Returns: the next row of the part, or NULL at its end. */
static const SegmentRow *
part_row(const PartCursor *cursor)
{
    if (cursor->at == cursor->part->count)
        return NULL;
    return &segment_chunk_block(cursor->chunk, cursor->block)[cursor->at % SEGMENT_BLOCK_ROWS];
}

static void
part_step(PartCursor *cursor)
{
    if (++cursor->at % SEGMENT_BLOCK_ROWS == 0 && cursor->at < cursor->part->count)
        cursor->block = cursor->chunk->following[cursor->block];
}

/* Lists the rows of a chunk's parts in the order of events. */
static void
list_parts(const SegmentChunk *chunk, guint first, guint part_count, SegmentBucket *bucket)
{
    PartCursor cursors[SEGMENT_PARTS];
    const SegmentRow *window[WINDOW_EVENTS];

    for (guint i = 0; i < part_count; i++)
        cursors[i] = (PartCursor){.chunk = chunk,
                                  .part = &chunk->parts[first + i],
                                  .block = chunk->parts[first + i].first};
    for (guint32 begin = 0; begin < chunk->count; begin += WINDOW_EVENTS) {
        memset(window, 0, sizeof window);
        for (guint i = 0; i < part_count; i++) {
            const SegmentRow *row = NULL;
            for (; (row = part_row(&cursors[i])) && row->order - begin < WINDOW_EVENTS;
                 part_step(&cursors[i]))
                window[row->order - begin] = row;
        }
        for (guint i = 0; i < WINDOW_EVENTS; i++)
            if (window[i])
                bucket->rows[bucket->count++] = window[i];
    }
}

/* Lists the rows of one part, which are in order. */
static void
list_part(const SegmentChunk *chunk, guint number, SegmentBucket *bucket)
{
    const SegmentPart *part = &chunk->parts[number];
    guint16 block = part->first;

    for (guint32 i = 0; i < part->count; block = chunk->following[block]) {
        const SegmentRow *row = segment_chunk_block(chunk, block);
        const SegmentRow *end = row + MIN(part->count - i, (guint32)SEGMENT_BLOCK_ROWS);
        for (; row < end; i++)
            bucket->rows[bucket->count++] = row++;
    }
}

/* Lists the rows of a bucket, chunk by chunk. */
static void
list_rows(const SegmentGather *gather, guint number, SegmentBucket *bucket)
{
    guint first = 0;
    guint part_count = segment_gather_parts(gather, number, &first);

    bucket->count = 0;
    for (guint i = 0; i < segment_gather_chunk_count(gather); i++) {
        bucket->starts[i] = bucket->count;
        if (part_count == 1)
            list_part(segment_gather_chunk(gather, i), first, bucket);
        else
            list_parts(segment_gather_chunk(gather, i), first, part_count, bucket);
    }
    bucket->starts[segment_gather_chunk_count(gather)] = bucket->count;
}

/* Rows of one chunk that belong to the bucket at hand. */
typedef struct {
    const SegmentChunk *chunk;
    const guint32 *subject_map;
    const guint32 *kind_map;
    guint32 start;
    guint32 end;
} Run;

static Run
run_of(const SegmentGather *gather, const SegmentBucket *bucket, guint chunk)
{
    if (chunk >= segment_gather_chunk_count(gather))
        return (Run){0};
    return (Run){.chunk = segment_gather_chunk(gather, chunk),
                 .subject_map = gather->subject_maps[chunk],
                 .kind_map = gather->kind_maps[chunk],
                 .start = bucket->starts[chunk],
                 .end = bucket->starts[chunk + 1]};
}

/* Brings rows into the cache: one after the other they would be waited for. */
static void
fetch_rows(const SegmentBucket *bucket, Run run)
{
    for (guint32 i = run.start; i < run.end; i++)
        __builtin_prefetch(bucket->rows[i]);
}

/* Looks up who the subjects are, and brings what is known of them in this bucket. */
static void
find_subjects(SegmentBucket *bucket, Run run)
{
    const SegmentLocal *locals = bucket->locals[SEGMENT_AT_SUBJECT];

    for (guint32 i = run.start; i < run.end; i++) {
        guint32 code = run.subject_map[bucket->rows[i]->subject];
        bucket->subjects[i] = code;
        __builtin_prefetch(&locals[code], 1);
    }
}

/* Column by column, as all of the following: the rows are in the cache then, and what is written
 * follows on what was. */
static void
gather_numbers(SegmentBucket *bucket, Run run)
{
    gint64 *times = bucket->numbers[SEGMENT_TIME];
    gint64 *sequences = bucket->numbers[SEGMENT_SEQUENCE];
    gint64 *present = bucket->numbers[SEGMENT_PRESENT];

    for (guint32 i = run.start; i < run.end; i++) {
        times[i] = bucket->rows[i]->time_us;
        sequences[i] = bucket->rows[i]->sequence;
        present[i] = bucket->kinds[i]->present;
    }
}

static void
gather_wide(SegmentBucket *bucket, Run run)
{
    for (guint32 i = run.start; i < run.end; i++) {
        const SegmentRow *row = bucket->rows[i];
        SegmentWide wide;
        if ((row->flags & SEGMENT_ROW_WIDE) == 0)
            continue;
        memcpy(&wide, run.chunk->heap + row->counts[0], sizeof wide);
        for (guint k = 0; k < SEGMENT_COUNTS; k++)
            bucket->numbers[SEGMENT_BYTES_IN + k][i] = (gint64)wide.counts[k];
        bucket->numbers[SEGMENT_SEQUENCE][i] = (gint64)wide.sequence;
    }
}

static void
gather_counts(SegmentBucket *bucket, Run run)
{
    gint64 *const *to = &bucket->numbers[SEGMENT_BYTES_IN];
    guint flags = 0;

    for (guint32 i = run.start; i < run.end; i++) {
        const SegmentRow *row = bucket->rows[i];
        flags |= row->flags;
        to[0][i] = row->counts[0];
        to[1][i] = row->counts[1];
        to[2][i] = row->counts[2];
        to[3][i] = row->counts[3];
        to[4][i] = row->counts[4];
        to[5][i] = row->counts[5];
    }
    if ((flags & SEGMENT_ROW_WIDE) != 0)
        gather_wide(bucket, run);
}

static void
set_text(SegmentGatheredTexts *texts, guint32 to, const SegmentChunk *chunk, guint32 place)
{
    texts->values[to] = segment_chunk_text(chunk, place, &texts->size_bytes[to]);
}

/* Spells a numbered request. Returns: its size. */
static guint32
spell_request(char *to, const SegmentChunk *chunk, guint32 number)
{
    char digits[10];
    guint32 count = 0;

    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    memcpy(to, chunk->prefix, chunk->prefix_size);
    for (guint32 i = 0; i < count; i++)
        to[chunk->prefix_size + i] = digits[count - 1 - i];
    to[chunk->prefix_size + count] = '\0';
    return chunk->prefix_size + count;
}

static void
gather_request_texts(SegmentBucket *bucket, Run run)
{
    SegmentGatheredTexts *texts = &bucket->texts[SEGMENT_REQUEST];

    for (guint32 i = run.start; i < run.end; i++) {
        const SegmentRow *row = bucket->rows[i];
        if ((row->flags & SEGMENT_ROW_NUMBERED) != 0) {
            char *text = bucket->request_texts + (gsize)i * REQUEST_TEXT_BYTES;
            texts->size_bytes[i] = spell_request(text, run.chunk, row->request);
            texts->values[i] = text;
        } else {
            set_text(texts, i, run.chunk, row->request);
        }
    }
}

static void
gather_requests(const SegmentGather *gather, SegmentBucket *bucket, Run run)
{
    gint64 *numbers = bucket->numbers[SEGMENT_REQUEST];

    if (!gather->prefix) {
        gather_request_texts(bucket, run);
        return;
    }
    for (guint32 i = run.start; i < run.end; i++)
        numbers[i] = bucket->rows[i]->request;
}

/* Few events have an extra; as long as none of the bucket has, nothing is gathered. */
static void
gather_extras(SegmentBucket *bucket, Run run)
{
    SegmentGatheredTexts *texts = &bucket->texts[SEGMENT_EXTRA];
    guint flags = 0;

    for (guint32 i = run.start; i < run.end; i++)
        flags |= bucket->rows[i]->flags;
    if ((flags & SEGMENT_ROW_EXTRA) == 0 && !bucket->has_extra)
        return;
    for (guint32 i = bucket->has_extra ? run.start : 0; i < run.end; i++) {
        const SegmentRow *row = bucket->rows[i];
        guint32 place = 0;
        guint32 size = 0;
        if (i >= run.start && (row->flags & SEGMENT_ROW_EXTRA) != 0) {
            segment_chunk_text(run.chunk, row->request, &size);
            place = row->request + sizeof size + size + 1;
        }
        set_text(texts, i, run.chunk, place);
    }
    bucket->has_extra = TRUE;
}

/* Raw ids; as long as all of the bucket are, no others. */
static void
gather_ids(SegmentBucket *bucket, Run run)
{
    SegmentGatheredTexts *texts = &bucket->texts[SEGMENT_ID];
    guint all = SEGMENT_ROW_RAW_ID;

    for (guint32 i = run.start; i < run.end; i++) {
        memcpy(bucket->raw_ids + (gsize)i * COLUMN_ID_BYTES, bucket->rows[i]->id, COLUMN_ID_BYTES);
        all &= bucket->rows[i]->flags;
    }
    if (all != 0 && bucket->all_raw)
        return;
    for (guint32 i = bucket->all_raw ? 0 : run.start; i < run.end; i++) {
        guint32 place = 0;
        texts->values[i] = NULL;
        if (i < run.start || (bucket->rows[i]->flags & SEGMENT_ROW_RAW_ID) != 0)
            continue;
        memcpy(&place, bucket->rows[i]->id, sizeof place);
        set_text(texts, i, run.chunk, place);
    }
    bucket->all_raw = FALSE;
}

/* Gives subjects their codes within the bucket. Without a branch, since no processor could foretell
 * whether a customer is there for the first time. */
static void
gather_subjects(SegmentBucket *bucket, Run run, guint32 mark)
{
    SegmentGatheredTexts *texts = &bucket->texts[SEGMENT_SUBJECT];
    SegmentLocal *locals = bucket->locals[SEGMENT_AT_SUBJECT];
    guint32 value_count = texts->value_count;

    for (guint32 i = run.start; i < run.end; i++) {
        guint32 code = bucket->subjects[i];
        guint32 is_new = locals[code].bucket != mark;
        texts->codes[i] = is_new ? value_count : locals[code].code;
        locals[code] = (SegmentLocal){.bucket = mark, .code = texts->codes[i]};
        texts->found[value_count] = code;
        value_count += is_new;
    }
    texts->value_count = value_count;
}

/* A kind is in the bucket for the first time: its texts may be, too. */
static void
add_kind(const SegmentGather *gather, SegmentBucket *bucket, guint32 kind, guint32 mark)
{
    const SegmentGatherKind *from = &g_array_index(gather->kinds, SegmentGatherKind, kind);
    SegmentLocalKind *to = &bucket->local_kinds[kind];

    to->bucket = (guint16)mark;
    to->present = (guint16)from->present;
    for (guint place = 0; place < SEGMENT_KIND_TEXTS; place++) {
        SegmentGatheredTexts *texts = &bucket->texts[interned_columns[place]];
        SegmentLocal *local = &bucket->locals[place][from->codes[place]];
        if (gather->interned[place].count > 1 && local->bucket != mark) {
            texts->found[texts->value_count] = from->codes[place];
            *local = (SegmentLocal){.bucket = mark, .code = texts->value_count++};
        }
        to->codes[place] = local->code;
    }
}

static void
gather_kinds(const SegmentGather *gather, SegmentBucket *bucket, Run run, guint32 mark)
{
    for (guint32 i = run.start; i < run.end; i++) {
        guint32 kind = run.kind_map[bucket->rows[i]->kind];
        if (bucket->local_kinds[kind].bucket != mark)
            add_kind(gather, bucket, kind, mark);
        bucket->kinds[i] = &bucket->local_kinds[kind];
    }
    for (guint place = 0; place < SEGMENT_KIND_TEXTS; place++) {
        guint32 *codes = bucket->texts[interned_columns[place]].codes;
        if (gather->interned[place].count == 1)
            continue;
        for (guint32 i = run.start; i < run.end; i++)
            codes[i] = bucket->kinds[i]->codes[place];
    }
}

/* Looks the values up that were found. */
static void
gather_values(const SegmentGather *gather, SegmentBucket *bucket)
{
    for (guint place = 0; place < SEGMENT_INTERNED; place++) {
        SegmentGatheredTexts *texts = &bucket->texts[interned_columns[place]];
        const SegmentInternEntry *entries = gather->interned[place].entries;
        for (guint32 i = 0; i < texts->value_count; i++) {
            const SegmentInternEntry *entry = &entries[texts->found[i]];
            texts->values[i] = entry->text;
            texts->size_bytes[i] = entry->key.size_bytes;
            __builtin_prefetch(entry->text);
        }
    }
}

/* Spells a raw id out, since not all ids of the bucket are raw. */
static void
spell_id(const guint8 raw[COLUMN_ID_BYTES], char text[USAGE_ID_CHARS + 1])
{
    static const char digits[] = "0123456789abcdef";

    for (guint i = 0; i < USAGE_ID_CHARS; i++)
        text[i] = digits[i % 2 == 0 ? raw[i / 2] >> 4 : raw[i / 2] & 15];
    text[USAGE_ID_CHARS] = '\0';
}

/* Gives the raw ids of the bucket a text like those of the others. */
static void
spell_ids(SegmentBucket *bucket)
{
    SegmentGatheredTexts *ids = &bucket->texts[SEGMENT_ID];

    g_free(bucket->id_texts);
    bucket->id_texts = g_malloc((gsize)bucket->count * (USAGE_ID_CHARS + 1));
    for (guint32 i = 0; i < bucket->count; i++) {
        char *text = bucket->id_texts + (gsize)i * (USAGE_ID_CHARS + 1);
        if (ids->values[i])
            continue;
        spell_id(bucket->raw_ids + (gsize)i * COLUMN_ID_BYTES, text);
        ids->values[i] = text;
        ids->size_bytes[i] = USAGE_ID_CHARS;
    }
}

void
segment_gather_bucket(const SegmentGather *gather, guint number, SegmentBucket *bucket)
{
    for (guint place = 0; place < SEGMENT_INTERNED; place++) {
        /* What is the only text of the segment is that of each event: its code is 0. */
        SegmentGatheredTexts *texts = &bucket->texts[interned_columns[place]];
        texts->value_count = gather->interned[place].count == 1;
        texts->found[0] = 0;
    }
    bucket->all_raw = TRUE;
    bucket->has_extra = FALSE;
    list_rows(gather, number, bucket);
    if (!gather->prefix)
        bucket->request_texts =
            g_realloc(bucket->request_texts, (gsize)bucket->capacity * REQUEST_TEXT_BYTES);
    fetch_rows(bucket, run_of(gather, bucket, 0));
    find_subjects(bucket, run_of(gather, bucket, 0));
    fetch_rows(bucket, run_of(gather, bucket, 1));
    for (guint i = 0; i < segment_gather_chunk_count(gather); i++) {
        Run run = run_of(gather, bucket, i);
        fetch_rows(bucket, run_of(gather, bucket, i + 2));
        find_subjects(bucket, run_of(gather, bucket, i + 1));
        gather_kinds(gather, bucket, run, number + 1);
        gather_numbers(bucket, run);
        gather_counts(bucket, run);
        gather_ids(bucket, run);
        gather_requests(gather, bucket, run);
        gather_extras(bucket, run);
        if (gather->interned[SEGMENT_AT_SUBJECT].count > 1)
            gather_subjects(bucket, run, number + 1);
    }
    gather_values(gather, bucket);
    if (!bucket->all_raw)
        spell_ids(bucket);
}
