/* ledger.h - what became of each row of a job: an append-only file per writer, each record framed
 * by its length and checksum. A torn tail is ignored; the state of a job is the union of its
 * ledgers. Bytes: formats/README.md, "Ledger v1".
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_LEDGER_H
#define MILLRACE_FORMATS_LEDGER_H

#include <glib.h>

#include "formats/outspec.h"

#define DIGEST_BYTES            32 /* SHA-256 */
#define LEDGER_RECORD_MAX_BYTES (1 << 20)

/* What became of a row: ok, or the class of its failure. Numbers are on disk; never reuse one. */
typedef enum {
    ROW_OK = 0,
    ROW_BAD_ROW = 1,
    ROW_NOT_FOUND = 2,
    ROW_UNREADABLE = 3,
    ROW_UNSUPPORTED_FORMAT = 4,
    ROW_CORRUPT = 5,
    ROW_TRUNCATED = 6,
    ROW_TOO_LARGE = 7,
    ROW_TIMEOUT = 8,
    ROW_OUT_OF_MEMORY = 9,
    ROW_WORKER_CRASH = 10,
    ROW_OUTPUT_EXISTS = 11,
    ROW_IO = 12,
    ROW_CLASS_COUNT
} RowClass;

/* "ok", "bad-row", "not-found", ... */
const char *row_class_name(RowClass class);
/* Returns FALSE when there is no class of that name. */
gboolean row_class_from_name(const char *name, RowClass *class);

/* Who wrote a ledger. Strings: borrowed. */
typedef struct {
    const char *job;    /* the job's name, part of every event's source */
    const char *writer; /* NODE-RANK-TRY: unique within the job */
    const char *node;   /* host name */
} LedgerHeader;

/* One output of a row. For a row that failed, only spec, format (if asked for) and cpu_us are set;
 * and of one that killed its workers, the first digest: that of the input. */
typedef struct {
    const char *spec; /* canonical text */
    const char *path; /* beneath the output folder; bytes as on disk */
    ImageFormat format;
    guint32 width_px;
    guint32 height_px;
    guint64 size_bytes;
    guint8 digest[DIGEST_BYTES];
    guint64 cpu_us;
} LedgerOutput;

/* One row's end. Strings: borrowed; a reader's are good until its next call. */
typedef struct {
    guint64 row;
    gint64 time_us; /* when it was committed, since the epoch */
    RowClass class;
    const char *message;
    const char *source;
    const char *customer;
    const char *request;
    guint64 bytes_in;
    guint64 pixels_in;
    guint64 cpu_us; /* the sum of the outputs' */
    guint64 wall_us;
    guint output_count; /* at least 1: a failed row has its events too */
    LedgerOutput outputs[OUTPUTS_PER_ROW_MAX];
} LedgerRecord;

typedef struct _LedgerWriter LedgerWriter;

/* Creates dir_fd/name, which must not exist, and writes its header durably.
 * Returns: (transfer full), or NULL and MILLRACE_ERROR_CANT_CREATE, MILLRACE_ERROR_IO. */
LedgerWriter *ledger_writer_create(int dir_fd, const char *name, const LedgerHeader *header,
                                   GError **error);
/* Adds a record to the buffer. */
void ledger_writer_append(LedgerWriter *writer, const LedgerRecord *record);
/* Writes the buffer and makes it durable. Returns FALSE and MILLRACE_ERROR_IO; the writer is then
 * dead. */
gboolean ledger_writer_sync(LedgerWriter *writer, GError **error);
/* Abandons what was not synced. */
void ledger_writer_free(LedgerWriter *writer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LedgerWriter, ledger_writer_free)

typedef struct _LedgerReader LedgerReader;

/* Opens a ledger and reads its header. Returns: (transfer full), or NULL and MILLRACE_ERROR_IO,
 * MILLRACE_ERROR_CORRUPT (not a ledger). A file torn inside its header opens as an empty ledger,
 * whose header strings are "". */
LedgerReader *ledger_reader_open(int dir_fd, const char *name, GError **error);
void ledger_reader_free(LedgerReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LedgerReader, ledger_reader_free)

/* Borrowed until the reader is freed. */
const LedgerHeader *ledger_reader_header(const LedgerReader *reader);
/* Reads the next record. Returns: 1; 0 at the end or at a torn tail; -1 and MILLRACE_ERROR_IO.
 * *offset_bytes, if given, is where the record begins, for ledger_reader_seek(). */
int ledger_reader_next(LedgerReader *reader, LedgerRecord *record, guint64 *offset_bytes,
                       GError **error);
void ledger_reader_seek(LedgerReader *reader, guint64 offset_bytes);
/* Bytes behind the last whole record, once ledger_reader_next() has returned 0. */
guint64 ledger_reader_torn_bytes(const LedgerReader *reader);

/* For the fuzzer and the tests: one record's bytes without its frame. */
void ledger_record_encode(GByteArray *out, const LedgerRecord *record);
gboolean ledger_record_decode(const guint8 *bytes, gsize size_bytes, LedgerRecord *record);

#endif
