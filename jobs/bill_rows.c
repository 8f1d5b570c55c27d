/* bill_rows.c - from the columns of a block to rows. Texts are looked at once a block and value,
 * not once an event: rows take the numbers and hashes from there.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_rows.h"

#include <string.h>

#include "formats/error.h"
#include "formats/fingerprint.h"

enum {
    PREFETCH_ROWS = 12,
    CLASSES_MAX = 1 << 16, /* types x ops x formats x statuses */
    CLASS_NAMES_MAX_BYTES = 16 << 20,
    NAMES_MAX_BYTES = 1 << 20 /* of sources and writers kept from range to range */
};

/* What contents consists of: texts by their hashes, and numbers. A member that is missing is "" or
 * 0, so which of them a line has tells nothing. */
static const SegmentColumn hashed_texts[] = {SEGMENT_TYPE, SEGMENT_SUBJECT, SEGMENT_REQUEST,
                                             SEGMENT_OP,   SEGMENT_FORMAT,  SEGMENT_STATUS,
                                             SEGMENT_EXTRA};
static const SegmentColumn hashed_numbers[] = {SEGMENT_BYTES_IN, SEGMENT_BYTES_OUT,
                                               SEGMENT_PIXELS_IN, SEGMENT_PIXELS_OUT};
#define HASHED_COUNT (G_N_ELEMENTS(hashed_texts) + G_N_ELEMENTS(hashed_numbers))
#define COLUMNS_READ                                                                               \
    (1u << SEGMENT_ID | 1u << SEGMENT_SOURCE | 1u << SEGMENT_WRITER | 1u << SEGMENT_TIME |         \
     1u << SEGMENT_SEQUENCE | 1u << SEGMENT_TYPE | 1u << SEGMENT_SUBJECT | 1u << SEGMENT_REQUEST | \
     1u << SEGMENT_OP | 1u << SEGMENT_FORMAT | 1u << SEGMENT_STATUS | 1u << SEGMENT_EXTRA |        \
     1u << SEGMENT_BYTES_IN | 1u << SEGMENT_BYTES_OUT | 1u << SEGMENT_PIXELS_IN |                  \
     1u << SEGMENT_PIXELS_OUT)

enum { CLASS_SLOTS = 256, CODE_BITS = 12 };
#define NO_WRITER G_MAXUINT32

/* Where the columns of the block at hand are. */
typedef struct {
    const SegmentTexts *ids;
    const guint32 *sources, *customers, *writers;
    const guint32 *types, *ops, *formats, *statuses;
    const guint32 *hashed_codes[G_N_ELEMENTS(hashed_texts)];
    const gint64 *hashed_numbers[G_N_ELEMENTS(hashed_numbers)];
    const gint64 *times, *sequences;
    const gint64 *numbers[SEGMENT_COLUMNS];
} View;

/* The class that a row's codes have been found to be; key 0 is none. */
typedef struct {
    guint64 key;
    guint32 class;
} ClassSlot;

struct _BillRows {
    const ScanConfig *config;
    SegmentColumn numbers[SEGMENT_COLUMNS]; /* that rows have */
    guint number_count;
    guint32 columns;
    void (*class_new)(gpointer data, ScanClass *class);
    gpointer data;
    Interner *customers;
    Interner *sources;
    Interner *writers;
    GByteArray *writers_seen; /* by number: of the range, within the times asked for */
    Interner *class_names;    /* type NUL op NUL format NUL status */
    GPtrArray *classes;       /* owns ScanClass */
    GString *class_name;
    Dedupe *dedupe;
    GStringChunk *ids;
    SegmentBlock *block;
    guint64 range;
    guint range_bits;
    ScanCounts counts;
    /* Of the block at hand: what its values have become, by code. */
    guint32 *source_numbers, *customer_numbers, *writer_numbers;
    guint32 *source_writers; /* by the code of a source: its number as a writer */
    guint64 *hashes[G_N_ELEMENTS(hashed_texts)];
    guint32 value_room;
    ClassSlot class_slots[CLASS_SLOTS];
    View view;
};

