/* segment_finish.c - from a builder's chunks to the bytes of a segment: events are sorted into
 * buckets, gathered bucket by bucket into columns, encoded; then the footer.
 * Nothing here depends on how events came to be in this chunk or that, so the same events in the
 * same order give the same bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/segment_internal.h"
#include "formats/sha256.h"

enum {
    BUCKET_EVENTS_MIN = 2048, /* fewer compress badly */
    EVENT_BYTES = 48,         /* about what an event becomes */
    LINE_BYTES = 64
};

/* What a text of the whole segment is within the bucket at hand. */
typedef struct {
    guint32 bucket; /* + 1 */
    guint32 code;
} Local;

/* A column of texts that repeat. */
typedef struct {
    SegmentIntern intern; /* of the whole segment */
    Local *locals;        /* by code of intern */
} Interned;

/* A column of texts of the bucket at hand. */
typedef struct {
    const char **values;
    guint32 *size_bytes;
    guint32 *codes;
    guint32 *found; /* the whole segment's codes of values; room for one more */
    guint32 value_count;
} Texts;

typedef struct {
    const SegmentGroup *group;
    guint32 *const *maps; /* of its chunk */
    guint32 *subjects;    /* of its rows, as the whole segment's codes */
} Group;

/* Rows of a group, those of one bucket. */
typedef struct {
    const Group *group;
    guint start;
    guint end;
} Slice;

typedef struct {
    SegmentBuilder *builder;
    guint bucket_bits;
    GArray *groups; /* of Group: those of all chunks, in the order of events */
    Interned interned[SEGMENT_INTERNED];
    guint32 **maps; /* [chunk * SEGMENT_INTERNED + place]: the chunk's codes as intern's */
    guint32 count;  /* of events in the bucket at hand */
    Texts texts[SEGMENT_TEXTS];
    gint64 *numbers[SEGMENT_COLUMNS]; /* those of numbers */
    guint8 *raw_ids;
    gboolean all_raw;
    char *id_texts;    /* of raw ids that lie beside others */
    GByteArray *table; /* of buckets, for the footer */
} Finish;

static const SegmentColumn interned_columns[SEGMENT_INTERNED] = {
    [SEGMENT_AT_SOURCE] = SEGMENT_SOURCE,   [SEGMENT_AT_TYPE] = SEGMENT_TYPE,
    [SEGMENT_AT_SUBJECT] = SEGMENT_SUBJECT, [SEGMENT_AT_WRITER] = SEGMENT_WRITER,
    [SEGMENT_AT_OP] = SEGMENT_OP,           [SEGMENT_AT_FORMAT] = SEGMENT_FORMAT,
    [SEGMENT_AT_STATUS] = SEGMENT_STATUS,   [SEGMENT_AT_NODE] = SEGMENT_NODE};

static const SegmentChunk *
chunk_at(const Finish *finish, guint32 i)
{
    return g_ptr_array_index(finish->builder->chunks, i);
}

/* Gives texts one code for the whole segment. */
static void
unify_texts(Finish *finish)
{
    guint chunk_count = finish->builder->chunks->len;

    finish->maps = g_new0(guint32 *, (gsize)chunk_count * SEGMENT_INTERNED);
    for (guint place = 0; place < SEGMENT_INTERNED; place++) {
        Interned *interned = &finish->interned[place];
        for (guint i = 0; i < chunk_count; i++) {
            const SegmentIntern *intern = &chunk_at(finish, i)->interned[place];
            guint32 *map = g_new(guint32, MAX(1, intern->count));
            segment_intern_unite(&interned->intern, intern, map);
            finish->maps[i * SEGMENT_INTERNED + place] = map;
        }
        interned->locals = g_new0(Local, MAX(1, interned->intern.count));
    }
}

/* Lists the groups, and looks up what their subjects are in the whole segment: of the texts that
 * repeat they are so many that it pays to do it while the chunk's map is in the cache. */
static void
list_groups(Finish *finish)
{
    finish->groups = g_array_new(FALSE, FALSE, sizeof(Group));
    for (guint i = 0; i < finish->builder->chunks->len; i++) {
        guint32 *const *maps = finish->maps + (gsize)i * SEGMENT_INTERNED;
        const guint32 *map = maps[SEGMENT_AT_SUBJECT];
        const GPtrArray *groups = chunk_at(finish, i)->groups;
        for (guint k = 0; k < groups->len; k++) {
            const SegmentGroup *from = g_ptr_array_index(groups, k);
            Group group = {from, maps, g_new(guint32, from->count)};
            for (guint32 row = 0; row < from->count; row++)
                group.subjects[row] = map[from->subjects[row]];
            g_array_append_val(finish->groups, group);
        }
    }
}

