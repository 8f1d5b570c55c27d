/* manifest.h - a streaming reader of image manifests: a list, CSV, TSV or NDJSON. Spelling of each:
 * formats/README.md, "Manifest". Bytes are pushed in pieces of any size and checked rows pulled
 * out, so the reader never blocks, holds one row at most, and gives the same rows however the bytes
 * are cut.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_MANIFEST_H
#define MILLRACE_FORMATS_MANIFEST_H

#include <glib.h>

#define MANIFEST_ROW_MAX_BYTES    (1 << 20) /* a longer one is an error with its line */
#define MANIFEST_SOURCE_MAX_BYTES 4095      /* PATH_MAX - 1 */
#define MANIFEST_NAME_MAX_BYTES   255       /* customer, request */

typedef enum {
    MANIFEST_AUTO,  /* by the name's ending, else by the first line */
    MANIFEST_LIST,  /* one source a line */
    MANIFEST_LIST0, /* sources end with NUL, as find -print0 writes them */
    MANIFEST_CSV,
    MANIFEST_TSV,
    MANIFEST_NDJSON
} ManifestKind;

/* One row. Strings are borrowed until the next call on the reader; absent fields are "". */
typedef struct {
    guint64 ordinal; /* from 1: what the rest of the program calls the row */
    guint64 line;    /* from 1: where the row begins in the file; an entry in MANIFEST_LIST0 */
    const char *source;
    const char *customer;
    const char *request;
    const char *to;      /* output specs, ';' between; not yet parsed */
    const char *problem; /* NULL, or why this is a bad row ("3 fields, expected 4") */
} ManifestRow;

typedef struct _ManifestReader ManifestReader;

/* name: for messages, and for MANIFEST_AUTO its ending (.csv .tsv .ndjson .jsonl .txt .lst);
 * copied. */
ManifestReader *manifest_reader_new(const char *name, ManifestKind kind);
void manifest_reader_free(ManifestReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ManifestReader, manifest_reader_free)

/* Adds bytes (copied). Call when manifest_reader_next() has returned 0, so that little is held. */
void manifest_reader_push(ManifestReader *reader, const guint8 *bytes, gsize size_bytes);

/* Says that no more bytes will come. */
void manifest_reader_finish(ManifestReader *reader);

/* Returns: 1 and *row; 0 when more bytes are needed (after finish: at the end); -1 and
 * MILLRACE_ERROR_BAD_INPUT "name:line: what: what to do" for what makes the rest unreadable (no
 * header, no column "source", a column twice, a row beyond MANIFEST_ROW_MAX_BYTES, a quote never
 * closed, UTF-16). A row that is wrong by itself is returned with problem set. */
int manifest_reader_next(ManifestReader *reader, ManifestRow *row, GError **error);

/* The kind that was found; MANIFEST_AUTO until the first line that is not blank has been seen. */
ManifestKind manifest_reader_kind(const ManifestReader *reader);

/* Why name cannot be a customer or a request ("not UTF-8"), a constant; NULL when it can. */
const char *manifest_name_problem(const char *name);

/* Appends one CSV field, quoted where RFC 4180 asks for it; the reader gives the bytes back. */
void manifest_put_csv_field(GString *out, const char *text);

#endif
