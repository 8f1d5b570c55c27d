/* store.h - the batch store: a folder of segments, seals, quarantined lines and notes of the logs
 * that were read. Files are immutable and named by the SHA-256 of their bytes, so a store is a set
 * that only grows: two are merged by copying what the other lacks, in any order, and two writers
 * never disturb each other. Bytes: formats/README.md, "Batch store v1".
 *
 *     STORE/segments/SHA256.segment
 *     STORE/seals/SHA256.json
 *     STORE/quarantine/SHA256.ndjson
 *     STORE/logs/SHA256.json
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_STORE_H
#define MILLRACE_FORMATS_STORE_H

#include <glib.h>

#include "formats/error.h"

#define STORE_NAME_CHARS 64 /* SHA-256 in hexadecimal */

/* The kinds of files; in this order they are copied, so that nothing is told of before it is there.
 */
typedef enum { STORE_SEGMENTS, STORE_QUARANTINE, STORE_SEALS, STORE_LOGS, STORE_KINDS } StoreKind;

typedef struct _Store Store;

/* Opens a store; when create, makes what is missing and removes what processes that died left more
 * than an hour ago. Any number of processes may have it open, at once.
 * Returns: (transfer full), or NULL and MILLRACE_ERROR_NO_INPUT (not there, or no store),
 * MILLRACE_ERROR_CANT_CREATE, MILLRACE_ERROR_IO. */
Store *store_open(const char *path, gboolean create, GError **error);
void store_free(Store *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Store, store_free)
const char *store_path(const Store *store);

/* The folder's name and the suffix of one kind: "segments", ".segment". */
const char *store_folder(StoreKind kind);
const char *store_suffix(StoreKind kind);

/* Puts bytes in under the name of their SHA-256 (64 hex digits), durably before return. digest:
 * that name where the caller has it, or NULL. *added: whether it was not there before (may be
 * NULL). A file of that name with other bytes, which can only be damaged, is replaced. Safe for
 * several threads. */
gboolean store_put(Store *store, StoreKind kind, const char *digest, const void *bytes,
                   gsize size_bytes, gboolean *added, GError **error);
/* The names (without suffix) of one kind, sorted. Names that cannot be ours are left out.
 * (transfer full), or NULL and MILLRACE_ERROR_IO. */
GPtrArray *store_list(Store *store, StoreKind kind, GError **error);
/* Could name be that of a file? 64 hexadecimal digits, lower-case. */
gboolean store_is_name(const char *name);
/* Is there a file of this name? */
gboolean store_has(Store *store, StoreKind kind, const char *name);
/* The path of a file. (transfer full) */
char *store_file_path(const Store *store, StoreKind kind, const char *name);
/* Reads a small file whole and checks it against its name.
 * Returns: (transfer full) bytes with a NUL behind them, or NULL and MILLRACE_ERROR_CORRUPT, … */
char *store_read(Store *store, StoreKind kind, const char *name, gsize *size_bytes, GError **error);

/* Copies what to lacks of one kind, each file verified against its name before it gets it. A file
 * of from that does not hold is left out and told of: bad is appended its path and the reason.
 * *copied, *bytes: added to. */
gboolean store_copy(Store *from, Store *to, StoreKind kind, guint64 *copied_count,
                    guint64 *copied_bytes, GPtrArray *bad, GError **error);

/* A seal: a writer's word that sequences first to last are all there is up to the end of a period.
 */
typedef struct {
    char *writer;
    char *period;    /* "2026-11" */
    guint64 through; /* the last sequence, at most 2^63 - 1; 0 for a writer without sequences */
    GArray *lost;    /* of StoreLost: declared lost, ascending, apart by at least one */
} StoreSeal;
typedef struct {
    guint64 first;
    guint64 last;
} StoreLost;
StoreSeal *store_seal_new(const char *writer, const char *period, guint64 through);
void store_seal_free(StoreSeal *seal);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StoreSeal, store_seal_free)
/* Declares first to last lost, in any order of calls; what touches becomes one. Returns FALSE and
 * MILLRACE_ERROR_USAGE when it is no range within 1 to through. */
gboolean store_seal_lose(StoreSeal *seal, guint64 first, guint64 last, GError **error);
/* *added: whether it is new. A seal of the same writer and period with another end or other losses
 * is MILLRACE_ERROR_BAD_INPUT: a word is given once. (Two stores that are merged may bring two;
 * then neither can be relied on.) */
gboolean store_seal_put(Store *store, const StoreSeal *seal, gboolean *added, GError **error);
/* Reads one. (transfer full), or NULL and MILLRACE_ERROR_CORRUPT, MILLRACE_ERROR_IO. */
StoreSeal *store_seal_read(Store *store, const char *name, GError **error);
/* Of two pointers to StoreSeal: by writer, then period, then end. */
gint store_seal_compare(gconstpointer a, gconstpointer b);
/* All seals, in that order. (transfer full) of StoreSeal, or NULL and error. */
GPtrArray *store_seals(Store *store, GError **error);

/* That a part of a log has been read, and what came of it. A log is known by its first line, which
 * never changes once it is whole, whatever the file is called now. Parts follow one another: the
 * end of one is the begin of another. */
typedef struct {
    char first_line[33];  /* XXH3-128 of the first line with its LF (of its first 64 KiB at most) */
    guint64 from_bytes;   /* where the part begins in the log, uncompressed */
    char from_prefix[33]; /* XXH3-128 of what is before it */
    guint64 size_bytes;   /* where it ends, behind a line */
    guint64 line_count;   /* lines from the log's begin to there */
    char prefix[33];      /* XXH3-128 of all up to there */
    /* What holds its events and its bad lines; "" where there are none. */
    char segment[STORE_NAME_CHARS + 1];
    char quarantine[STORE_NAME_CHARS + 1];
} StoreLog;
gboolean store_log_put(Store *store, const StoreLog *log, GError **error);
/* What is known of logs with this first line, by begin, then end. Parts whose segment is not in
 * the store, and damaged notes, are not known. What other processes put after the first call is not
 * seen. For one thread. (transfer full) array of StoreLog, or NULL and MILLRACE_ERROR_IO. */
GArray *store_logs(Store *store, const char *first_line, GError **error);

#endif