static void
class_free(gpointer data)
{
    ScanClass *class = data;

    g_free(class->note);
    g_free(class);
}

BillRows *
bill_rows_new(const ScanConfig *config, void (*class_new)(gpointer data, ScanClass *class),
              gpointer data)
{
    BillRows *rows = g_new0(BillRows, 1);

    for (SegmentColumn column = SEGMENT_TIME; column < SEGMENT_COLUMNS; column++)
        if (config->numbers >> column & 1)
            rows->numbers[rows->number_count++] = column;
    rows->config = config;
    rows->columns = COLUMNS_READ | config->numbers;
    rows->class_new = class_new;
    rows->data = data;
    rows->customers = interner_new();
    rows->sources = interner_new();
    rows->writers = interner_new();
    rows->writers_seen = g_byte_array_new();
    rows->class_names = interner_new();
    rows->classes = g_ptr_array_new_with_free_func(class_free);
    rows->class_name = g_string_new(NULL);
    rows->dedupe = dedupe_new(rows->number_count, rows->writers);
    rows->ids = g_string_chunk_new(64 << 10);
    rows->block = segment_block_new();
    return rows;
}

void
bill_rows_free(BillRows *rows)
{
    interner_free(rows->customers);
    interner_free(rows->sources);
    interner_free(rows->writers);
    g_byte_array_unref(rows->writers_seen);
    interner_free(rows->class_names);
    g_ptr_array_unref(rows->classes);
    g_string_free(rows->class_name, TRUE);
    dedupe_free(rows->dedupe);
    g_string_chunk_free(rows->ids);
    segment_block_free(rows->block);
    g_free(rows->source_numbers);
    g_free(rows->customer_numbers);
    g_free(rows->writer_numbers);
    g_free(rows->source_writers);
    for (guint i = 0; i < G_N_ELEMENTS(hashed_texts); i++)
        g_free(rows->hashes[i]);
    g_free(rows);
}

void
bill_rows_begin(BillRows *rows, guint64 expected_count, guint64 range, guint range_bits)
{
    dedupe_clear(rows->dedupe, expected_count);
    g_string_chunk_clear(rows->ids);
    if (interner_size(rows->sources) > NAMES_MAX_BYTES)
        interner_clear(rows->sources);
    if (interner_size(rows->writers) > NAMES_MAX_BYTES)
        interner_clear(rows->writers);
    g_byte_array_set_size(rows->writers_seen, 0);
    rows->range = range;
    rows->range_bits = range_bits;
    memset(&rows->counts, 0, sizeof rows->counts);
}

static void
make_room(BillRows *rows, guint32 value_count)
{
    if (value_count <= rows->value_room)
        return;
    rows->value_room = value_count + value_count / 4;
    rows->source_numbers = g_renew(guint32, rows->source_numbers, rows->value_room);
    rows->customer_numbers = g_renew(guint32, rows->customer_numbers, rows->value_room);
    rows->writer_numbers = g_renew(guint32, rows->writer_numbers, rows->value_room);
    rows->source_writers = g_renew(guint32, rows->source_writers, rows->value_room);
    for (guint i = 0; i < G_N_ELEMENTS(hashed_texts); i++)
        rows->hashes[i] = g_renew(guint64, rows->hashes[i], rows->value_room);
}

static void
number_values(const SegmentTexts *texts, Interner *interner, guint32 *numbers)
{
    interner_add_all(interner, texts->values, texts->size_bytes, texts->value_count, numbers);
}

