/* segment_gather.c - from a builder's chunks to columns: events come bucket by bucket out of groups
 * in which they are sorted, and texts get one code for the whole segment, then one for the bucket.
 * Nothing here depends on how events came to be in this chunk or that.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/segment_gather.h"

#include <string.h>

enum {
    BUCKET_EVENTS_MIN = 2048, /* fewer compress badly */
    LINE_BYTES = 64,
    FETCH_PARTS = 8
};

/* Rows of a group, those of one bucket. */
typedef struct {
    const SegmentGatherGroup *group;
    guint start;
    guint end;
} Slice;

static const SegmentColumn interned_columns[SEGMENT_INTERNED] = {
    [SEGMENT_AT_SOURCE] = SEGMENT_SOURCE,   [SEGMENT_AT_TYPE] = SEGMENT_TYPE,
    [SEGMENT_AT_SUBJECT] = SEGMENT_SUBJECT, [SEGMENT_AT_WRITER] = SEGMENT_WRITER,
    [SEGMENT_AT_OP] = SEGMENT_OP,           [SEGMENT_AT_FORMAT] = SEGMENT_FORMAT,
    [SEGMENT_AT_STATUS] = SEGMENT_STATUS,   [SEGMENT_AT_NODE] = SEGMENT_NODE};

static const SegmentChunk *
chunk_at(const SegmentGather *gather, guint32 i)
{
    return g_ptr_array_index(gather->builder->chunks, i);
}

/* Gives texts one code for the whole segment. */
static void
unify_texts(SegmentGather *gather)
{
    guint chunk_count = gather->builder->chunks->len;

    gather->maps = g_new0(guint32 *, (gsize)chunk_count * SEGMENT_INTERNED);
    for (guint place = 0; place < SEGMENT_INTERNED; place++) {
        for (guint i = 0; i < chunk_count; i++) {
            const SegmentIntern *intern = &chunk_at(gather, i)->interned[place];
            guint32 *map = g_new(guint32, MAX(1, intern->count));
            segment_intern_unite(&gather->interned[place], intern, map);
            gather->maps[i * SEGMENT_INTERNED + place] = map;
        }
    }
}

/* Lists the groups, and looks up what their subjects are in the whole segment: of the texts that
 * repeat they are so many that it pays to do it while the chunk's map is in the cache. */
static void
list_groups(SegmentGather *gather)
{
    gather->groups = g_array_new(FALSE, FALSE, sizeof(SegmentGatherGroup));
    for (guint i = 0; i < gather->builder->chunks->len; i++) {
        guint32 *const *maps = gather->maps + (gsize)i * SEGMENT_INTERNED;
        const guint32 *map = maps[SEGMENT_AT_SUBJECT];
        const GPtrArray *groups = chunk_at(gather, i)->groups;
        for (guint k = 0; k < groups->len; k++) {
            const SegmentGroup *from = g_ptr_array_index(groups, k);
            SegmentGatherGroup group = {from, maps, g_new(guint32, from->count)};
            for (guint32 row = 0; row < from->count; row++)
                group.subjects[row] = map[from->subjects[row]];
            g_array_append_val(gather->groups, group);
        }
    }
}

static const SegmentGatherGroup *
group_at(const SegmentGather *gather, guint i)
{
    return &g_array_index(gather->groups, SegmentGatherGroup, i);
}

/* The rows of a group that belong to a bucket; none of the group behind the last. */
static Slice
slice_of(const SegmentGather *gather, guint i, guint bucket)
{
    guint shift = SEGMENT_GROUP_BITS - gather->bucket_bits;

    if (i >= gather->groups->len)
        return (Slice){.group = group_at(gather, 0)};
    const SegmentGatherGroup *group = group_at(gather, i);
    return (Slice){.group = group,
                   .start = group->group->starts[bucket << shift],
                   .end = group->group->starts[(bucket + 1) << shift]};
}

static guint32
bucket_events(const SegmentGather *gather, guint bucket)
{
    guint32 count = 0;

    for (guint i = 0; i < gather->groups->len; i++) {
        Slice slice = slice_of(gather, i, bucket);
        count += slice.end - slice.start;
    }
    return count;
}

