/* bill_rows.c - from the columns of a block to events. Texts that repeat are looked at once a block
 * and value, not once an event.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_rows.h"

#include <string.h>

#include "formats/error.h"
#include "jobs/bill_classes.h"
#include "jobs/bill_contents.h"
#include "jobs/bill_groups.h"
#include "jobs/bill_twins.h"

enum {
    NAMES_MAX_BYTES = 1 << 20, /* of sources kept from range to range */
    SLICE_BITS_MAX = 16,
    TEXT_BYTES = 16 /* of ids that are no 32 hexadecimal digits, a guess for budgets */
};

#define COLUMNS_NOTED (1u << SEGMENT_ID | 1u << SEGMENT_SOURCE)
#define COLUMNS_READ                                                                               \
    (1u << SEGMENT_SOURCE | 1u << SEGMENT_WRITER | 1u << SEGMENT_TIME | 1u << SEGMENT_SUBJECT |    \
     BILL_CLASSES_COLUMNS)
#define COLUMNS_COMPARED (BILL_CONTENTS_COLUMNS | 1u << SEGMENT_ID | 1u << SEGMENT_SEQUENCE)

/* Where the columns of the block at hand are. */
typedef struct {
    const guint32 *sources;
    const gint64 *times;
    const gint64 *numbers[SEGMENT_COLUMNS];
} View;

/* A block's events that are of the range. */
typedef struct {
    guint bucket;
    guint segment;
    gboolean filtered; /* not all of the block's are: they are rows->picked */
    guint32 count;
    guint64 first; /* number of the first one, as an event of the range */
} Share;

struct _BillRows {
    BillRowsFor whom;
    SegmentColumn numbers[SEGMENT_COLUMNS]; /* that events have */
    guint number_count;
    guint32 columns;
    BillCustomers *customers;
    Interner *sources;
    BillWriters *writers;
    BillClasses *classes;
    BillTwins *twins;
    guint64 twin_count;
    GArray *shares; /* guint32: events of the range, by block in the order of reading */
    guint next_share;
    guint64 next_event;
    guint32 slice;
    guint slice_bits;
    Dedupe *dedupe;
    GStringChunk *ids;
    SegmentBlock *block;
    guint64 range;
    guint range_bits;
    ScanCounts counts;
    /* Of the block at hand. */
    guint32 *picked;
    guint64 *identities; /* of those that are picked */
    guint32 *row_customers, *row_classes, *row_writers;
    guint32 *source_numbers; /* by code */
    guint32 *seen;           /* rows for the groups */
    guint32 room;
    BillGroups groups;
    View view;
};

BillRows *
bill_rows_new(const BillRowsFor *whom)
{
    const ScanConfig *config = whom->config;
    BillRows *rows = g_new0(BillRows, 1);

    for (SegmentColumn column = SEGMENT_TIME; column < SEGMENT_COLUMNS; column++)
        if (config->numbers >> column & 1)
            rows->numbers[rows->number_count++] = column;
    rows->whom = *whom;
    rows->columns = COLUMNS_READ | config->numbers | (config->ids ? 1u << SEGMENT_ID : 0);
    rows->customers = bill_customers_new();
    rows->sources = interner_new();
    rows->writers = bill_writers_new();
    rows->classes = bill_classes_new(whom->visitor->class_new, whom->data);
    rows->twins = bill_twins_new();
    rows->shares = g_array_new(FALSE, FALSE, sizeof(guint32));
    rows->dedupe = dedupe_new(rows->number_count, bill_writers_names(rows->writers));
    rows->ids = g_string_chunk_new(64 << 10);
    rows->block = segment_block_new();
    return rows;
}

void
bill_rows_free(BillRows *rows)
{
    g_clear_pointer(&rows->customers, bill_customers_free);
    interner_free(rows->sources);
    bill_writers_free(rows->writers);
    bill_classes_free(rows->classes);
    bill_twins_free(rows->twins);
    g_array_unref(rows->shares);
    dedupe_free(rows->dedupe);
    g_string_chunk_free(rows->ids);
    segment_block_free(rows->block);
    g_free(rows->picked);
    g_free(rows->identities);
    g_free(rows->row_customers);
    g_free(rows->row_classes);
    g_free(rows->row_writers);
    g_free(rows->source_numbers);
    g_free(rows->seen);
    bill_groups_release(&rows->groups);
    g_free(rows);
}