static const Group *
group_at(const Finish *finish, guint i)
{
    return &g_array_index(finish->groups, Group, i);
}

/* The rows of a group that belong to a bucket; none of the group behind the last. */
static Slice
slice_of(const Finish *finish, guint i, guint bucket)
{
    guint shift = SEGMENT_GROUP_BITS - finish->bucket_bits;

    if (i >= finish->groups->len)
        return (Slice){.group = group_at(finish, 0)};
    const Group *group = group_at(finish, i);
    return (Slice){.group = group,
                   .start = group->group->starts[bucket << shift],
                   .end = group->group->starts[(bucket + 1) << shift]};
}

static guint32
bucket_events(const Finish *finish, guint bucket)
{
    guint32 count = 0;

    for (guint i = 0; i < finish->groups->len; i++) {
        Slice slice = slice_of(finish, i, bucket);
        count += slice.end - slice.start;
    }
    return count;
}

static void
finish_init(Finish *finish, SegmentBuilder *builder)
{
    *finish = (Finish){.builder = builder, .table = g_byte_array_new()};
    g_assert(builder->event_count <= SEGMENT_EVENTS_MAX);
    while (finish->bucket_bits < SEGMENT_GROUP_BITS &&
           builder->event_count >> (finish->bucket_bits + 1) >= BUCKET_EVENTS_MIN)
        finish->bucket_bits++;
    if (!builder->encoder) {
        builder->encoder = g_new0(ColumnEncoder, 1);
        column_encoder_init(builder->encoder);
    }
    segment_builder_sort(builder);
    unify_texts(finish);
    list_groups(finish);
    gsize largest = 1;
    for (guint bucket = 0; bucket < 1u << finish->bucket_bits; bucket++)
        largest = MAX(largest, bucket_events(finish, bucket));
    for (guint i = 0; i < SEGMENT_TEXTS; i++) {
        finish->texts[i].values = g_new(const char *, largest);
        finish->texts[i].size_bytes = g_new(guint32, largest);
        finish->texts[i].codes = g_new(guint32, largest);
        finish->texts[i].found = g_new(guint32, largest + 1);
    }
    for (guint i = SEGMENT_TEXTS; i < SEGMENT_COLUMNS; i++)
        finish->numbers[i] = g_new(gint64, largest);
    finish->raw_ids = g_malloc(largest * COLUMN_ID_BYTES);
}

static void
finish_release(Finish *finish)
{
    for (guint i = 0; i < finish->builder->chunks->len * SEGMENT_INTERNED; i++)
        g_free(finish->maps[i]);
    g_free(finish->maps);
    for (guint i = 0; i < SEGMENT_INTERNED; i++) {
        segment_intern_release(&finish->interned[i].intern);
        g_free(finish->interned[i].locals);
    }
    for (guint i = 0; i < SEGMENT_TEXTS; i++) {
        g_free(finish->texts[i].values);
        g_free(finish->texts[i].size_bytes);
        g_free(finish->texts[i].codes);
        g_free(finish->texts[i].found);
    }
    for (guint i = SEGMENT_TEXTS; i < SEGMENT_COLUMNS; i++)
        g_free(finish->numbers[i]);
    for (guint i = 0; i < finish->groups->len; i++)
        g_free(group_at(finish, i)->subjects);
    g_array_unref(finish->groups);
    g_free(finish->raw_ids);
    g_free(finish->id_texts);
    g_byte_array_unref(finish->table);
}

static void
gather_numbers(Finish *finish, const SegmentGroup *group, const SegmentRow *row, guint32 to)
{
    gint64 *const *counts = &finish->numbers[SEGMENT_BYTES_IN];

    finish->numbers[SEGMENT_TIME][to] = row->time_us;
    finish->numbers[SEGMENT_SEQUENCE][to] = (gint64)row->sequence;
    finish->numbers[SEGMENT_PRESENT][to] = row->present;
    for (guint i = 0; i < SEGMENT_COUNTS; i++)
        counts[i][to] = row->counts[i];
    if (!row->wide)
        return;
    const char *wide = group->heap + row->counts[0];
    for (guint i = 0; i < SEGMENT_COUNTS; i++)
        memcpy(&counts[i][to], wide + i * sizeof(guint64), sizeof(guint64));
}

static void
gather_text(Texts *texts, const SegmentGroup *group, guint32 place, guint32 to)
{
    const char *text = group->heap + place;

    texts->values[to] = text + sizeof(guint32);
    texts->size_bytes[to] = 0;
    if (place > 0)
        memcpy(&texts->size_bytes[to], text, sizeof(guint32));
}

