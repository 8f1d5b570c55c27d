/* ingest_pool.h - threads that make segments of what one thread reads.
 * A region is a part of a log that becomes one segment. Its pieces are parsed by any thread; the
 * thread that parses the last of them joins them in their order and makes the segment; one more
 * thread puts it into the store, since that waits for the disk. What is held at a time is bounded:
 * buffers are few and used again, and a region is begun only when another has left. Calls are for
 * the one thread that reads.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_INGEST_POOL_H
#define MILLRACE_JOBS_INGEST_POOL_H

#include "formats/store.h"
#include "jobs/ingest_lines.h"

/* A segment that came of a log. */
typedef struct {
    guint64 from_bytes; /* where its region begins in the log */
    char name[STORE_NAME_CHARS + 1];
    guint64 event_count;
    guint64 size_bytes;
    gboolean added; /* it was not in the store before */
} IngestedSegment;

/* What came of a log. */
typedef struct {
    char *log;
    guint64 from_bytes; /* what is before was read in an earlier run */
    guint64 to_bytes;
    guint64 line_count; /* read now: events, quarantined and blank lines */
    guint64 event_count;
    guint64 quarantined_count;
    guint64 blank_count;
    gboolean truncated; /* it ends within a zstd frame */
    GArray *segments;   /* of IngestedSegment, in the log's order */
    GError *error;      /* why the rest of it was not read; NULL when all was */
} IngestedLog;

IngestedLog *ingested_log_new(const char *log);
void ingested_log_free(IngestedLog *log);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IngestedLog, ingested_log_free)

typedef struct _IngestPool IngestPool;
typedef struct _IngestRegion IngestRegion;

/* store: borrowed. quarantine_fd: bad lines are appended to it as well; -1 = none; borrowed. */
IngestPool *ingest_pool_new(Store *store, int quarantine_fd, guint thread_count,
                            gsize buffer_bytes);
/* Waits until all is done, and frees the pool. Returns FALSE and the first error of any thread. */
gboolean ingest_pool_finish(IngestPool *pool, GError **error);
/* Has a thread failed? Then nothing more is stored. */
gboolean ingest_pool_failed(IngestPool *pool);

/* Waits for a buffer of buffer_bytes and one more. It goes back to the pool by
 * ingest_pool_release(), or with the piece that it holds. */
char *ingest_pool_buffer(IngestPool *pool);
void ingest_pool_release(IngestPool *pool, char *buffer);

/* Waits until there is room for a region of log. log: borrowed until the region is done; what comes
 * of it is added there. */
IngestRegion *ingest_region_begin(IngestPool *pool, IngestedLog *log, guint64 from_bytes);
/* Takes buffer, in which the piece lies. */
void ingest_region_add(IngestRegion *region, char *buffer, const IngestPiece *piece,
                       guint64 line_count);
/* Nothing more comes. note: copied, what is to be remembered of the region; NULL = nothing. Takes
 * the region. */
void ingest_region_end(IngestRegion *region, const StoreLog *note);
/* Forgets the region. Takes it. */
void ingest_region_drop(IngestRegion *region);

#endif