void
segment_gather_init(SegmentGather *gather, SegmentBuilder *builder)
{
    *gather = (SegmentGather){.builder = builder};
    g_assert(builder->event_count <= SEGMENT_EVENTS_MAX);
    while (gather->bucket_bits < SEGMENT_GROUP_BITS &&
           builder->event_count >> (gather->bucket_bits + 1) >= BUCKET_EVENTS_MIN)
        gather->bucket_bits++;
    segment_builder_sort(builder);
    unify_texts(gather);
    list_groups(gather);
    gather->largest = 1;
    for (guint bucket = 0; bucket < 1u << gather->bucket_bits; bucket++)
        gather->largest = MAX(gather->largest, bucket_events(gather, bucket));
}

void
segment_gather_release(SegmentGather *gather)
{
    for (guint i = 0; i < gather->builder->chunks->len * SEGMENT_INTERNED; i++)
        g_free(gather->maps[i]);
    g_free(gather->maps);
    for (guint i = 0; i < SEGMENT_INTERNED; i++)
        segment_intern_release(&gather->interned[i]);
    for (guint i = 0; i < gather->groups->len; i++)
        g_free(group_at(gather, i)->subjects);
    g_array_unref(gather->groups);
}

/* Rows of one group that belong to the bucket at hand, in the order in which they were added. */
typedef struct {
    const SegmentGatherGroup *group;
    guint count;
    const SegmentRow *rows[SEGMENT_GROUP_EVENTS];
} Rows;

/* Column by column, as all of the following: the rows are in the cache then, and what is written
 * follows on what was. */
static void
gather_numbers(SegmentBucket *bucket, const Rows *from)
{
    gint64 *times = bucket->numbers[SEGMENT_TIME] + bucket->count;
    gint64 *sequences = bucket->numbers[SEGMENT_SEQUENCE] + bucket->count;
    gint64 *present = bucket->numbers[SEGMENT_PRESENT] + bucket->count;

    for (guint i = 0; i < from->count; i++) {
        times[i] = from->rows[i]->time_us;
        sequences[i] = (gint64)from->rows[i]->sequence;
        present[i] = from->rows[i]->present;
    }
}

static void
gather_wide(SegmentBucket *bucket, const Rows *from)
{
    gint64 *const *counts = &bucket->numbers[SEGMENT_BYTES_IN];

    for (guint i = 0; i < from->count; i++) {
        const SegmentRow *row = from->rows[i];
        const char *wide = from->group->group->heap + row->counts[0];
        for (guint k = 0; k < SEGMENT_COUNTS && row->wide; k++)
            memcpy(&counts[k][bucket->count + i], wide + k * sizeof(guint64), sizeof(guint64));
    }
}

static void
gather_counts(SegmentBucket *bucket, const Rows *from)
{
    gint64 *to[SEGMENT_COUNTS];
    guint any_wide = 0;

    for (guint k = 0; k < SEGMENT_COUNTS; k++)
        to[k] = bucket->numbers[SEGMENT_BYTES_IN + k] + bucket->count;
    for (guint i = 0; i < from->count; i++) {
        const SegmentRow *row = from->rows[i];
        any_wide |= row->wide;
        to[0][i] = row->counts[0];
        to[1][i] = row->counts[1];
        to[2][i] = row->counts[2];
        to[3][i] = row->counts[3];
        to[4][i] = row->counts[4];
        to[5][i] = row->counts[5];
    }
    if (any_wide)
        gather_wide(bucket, from);
}

static void
gather_text(SegmentGatheredTexts *texts, const SegmentGroup *group, guint32 place, guint32 to)
{
    const char *text = group->heap + place;

    memcpy(&texts->size_bytes[to], text, sizeof(guint32));
    texts->values[to] = text + sizeof(guint32);
}