/* Gives the subjects of some rows their codes within the bucket. Without a branch, since no
 * processor could foretell whether a customer is there for the first time. */
static void
gather_subjects(Finish *finish, const Group *group, const guint16 *rows, guint count, guint32 mark)
{
    Texts *texts = &finish->texts[SEGMENT_SUBJECT];
    Local *locals = finish->interned[SEGMENT_AT_SUBJECT].locals;
    guint32 *to = texts->codes + finish->count;
    guint32 value_count = texts->value_count;

    for (guint i = 0; i < count; i++) {
        guint32 code = group->subjects[rows[i]];
        guint32 is_new = locals[code].bucket != mark;
        to[i] = is_new ? value_count : locals[code].code;
        locals[code] = (Local){.bucket = mark, .code = to[i]};
        texts->found[value_count] = code;
        value_count += is_new;
    }
    texts->value_count = value_count;
}

/* The same for a column of few texts, which after the first rows has nothing new. */
static void
gather_interned(Finish *finish, const Group *group, const guint16 *rows, guint count, guint32 mark,
                SegmentInterned place)
{
    Texts *texts = &finish->texts[interned_columns[place]];
    Local *locals = finish->interned[place].locals;
    const guint32 *map = group->maps[place];
    guint32 *to = texts->codes + finish->count;

    for (guint i = 0; i < count; i++) {
        guint32 code = map[group->group->rows[rows[i]].codes[place]];
        if (locals[code].bucket != mark) {
            locals[code] = (Local){.bucket = mark, .code = texts->value_count};
            texts->found[texts->value_count++] = code;
        }
        to[i] = locals[code].code;
    }
}

/* Looks the values up that gather_interned() has found. */
static void
gather_values(Finish *finish)
{
    for (guint place = 0; place < SEGMENT_INTERNED; place++) {
        Texts *texts = &finish->texts[interned_columns[place]];
        const SegmentInternEntry *entries = finish->interned[place].intern.entries;
        for (guint32 i = 0; i < texts->value_count; i++) {
            const SegmentInternEntry *entry = &entries[texts->found[i]];
            texts->values[i] = entry->text;
            texts->size_bytes[i] = entry->key.size_bytes;
            __builtin_prefetch(entry->text);
        }
    }
}

/* Brings rows of the slice that comes next into the cache, a row for each that is gathered: all at
 * once they would have to wait for one another. */
static void
fetch_row(const Slice *next, guint k)
{
    if (k >= next->end - next->start)
        return;
    const char *row = (const char *)&next->group->group->rows[next->start + k];
    __builtin_prefetch(row);
    __builtin_prefetch(row + LINE_BYTES);
}

