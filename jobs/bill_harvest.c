/* bill_harvest.c - counts sequences by the ranges in the segments' footers.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_harvest.h"

#include <stdlib.h>
#include <string.h>

#include "formats/error.h"
#include "formats/segment.h"

typedef struct {
    guint64 first;
    guint64 last;
} Range;

/* What seals say of one writer. */
typedef struct {
    guint64 before; /* through of the last seal before the period */
    gboolean sealed;
    gboolean contradicted; /* two words on one period: neither can be relied on */
    guint64 through;
    GArray *lost; /* of Range */
} Promise;

static void
writer_free(gpointer data)
{
    BillWriter *writer = data;

    g_free(writer->name);
    g_free(writer);
}

void
bill_harvest_free(BillHarvest *harvest)
{
    g_ptr_array_unref(harvest->writers);
    g_free(harvest);
}

static int
compare_ranges(gconstpointer a, gconstpointer b)
{
    const Range *left = a;
    const Range *right = b;

    return left->first < right->first ? -1 : left->first > right->first;
}

/* How many numbers from first to last lie in the ranges, which may overlap; sorts them. */
static guint64
count_within(GArray *ranges, guint64 first, guint64 last)
{
    guint64 count = 0;
    guint64 from = first;

    g_array_sort(ranges, compare_ranges);
    for (guint i = 0; i < ranges->len && from <= last; i++) {
        const Range *range = &g_array_index(ranges, Range, i);
        guint64 begin = MAX(range->first, from);
        guint64 end = MIN(range->last, last);
        if (begin > end)
            continue;
        count += end - begin + 1;
        if (end == G_MAXUINT64)
            break;
        from = end + 1;
    }
    return count;
}

static GHashTable *
read_ranges(const BillInputs *inputs, GError **error)
{
    g_autoptr(GHashTable) by_writer =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_array_unref);

    for (guint i = 0; i < inputs->segments->len; i++) {
        const BillSegment *segment = inputs->segments->pdata[i];
        g_autoptr(SegmentReader) reader = segment_reader_open(segment->path, error);
        if (!reader)
            return NULL;
        const SegmentFooter *footer = segment_reader_footer(reader);
        for (guint k = 0; k < footer->range_count; k++) {
            const SegmentRange *range = &footer->ranges[k];
            GArray *ranges = g_hash_table_lookup(by_writer, range->writer);
            Range added = {range->first, range->last};
            if (!ranges) {
                ranges = g_array_new(FALSE, FALSE, sizeof(Range));
                g_hash_table_insert(by_writer, g_strdup(range->writer), ranges);
            }
            g_array_append_val(ranges, added);
        }
    }
    return g_steal_pointer(&by_writer);
}

/* Takes a frozen seal apart: "2026-11 THROUGH LOST WRITER". Returns: the writer, or NULL. */
static const char *
parse_seal(const char *text, char period[8], guint64 *through, GArray *lost)
{
    char *at = NULL;

    if (strlen(text) < 9 || text[7] != ' ')
        return NULL;
    memcpy(period, text, 7);
    period[7] = '\0';
    *through = g_ascii_strtoull(text + 8, &at, 10);
    if (*at++ != ' ')
        return NULL;
    while (g_ascii_isdigit(*at)) {
        Range range = {g_ascii_strtoull(at, &at, 10), 0};
        range.last = *at == '-' ? g_ascii_strtoull(at + 1, &at, 10) : range.first;
        g_array_append_val(lost, range);
        at += *at == ',';
    }
    at += *at == '-';
    return *at == ' ' ? at + 1 : NULL;
}

static void
promise_free(gpointer data)
{
    Promise *promise = data;

    g_array_unref(promise->lost);
    g_free(promise);
}

static GHashTable *
read_promises(const FrozenInputs *frozen)
{
    GHashTable *by_writer = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, promise_free);

    for (guint i = 0; i < frozen->seals->len; i++) {
        g_autoptr(GArray) lost = g_array_new(FALSE, FALSE, sizeof(Range));
        char period[8];
        guint64 through = 0;
        const char *writer = parse_seal(frozen->seals->pdata[i], period, &through, lost);
        if (!writer)
            continue;
        Promise *promise = g_hash_table_lookup(by_writer, writer);
        if (!promise) {
            promise = g_new0(Promise, 1);
            promise->lost = g_array_new(FALSE, FALSE, sizeof(Range));
            g_hash_table_insert(by_writer, g_strdup(writer), promise);
        }
        if (strcmp(period, frozen->period.name) != 0) {
            promise->before = MAX(promise->before, through);
            continue;
        }
        promise->contradicted = promise->sealed; /* equal ones are frozen once */
        promise->sealed = TRUE;
        promise->through = MAX(promise->through, through);
        g_array_append_vals(promise->lost, lost->data, lost->len);
    }
    return by_writer;
}

