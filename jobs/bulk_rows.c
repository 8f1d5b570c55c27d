/* bulk_rows.c - the rows of a manifest that was sent, written anew: source, request and output
 * specs, as CSV, which can say every name. Whose job it is stands elsewhere.
 *
 * A row whose source or spec is wrong stays: resize finds the same, and the results tell. One that
 * is no row (a field too many, no JSON) would lose its reason on the way, so it is refused now.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bulk_rows.h"

#include <string.h>

#include "formats/durable.h"
#include "jobs/bulk_internal.h"

enum { PIECE_BYTES = 64 << 10 };

typedef struct {
    const char *name;
    guint64 rows_max;
    ManifestReader *reader;
    DurableStream *out;
    GString *line;
    BulkRows *rows;
} Rewrite;

/* Will resize refuse the row that is written as well? Of a customer nothing is left. */
static gboolean
is_found_again(const char *problem)
{
    static const char *const found[] = {"no source", "a source longer than ", "http sources ",
                                        "customer: "};

    for (guint i = 0; i < G_N_ELEMENTS(found); i++)
        if (g_str_has_prefix(problem, found[i]))
            return TRUE;
    return FALSE;
}

static gboolean
write_row(Rewrite *rewrite, const ManifestRow *row, GError **error)
{
    if (row->problem && !is_found_again(row->problem)) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT, "%s:%" G_GUINT64_FORMAT ": %s",
                    rewrite->name, row->line, row->problem);
        return FALSE;
    }
    if (++rewrite->rows->row_count > rewrite->rows_max) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                    "%s: more than %" G_GUINT64_FORMAT " rows: send them in parts", rewrite->name,
                    rewrite->rows_max);
        return FALSE;
    }
    rewrite->rows->any_to = rewrite->rows->any_to || *row->to;
    g_string_truncate(rewrite->line, 0);
    manifest_put_csv_field(rewrite->line, row->source);
    g_string_append_c(rewrite->line, ',');
    manifest_put_csv_field(rewrite->line, row->request);
    g_string_append_c(rewrite->line, ',');
    manifest_put_csv_field(rewrite->line, row->to);
    g_string_append_c(rewrite->line, '\n');
    return durable_stream_write(rewrite->out, rewrite->line->str, rewrite->line->len, error);
}

static gboolean
write_rows(Rewrite *rewrite, GError **error)
{
    ManifestRow row;
    int found = 0;

    while ((found = manifest_reader_next(rewrite->reader, &row, error)) > 0)
        if (!write_row(rewrite, &row, error))
            return FALSE;
    return found == 0;
}

static gboolean
rewrite_all(Rewrite *rewrite, int fd, GError **error)
{
    static const char header[] = "source,request,to\n";
    g_autofree guint8 *piece = g_malloc(PIECE_BYTES);
    gssize got = 1;

    if (!durable_stream_write(rewrite->out, header, strlen(header), error))
        return FALSE;
    for (guint64 offset = 0; got > 0; offset += (guint64)got) {
        got = durable_read_at(fd, rewrite->name, offset, piece, PIECE_BYTES, error);
        if (got < 0)
            return FALSE;
        if (got > 0)
            manifest_reader_push(rewrite->reader, piece, (gsize)got);
        else
            manifest_reader_finish(rewrite->reader);
        if (!write_rows(rewrite, error))
            return FALSE;
    }
    if (rewrite->rows->row_count > 0)
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT, "%s: there are no rows in it",
                rewrite->name);
    return FALSE;
}

gboolean
bulk_rows_write(int fd, const char *name, ManifestKind kind, guint64 rows_max, int stage_fd,
                BulkRows *rows, GError **error)
{
    g_autoptr(ManifestReader) reader = manifest_reader_new(name, kind);
    g_autoptr(GString) line = g_string_new(NULL);
    Rewrite rewrite = {.name = name,
                       .rows_max = rows_max,
                       .reader = reader,
                       .line = line,
                       .rows = rows,
                       .out = durable_stream_open(stage_fd, BULK_MANIFEST, error)};

    *rows = (BulkRows){0};
    if (!rewrite.out)
        return FALSE;
    if (rewrite_all(&rewrite, fd, error))
        return durable_stream_close(rewrite.out, error);
    durable_stream_abandon(rewrite.out);
    return FALSE;
}