/* Brings what is found through these rows. */
static void
fetch_texts(const Finish *finish, const Slice *next)
{
    const Local *locals = finish->interned[SEGMENT_AT_SUBJECT].locals;

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
spell_ids(Finish *finish)
{
    Texts *ids = &finish->texts[SEGMENT_ID];

    g_free(finish->id_texts);
    finish->id_texts = g_malloc((gsize)finish->count * (USAGE_ID_CHARS + 1));
    for (guint32 i = 0; i < finish->count; i++) {
        char *text = finish->id_texts + (gsize)i * (USAGE_ID_CHARS + 1);
        if (ids->values[i])
            continue;
        spell_id(finish->raw_ids + (gsize)i * COLUMN_ID_BYTES, text);
        ids->values[i] = text;
        ids->size_bytes[i] = USAGE_ID_CHARS;
    }
}

static void
gather_row(Finish *finish, const SegmentGroup *group, const SegmentRow *row, guint32 to)
{
    gather_numbers(finish, group, row, to);
    gather_text(&finish->texts[SEGMENT_REQUEST], group, row->request, to);
    gather_text(&finish->texts[SEGMENT_EXTRA], group, row->extra, to);
    memcpy(finish->raw_ids + (gsize)to * COLUMN_ID_BYTES, row->id, COLUMN_ID_BYTES);
    finish->texts[SEGMENT_ID].values[to] = NULL;
    if (!row->raw_id) {
        guint32 id = 0;
        memcpy(&id, row->id, sizeof id);
        gather_text(&finish->texts[SEGMENT_ID], group, id, to);
        finish->all_raw = FALSE;
    }
}

/* Lists the rows of a slice in the order in which they were added. The parts that it is made of are
 * in order already, each. */
static void
order_slice(const Finish *finish, const SegmentGroup *group, guint start, guint end, guint16 *rows)
{
    guint64 there[SEGMENT_GROUP_EVENTS / 64] = {0};
    guint16 places[SEGMENT_GROUP_EVENTS];
    guint count = 0;

    if (finish->bucket_bits == SEGMENT_GROUP_BITS) {
        for (guint i = start; i < end; i++)
            rows[count++] = (guint16)i;
        return;
    }
    for (guint i = start; i < end; i++) {
        guint16 key = group->keys[i];
        there[key / 64] |= G_GUINT64_CONSTANT(1) << (key % 64);
        places[key] = (guint16)i;
    }
    for (guint word = 0; word < G_N_ELEMENTS(there); word++)
        for (guint64 bits = there[word]; bits != 0; bits &= bits - 1)
            rows[count++] = places[64 * word + (guint)__builtin_ctzll(bits)];
}

/* Gathers the events of a bucket into columns. */
static void
gather_bucket(Finish *finish, guint bucket)
{
    guint16 rows[SEGMENT_GROUP_EVENTS];

    for (guint i = 0; i < SEGMENT_TEXTS; i++)
        finish->texts[i].value_count = 0;
    finish->all_raw = TRUE;
    finish->count = 0;
    for (guint i = 0; i < finish->groups->len; i++) {
        Slice slice = slice_of(finish, i, bucket);
        Slice next = slice_of(finish, i + 1, bucket);
        const SegmentGroup *group = slice.group->group;
        guint count = slice.end - slice.start;
        order_slice(finish, group, slice.start, slice.end, rows);
        for (guint k = 0; k < count; k++) {
            fetch_row(&next, k);
            gather_row(finish, group, &group->rows[rows[k]], finish->count + k);
        }
        gather_subjects(finish, slice.group, rows, count, bucket + 1);
        for (SegmentInterned place = 0; place < SEGMENT_INTERNED; place++)
            if (place != SEGMENT_AT_SUBJECT)
                gather_interned(finish, slice.group, rows, count, bucket + 1, place);
        fetch_texts(finish, &next);
        finish->count += count;
    }
    gather_values(finish);
    if (!finish->all_raw)
        spell_ids(finish);
}

static void
put_column(Finish *finish, GByteArray *out, SegmentColumn column, guint32 count)
{
    ColumnEncoder *encoder = finish->builder->encoder;
    const Texts *writers = &finish->texts[SEGMENT_WRITER];
    const SegmentTexts writer_texts = {.value_count = writers->value_count,
                                       .values = writers->values,
                                       .size_bytes = writers->size_bytes,
                                       .codes = writers->codes};

    if (column == SEGMENT_ID && finish->all_raw) {
        column_put_ids(out, finish->raw_ids, count);
    } else if (column < SEGMENT_TEXTS) {
        const Texts *texts = &finish->texts[column];
        gboolean interned =
            column != SEGMENT_ID && column != SEGMENT_REQUEST && column != SEGMENT_EXTRA;
        SegmentTexts given = {.value_count = interned ? texts->value_count : count,
                              .values = texts->values,
                              .size_bytes = texts->size_bytes,
                              .codes = interned ? texts->codes : NULL};
        column_put_texts(encoder, out, &given, count);
    } else if (column == SEGMENT_TIME) {
        column_put_rising(encoder, out, finish->numbers[column], count);
    } else if (column == SEGMENT_SEQUENCE) {
        column_put_sequences(encoder, out, finish->numbers[column], count, &writer_texts);
    } else {
        column_put_numbers(encoder, out, finish->numbers[column], count);
    }
}

static void
put_bucket(Finish *finish, GByteArray *out, guint bucket)
{
    gather_bucket(finish, bucket);
    guint32 count = finish->count;
    bytes_put_u32(finish->table, count);
    for (guint column = 0; column < SEGMENT_COLUMNS; column++) {
        guint at = out->len;
        if (count > 0)
            put_column(finish, out, (SegmentColumn)column, count);
        gsize size = out->len - at;
        bytes_put_u32(finish->table, (guint32)size);
        bytes_put_u64(finish->table, segment_checksum(out->data + at, size, bucket, column));
    }
}

GByteArray *
segment_builder_finish(SegmentBuilder *builder, char name[SEGMENT_NAME_CHARS + 1])
{
    Finish finish;
    finish_init(&finish, builder);
    GByteArray *out = g_byte_array_sized_new((guint)builder->event_count * EVENT_BYTES + 4096);

    bytes_put_blob(out, SEGMENT_MAGIC, SEGMENT_MAGIC_BYTES);
    for (guint bucket = 0; bucket < 1u << finish.bucket_bits; bucket++)
        put_bucket(&finish, out, bucket);

    segment_put_footer(out, builder, finish.bucket_bits, finish.table);
    finish_release(&finish);
    segment_builder_clear(builder);
    sha256_hex(out->data, out->len, name);
    return out;
}
