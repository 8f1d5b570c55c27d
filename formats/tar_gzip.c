/* tar_gzip.c - gzip by libarchive, as a member without a header ("raw") of what it filters.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/tar_gzip.h"

#include <archive.h>
#include <archive_entry.h>

#include "formats/tar_input.h"

struct _GzipReader {
    TarInput input;
    gboolean begun;
    gboolean ended;
};

gboolean
gzip_is_head(const guint8 *bytes, gsize size_bytes)
{
    return size_bytes >= 3 && bytes[0] == 0x1f && bytes[1] == 0x8b && bytes[2] == 8;
}

GzipReader *
gzip_reader_new(TarRead read, gpointer data)
{
    GzipReader *reader = g_new0(GzipReader, 1);

    tar_input_init(&reader->input, read, data);
    int result = archive_read_support_filter_gzip(reader->input.archive);
    g_assert(result == ARCHIVE_OK);
    result = archive_read_support_format_raw(reader->input.archive);
    g_assert(result == ARCHIVE_OK);
    return reader;
}

void
gzip_reader_free(GzipReader *reader)
{
    tar_input_release(&reader->input);
    g_free(reader);
}

gssize
gzip_reader_read(GzipReader *reader, const void **bytes, GError **error)
{
    struct archive_entry *entry = NULL;
    size_t size_bytes = 0;
    la_int64_t offset = 0;
    int result = ARCHIVE_OK;

    if (!reader->begun) {
        reader->begun = TRUE;
        result = tar_input_open(&reader->input);
        if (result == ARCHIVE_OK)
            result = archive_read_next_header(reader->input.archive, &entry);
        reader->ended = result == ARCHIVE_EOF && !reader->input.failure;
    }
    while (!reader->ended && result == ARCHIVE_OK && size_bytes == 0)
        result = archive_read_data_block(reader->input.archive, bytes, &size_bytes, &offset);
    if (reader->ended || (result == ARCHIVE_EOF && !reader->input.failure)) {
        reader->ended = TRUE;
        return 0;
    }
    return result == ARCHIVE_OK ? (gssize)size_bytes
                                : tar_input_fail(&reader->input, "gzip", error);
}