/* Where an event has no writer, that is its source. */
static void
number_writers(BillRows *rows)
{
    const SegmentTexts *writers = segment_block_texts(rows->block, SEGMENT_WRITER);
    gboolean missing = FALSE;

    number_values(writers, rows->writers, rows->writer_numbers);
    for (guint32 code = 0; code < writers->value_count; code++)
        if (writers->size_bytes[code] == 0) {
            rows->writer_numbers[code] = NO_WRITER;
            missing = TRUE;
        }
    if (missing)
        number_values(segment_block_texts(rows->block, SEGMENT_SOURCE), rows->writers,
                      rows->source_writers);
}

/* Is a line of extra a member of ours that is only spelled otherwise? */
static gboolean
is_ours(const char *line, gsize size_bytes)
{
    static const char *const ours[] = {
        "t\"specversion\"", "t\"id\"",     "t\"source\"",   "t\"type\"",      "t\"subject\"",
        "t\"time\"",        "t\"writer\"", "t\"sequence\"", "d\"request\"",   "d\"op\"",
        "d\"format\"",      "d\"status\"", "d\"bytes_in\"", "d\"bytes_out\"", "d\"pixels_in\"",
        "d\"pixels_out\"",  "d\"cpu_us\"", "d\"wall_us\"",  "d\"node\""};

    for (guint i = 0; i < G_N_ELEMENTS(ours); i++) {
        gsize length = strlen(ours[i]);
        if (size_bytes > length && memcmp(line, ours[i], length) == 0)
            return TRUE;
    }
    return FALSE;
}

/* An attribute of the event that is null is one that is missing. */
static gboolean
is_missing(const char *line, gsize size_bytes)
{
    gsize length = strlen("\":null");

    return *line == 't' && size_bytes > length &&
           memcmp(line + size_bytes - length, "\":null", length) == 0;
}

/* Members that are not ours, in any order. */
static guint64
hash_extra(const char *extra, gsize size_bytes)
{
    guint64 sum = 0;

    for (const char *at = extra, *end = extra + size_bytes; at < end;) {
        const char *newline = memchr(at, '\n', (gsize)(end - at));
        gsize line_bytes = (gsize)((newline ? newline : end) - at);
        if (!is_ours(at, line_bytes) && !is_missing(at, line_bytes))
            sum += fingerprint_line(at, line_bytes);
        at += line_bytes + 1;
    }
    return sum;
}

static void
hash_values(const SegmentTexts *texts, SegmentColumn column, guint64 *hashes)
{
    for (guint32 code = 0; code < texts->value_count; code++) {
        const char *value = texts->values[code];
        gsize size = texts->size_bytes[code];
        hashes[code] =
            column == SEGMENT_EXTRA ? hash_extra(value, size) : fingerprint_line(value, size);
    }
}

static void
digest_values(BillRows *rows)
{
    const SegmentBlock *block = rows->block;

    make_room(rows, segment_block_count(block));
    number_values(segment_block_texts(block, SEGMENT_SOURCE), rows->sources, rows->source_numbers);
    number_values(segment_block_texts(block, SEGMENT_SUBJECT), rows->customers,
                  rows->customer_numbers);
    number_writers(rows);
    for (guint i = 0; i < G_N_ELEMENTS(hashed_texts); i++)
        hash_values(segment_block_texts(block, hashed_texts[i]), hashed_texts[i], rows->hashes[i]);
    memset(rows->class_slots, 0, sizeof rows->class_slots);
}

static void
look_at(BillRows *rows)
{
    const SegmentBlock *block = rows->block;
    View *view = &rows->view;

    view->ids = segment_block_texts(block, SEGMENT_ID);
    view->sources = segment_block_texts(block, SEGMENT_SOURCE)->codes;
    view->customers = segment_block_texts(block, SEGMENT_SUBJECT)->codes;
    view->writers = segment_block_texts(block, SEGMENT_WRITER)->codes;
    view->types = segment_block_texts(block, SEGMENT_TYPE)->codes;
    view->ops = segment_block_texts(block, SEGMENT_OP)->codes;
    view->formats = segment_block_texts(block, SEGMENT_FORMAT)->codes;
    view->statuses = segment_block_texts(block, SEGMENT_STATUS)->codes;
    for (guint i = 0; i < G_N_ELEMENTS(hashed_texts); i++)
        view->hashed_codes[i] = segment_block_texts(block, hashed_texts[i])->codes;
    for (guint i = 0; i < G_N_ELEMENTS(hashed_numbers); i++)
        view->hashed_numbers[i] = segment_block_numbers(block, hashed_numbers[i]);
    view->times = segment_block_numbers(block, SEGMENT_TIME);
    view->sequences = segment_block_numbers(block, SEGMENT_SEQUENCE);
    for (guint i = 0; i < rows->number_count; i++)
        view->numbers[i] = segment_block_numbers(block, rows->numbers[i]);
}

