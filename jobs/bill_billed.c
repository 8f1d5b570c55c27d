/* bill_billed.c - cuts lines.csv where records end, and has each piece read as a file of its own.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_billed.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "formats/error.h"

enum { PIECE_BYTES = 1 << 20, RECORD_MAX_BYTES = 16 << 20 };

typedef struct {
    const BillFolder *folder;
    int fd;
    GString *text;      /* the header, then bytes of the file from a record's begin on */
    gsize header_bytes; /* of the text, that the file has elsewhere */
    guint64 offset;     /* in the file, of what follows the header */
    gsize scanned;      /* bytes of the text that were looked through for quotes */
    gboolean is_quoted;
    gsize cut; /* behind the last whole record */
    gboolean at_end;
} Pieces;

/* Reads on until there is a whole record, or the end. */
static gboolean
fill(Pieces *pieces, GError **error)
{
    GString *text = pieces->text;

    while (!pieces->at_end && pieces->cut <= pieces->header_bytes) {
        gsize old_bytes = text->len;
        g_string_set_size(text, old_bytes + PIECE_BYTES);
        ssize_t count = read(pieces->fd, text->str + old_bytes, PIECE_BYTES);
        g_string_set_size(text, old_bytes + (gsize)MAX(count, 0));
        if (count < 0 && errno != EINTR)
            return millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "%s/" BILL_LINES,
                                            pieces->folder->path);
        pieces->at_end = count == 0 || text->len > RECORD_MAX_BYTES;
        for (; pieces->scanned < text->len; pieces->scanned++) {
            if (text->str[pieces->scanned] == '"')
                pieces->is_quoted = !pieces->is_quoted;
            else if (text->str[pieces->scanned] == '\n' && !pieces->is_quoted)
                pieces->cut = pieces->scanned + 1;
        }
    }
    if (pieces->at_end)
        pieces->cut = text->len; /* a record that is cut is found when it is read */
    return TRUE;
}

static gboolean
visit_piece(Pieces *pieces, BilledVisit visit, gpointer data, GError **error)
{
    GString *text = pieces->text;
    g_autofree char *rest = g_strndup(text->str + pieces->cut, text->len - pieces->cut);
    gsize rest_bytes = text->len - pieces->cut;
    g_autofree char *name = g_strdup_printf("%s/" BILL_LINES ", from byte %" G_GUINT64_FORMAT,
                                            pieces->folder->path, pieces->offset);
    g_autoptr(GArray) lines = statement_parse_csv(name, text->str, pieces->cut, error);

    if (!lines)
        return FALSE;
    for (guint i = 0; i < lines->len; i++)
        if (!visit(data, &g_array_index(lines, StatementLine, i), error))
            return FALSE;
    pieces->offset += pieces->cut - pieces->header_bytes;
    g_string_truncate(text, 0);
    statement_print_csv_header(text);
    pieces->header_bytes = pieces->scanned = pieces->cut = text->len;
    pieces->is_quoted = FALSE;
    g_string_append_len(text, rest, (gssize)rest_bytes);
    return TRUE;
}

gboolean
bill_billed_each(const BillFolder *folder, BilledVisit visit, gpointer data, GError **error)
{
    Pieces pieces = {.folder = folder, .text = g_string_new(NULL)};
    gboolean good = TRUE;

    pieces.fd = openat(folder->fd, BILL_LINES, O_RDONLY | O_CLOEXEC);
    if (pieces.fd < 0)
        good = millrace_error_set_errno(error, MILLRACE_ERROR_NO_INPUT, errno, "%s/" BILL_LINES,
                                        folder->path);
    while (good && (!pieces.at_end || pieces.text->len > pieces.header_bytes))
        good = fill(&pieces, error) && visit_piece(&pieces, visit, data, error);
    if (pieces.fd >= 0)
        close(pieces.fd);
    g_string_free(pieces.text, TRUE);
    return good;
}
