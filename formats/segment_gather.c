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
        SegmentGatherInterned *interned = &gather->interned[place];
        for (guint i = 0; i < chunk_count; i++) {
            const SegmentIntern *intern = &chunk_at(gather, i)->interned[place];
            guint32 *map = g_new(guint32, MAX(1, intern->count));
            segment_intern_unite(&interned->intern, intern, map);
            gather->maps[i * SEGMENT_INTERNED + place] = map;
        }
        interned->locals = g_new0(SegmentLocal, MAX(1, interned->intern.count));
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
    gsize largest = 1;
    for (guint bucket = 0; bucket < 1u << gather->bucket_bits; bucket++)
        largest = MAX(largest, bucket_events(gather, bucket));
    for (guint i = 0; i < SEGMENT_TEXTS; i++) {
        gather->texts[i].values = g_new(const char *, largest);
        gather->texts[i].size_bytes = g_new(guint32, largest);
        gather->texts[i].codes = g_new0(guint32, largest);
        gather->texts[i].found = g_new(guint32, largest + 1);
    }
    for (guint i = SEGMENT_TEXTS; i < SEGMENT_COLUMNS; i++)
        gather->numbers[i] = g_new(gint64, largest);
    gather->raw_ids = g_malloc(largest * COLUMN_ID_BYTES);
}