static void
gather_requests(SegmentBucket *bucket, const Rows *from)
{
    for (guint i = 0; i < from->count; i++)
        gather_text(&bucket->texts[SEGMENT_REQUEST], from->group->group, from->rows[i]->request,
                    bucket->count + i);
}

/* Few events have an extra; as long as none of the bucket has, nothing is gathered. */
static void
gather_extras(SegmentBucket *bucket, const Rows *from)
{
    SegmentGatheredTexts *texts = &bucket->texts[SEGMENT_EXTRA];
    guint32 any = bucket->has_extra;

    for (guint i = 0; i < from->count; i++)
        any |= from->rows[i]->extra;
    if (any == 0)
        return;
    for (guint32 i = 0; i < bucket->count && !bucket->has_extra; i++) {
        texts->values[i] = "";
        texts->size_bytes[i] = 0;
    }
    bucket->has_extra = TRUE;
    for (guint i = 0; i < from->count; i++)
        gather_text(texts, from->group->group, from->rows[i]->extra, bucket->count + i);
}

/* Raw ids; as long as all of the bucket are, no others. */
static void
gather_ids(SegmentBucket *bucket, const Rows *from)
{
    guint8 *to = bucket->raw_ids + (gsize)bucket->count * COLUMN_ID_BYTES;
    SegmentGatheredTexts *texts = &bucket->texts[SEGMENT_ID];
    guint all_raw = TRUE;

    for (guint i = 0; i < from->count; i++) {
        memcpy(to + (gsize)i * COLUMN_ID_BYTES, from->rows[i]->id, COLUMN_ID_BYTES);
        all_raw &= from->rows[i]->raw_id;
    }
    if (all_raw && bucket->all_raw)
        return;
    for (guint32 i = 0; i < bucket->count && bucket->all_raw; i++)
        texts->values[i] = NULL;
    bucket->all_raw = FALSE;
    for (guint i = 0; i < from->count; i++) {
        guint32 place = 0;
        texts->values[bucket->count + i] = NULL;
        memcpy(&place, from->rows[i]->id, sizeof place);
        if (!from->rows[i]->raw_id)
            gather_text(texts, from->group->group, place, bucket->count + i);
    }
}

/* Gives the subjects of some rows their codes within the bucket. Without a branch, since no
 * processor could foretell whether a customer is there for the first time. */
static void
gather_subjects(SegmentBucket *bucket, const Rows *from, guint32 mark)
{
    SegmentGatheredTexts *texts = &bucket->texts[SEGMENT_SUBJECT];
    SegmentLocal *locals = bucket->locals[SEGMENT_AT_SUBJECT];
    guint32 *to = texts->codes + bucket->count;
    guint32 value_count = texts->value_count;

    const SegmentRow *first = from->group->group->rows;

    for (guint i = 0; i < from->count; i++) {
        guint32 code = from->group->subjects[from->rows[i] - first];
        guint32 is_new = locals[code].bucket != mark;
        to[i] = is_new ? value_count : locals[code].code;
        locals[code] = (SegmentLocal){.bucket = mark, .code = to[i]};
        texts->found[value_count] = code;
        value_count += is_new;
    }
    texts->value_count = value_count;
}

/* The same for a column of few texts, which after the first rows has nothing new. */
static void
gather_interned(SegmentBucket *bucket, const Rows *from, guint32 mark, SegmentInterned place)
{
    SegmentGatheredTexts *texts = &bucket->texts[interned_columns[place]];
    SegmentLocal *locals = bucket->locals[place];
    const guint32 *map = from->group->maps[place];
    guint32 *to = texts->codes + bucket->count;

    for (guint i = 0; i < from->count; i++) {
        guint32 code = map[from->rows[i]->codes[place]];
        if (locals[code].bucket != mark) {
            locals[code] = (SegmentLocal){.bucket = mark, .code = texts->value_count};
            texts->found[texts->value_count++] = code;
        }
        to[i] = locals[code].code;
    }
}

/* Looks the values up that gather_interned() has found. */
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

/* Brings a part of the rows of the slice that comes next into the cache: all at once they would
 * have to wait for one another. */
