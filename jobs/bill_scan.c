/* bill_scan.c - from segments to events, each once: a range of identities at a time is read from
 * every segment (bill_rows.c), its copies meet, and what counts of them goes to the visitor.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_scan.h"

#include <string.h>

#include "formats/error.h"
#include "jobs/bill_dedupe.h"
#include "jobs/bill_rows.h"
#include "mr/deal.h"

enum {
    RANGE_BITS_MAX = 20,
    RANGE_EVENTS_MIN = 4096 /* smaller ones are all overhead */
};

typedef struct {
    const ScanConfig *config;
    const ScanVisitor *visitor;
    gpointer data;
    SegmentReader **readers;
    gsize readers_bytes;
    guint range_bits;
    guint64 event_count; /* of all segments */
    Deal *ranges;
    gboolean failed; /* atomic */
    GMutex lock;
    GError *error; /* the first; under lock */
} Scan;

struct _ScanThread {
    Scan *scan;
    guint number;
    BillRows *rows;
    ScanCounts counts;
};

const char *
scan_source(const ScanThread *thread, guint32 source)
{
    return interner_text(bill_rows_sources(thread->rows), source);
}

const char *
scan_writer(const ScanThread *thread, guint32 writer)
{
    return interner_text(bill_writers_names(bill_rows_writers(thread->rows)), writer);
}

void
scan_seen_writers(const ScanThread *thread, GHashTable *names)
{
    bill_writers_seen(bill_rows_writers(thread->rows), names);
}

void
scan_print_id(const ScanEvent *event, GString *out)
{
    guint32 size_bytes = 0;

    if (event->copy) {
        copy_print_id(event->copy, out);
        return;
    }
    const char *id = segment_block_text(event->block, SEGMENT_ID, event->row, &size_bytes);
    g_string_append_len(out, id, (gssize)size_bytes);
}

const char *
scan_customer(const ScanThread *thread, guint32 customer)
{
    return interner_text(bill_customers_names(bill_rows_customers(thread->rows)), customer);
}

guint32
scan_customer_count(const ScanThread *thread)
{
    return interner_count(bill_customers_names(bill_rows_customers(thread->rows)));
}

gsize
scan_customers_size(const ScanThread *thread)
{
    return bill_customers_size(bill_rows_customers(thread->rows));
}

void
scan_customers_clear(ScanThread *thread)
{
    bill_customers_clear(bill_rows_customers(thread->rows));
}

BillCustomers *
scan_customers_steal(ScanThread *thread)
{
    return bill_rows_steal_customers(thread->rows);
}

static void
fail(Scan *scan, GError *error)
{
    g_mutex_lock(&scan->lock);
    if (scan->error)
        g_error_free(error);
    else
        scan->error = error;
    g_mutex_unlock(&scan->lock);
    g_atomic_int_set(&scan->failed, TRUE);
}

/* What is known of the segments before they are read: from their footers. */
typedef struct {
    guint64 event_count;
    guint64 by_bits[SEGMENT_BUCKET_BITS_MAX + 1]; /* events, by their segment's bucket_bits */
} Extent;

/* How many events are decoded in all: a block with more than a range is decoded for each of them.
 */
static guint64
decoded_count(const Extent *extent, guint range_bits)
{
    guint64 sum = 0;

    for (guint bits = 0; bits <= SEGMENT_BUCKET_BITS_MAX; bits++)
        sum += extent->by_bits[bits] << (range_bits > bits ? range_bits - bits : 0);
    return sum;
}

/* What a thread may hold of the identities of a range, and the same of the events that may have
 * copies. What the readers hold is not there; with very many segments they are let have more. */
static gsize
room_bytes(const Scan *scan)
{
    gsize memory_bytes = scan->config->memory_bytes;
    gsize left_bytes = memory_bytes - MIN(scan->readers_bytes, memory_bytes / 4 * 3);

    return left_bytes / scan->config->thread_count / 2;
}

/* As many ranges as make the identities of one fit into a thread's memory; and beyond that as many
 * as cost next to nothing, since what fits into the cache is done several times as fast. */
static guint
choose_range_bits(const Scan *scan, const Extent *extent)
{
    guint64 room = MAX(1, room_bytes(scan) / bill_rows_noted_size());
    guint bits = 0;

    while (bits < RANGE_BITS_MAX && extent->event_count >> bits > room)
        bits++;
    while (bits < SEGMENT_BUCKET_BITS_MAX &&
           extent->event_count >> (bits + 1) >= RANGE_EVENTS_MIN &&
           decoded_count(extent, bits + 1) <= extent->event_count + extent->event_count / 8)
        bits++;
    return bits;
}

