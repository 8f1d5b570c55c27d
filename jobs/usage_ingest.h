/* usage_ingest.h - usage logs become segments of a batch store, on one rank or many.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_USAGE_INGEST_H
#define MILLRACE_JOBS_USAGE_INGEST_H

#include <glib.h>

#define USAGE_INGEST_REGION_BYTES     (256ULL << 20)
#define USAGE_INGEST_REGION_MIN_BYTES (1ULL << 20)

/* Strings: borrowed. */
typedef struct {
    const char *store;
    const char *const *logs; /* NULL-terminated paths; "-" = standard input, rank 0's */
    const char *quarantine;  /* bad lines are appended here as well; NULL = nowhere */
    guint thread_count;      /* of each rank; 0 = the node's cores, shared by its ranks */
    guint64 region_bytes;    /* how much of a log becomes a segment */
} UsageIngestConfig;

/* What came of a log. Strings: owns. */
typedef struct {
    char *json;         /* a line about it, with its LF; NULL when nothing of it could be read */
    char *error;        /* why not all of it was read; NULL = it was */
    int exit_code;      /* of that error */
    gboolean truncated; /* it ends within a zstd frame */
    guint64 line_count;
    guint64 event_count;
    guint64 quarantined_count;
    guint64 segment_count; /* new ones */
    guint64 segment_bytes;
} UsageIngestLog;

typedef struct {
    gboolean is_rank_0;
    gboolean error_elsewhere; /* the error was not this rank's */
    GPtrArray *logs;          /* of UsageIngestLog, as in the config; complete on rank 0 alone */
    UsageIngestLog total;     /* sums; the highest exit code; on rank 0 */
} UsageIngestReport;

/* *Collective.* Each log is read by one rank. Returns FALSE on every rank when one of them could
 * not go on, with MILLRACE_ERROR_IO, MILLRACE_ERROR_CANT_CREATE, MILLRACE_ERROR_INVARIANT (another
 * rank's error is MILLRACE_ERROR_INTERRUPTED here). Logs that cannot be read are no such error.
 * report: to be cleared in either case. */
gboolean usage_ingest(const UsageIngestConfig *config, UsageIngestReport *report, GError **error);
void usage_ingest_report_clear(UsageIngestReport *report);

#endif