static void
fetch_rows(const Slice *next, guint part)
{
    const SegmentRow *rows = next->group->group->rows;
    const char *at = (const char *)&rows[next->start] + (gsize)part * LINE_BYTES;
    const char *end = (const char *)&rows[next->end];

    for (; at < end; at += FETCH_PARTS * LINE_BYTES)
        __builtin_prefetch(at);
}

/* Brings what is found through these rows. */
static void
fetch_texts(const SegmentBucket *bucket, const Slice *next)
{
    const SegmentLocal *locals = bucket->locals[SEGMENT_AT_SUBJECT];

    for (guint row = next->start; row < next->end; row++) {
        __builtin_prefetch(&locals[next->group->subjects[row]]);
        __builtin_prefetch(next->group->group->heap + next->group->group->rows[row].request);
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

/* Lists the rows of a slice that is made of several parts, each of which is in order. */
static void
merge_parts(const Slice *slice, Rows *rows)
{
    const SegmentGroup *group = slice->group->group;
    guint64 there[SEGMENT_GROUP_EVENTS / 64] = {0};
    guint16 places[SEGMENT_GROUP_EVENTS];

    for (guint i = slice->start; i < slice->end; i++) {
        guint16 key = group->keys[i];
        there[key / 64] |= G_GUINT64_CONSTANT(1) << (key % 64);
        places[key] = (guint16)i;
    }
    for (guint word = 0; word < G_N_ELEMENTS(there); word++)
        for (guint64 bits = there[word]; bits != 0; bits &= bits - 1)
            rows->rows[rows->count++] =
                &group->rows[places[64 * word + (guint)__builtin_ctzll(bits)]];
}

static void
list_rows(const SegmentGather *gather, const Slice *slice, Rows *rows)
{
    rows->group = slice->group;
    rows->count = 0;
    if (gather->bucket_bits < SEGMENT_GROUP_BITS) {
        merge_parts(slice, rows);
        return;
    }
    for (guint i = slice->start; i < slice->end; i++)
        rows->rows[rows->count++] = &slice->group->group->rows[i];
}

static void
gather_rows(const SegmentGather *gather, SegmentBucket *bucket, const Rows *from, const Slice *next,
            guint32 mark)
{
    guint part = 0;

    gather_numbers(bucket, from);
    fetch_rows(next, part++);
    gather_counts(bucket, from);
    fetch_rows(next, part++);
    gather_ids(bucket, from);
    fetch_rows(next, part++);
    gather_requests(bucket, from);
    gather_extras(bucket, from);
    fetch_rows(next, part++);
    for (SegmentInterned place = 0; place < SEGMENT_INTERNED; place++) {
        if (gather->interned[place].count == 1)
            continue;
        if (place == SEGMENT_AT_SUBJECT)
            gather_subjects(bucket, from, mark);
        else
            gather_interned(bucket, from, mark, place);
        if (part < FETCH_PARTS)
            fetch_rows(next, part++);
    }
    for (; part < FETCH_PARTS; part++)
        fetch_rows(next, part);
    fetch_texts(bucket, next);
}

void
segment_gather_bucket(const SegmentGather *gather, guint number, SegmentBucket *bucket)
{
    Rows rows;

    for (guint place = 0; place < SEGMENT_INTERNED; place++) {
        /* What is the only text of the segment is that of each event: its code is 0. */
        SegmentGatheredTexts *texts = &bucket->texts[interned_columns[place]];
        texts->value_count = gather->interned[place].count == 1;
        texts->found[0] = 0;
    }
    bucket->all_raw = TRUE;
    bucket->has_extra = FALSE;
    bucket->count = 0;
    for (guint i = 0; i < gather->groups->len; i++) {
        Slice slice = slice_of(gather, i, number);
        Slice next = slice_of(gather, i + 1, number);
        list_rows(gather, &slice, &rows);
        gather_rows(gather, bucket, &rows, &next, number + 1);
        bucket->count += rows.count;
    }
    gather_values(gather, bucket);
    if (!bucket->all_raw)
        spell_ids(bucket);
}
