/* tar_gzip.c - gzip by libarchive, as a member without a header ("raw") of what it filters.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/tar_gzip.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>

struct _GzipReader {
    TarRead read;
    gpointer data;
    struct archive *archive;
    gboolean opened;
    gboolean ended;
    GError *failure; /* read's own, on its way through libarchive */
};

gboolean
gzip_is_head(const guint8 *bytes, gsize size_bytes)
{
    return size_bytes >= 3 && bytes[0] == 0x1f && bytes[1] == 0x8b && bytes[2] == 8;
}

static la_ssize_t
fetch(struct archive *archive, void *data, const void **bytes)
{
    GzipReader *reader = data;

    if (reader->failure)
        return -1;
    gssize got = reader->read(reader->data, bytes, &reader->failure);
    if (got < 0)
        archive_set_error(archive, EIO, "reading failed");
    return got;
}

GzipReader *
gzip_reader_new(TarRead read, gpointer data)
{
    GzipReader *reader = g_new0(GzipReader, 1);

    reader->read = read;
    reader->data = data;
    reader->archive = archive_read_new();
    g_assert(reader->archive);
    int result = archive_read_support_filter_gzip(reader->archive);
    g_assert(result == ARCHIVE_OK);
    result = archive_read_support_format_raw(reader->archive);
    g_assert(result == ARCHIVE_OK);
    return reader;
}

void
gzip_reader_free(GzipReader *reader)
{
    archive_read_free(reader->archive);
    g_clear_error(&reader->failure);
    g_free(reader);
}

static gssize
reader_fail(GzipReader *reader, GError **error)
{
    const char *reason = archive_error_string(reader->archive);

    if (reader->failure)
        g_propagate_error(error, g_error_copy(reader->failure));
    else
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT, "this is no gzip: %s",
                    reason ? reason : "it cannot be read");
    return -1;
}

gssize
gzip_reader_read(GzipReader *reader, const void **bytes, GError **error)
{
    struct archive_entry *entry = NULL;
    size_t size_bytes = 0;
    la_int64_t offset = 0;
    int result = ARCHIVE_OK;

    if (!reader->opened) {
        reader->opened = TRUE;
        result = archive_read_open(reader->archive, reader, NULL, fetch, NULL);
        if (result == ARCHIVE_OK)
            result = archive_read_next_header(reader->archive, &entry);
        reader->ended = result == ARCHIVE_EOF && !reader->failure;
    }
    while (!reader->ended && result == ARCHIVE_OK && size_bytes == 0)
        result = archive_read_data_block(reader->archive, bytes, &size_bytes, &offset);
    if (reader->ended || (result == ARCHIVE_EOF && !reader->failure)) {
        reader->ended = TRUE;
        return 0;
    }
    return result == ARCHIVE_OK ? (gssize)size_bytes : reader_fail(reader, error);
}