static gboolean
tell_conflict(ScanThread *thread, const Copy *winner, const Copy *other, GError **error)
{
    const Scan *scan = thread->scan;
    g_autoptr(GString) id = g_string_new(NULL);

    if (!scan->visitor->conflict)
        return TRUE;
    copy_print_id(winner, id);
    ScanConflict conflict = {
        .source = scan_source(thread, winner->source),
        .id = id->str,
        .copy_count = other->copy_count,
    };
    const Copy *const copies[] = {winner, other};
    for (guint i = 0; i < 2; i++) {
        ScanCopy *side = i == 0 ? &conflict.billed : &conflict.other;
        side->customer = scan_customer(thread, copies[i]->customer);
        side->status = bill_rows_class(thread->rows, copies[i]->class)->status;
        side->time_us = copies[i]->time_us;
        side->writer = scan_writer(thread, copies[i]->writer);
        side->sequence = copies[i]->sequence;
        side->segment = copies[i]->segment;
    }
    return scan->visitor->conflict(scan->data, thread->number, &conflict, error);
}

/* Counts and tells of what does not count beside the winner. */
static gboolean
judge(ScanThread *thread, const Dedupe *dedupe, const Copy *first, const Copy *winner,
      GError **error)
{
    const Copy *copy = first;

    for (;;) {
        guint64 copy_count = copy->copy_count - (copy == winner);
        if (copy == winner || (winner->ok && !copy->ok)) {
            thread->counts.duplicate_count += copy_count;
        } else {
            thread->counts.conflict_count += copy_count;
            if (!tell_conflict(thread, winner, copy, error))
                return FALSE;
        }
        if (!copy->next)
            return TRUE;
        copy = dedupe_copy(dedupe, copy->next - 1);
    }
}

static gboolean
end_range(ScanThread *thread, gboolean last, GError **error)
{
    const Scan *scan = thread->scan;

    return !scan->visitor->range_done ||
           scan->visitor->range_done(scan->data, thread, thread->number, last, error);
}

