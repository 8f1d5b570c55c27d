/* usage_log.h - the local usage log of a process that answers requests: an event is on disk before
 * its answer leaves. Events of many requests share one fdatasync.
 *
 *     DIR/usage-WRITER.open.ndjson    being written
 *     DIR/usage-WRITER.ndjson         closed; both are what millrace usage ingest reads
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_USAGE_LOG_H
#define MILLRACE_JOBS_USAGE_LOG_H

#include "formats/usage.h"

typedef struct _UsageLog UsageLog;

/* dir: made when missing. source: of the events, as in "//millrace/door/CLUSTER". The writer's name
 * is unlike any other's (host, process, time and a number), so its sequence begins with 1. Rotates
 * to a new writer after rotate_bytes or rotate_us. NULL and MILLRACE_ERROR_CANT_CREATE, _IO. */
UsageLog *usage_log_open(const char *dir, const char *source, guint64 rotate_bytes,
                         gint64 rotate_us, GError **error);

/* Called in the log's own thread: the event is durable (error NULL), or it is not and the answer
 * must not leave. */
typedef void (*UsageLogged)(const GError *error, gpointer data);
/* Any thread. Prints the event with the log's source, writer, next sequence and time; strings are
 * copied. After a failure (full disk) what was half written is cut off, and later events are tried
 * anew. */
void usage_log_put(UsageLog *log, const UsageEvent *event, UsageLogged logged, gpointer data);
/* Events that are durable by now; and not yet. */
guint64 usage_log_count(const UsageLog *log);
guint64 usage_log_pending(const UsageLog *log);
/* Did the last write fail? Then nothing should be begun that ends in an event. The log looks by
 * itself, twice a second, whether the disk has room again. */
gboolean usage_log_failing(const UsageLog *log);
/* Microseconds that the last fdatasync took. */
guint64 usage_log_sync_us(const UsageLog *log);
/* Waits for what is pending, closes and renames. Takes the log. */
gboolean usage_log_close(UsageLog *log, GError **error);

#endif