static const char *
value_of(const SegmentBlock *block, SegmentColumn column, guint32 row)
{
    const SegmentTexts *texts = segment_block_texts(block, column);

    return texts->values[texts->codes[row]];
}

static guint32
find_class(BillRows *rows, guint32 row)
{
    const SegmentBlock *block = rows->block;
    const char *type = value_of(block, SEGMENT_TYPE, row);
    const char *op = value_of(block, SEGMENT_OP, row);
    const char *format = value_of(block, SEGMENT_FORMAT, row);
    const char *status = value_of(block, SEGMENT_STATUS, row);
    const char *const names[] = {type, op, format, status};

    g_string_truncate(rows->class_name, 0);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        g_string_append_len(rows->class_name, names[i], (gssize)strlen(names[i]) + 1);
    guint32 number = interner_add(rows->class_names, rows->class_name->str, rows->class_name->len);
    if (number == rows->classes->len) {
        ScanClass *class = g_new0(ScanClass, 1);
        *class = (ScanClass){g_intern_string(type),
                             g_intern_string(op),
                             g_intern_string(format),
                             g_intern_string(status),
                             strcmp(status, USAGE_STATUS_OK) == 0,
                             NULL};
        if (rows->class_new)
            rows->class_new(rows->data, class);
        g_ptr_array_add(rows->classes, class);
    }
    return number;
}

/* There are few classes in a block, so their codes are remembered. */
static guint32
class_of(BillRows *rows, guint32 row)
{
    const View *view = &rows->view;
    guint64 type = view->types[row];
    guint64 op = view->ops[row];
    guint64 format = view->formats[row];
    guint64 status = view->statuses[row];

    if ((type | op | format | status) >> CODE_BITS)
        return find_class(rows, row);
    guint64 key = 1 | ((((type << CODE_BITS | op) << CODE_BITS) | format) << CODE_BITS | status)
                          << 1;
    ClassSlot *slot = &rows->class_slots[(key * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15)) >> 56];
    if (slot->key != key) {
        slot->class = find_class(rows, row);
        slot->key = key;
    }
    return slot->class;
}

static void
set_seen(GByteArray *seen, guint32 number)
{
    guint old = seen->len;

    if (number >= old) {
        g_byte_array_set_size(seen, number + 64);
        memset(seen->data + old, 0, seen->len - old);
    }
    seen->data[number] = 1;
}

static void
note_writer(const BillRows *rows, const Copy *copy)
{
    if (copy->time_us < rows->config->seen_from_us || copy->time_us >= rows->config->seen_to_us)
        return;
    set_seen(rows->writers_seen, copy->writer);
}

void
bill_rows_seen(const BillRows *rows, GHashTable *names)
{
    for (guint32 i = 0; i < rows->writers_seen->len; i++) {
        if (!rows->writers_seen->data[i])
            continue;
        const char *name = interner_text(rows->writers, i);
        if (!g_hash_table_contains(names, name))
            g_hash_table_add(names, g_strdup(name));
    }
}

