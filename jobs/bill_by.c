/* bill_by.c - a record for every event, keyed by the columns' texts.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_by.h"

#include <string.h>

#include "formats/error.h"
#include "formats/manifest.h"
#include "formats/usage.h"
#include "jobs/bill_scan.h"
#include "mr/gather.h"
#include "mr/reduce.h"

enum { SUMS = 7, DAY_CHARS = 10, HOUR_CHARS = 13 };

#define NUMBERS                                                                                    \
    (1u << SEGMENT_BYTES_IN | 1u << SEGMENT_BYTES_OUT | 1u << SEGMENT_PIXELS_IN |                  \
     1u << SEGMENT_PIXELS_OUT | 1u << SEGMENT_CPU_US | 1u << SEGMENT_WALL_US)

static const char *const names[] = {"customer", "source", "writer", "type", "op",
                                    "format",   "status", "day",    "hour"};

typedef struct {
    const BillByConfig *config;
    Reduce *reduce;
    GString **keys; /* by thread */
    void (*write)(const char *, gsize);
    GString *row;
} By;

int
bill_by_parse(const char *text, BillColumn columns[BILL_BY_MAX], GError **error)
{
    g_auto(GStrv) words = g_strsplit(text, ",", -1);
    guint count = 0;

    for (; words[count]; count++) {
        guint at = 0;
        while (at < G_N_ELEMENTS(names) && strcmp(names[at], words[count]) != 0)
            at++;
        if (count == BILL_BY_MAX || at == G_N_ELEMENTS(names)) {
            g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                        "--by=%s: expected up to %d of customer, source, writer, type, op, format, "
                        "status, day and hour, with commas between",
                        text, BILL_BY_MAX);
            return -1;
        }
        columns[count] = (BillColumn)at;
    }
    return (int)count;
}

static const char *
text_of(BillColumn column, const ScanThread *thread, const ScanEvent *event)
{
    switch (column) {
    case BY_CUSTOMER:
        return scan_customer(thread, event->customer);
    case BY_SOURCE:
        return scan_source(thread, event->source);
    case BY_WRITER:
        return scan_writer(thread, event->writer);
    case BY_TYPE:
        return event->class->type;
    case BY_OP:
        return event->class->op;
    case BY_FORMAT:
        return event->class->format;
    case BY_STATUS:
        return event->class->status;
    case BY_DAY:
    case BY_HOUR:
        break;
    }
    return NULL; /* a time */
}

static gboolean
add_event(gpointer data, ScanThread *thread, guint number, const ScanEvent *event, GError **error)
{
    const By *by = data;
    const BillByConfig *config = by->config;
    GString *key = by->keys[number];
    gint64 sums[SUMS] = {1};
    gsize group_bytes = 0;

    if (event->time_us < config->period.start_us || event->time_us >= config->period.end_us)
        return TRUE;
    g_string_truncate(key, 0);
    for (guint i = 0; i < config->column_count; i++) {
        const char *text = text_of(config->columns[i], thread, event);
        gsize begin = key->len;
        if (text)
            g_string_append(key, text);
        else
            usage_print_time(key, event->time_us);
        if (config->columns[i] == BY_DAY)
            g_string_truncate(key, begin + DAY_CHARS);
        if (config->columns[i] == BY_HOUR)
            g_string_truncate(key, begin + HOUR_CHARS);
        g_string_append_c(key, '\0');
        if (i == 0)
            group_bytes = key->len;
    }
    memcpy(sums + 1, event->numbers, (SUMS - 1) * sizeof *sums);
    return reduce_add(by->reduce, number, key->str, key->len, group_bytes, sums, error);
}

/* Customers' names are kept from range to range, but not all of them. */
static gboolean
range_done(gpointer data, ScanThread *thread, guint number G_GNUC_UNUSED,
           gboolean last G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
    const By *by = data;

    if (scan_customers_size(thread) > by->config->memory_bytes / 8 / by->config->thread_count)
        scan_customers_clear(thread);
    return TRUE;
}

static int
next_row(gpointer data, GatherItem *item, GError **error)
{
    By *by = data;
    ReduceRecord record;
    int more = reduce_next(by->reduce, &record, error);

    if (more <= 0)
        return more;
    g_string_truncate(by->row, 0);
    const char *text = (const char *)record.key;
    for (guint i = 0; i < by->config->column_count; i++) {
        gsize size_bytes = strlen(text);
        manifest_put_csv_field(by->row, text);
        if (by->config->columns[i] == BY_HOUR)
            g_string_append(by->row, ":00:00Z");
        g_string_append_c(by->row, ',');
        text += size_bytes + 1;
    }
    for (guint i = 0; i < SUMS; i++)
        g_string_append_printf(by->row, "%" G_GINT64_FORMAT "%c", record.sums[i],
                               i + 1 < SUMS ? ',' : '\n');
    *item = (GatherItem){.key = record.key, .key_size_bytes = record.key_size_bytes};
    item->parts[0] = by->row->str;
    item->part_size_bytes[0] = by->row->len;
    return 1;
}

static gboolean
take_row(gpointer data, const GatherItem *item, GError **error G_GNUC_UNUSED)
{
    const By *by = data;

    by->write(item->parts[0], item->part_size_bytes[0]);
    return TRUE;
}

static void
write_header(const By *by)
{
    g_autoptr(GString) header = g_string_new(NULL);

    for (guint i = 0; i < by->config->column_count; i++)
        g_string_append_printf(header, "%s,", names[by->config->columns[i]]);
    g_string_append(header, "events,bytes_in,bytes_out,pixels_in,pixels_out,cpu_us,wall_us\n");
    by->write(header->str, header->len);
}

static gboolean
scan(By *by, Comm *comm, GError **error)
{
    static const ScanVisitor visitor = {.event = add_event, .range_done = range_done};
    const BillByConfig *config = by->config;
    ScanConfig scan = {.paths = (const char *const *)config->paths->pdata,
                       .segment_count = config->paths->len,
                       .numbers = NUMBERS,
                       .comm = comm,
                       .thread_count = config->thread_count,
                       .memory_bytes = config->memory_bytes / 2};
    ScanCounts counts;

    return scan_segments(&scan, &visitor, by, &counts, error);
}

gboolean
bill_by(Comm *comm, const BillByConfig *config, void (*write)(const char *, gsize), GError **error)
{
    ReduceConfig reduce = {.sum_count = SUMS,
                           .input_count = config->thread_count,
                           .memory_bytes = MAX(config->memory_bytes / 2, 1 << 20),
                           .scratch = config->scratch};
    By by = {.config = config, .write = write, .row = g_string_new(NULL)};
    g_autoptr(GError) failure = NULL;

    by.reduce = reduce_new(comm, &reduce);
    by.keys = g_new(GString *, config->thread_count);
    for (guint i = 0; i < config->thread_count; i++)
        by.keys[i] = g_string_new(NULL);
    gboolean good = scan(&by, comm, &failure);
    good = reduce_shuffle(by.reduce, !good, failure ? NULL : &failure) && good;
    if (good) {
        if (comm_rank(comm) == 0)
            write_header(&by);
        good = gather(comm, next_row, take_row, &by, &failure);
    }
    for (guint i = 0; i < config->thread_count; i++)
        g_string_free(by.keys[i], TRUE);
    g_free(by.keys);
    g_string_free(by.row, TRUE);
    reduce_free(by.reduce);
    if (failure)
        g_propagate_error(error, g_steal_pointer(&failure));
    return good;
}
