/* manifest_internal.h - what the files of the manifest reader share: its state and its buffer. Only
 * formats/manifest*.c include it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_MANIFEST_INTERNAL_H
#define MILLRACE_FORMATS_MANIFEST_INTERNAL_H

#include <glib.h>

#include "formats/json.h"
#include "formats/manifest.h"

/* Where a scan for the end of a CSV record stands, so that it goes on when more bytes come. */
typedef struct {
    gsize at; /* bytes of the record that were looked at */
    enum { CSV_FIELD_START, CSV_PLAIN, CSV_QUOTED, CSV_CLOSING } state;
    guint64 newline_count; /* inside quotes */
    guint64 quote_line;    /* where the last quote was opened */
} CsvScan;

struct _ManifestReader {
    char *name;
    ManifestKind kind;
    char *buffer; /* owns; [start, end) is not yet taken, and one byte behind end is always ours */
    gsize start;
    gsize end;
    gsize capacity_bytes;
    gsize scanned_bytes; /* behind start, known to hold no line end */
    gboolean begun;      /* the byte order mark was dealt with */
    gboolean finished;
    gboolean crlf; /* the first line ends in CRLF */
    guint64 line;  /* of start */
    guint64 row_count;
    GError *failure; /* owns; once set, the reader gives nothing else */
    CsvScan csv;
    gint8 *columns; /* owns; the RowField of each column, or -1; NULL before the header */
    guint column_count;
    JsonObject *object; /* owns; the last row's, NDJSON only */
    char *problem;      /* owns; the last bad row's, when it was put together */
    char *clipped;      /* owns; the last over-long source, cut */
};

typedef enum { FIELD_SOURCE, FIELD_CUSTOMER, FIELD_REQUEST, FIELD_TO, FIELD_COUNT } RowField;
extern const char *const manifest_field_names[FIELD_COUNT];

/* Fails the reader for good with "NAME:LINE: " and the text. Returns -1. */
int manifest_fail(ManifestReader *reader, guint64 line, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
/* Fails the reader for a row beyond the limit. Returns -1. */
int manifest_fail_too_long(ManifestReader *reader);

/* Puts a problem together. Returns: text that the reader owns until it puts the next together. */
const char *manifest_problem(ManifestReader *reader, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* The bytes that may be looked at for one row: one more than the limit, so that a row that is too
 * long is seen at the same byte however the input was cut. */
gsize manifest_window_bytes(const ManifestReader *reader);

/* Takes size_bytes and skip_bytes of line end from the buffer. Returns: the taken bytes,
 * NUL-terminated and writable, until the next push. */
char *manifest_consume(ManifestReader *reader, gsize size_bytes, gsize skip_bytes);

/* Takes the next line, without its terminator. Returns: 1; 0 when it is not whole or at the end;
 * -1. */
int manifest_take_line(ManifestReader *reader, char terminator, char **line, gsize *size_bytes);

/* Fills *row: numbers it, and checks the fields unless problem says already what is wrong.
 * problem: NULL, or the reader's or a constant. Returns 1. */
int manifest_emit(ManifestReader *reader, ManifestRow *row, guint64 line,
                  const char *const fields[FIELD_COUNT], const char *problem);

/* The next row of each kind. Returns as manifest_reader_next(), with the error in reader->failure.
 */
int manifest_csv_next(ManifestReader *reader, ManifestRow *row);
int manifest_json_next(ManifestReader *reader, ManifestRow *row);

#endif