void
bill_rows_begin(BillRows *rows, guint64 expected_count, guint64 range, guint range_bits)
{
    bill_twins_begin(rows->twins, expected_count, range_bits);
    g_array_set_size(rows->shares, 0);
    if (interner_size(rows->sources) > NAMES_MAX_BYTES)
        interner_clear(rows->sources);
    bill_writers_begin(rows->writers);
    rows->range = range;
    rows->range_bits = range_bits;
    memset(&rows->counts, 0, sizeof rows->counts);
}

static void
make_room(BillRows *rows, guint32 count)
{
    if (count <= rows->room)
        return;
    rows->room = count + count / 4;
    rows->picked = g_renew(guint32, rows->picked, rows->room);
    rows->identities = g_renew(guint64, rows->identities, rows->room);
    rows->row_customers = g_renew(guint32, rows->row_customers, rows->room);
    rows->row_classes = g_renew(guint32, rows->row_classes, rows->room);
    rows->row_writers = g_renew(guint32, rows->row_writers, rows->room);
    rows->source_numbers = g_renew(guint32, rows->source_numbers, rows->room);
    rows->seen = g_renew(guint32, rows->seen, rows->room);
}

/* A segment's buckets that have events of the range: from first up to end. */
typedef struct {
    guint first;
    guint end;
    gboolean filtered; /* they have other events, too */
} Buckets;

static Buckets
buckets_of(const BillRows *rows, const SegmentReader *reader)
{
    guint bucket_bits = segment_reader_footer(reader)->bucket_bits;
    guint finer_bits = bucket_bits > rows->range_bits ? bucket_bits - rows->range_bits : 0;
    gboolean filtered = rows->range_bits > bucket_bits;
    guint first = (guint)(filtered ? rows->range >> (rows->range_bits - bucket_bits)
                                   : rows->range << finer_bits);

    return (Buckets){first, first + (1u << finer_bits), filtered};
}

/* Finds the rows of the block that are of the range. Returns: how many. */
static guint32
pick(BillRows *rows)
{
    const guint64 *identities = segment_block_identities(rows->block);
    guint32 block_count = segment_block_count(rows->block);
    guint32 count = 0;

    make_room(rows, block_count);
    for (guint32 row = 0; row < block_count; row++) {
        if (identities[row] >> (64 - rows->range_bits) != rows->range)
            continue;
        rows->picked[count] = row;
        rows->identities[count++] = identities[row];
    }
    return count;
}

gboolean
bill_rows_note(BillRows *rows, SegmentReader *reader, GError **error)
{
    Buckets buckets = buckets_of(rows, reader);

    for (guint bucket = buckets.first; bucket < buckets.end; bucket++) {
        if (segment_bucket_count(reader, bucket) == 0)
            continue;
        if (!segment_block_read(rows->block, reader, bucket, COLUMNS_NOTED, error))
            return FALSE;
        const guint64 *identities = segment_block_identities(rows->block);
        guint32 count = segment_block_count(rows->block);
        if (buckets.filtered) {
            count = pick(rows);
            identities = rows->identities;
        }
        bill_twins_add(rows->twins, identities, count);
        g_array_append_val(rows->shares, count);
        rows->counts.read_count += count;
        for (guint32 i = 0; i < count; i++)
            rows->counts.identity_sum += identities[i];
    }
    return TRUE;
}

gsize
bill_rows_noted_size(void)
{
    return BILL_TWINS_EVENT_BYTES;
}

guint32
bill_rows_sift(BillRows *rows, gsize room_bytes)
{
    guint64 room = MAX(1, room_bytes / (dedupe_event_size(rows->number_count) + TEXT_BYTES));

    rows->twin_count = bill_twins_find(rows->twins);
    rows->slice_bits = 0;
    while (rows->slice_bits < SLICE_BITS_MAX && rows->twin_count >> rows->slice_bits > room)
        rows->slice_bits++;
    return 1u << rows->slice_bits;
}

void
bill_rows_begin_slice(BillRows *rows, guint32 slice)
{
    rows->slice = slice;
    rows->next_share = 0;
    rows->next_event = 0;
    dedupe_clear(rows->dedupe, rows->twin_count >> rows->slice_bits);
    g_string_chunk_clear(rows->ids);
}

/* Is the event one that is to be compared now? */
static gboolean
is_of_slice(const BillRows *rows, guint64 event)
{
    guint64 behind = bill_twins_identity(rows->twins, event) << rows->range_bits;

    return rows->slice_bits == 0 || behind >> (64 - rows->slice_bits) == rows->slice;
}