/* Visits what counts of the events that were compared. */
static gboolean
visit_compared(ScanThread *thread, GError **error)
{
    const Scan *scan = thread->scan;
    const Dedupe *dedupe = bill_rows_dedupe(thread->rows);

    for (guint32 i = 0; i < dedupe_count(dedupe); i++) {
        const Copy *first = dedupe_copy(dedupe, i);
        if (!first->is_first)
            continue;
        const Copy *winner = dedupe_winner(dedupe, first);
        if ((first->next || first->copy_count > 1) && !judge(thread, dedupe, first, winner, error))
            return FALSE;
        ScanEvent event = {
            .source = winner->source,
            .writer = winner->writer,
            .customer = winner->customer,
            .class = bill_rows_class(thread->rows, winner->class),
            .time_us = winner->time_us,
            .known_time_us = first->next ? dedupe_known_time(dedupe, first) : first->known_time_us,
            .numbers = winner->numbers,
            .segment = winner->segment,
            .copy = winner,
        };
        thread->counts.distinct_count++;
        if (!scan->visitor->event(scan->data, thread, thread->number, &event, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
run_range(ScanThread *thread, guint64 range, GError **error)
{
    const Scan *scan = thread->scan;
    BillRows *rows = thread->rows;

    bill_rows_begin(rows, scan->event_count >> scan->range_bits, range, scan->range_bits);
    for (guint i = 0; i < scan->config->segment_count; i++)
        if (!bill_rows_note(rows, scan->readers[i], error))
            return FALSE;
    guint32 slice_count = bill_rows_sift(rows, room_bytes(scan));
    for (guint32 slice = 0; slice < slice_count; slice++) {
        bill_rows_begin_slice(rows, slice);
        for (guint i = 0; i < scan->config->segment_count; i++)
            if (!bill_rows_read(rows, scan->readers[i], i, error))
                return FALSE;
        if (!visit_compared(thread, error))
            return FALSE;
    }
    const ScanCounts *counts = bill_rows_counts(rows);
    thread->counts.read_count += counts->read_count;
    thread->counts.identity_sum += counts->identity_sum;
    thread->counts.distinct_count += counts->distinct_count;
    return end_range(thread, FALSE, error);
}

static gboolean
is_stopped(const ScanConfig *config)
{
    return config->stop && g_atomic_int_get(config->stop);
}

/* A range, unless there is a reason not to. */
static gboolean
try_range(ScanThread *thread, guint64 range, GError **error)
{
    const Scan *scan = thread->scan;

    if (g_atomic_int_get(&scan->failed))
        return TRUE;
    if (is_stopped(scan->config)) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_INTERRUPTED, "interrupted");
        return FALSE;
    }
    return run_range(thread, range, error);
}

static void
run_ranges(ScanThread *thread)
{
    Scan *scan = thread->scan;
    GError *error = NULL;
    guint range = 0;

    while (deal_take(scan->ranges, &range))
        if (!try_range(thread, range, &error)) {
            fail(scan, g_steal_pointer(&error));
            deal_fail(scan->ranges);
        }
    if (!g_atomic_int_get(&scan->failed) && !end_range(thread, TRUE, &error))
        fail(scan, error);
}

static gpointer
thread_main(gpointer data)
{
    ScanThread *thread = data;
    const Scan *scan = thread->scan;

    BillRowsFor whom = {scan->config, scan->visitor, scan->data, thread, thread->number};
    thread->rows = bill_rows_new(&whom);
    run_ranges(thread);
    bill_rows_free(thread->rows);
    return NULL;
}

/* Opens the segments, and learns from their footers how much there is. */
static gboolean
open_segments(Scan *scan, Extent *extent, GError **error)
{
    const ScanConfig *config = scan->config;

    scan->readers = g_new0(SegmentReader *, config->segment_count + 1);
    for (guint i = 0; i < config->segment_count; i++) {
        scan->readers[i] = segment_reader_open(config->paths[i], error);
        if (!scan->readers[i])
            return FALSE;
        const SegmentFooter *footer = segment_reader_footer(scan->readers[i]);
        extent->event_count += footer->event_count;
        extent->by_bits[footer->bucket_bits] += footer->event_count;
        scan->readers_bytes += segment_reader_size(scan->readers[i]);
    }
    scan->event_count = extent->event_count;
    return TRUE;
}

static void
close_segments(Scan *scan)
{
    for (guint i = 0; scan->readers[i]; i++)
        segment_reader_free(scan->readers[i]);
    g_free(scan->readers);
}

/* *Collective.* Returns FALSE when not all ranges were done, on whatever rank. */
static gboolean
run_threads(Scan *scan, ScanCounts *counts)
{
    const ScanConfig *config = scan->config;
    g_autofree ScanThread *threads = g_new0(ScanThread, config->thread_count);
    g_autofree GThread **handles = g_new0(GThread *, config->thread_count);

    scan->ranges = deal_new(config->comm, 1U << scan->range_bits, config->thread_count);
    g_mutex_init(&scan->lock);
    for (guint i = 0; i < config->thread_count; i++) {
        threads[i].scan = scan;
        threads[i].number = i;
        handles[i] = g_thread_new("scan", thread_main, &threads[i]);
    }
    gboolean whole = deal_run(scan->ranges);
    for (guint i = 0; i < config->thread_count; i++) {
        g_thread_join(handles[i]);
        counts->read_count += threads[i].counts.read_count;
        counts->distinct_count += threads[i].counts.distinct_count;
        counts->duplicate_count += threads[i].counts.duplicate_count;
        counts->conflict_count += threads[i].counts.conflict_count;
        counts->identity_sum += threads[i].counts.identity_sum;
    }
    g_mutex_clear(&scan->lock);
    deal_free(scan->ranges);
    return whole && !scan->error;
}

/* *Collective.* All ranks cut the identities alike, as the one with the least memory for a thread
 * needs it. Returns FALSE when one of them has failed. */
static gboolean
agree_range_bits(Scan *scan, const Extent *extent, gboolean good)
{
    gint64 bits = good ? choose_range_bits(scan, extent) : RANGE_BITS_MAX + 1;

    bits = comm_max(scan->config->comm, bits);
    scan->range_bits = (guint)bits;
    return bits <= RANGE_BITS_MAX;
}

gboolean
scan_segments(const ScanConfig *config, const ScanVisitor *visitor, gpointer data,
              ScanCounts *counts, GError **error)
{
    Scan scan = {.config = config, .visitor = visitor, .data = data};
    Extent extent = {0};
    gboolean good = open_segments(&scan, &extent, &scan.error);

    memset(counts, 0, sizeof *counts);
    good = agree_range_bits(&scan, &extent, good) && run_threads(&scan, counts);
    close_segments(&scan);
    if (!good && !scan.error)
        g_set_error_literal(&scan.error, MILLRACE_ERROR, MILLRACE_ERROR_INTERRUPTED,
                            is_stopped(config) ? "interrupted" : "another rank has failed");
    if (!good)
        g_propagate_error(error, scan.error);
    return good;
}