void
segment_gather_release(SegmentGather *gather)
{
    for (guint i = 0; i < gather->builder->chunks->len * SEGMENT_INTERNED; i++)
        g_free(gather->maps[i]);
    g_free(gather->maps);
    for (guint i = 0; i < SEGMENT_INTERNED; i++) {
        segment_intern_release(&gather->interned[i].intern);
        g_free(gather->interned[i].locals);
    }
    for (guint i = 0; i < SEGMENT_TEXTS; i++) {
        g_free(gather->texts[i].values);
        g_free(gather->texts[i].size_bytes);
        g_free(gather->texts[i].codes);
        g_free(gather->texts[i].found);
    }
    for (guint i = SEGMENT_TEXTS; i < SEGMENT_COLUMNS; i++)
        g_free(gather->numbers[i]);
    for (guint i = 0; i < gather->groups->len; i++)
        g_free(group_at(gather, i)->subjects);
    g_array_unref(gather->groups);
    g_free(gather->raw_ids);
    g_free(gather->id_texts);
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
gather_numbers(SegmentGather *gather, const Rows *from)
{
    gint64 *times = gather->numbers[SEGMENT_TIME] + gather->count;
    gint64 *sequences = gather->numbers[SEGMENT_SEQUENCE] + gather->count;
    gint64 *present = gather->numbers[SEGMENT_PRESENT] + gather->count;

    for (guint i = 0; i < from->count; i++) {
        times[i] = from->rows[i]->time_us;
        sequences[i] = (gint64)from->rows[i]->sequence;
        present[i] = from->rows[i]->present;
    }
}

static void
gather_wide(SegmentGather *gather, const Rows *from)
{
    gint64 *const *counts = &gather->numbers[SEGMENT_BYTES_IN];

    for (guint i = 0; i < from->count; i++) {
        const SegmentRow *row = from->rows[i];
        const char *wide = from->group->group->heap + row->counts[0];
        for (guint k = 0; k < SEGMENT_COUNTS && row->wide; k++)
            memcpy(&counts[k][gather->count + i], wide + k * sizeof(guint64), sizeof(guint64));
    }
}

static void
gather_counts(SegmentGather *gather, const Rows *from)
{
    gint64 *to[SEGMENT_COUNTS];
    guint any_wide = 0;

    for (guint k = 0; k < SEGMENT_COUNTS; k++)
        to[k] = gather->numbers[SEGMENT_BYTES_IN + k] + gather->count;
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
        gather_wide(gather, from);
}

static void
gather_text(SegmentGatheredTexts *texts, const SegmentGroup *group, guint32 place, guint32 to)
{
    const char *text = group->heap + place;

    memcpy(&texts->size_bytes[to], text, sizeof(guint32));
    texts->values[to] = text + sizeof(guint32);
}

static void
gather_requests(SegmentGather *gather, const Rows *from)
{
    for (guint i = 0; i < from->count; i++)
        gather_text(&gather->texts[SEGMENT_REQUEST], from->group->group, from->rows[i]->request,
                    gather->count + i);
}

/* Few events have an extra; as long as none of the bucket has, nothing is gathered. */
static void
gather_extras(SegmentGather *gather, const Rows *from)
{
    SegmentGatheredTexts *texts = &gather->texts[SEGMENT_EXTRA];
    guint32 any = gather->has_extra;

    for (guint i = 0; i < from->count; i++)
        any |= from->rows[i]->extra;
    if (any == 0)
        return;
    for (guint32 i = 0; i < gather->count && !gather->has_extra; i++) {
        texts->values[i] = "";
        texts->size_bytes[i] = 0;
    }
    gather->has_extra = TRUE;
    for (guint i = 0; i < from->count; i++)
        gather_text(texts, from->group->group, from->rows[i]->extra, gather->count + i);
}

/* Raw ids; as long as all of the bucket are, no others. */
static void
gather_ids(SegmentGather *gather, const Rows *from)
{
    guint8 *to = gather->raw_ids + (gsize)gather->count * COLUMN_ID_BYTES;
    SegmentGatheredTexts *texts = &gather->texts[SEGMENT_ID];
    guint all_raw = TRUE;

    for (guint i = 0; i < from->count; i++) {
        memcpy(to + (gsize)i * COLUMN_ID_BYTES, from->rows[i]->id, COLUMN_ID_BYTES);
        all_raw &= from->rows[i]->raw_id;
    }
    if (all_raw && gather->all_raw)
        return;
    for (guint32 i = 0; i < gather->count && gather->all_raw; i++)
        texts->values[i] = NULL;
    gather->all_raw = FALSE;
    for (guint i = 0; i < from->count; i++) {
        guint32 place = 0;
        texts->values[gather->count + i] = NULL;
        memcpy(&place, from->rows[i]->id, sizeof place);
        if (!from->rows[i]->raw_id)
            gather_text(texts, from->group->group, place, gather->count + i);
    }
}

/* Gives the subjects of some rows their codes within the bucket. Without a branch, since no
 * processor could foretell whether a customer is there for the first time. */
static void
gather_subjects(SegmentGather *gather, const Rows *from, guint32 mark)
{
    SegmentGatheredTexts *texts = &gather->texts[SEGMENT_SUBJECT];
    SegmentLocal *locals = gather->interned[SEGMENT_AT_SUBJECT].locals;
    guint32 *to = texts->codes + gather->count;
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
gather_interned(SegmentGather *gather, const Rows *from, guint32 mark, SegmentInterned place)
{
    SegmentGatheredTexts *texts = &gather->texts[interned_columns[place]];
    SegmentLocal *locals = gather->interned[place].locals;
    const guint32 *map = from->group->maps[place];
    guint32 *to = texts->codes + gather->count;

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
gather_values(SegmentGather *gather)
{
    for (guint place = 0; place < SEGMENT_INTERNED; place++) {
        SegmentGatheredTexts *texts = &gather->texts[interned_columns[place]];
        const SegmentInternEntry *entries = gather->interned[place].intern.entries;
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
fetch_texts(const SegmentGather *gather, const Slice *next)
{
    const SegmentLocal *locals = gather->interned[SEGMENT_AT_SUBJECT].locals;

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
spell_ids(SegmentGather *gather)
{
    SegmentGatheredTexts *ids = &gather->texts[SEGMENT_ID];

    g_free(gather->id_texts);
    gather->id_texts = g_malloc((gsize)gather->count * (USAGE_ID_CHARS + 1));
    for (guint32 i = 0; i < gather->count; i++) {
        char *text = gather->id_texts + (gsize)i * (USAGE_ID_CHARS + 1);
        if (ids->values[i])
            continue;
        spell_id(gather->raw_ids + (gsize)i * COLUMN_ID_BYTES, text);
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
gather_rows(SegmentGather *gather, const Rows *from, const Slice *next, guint32 mark)
{
    guint part = 0;

    gather_numbers(gather, from);
    fetch_rows(next, part++);
    gather_counts(gather, from);
    fetch_rows(next, part++);
    gather_ids(gather, from);
    fetch_rows(next, part++);
    gather_requests(gather, from);
    gather_extras(gather, from);
    fetch_rows(next, part++);
    for (SegmentInterned place = 0; place < SEGMENT_INTERNED; place++) {
        if (gather->interned[place].intern.count == 1)
            continue;
        if (place == SEGMENT_AT_SUBJECT)
            gather_subjects(gather, from, mark);
        else
            gather_interned(gather, from, mark, place);
        if (part < FETCH_PARTS)
            fetch_rows(next, part++);
    }
    for (; part < FETCH_PARTS; part++)
        fetch_rows(next, part);
    fetch_texts(gather, next);
}

/* Gathers the events of a bucket into columns. */
void
segment_gather_bucket(SegmentGather *gather, guint bucket)
{
    Rows rows;

    for (guint place = 0; place < SEGMENT_INTERNED; place++) {
        /* What is the only text of the segment is that of each event: its code is 0. */
        SegmentGatheredTexts *texts = &gather->texts[interned_columns[place]];
        texts->value_count = gather->interned[place].intern.count == 1;
        texts->found[0] = 0;
    }
    gather->all_raw = TRUE;
    gather->has_extra = FALSE;
    gather->count = 0;
    for (guint i = 0; i < gather->groups->len; i++) {
        Slice slice = slice_of(gather, i, bucket);
        Slice next = slice_of(gather, i + 1, bucket);
        list_rows(gather, &slice, &rows);
        gather_rows(gather, &rows, &next, bucket + 1);
        gather->count += rows.count;
    }
    gather_values(gather);
    if (!gather->all_raw)
        spell_ids(gather);
}
