/* ingest_log.h - reads a usage log from where the store has it to its end.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_INGEST_LOG_H
#define MILLRACE_JOBS_INGEST_LOG_H

#include "jobs/ingest_pool.h"

/* How a log is cut. A region is made of the lines that begin within region_bytes of its begin; so
 * where it ends follows from the log alone, and so does its segment. */
typedef struct {
    gsize piece_bytes; /* at most; the pool's buffers have it */
    guint64 region_bytes;
} IngestSizes;

/* Hands what is new in the log to the pool. log: has the name; what comes of it is complete when
 * the pool has finished; log->error says why the rest was not read. */
void ingest_log_read(IngestPool *pool, Store *store, const IngestSizes *sizes, IngestedLog *log);

#endif
