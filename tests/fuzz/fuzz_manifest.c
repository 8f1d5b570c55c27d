/* fuzz_manifest.c - a manifest gives the same rows however its bytes are cut, and good rows survive
 * being written as CSV. The first byte chooses the kind, the second how the rest is cut.
 * SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <string.h>

#include "formats/manifest.h"

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes);

/* What a reader gave: every row's fields with NUL between, and the good rows again as CSV. */
typedef struct {
    GString *rows;
    GString *good_rows; /* fields only: lines and ordinals differ once bad rows are gone */
    GString *csv;
} Transcript;

static void
transcript_release(Transcript *transcript)
{
    g_string_free(transcript->rows, TRUE);
    g_string_free(transcript->good_rows, TRUE);
    g_string_free(transcript->csv, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Transcript, transcript_release)

static void
check_good_row(const ManifestRow *row)
{
    g_assert_cmpuint(strlen(row->source), >, 0);
    g_assert_cmpuint(strlen(row->source), <=, MANIFEST_SOURCE_MAX_BYTES);
    g_assert_null(manifest_name_problem(row->customer));
    g_assert_null(manifest_name_problem(row->request));
}

static void
add_row(Transcript *transcript, const ManifestRow *row)
{
    const char *fields[] = {row->source, row->customer, row->request, row->to};

    g_string_append_printf(transcript->rows, "%" G_GUINT64_FORMAT "@%" G_GUINT64_FORMAT " %s",
                           row->ordinal, row->line, row->problem != NULL ? row->problem : "");
    for (guint i = 0; i < G_N_ELEMENTS(fields); i++) {
        g_string_append_len(transcript->rows, fields[i], (gssize)strlen(fields[i]) + 1);
        if (row->problem != NULL)
            continue;
        g_string_append_len(transcript->good_rows, fields[i], (gssize)strlen(fields[i]) + 1);
        manifest_put_csv_field(transcript->csv, fields[i]);
        g_string_append_c(transcript->csv, i + 1 < G_N_ELEMENTS(fields) ? ',' : '\n');
    }
    if (row->problem == NULL)
        check_good_row(row);
}

static int
drain(ManifestReader *reader, Transcript *transcript, guint64 *row_count)
{
    g_autoptr(GError) error = NULL;
    ManifestRow row;
    int found;
    while ((found = manifest_reader_next(reader, &row, &error)) > 0) {
        g_assert_cmpuint(row.ordinal, ==, ++*row_count);
        add_row(transcript, &row);
    }
    g_assert_true((found < 0) == (error != NULL));
    if (error != NULL)
        g_string_append(transcript->rows, error->message);
    return found;
}

/* Reads the bytes in pieces of 1 to pieces_max bytes. */
static Transcript
read_manifest(ManifestKind kind, const guint8 *bytes, gsize size_bytes, gsize pieces_max)
{
    g_autoptr(ManifestReader) reader = manifest_reader_new("-", kind);
    Transcript transcript = {g_string_new(NULL), g_string_new(NULL),
                             g_string_new("source,customer,request,to\n")};
    guint64 row_count = 0;
    guint32 random = (guint32)pieces_max;
    int found = 0;

    while (size_bytes > 0 && found == 0) {
        random = random * 1664525 + 1013904223;
        gsize piece_bytes = MIN(size_bytes, 1 + (random >> 8) % pieces_max);
        /* A copy of its own, so that a sanitizer sees who reads a piece when it has gone. */
        g_autofree guint8 *piece = g_memdup2(bytes, piece_bytes);
        manifest_reader_push(reader, piece, piece_bytes);
        bytes += piece_bytes;
        size_bytes -= piece_bytes;
        found = drain(reader, &transcript, &row_count);
    }
    manifest_reader_finish(reader);
    if (found == 0)
        drain(reader, &transcript, &row_count);
    return transcript;
}

static void
check_equal(const GString *a, const GString *b)
{
    g_assert_cmpmem(a->str, a->len, b->str, b->len);
}

int
LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes)
{
    if (size_bytes < 2)
        return 0;
    ManifestKind kind = (ManifestKind)(data[0] % (MANIFEST_NDJSON + 1));
    gsize pieces_max = 1 + data[1];
    g_auto(Transcript) whole = read_manifest(kind, data + 2, size_bytes - 2, G_MAXUINT16);
    g_auto(Transcript) cut = read_manifest(kind, data + 2, size_bytes - 2, pieces_max);
    check_equal(whole.rows, cut.rows);

    const guint8 *csv = (const guint8 *)whole.csv->str;
    g_auto(Transcript) again = read_manifest(MANIFEST_CSV, csv, whole.csv->len, pieces_max);
    check_equal(whole.good_rows, again.good_rows);
    check_equal(whole.csv, again.csv);
    return 0;
}