/* The share's next event to be compared from one on, or its end. */
static guint64
next_compared(const BillRows *rows, const Share *share, guint64 from)
{
    guint64 end = share->first + share->count;
    guint64 event = bill_twins_next(rows->twins, from, end);

    while (event < end && !is_of_slice(rows, event))
        event = bill_twins_next(rows->twins, event + 1, end);
    return event;
}

static gboolean
look_at_block(BillRows *rows, const SegmentReader *reader, GError **error)
{
    SegmentBlock *block = rows->block;
    View *view = &rows->view;

    make_room(rows, segment_block_count(block));
    if (!bill_classes_number(rows->classes, block, rows->row_classes)) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                    "%s: more than %d combinations of type, op, format and status: these are names "
                    "of few values, not of one for each event",
                    segment_reader_path(reader), BILL_CLASSES_MAX);
        return FALSE;
    }
    bill_customers_number(rows->customers, block, rows->row_customers);
    bill_writers_number(rows->writers, block, rows->row_writers);
    const SegmentTexts *sources = segment_block_texts(block, SEGMENT_SOURCE);
    interner_add_all(rows->sources, sources->values, sources->size_bytes, sources->value_count,
                     rows->source_numbers);
    view->sources = sources->codes;
    view->times = segment_block_numbers(block, SEGMENT_TIME);
    for (guint i = 0; i < rows->number_count; i++)
        view->numbers[i] = segment_block_numbers(block, rows->numbers[i]);
    return TRUE;
}

/* The row of the share's i-th event. */
static inline guint32
row_of(const BillRows *rows, const Share *share, guint64 i)
{
    return share->filtered ? rows->picked[i] : (guint32)i;
}

/* Is the row's time that of writers seen, and of ScanRows? */
static inline gboolean
is_seen(const BillRows *rows, guint32 row)
{
    const ScanConfig *config = rows->whom.config;
    gint64 time_us = rows->view.times[row];

    return time_us >= config->seen_from_us && time_us < config->seen_to_us;
}

static void
see_writers(BillRows *rows, const Share *share)
{
    for (guint32 i = 0; i < share->count; i++) {
        guint32 row = row_of(rows, share, i);
        if (is_seen(rows, row))
            bill_writers_see(rows->writers, rows->row_writers[row]);
    }
}

static gboolean
is_known(const BillRows *rows, guint segment)
{
    return !rows->whom.config->known || rows->whom.config->known[segment];
}

/* Gives the visitor an event that has no copies. */
static inline gboolean
visit(BillRows *rows, guint32 row, guint segment, gboolean known, GError **error)
{
    const BillRowsFor *whom = &rows->whom;
    const View *view = &rows->view;
    gint64 numbers[SEGMENT_COLUMNS];

    for (guint i = 0; i < rows->number_count; i++)
        numbers[i] = view->numbers[i][row];
    ScanEvent event = {
        .source = rows->source_numbers[view->sources[row]],
        .writer = rows->row_writers[row],
        .customer = rows->row_customers[row],
        .class = bill_classes_get(rows->classes, rows->row_classes[row]),
        .time_us = view->times[row],
        .known_time_us = known ? view->times[row] : G_MAXINT64,
        .numbers = numbers,
        .segment = segment,
        .block = rows->block,
        .row = row,
    };
    rows->counts.distinct_count++;
    return whom->visitor->event(whom->data, whom->thread, whom->number, &event, error);
}

/* Gives the visitor so many of rows->seen, by their classes. */
static gboolean
visit_groups(BillRows *rows, guint32 count, GError **error)
{
    const BillRowsFor *whom = &rows->whom;
    guint32 class_count = bill_classes_count(rows->classes);
    ScanRows group = {
        .customers = rows->row_customers, .times = rows->view.times, .numbers = rows->view.numbers};

    rows->counts.distinct_count += count;
    bill_groups_sort(&rows->groups, rows->seen, count, rows->row_classes, class_count);
    for (guint32 class = 0; class < class_count; class ++) {
        group.class = bill_classes_get(rows->classes, class);
        group.rows = bill_groups_get(&rows->groups, class, &group.count);
        if (group.count > 0 &&
            !whom->visitor->rows(whom->data, whom->thread, whom->number, &group, error))
            return FALSE;
    }
    return TRUE;
}

