/* usage_stat.h - what a batch store holds, from the footers of its segments.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_USAGE_STAT_H
#define MILLRACE_JOBS_USAGE_STAT_H

#include "formats/store.h"

/* What there is of a writer. Ranges: of StoreLost, ascending, apart. */
typedef struct {
    char *writer;
    GArray *ranges;      /* sequences that are there */
    GArray *declared;    /* lost, as its seals say */
    guint64 through;     /* the highest that is sealed; 0 = none */
    GArray *missing;     /* between the first and the last that there is or is sealed */
    guint64 lost_count;  /* declared lost, and not there */
    gboolean unnumbered; /* has events without a sequence */
} UsageWriter;

typedef struct {
    guint64 segment_count; /* those that hold */
    guint64 event_count;
    guint64 size_bytes;
    guint64 quarantined_count;
    guint64 log_count;  /* notes of parts of logs that were read */
    gint64 time_min_us; /* of the events; above time_max_us when there are none */
    gint64 time_max_us;
    GPtrArray *writers; /* of UsageWriter, by name */
    GPtrArray *seals;   /* of StoreSeal, by writer, then period */
    GPtrArray *bad;     /* files that do not hold, and why */
} UsageStat;

/* Returns: (transfer full), or NULL and MILLRACE_ERROR_NO_INPUT, MILLRACE_ERROR_IO. */
UsageStat *usage_stat(const char *path, GError **error);
void usage_stat_free(UsageStat *stat);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(UsageStat, usage_stat_free)

/* How many sequences the ranges hold, which are apart. */
guint64 usage_ranges_count(const GArray *ranges);

/* As people read it, and as one JSON object; both end with LF. */
void usage_stat_print_text(const UsageStat *stat, GString *out);
void usage_stat_print_json(const UsageStat *stat, GString *out);

#endif