static guint64
hash_contents(const BillRows *rows, guint32 row)
{
    const View *view = &rows->view;
    guint64 parts[HASHED_COUNT];
    guint count = 0;

    for (guint i = 0; i < G_N_ELEMENTS(hashed_texts); i++)
        parts[count++] = rows->hashes[i][view->hashed_codes[i][row]];
    for (guint i = 0; i < G_N_ELEMENTS(hashed_numbers); i++)
        parts[count++] = (guint64)view->hashed_numbers[i][row];
    return fingerprint_line(parts, sizeof parts);
}

static void
add_row(BillRows *rows, guint32 row, guint64 identity, guint segment)
{
    const View *view = &rows->view;
    Copy *copy = dedupe_slot(rows->dedupe);
    guint32 id = view->ids->codes[row];

    copy->identity = identity;
    copy->contents = hash_contents(rows, row);
    copy->time_us = view->times[row];
    copy->sequence = (guint64)view->sequences[row];
    if (!copy_set_hex_id(copy, view->ids->values[id], view->ids->size_bytes[id]))
        copy->id.text = g_string_chunk_insert_len(rows->ids, view->ids->values[id],
                                                  (gssize)view->ids->size_bytes[id]);
    copy->source = rows->source_numbers[view->sources[row]];
    copy->writer = rows->writer_numbers[view->writers[row]];
    if (copy->writer == NO_WRITER)
        copy->writer = rows->source_writers[view->sources[row]];
    copy->customer = rows->customer_numbers[view->customers[row]];
    copy->class = class_of(rows, row);
    copy->ok = ((const ScanClass *)rows->classes->pdata[copy->class])->ok;
    copy->segment = segment;
    for (guint i = 0; i < rows->number_count; i++)
        copy->numbers[i] = view->numbers[i][row];
    note_writer(rows, copy);
    dedupe_add(rows->dedupe, !rows->config->known || rows->config->known[segment]);
}

static void
add_block(BillRows *rows, guint segment, gboolean filtered)
{
    const guint64 *identities = segment_block_identities(rows->block);
    guint32 count = segment_block_count(rows->block);

    for (guint32 row = 0; row < count; row++) {
        if (row + PREFETCH_ROWS < count)
            dedupe_prefetch(rows->dedupe, identities[row + PREFETCH_ROWS]);
        if (filtered && identities[row] >> (64 - rows->range_bits) != rows->range)
            continue;
        rows->counts.read_count++;
        rows->counts.identity_sum += identities[row];
        add_row(rows, row, identities[row], segment);
    }
}

gboolean
bill_rows_read(BillRows *rows, SegmentReader *reader, guint segment, GError **error)
{
    guint bucket_bits = segment_reader_footer(reader)->bucket_bits;
    guint finer_bits = bucket_bits > rows->range_bits ? bucket_bits - rows->range_bits : 0;
    gboolean filtered = rows->range_bits > bucket_bits;
    guint first = (guint)(filtered ? rows->range >> (rows->range_bits - bucket_bits)
                                   : rows->range << finer_bits);

    for (guint bucket = first; bucket < first + (1u << finer_bits); bucket++) {
        if (segment_bucket_count(reader, bucket) == 0)
            continue;
        if (!segment_block_read(rows->block, reader, bucket, rows->columns, error))
            return FALSE;
        digest_values(rows);
        look_at(rows);
        if (rows->classes->len > CLASSES_MAX ||
            interner_size(rows->class_names) > CLASS_NAMES_MAX_BYTES) {
            g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                        "%s: more than %d combinations of type, op, format and status: these are "
                        "names of few values, not of one for each event",
                        segment_reader_path(reader), CLASSES_MAX);
            return FALSE;
        }
        add_block(rows, segment, filtered);
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

Interner *
bill_rows_customers(BillRows *rows)
{
    return rows->customers;
}

const Interner *
bill_rows_sources(const BillRows *rows)
{
    return rows->sources;
}

const Interner *
bill_rows_writers(const BillRows *rows)
{
    return rows->writers;
}

const ScanClass *
bill_rows_class(const BillRows *rows, guint32 class)
{
    return rows->classes->pdata[class];
}