static void
set_promise(BillWriter *writer, const Promise *promise)
{
    writer->sealed = promise && promise->sealed && !promise->contradicted;
    writer->first = promise ? promise->before + 1 : 1;
    writer->through = writer->sealed ? promise->through : 0;
}

static BillWriter *
judge(const char *name, const Promise *promise, GArray *ranges)
{
    g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(Range));
    BillWriter *writer = g_new0(BillWriter, 1);

    writer->name = g_strdup(name);
    set_promise(writer, promise);
    if (ranges)
        writer->present_count =
            count_within(ranges, writer->first, writer->sealed ? writer->through : G_MAXUINT64);
    if (!writer->sealed || writer->through < writer->first)
        return writer;
    if (ranges)
        g_array_append_vals(all, ranges->data, ranges->len);
    g_array_append_vals(all, promise->lost->data, promise->lost->len);
    guint64 accounted = count_within(all, writer->first, writer->through);
    writer->lost_count = accounted - writer->present_count;
    writer->missing_count = writer->through - writer->first + 1 - accounted;
    return writer;
}

static int
compare_texts(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names of the writers that are expected, sorted, each once; borrowed. */
static GPtrArray *
expected_names(const BillInputs *inputs, GHashTable *seen)
{
    g_autoptr(GHashTable) set = g_hash_table_new(g_str_hash, g_str_equal);
    GPtrArray *names = g_ptr_array_new();
    GHashTableIter iterator;
    gpointer name = NULL;

    for (guint i = 0; i < inputs->frozen->expected->len; i++)
        g_hash_table_add(set, inputs->frozen->expected->pdata[i]);
    if (inputs->frozen->all_expected) {
        g_hash_table_iter_init(&iterator, seen);
        while (g_hash_table_iter_next(&iterator, &name, NULL))
            g_hash_table_add(set, name);
    }
    g_hash_table_iter_init(&iterator, set);
    while (g_hash_table_iter_next(&iterator, &name, NULL))
        g_ptr_array_add(names, name);
    g_ptr_array_sort(names, compare_texts);
    return names;
}

void
bill_harvest_sum(BillHarvest *harvest, guint refused_count)
{
    harvest->reflected = 0;
    harvest->expected = refused_count;
    for (guint i = 0; i < harvest->writers->len; i++) {
        const BillWriter *writer = harvest->writers->pdata[i];
        harvest->reflected += writer->present_count + writer->lost_count;
        harvest->expected += writer->present_count + writer->lost_count + writer->missing_count;
        harvest->expected += !writer->sealed; /* who has not given a word may have more */
    }
    harvest->harvest = HARVEST_WHOLE;
    if (harvest->reflected < harvest->expected)
        harvest->harvest =
            (guint64)((unsigned __int128)harvest->reflected * HARVEST_WHOLE / harvest->expected);
    harvest->preliminary = harvest->harvest < HARVEST_WHOLE;
}

gboolean
bill_harvest_agrees(const BillHarvest *harvest, const FrozenInputs *frozen)
{
    g_autoptr(GHashTable) promises = read_promises(frozen);

    for (guint i = 0; i < harvest->writers->len; i++) {
        const BillWriter *writer = harvest->writers->pdata[i];
        BillWriter promised = {0};
        set_promise(&promised, g_hash_table_lookup(promises, writer->name));
        if (writer->sealed != promised.sealed || writer->first != promised.first ||
            writer->through != promised.through)
            return FALSE;
    }
    return TRUE;
}

BillHarvest *
bill_harvest(const BillInputs *inputs, GHashTable *seen, GError **error)
{
    g_autoptr(GHashTable) ranges = read_ranges(inputs, error);
    if (!ranges)
        return NULL;
    g_autoptr(GHashTable) promises = read_promises(inputs->frozen);
    g_autoptr(GPtrArray) names = expected_names(inputs, seen);
    BillHarvest *harvest = g_new0(BillHarvest, 1);

    harvest->writers = g_ptr_array_new_with_free_func(writer_free);
    for (guint i = 0; i < names->len; i++) {
        const char *name = names->pdata[i];
        BillWriter *writer =
            judge(name, g_hash_table_lookup(promises, name), g_hash_table_lookup(ranges, name));
        g_ptr_array_add(harvest->writers, writer);
    }
    bill_harvest_sum(harvest, inputs->refused->len);
    return harvest;
}