/* Visits those that have no copies. */
static gboolean
visit_alone(BillRows *rows, const Share *share, GError **error)
{
    gboolean known = is_known(rows, share->segment);
    /* Groups are made by counting classes, which does not pay for fewer events than there are. */
    gboolean grouped =
        rows->whom.visitor->rows != NULL && bill_classes_count(rows->classes) <= share->count;
    guint64 end = share->first + share->count;
    guint64 twin = bill_twins_next(rows->twins, share->first, end);
    guint32 seen_count = 0;

    for (guint64 event = share->first; event < end; event++) {
        guint32 row = row_of(rows, share, event - share->first);
        if (event == twin)
            twin = bill_twins_next(rows->twins, twin + 1, end);
        else if (grouped && is_seen(rows, row))
            rows->seen[seen_count++] = row;
        else if (!visit(rows, row, share->segment, known, error))
            return FALSE;
    }
    return seen_count == 0 || visit_groups(rows, seen_count, error);
}

static void
add_copy(BillRows *rows, const Share *share, guint64 number)
{
    const View *view = &rows->view;
    guint32 row = row_of(rows, share, number - share->first);
    guint32 id_bytes = 0;
    const char *id = segment_block_text(rows->block, SEGMENT_ID, row, &id_bytes);
    Copy *copy = dedupe_slot(rows->dedupe);

    copy->identity = bill_twins_identity(rows->twins, number);
    copy->contents = bill_contents_hash(rows->block, row);
    copy->time_us = view->times[row];
    copy->sequence = (guint64)segment_block_numbers(rows->block, SEGMENT_SEQUENCE)[row];
    if (!copy_set_hex_id(copy, id, id_bytes))
        copy->id.text = g_string_chunk_insert_len(rows->ids, id, (gssize)id_bytes);
    copy->source = rows->source_numbers[view->sources[row]];
    copy->writer = rows->row_writers[row];
    copy->customer = rows->row_customers[row];
    copy->class = rows->row_classes[row];
    copy->ok = bill_classes_get(rows->classes, copy->class)->ok;
    copy->segment = share->segment;
    for (guint i = 0; i < rows->number_count; i++)
        copy->numbers[i] = view->numbers[i][row];
    dedupe_add(rows->dedupe, is_known(rows, share->segment));
}

static gboolean
read_share(BillRows *rows, SegmentReader *reader, const Share *share, GError **error)
{
    guint64 end = share->first + share->count;
    guint64 compared = next_compared(rows, share, share->first);
    guint32 columns = rows->columns;

    if (share->count == 0 || (rows->slice > 0 && compared == end))
        return TRUE;
    if (compared < end)
        columns |= COLUMNS_COMPARED;
    columns |= share->filtered ? COLUMNS_NOTED : SEGMENT_UNHASHED;
    if (!segment_block_read(rows->block, reader, share->bucket, columns, error) ||
        !look_at_block(rows, reader, error))
        return FALSE;
    if (share->filtered)
        pick(rows);
    for (; compared < end; compared = next_compared(rows, share, compared + 1))
        add_copy(rows, share, compared);
    if (rows->slice > 0)
        return TRUE;
    see_writers(rows, share);
    return visit_alone(rows, share, error);
}

gboolean
bill_rows_read(BillRows *rows, SegmentReader *reader, guint segment, GError **error)
{
    Buckets buckets = buckets_of(rows, reader);

    for (guint bucket = buckets.first; bucket < buckets.end; bucket++) {
        if (segment_bucket_count(reader, bucket) == 0)
            continue;
        Share share = {bucket, segment, buckets.filtered,
                       g_array_index(rows->shares, guint32, rows->next_share++), rows->next_event};
        rows->next_event += share.count;
        if (!read_share(rows, reader, &share, error))
            return FALSE;
    }
    return TRUE;
}

const ScanCounts *
bill_rows_counts(const BillRows *rows)
{
    return &rows->counts;
}

const Dedupe *
bill_rows_dedupe(const BillRows *rows)
{
    return rows->dedupe;
}

BillCustomers *
bill_rows_customers(BillRows *rows)
{
    return rows->customers;
}

BillCustomers *
bill_rows_steal_customers(BillRows *rows)
{
    return g_steal_pointer(&rows->customers);
}

const Interner *
bill_rows_sources(const BillRows *rows)
{
    return rows->sources;
}

const BillWriters *
bill_rows_writers(const BillRows *rows)
{
    return rows->writers;
}

const ScanClass *
bill_rows_class(const BillRows *rows, guint32 class)
{
    return bill_classes_get(rows->classes, class);
}
