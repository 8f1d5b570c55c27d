/* usage_stat_print.c - the account of a batch store, as people read it and as JSON.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/json.h"
#include "formats/usage.h"
#include "jobs/usage_stat.h"

enum { RANGES_SHOWN = 8 };

static double
bytes_an_event(const UsageStat *stat)
{
    return stat->event_count > 0 ? (double)stat->size_bytes / (double)stat->event_count : 0;
}

/* A name may hold anything; what would move the cursor does not get to a terminal. (transfer full)
 */
static char *
printable(const char *name)
{
    char *text = g_strdup(name);

    for (char *at = text; *at; at++)
        if (g_ascii_iscntrl(*at))
            *at = '?';
    return text;
}

/* "3, 5-7 and 12 more" */
static void
print_ranges_text(const GArray *ranges, GString *out)
{
    for (guint i = 0; i < ranges->len; i++) {
        const StoreLost *range = &g_array_index(ranges, StoreLost, i);
        if (i == RANGES_SHOWN) {
            g_string_append_printf(out, " and %u more", ranges->len - i);
            return;
        }
        g_string_append_printf(out, "%s%" G_GUINT64_FORMAT, i > 0 ? ", " : "", range->first);
        if (range->last != range->first)
            g_string_append_printf(out, "-%" G_GUINT64_FORMAT, range->last);
    }
}

static void
print_writer_text(const UsageWriter *writer, GString *out)
{
    g_autofree char *name = printable(writer->writer);

    g_string_append_printf(out, "  %s: ", name);
    if (writer->ranges->len > 0) {
        const StoreLost *ranges = (const StoreLost *)(gpointer)writer->ranges->data;
        g_string_append_printf(out, "%" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT, ranges[0].first,
                               ranges[writer->ranges->len - 1].last);
    } else {
        g_string_append(out, writer->unnumbered ? "no sequences" : "nothing");
    }
    if (writer->ranges->len > 0 && writer->unnumbered)
        g_string_append(out, ", and events without a sequence");
    if (writer->lost_count > 0)
        g_string_append_printf(out, "; %" G_GUINT64_FORMAT " declared lost", writer->lost_count);
    if (writer->missing->len > 0) {
        g_string_append_printf(
            out, "; %" G_GUINT64_FORMAT " missing: ", usage_ranges_count(writer->missing));
        print_ranges_text(writer->missing, out);
    }
    g_string_append_c(out, '\n');
}

static void
print_seal_text(const StoreSeal *seal, GString *out)
{
    g_autofree char *name = printable(seal->writer);

    g_string_append_printf(out, "  %s: %s through %" G_GUINT64_FORMAT, name, seal->period,
                           seal->through);
    if (seal->lost->len > 0) {
        g_string_append(out, ", lost ");
        print_ranges_text(seal->lost, out);
    }
    g_string_append_c(out, '\n');
}

static void
print_times_text(const UsageStat *stat, GString *out)
{
    if (stat->event_count == 0)
        return;
    g_string_append(out, "times       ");
    usage_print_time(out, stat->time_min_us);
    g_string_append(out, " to ");
    usage_print_time(out, stat->time_max_us);
    g_string_append_c(out, '\n');
}

void
usage_stat_print_text(const UsageStat *stat, GString *out)
{
    g_autofree char *size = g_format_size_full(stat->size_bytes, G_FORMAT_SIZE_IEC_UNITS);

    g_string_append_printf(out, "segments    %" G_GUINT64_FORMAT ", %s\n", stat->segment_count,
                           size);
    g_string_append_printf(out, "events      %" G_GUINT64_FORMAT ", %.1f bytes each\n",
                           stat->event_count, bytes_an_event(stat));
    print_times_text(stat, out);
    g_string_append_printf(out, "quarantined %" G_GUINT64_FORMAT " lines\n",
                           stat->quarantined_count);
    g_string_append_printf(out, "writers     %u\n", stat->writers->len);
    for (guint i = 0; i < stat->writers->len; i++)
        print_writer_text(stat->writers->pdata[i], out);
    g_string_append_printf(out, "seals       %u\n", stat->seals->len);
    for (guint i = 0; i < stat->seals->len; i++)
        print_seal_text(stat->seals->pdata[i], out);
}

static void
print_ranges_json(const char *key, const GArray *ranges, GString *out)
{
    json_open(out, key, '[');
    for (guint i = 0; i < ranges->len; i++) {
        const StoreLost *range = &g_array_index(ranges, StoreLost, i);
        json_open(out, NULL, '{');
        json_put_uint(out, "first", range->first);
        json_put_uint(out, "last", range->last);
        g_string_append_c(out, '}');
    }
    g_string_append_c(out, ']');
}

static void
print_writer_json(const UsageWriter *writer, GString *out)
{
    json_open(out, NULL, '{');
    json_put_string(out, "writer", writer->writer);
    json_put_uint(out, "sequences", usage_ranges_count(writer->ranges));
    print_ranges_json("ranges", writer->ranges, out);
    json_put_uint(out, "lost", writer->lost_count);
    json_put_uint(out, "missing", usage_ranges_count(writer->missing));
    print_ranges_json("gaps", writer->missing, out);
    json_put_bool(out, "unnumbered", writer->unnumbered);
    g_string_append_c(out, '}');
}

static void
print_seal_json(const StoreSeal *seal, GString *out)
{
    json_open(out, NULL, '{');
    json_put_string(out, "writer", seal->writer);
    json_put_string(out, "period", seal->period);
    json_put_uint(out, "through", seal->through);
    print_ranges_json("lost", seal->lost, out);
    g_string_append_c(out, '}');
}

/* A time, or null when there is none. */
static void
print_time_json(const char *key, const UsageStat *stat, gint64 time_us, GString *out)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (stat->event_count > 0)
        usage_print_time(text, time_us);
    json_put_string(out, key, stat->event_count > 0 ? text->str : NULL);
}

void
usage_stat_print_json(const UsageStat *stat, GString *out)
{
    json_open(out, NULL, '{');
    json_put_uint(out, "segments", stat->segment_count);
    json_put_uint(out, "events", stat->event_count);
    json_put_uint(out, "bytes", stat->size_bytes);
    json_put_double(out, "bytes_per_event", bytes_an_event(stat), 3);
    print_time_json("time_min", stat, stat->time_min_us, out);
    print_time_json("time_max", stat, stat->time_max_us, out);
    json_put_uint(out, "quarantined", stat->quarantined_count);
    json_put_uint(out, "log_notes", stat->log_count);
    json_open(out, "writers", '[');
    for (guint i = 0; i < stat->writers->len; i++)
        print_writer_json(stat->writers->pdata[i], out);
    g_string_append_c(out, ']');
    json_open(out, "seals", '[');
    for (guint i = 0; i < stat->seals->len; i++)
        print_seal_json(stat->seals->pdata[i], out);
    g_string_append_c(out, ']');
    json_open(out, "corrupt", '[');
    for (guint i = 0; i < stat->bad->len; i++)
        json_put_string(out, NULL, stat->bad->pdata[i]);
    g_string_append(out, "]}\n");
}
