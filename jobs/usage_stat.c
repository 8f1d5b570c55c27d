/* usage_stat.c - what a batch store holds, from the footers of its segments.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/usage_stat.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "formats/error.h"
#include "formats/segment.h"

static GArray *
ranges_new(void)
{
    return g_array_new(FALSE, FALSE, sizeof(StoreLost));
}

static void
ranges_add(GArray *ranges, guint64 first, guint64 last)
{
    StoreLost range = {first, last};

    g_array_append_val(ranges, range);
}

static gint
compare_ranges(gconstpointer a, gconstpointer b)
{
    const StoreLost *left = a;
    const StoreLost *right = b;

    return (left->first > right->first) - (left->first < right->first);
}

/* Sorts, and makes one of those that touch or overlap. */
static void
ranges_merge(GArray *ranges)
{
    guint kept = 0;

    g_array_sort(ranges, compare_ranges);
    for (guint i = 1; i < ranges->len; i++) {
        const StoreLost *range = &g_array_index(ranges, StoreLost, i);
        StoreLost *before = &g_array_index(ranges, StoreLost, kept);
        if (range->first <= before->last || range->first - before->last == 1)
            before->last = MAX(before->last, range->last);
        else
            g_array_index(ranges, StoreLost, ++kept) = *range;
    }
    g_array_set_size(ranges, MIN(ranges->len, kept + 1));
}

/* What of first to last is in none of the ranges, which are merged. */
static GArray *
ranges_gaps(const GArray *ranges, guint64 first, guint64 last)
{
    GArray *gaps = ranges_new();

    for (guint i = 0; i < ranges->len && first <= last; i++) {
        const StoreLost *range = &g_array_index(ranges, StoreLost, i);
        if (range->last < first)
            continue;
        if (range->first > first)
            ranges_add(gaps, first, MIN(range->first - 1, last));
        if (range->last >= last)
            return gaps;
        first = range->last + 1;
    }
    if (first <= last)
        ranges_add(gaps, first, last);
    return gaps;
}

guint64
usage_ranges_count(const GArray *ranges)
{
    guint64 count = 0;

    for (guint i = 0; i < ranges->len; i++) {
        const StoreLost *range = &g_array_index(ranges, StoreLost, i);
        count += range->last - range->first + 1;
    }
    return count;
}

static void
writer_free(gpointer data)
{
    UsageWriter *writer = data;

    g_free(writer->writer);
    g_array_unref(writer->ranges);
    g_array_unref(writer->declared);
    g_clear_pointer(&writer->missing, g_array_unref);
    g_free(writer);
}

static UsageWriter *
find_writer(UsageStat *stat, GHashTable *by_name, const char *name)
{
    UsageWriter *writer = g_hash_table_lookup(by_name, name);

    if (writer)
        return writer;
    writer = g_new0(UsageWriter, 1);
    writer->writer = g_strdup(name);
    writer->ranges = ranges_new();
    writer->declared = ranges_new();
    g_hash_table_insert(by_name, writer->writer, writer);
    g_ptr_array_add(stat->writers, writer);
    return writer;
}

static void
add_footer(UsageStat *stat, GHashTable *by_name, const SegmentFooter *footer)
{
    stat->segment_count++;
    stat->event_count += footer->event_count;
    stat->quarantined_count += footer->quarantined_count;
    if (footer->event_count > 0) {
        stat->time_min_us = MIN(stat->time_min_us, footer->time_min_us);
        stat->time_max_us = MAX(stat->time_max_us, footer->time_max_us);
    }
    for (guint i = 0; i < footer->range_count; i++) {
        const SegmentRange *range = &footer->ranges[i];
        ranges_add(find_writer(stat, by_name, range->writer)->ranges, range->first, range->last);
    }
    for (guint i = 0; footer->unnumbered && footer->unnumbered[i]; i++)
        find_writer(stat, by_name, footer->unnumbered[i])->unnumbered = TRUE;
}

