/* fuzz_tar.c - a tar of any bytes is read to its end or refused, within bounds; and a header made
 * of what was read reads back the same. The first byte tells how large the pieces are.
 * SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <string.h>

#include "formats/tar.h"

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes);

typedef struct {
    const guint8 *bytes;
    gsize rest_bytes;
    gsize piece_bytes;
} Source;

static gssize
source_read(gpointer data, const void **bytes, GError **error G_GNUC_UNUSED)
{
    Source *source = data;
    gsize size = MIN(source->piece_bytes, source->rest_bytes);

    *bytes = source->bytes;
    source->bytes += size;
    source->rest_bytes -= size;
    return (gssize)size;
}

static void
check_header(const TarMember *member)
{
    g_autoptr(GByteArray) header = g_byte_array_new();

    if (!tar_header(member->name, member->size_bytes, member->mtime_s, header, NULL))
        return;
    Source source = {.bytes = header->data, .rest_bytes = header->len, .piece_bytes = header->len};
    g_autoptr(TarReader) reader = tar_reader_new(source_read, &source);
    TarMember again;
    int more = tar_reader_next(reader, &again, NULL);
    g_assert_cmpint(more, ==, 1);
    g_assert_cmpstr(again.name, ==, member->name);
    g_assert_cmpuint(again.size_bytes, ==, member->size_bytes);
    g_assert_cmpint(again.mtime_s, ==, member->mtime_s);
    g_assert_true(again.is_file);
    g_assert_cmpuint(again.offset, ==, 0);
}

int
LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes)
{
    if (size_bytes == 0)
        return 0;
    Source source = {
        .bytes = data + 1, .rest_bytes = size_bytes - 1, .piece_bytes = 1 + (gsize)data[0] * 16};
    g_autoptr(TarReader) reader = tar_reader_new(source_read, &source);
    g_autoptr(GError) error = NULL;
    TarMember member;

    while (tar_reader_next(reader, &member, &error) == 1) {
        const void *bytes = NULL;
        guint64 all = 0;
        gssize got = 0;
        g_assert_cmpuint(strlen(member.name), <=, TAR_NAME_MAX);
        g_assert_cmpuint(member.offset % TAR_BLOCK_BYTES, ==, 0);
        while (member.is_file && (got = tar_reader_data(reader, &bytes, &error)) > 0)
            all += (guint64)got;
        if (got < 0)
            break;
        g_assert_true(!member.is_file || all == member.size_bytes);
        check_header(&member);
    }
    return 0;
}