/* Reads the footers of all segments. Those that do not hold are told of. */
static gboolean
read_segments(UsageStat *stat, Store *store, GHashTable *by_name, GError **error)
{
    g_autoptr(GPtrArray) names = store_list(store, STORE_SEGMENTS, error);

    for (guint i = 0; names && i < names->len; i++) {
        g_autofree char *path = store_file_path(store, STORE_SEGMENTS, names->pdata[i]);
        g_autoptr(GError) failure = NULL;
        g_autoptr(SegmentReader) reader = segment_reader_open(path, &failure);
        struct stat status = {0};
        if (!reader) {
            g_ptr_array_add(stat->bad, g_strdup(failure->message));
            continue;
        }
        add_footer(stat, by_name, segment_reader_footer(reader));
        stat->size_bytes += lstat(path, &status) == 0 ? (guint64)status.st_size : 0;
    }
    return names != NULL;
}

static gboolean
read_seals(UsageStat *stat, Store *store, GError **error)
{
    g_autoptr(GPtrArray) names = store_list(store, STORE_SEALS, error);

    for (guint i = 0; names && i < names->len; i++) {
        g_autoptr(GError) failure = NULL;
        StoreSeal *seal = store_seal_read(store, names->pdata[i], &failure);
        if (seal)
            g_ptr_array_add(stat->seals, seal);
        else
            g_ptr_array_add(stat->bad, g_strdup(failure->message));
    }
    g_ptr_array_sort(stat->seals, store_seal_compare);
    return names != NULL;
}

/* What the seals say of their writers, of whom there may be no event at all. */
static void
add_seals(UsageStat *stat, GHashTable *by_name)
{
    for (guint i = 0; i < stat->seals->len; i++) {
        const StoreSeal *seal = stat->seals->pdata[i];
        UsageWriter *writer = find_writer(stat, by_name, seal->writer);
        writer->through = MAX(writer->through, seal->through);
        g_array_append_vals(writer->declared, seal->lost->data, seal->lost->len);
    }
}

/* Finds what is missing of a writer. What is declared lost is known, and nobody waits for it. */
static void
find_missing(UsageWriter *writer)
{
    g_autoptr(GArray) accounted = ranges_new();
    guint64 first = 1;
    guint64 last = writer->through;

    ranges_merge(writer->ranges);
    ranges_merge(writer->declared);
    g_array_append_vals(accounted, writer->ranges->data, writer->ranges->len);
    g_array_append_vals(accounted, writer->declared->data, writer->declared->len);
    ranges_merge(accounted);
    if (writer->ranges->len > 0) {
        const StoreLost *ranges = (const StoreLost *)(gpointer)writer->ranges->data;
        first = ranges[0].first;
        last = MAX(last, ranges[writer->ranges->len - 1].last);
    }
    writer->lost_count = usage_ranges_count(accounted) - usage_ranges_count(writer->ranges);
    writer->missing = ranges_gaps(accounted, first, last);
}

static gint
compare_writers(gconstpointer a, gconstpointer b)
{
    const UsageWriter *left = *(const UsageWriter *const *)a;
    const UsageWriter *right = *(const UsageWriter *const *)b;

    return strcmp(left->writer, right->writer);
}

static void
free_seal(gpointer seal)
{
    store_seal_free(seal);
}

UsageStat *
usage_stat(const char *path, GError **error)
{
    g_autoptr(Store) store = store_open(path, FALSE, error);
    g_autoptr(UsageStat) stat = g_new0(UsageStat, 1);
    g_autoptr(GHashTable) by_name = g_hash_table_new(g_str_hash, g_str_equal);

    stat->time_min_us = G_MAXINT64;
    stat->time_max_us = G_MININT64;
    stat->writers = g_ptr_array_new_with_free_func(writer_free);
    stat->seals = g_ptr_array_new_with_free_func(free_seal);
    stat->bad = g_ptr_array_new_with_free_func(g_free);
    if (!store || !read_segments(stat, store, by_name, error) || !read_seals(stat, store, error))
        return NULL;
    g_autoptr(GPtrArray) logs = store_list(store, STORE_LOGS, error);
    if (!logs)
        return NULL;
    stat->log_count = logs->len;
    add_seals(stat, by_name);
    for (guint i = 0; i < stat->writers->len; i++)
        find_missing(stat->writers->pdata[i]);
    g_ptr_array_sort(stat->writers, compare_writers);
    return g_steal_pointer(&stat);
}

void
usage_stat_free(UsageStat *stat)
{
    g_ptr_array_unref(stat->writers);
    g_ptr_array_unref(stat->seals);
    g_ptr_array_unref(stat->bad);
    g_free(stat);
}
