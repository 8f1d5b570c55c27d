/* fuzz_parity.c - a parity file may be anything; and of one that was right, whatever was changed in
 * it or in its file, a repair that claims to be whole gives the file back.
 * SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <string.h>

#include "formats/parity_internal.h"

enum { FILE_BYTES = 40000, GROWN_BYTES = 1 << 20 };

typedef struct {
    GByteArray *file;
    GByteArray *parity;
} Pair;

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes);

static gssize
read_from(const GByteArray *from, guint64 offset, void *out, gsize size)
{
    gsize got = offset < from->len ? MIN(size, from->len - (gsize)offset) : 0;

    if (got > 0)
        memcpy(out, from->data + offset, got);
    return (gssize)got;
}

static gssize
read_file(gpointer data, guint64 offset, void *out, gsize size, GError **error G_GNUC_UNUSED)
{
    return read_from(((Pair *)data)->file, offset, out, size);
}

static gssize
read_parity(gpointer data, guint64 offset, void *out, gsize size, GError **error G_GNUC_UNUSED)
{
    return read_from(((Pair *)data)->parity, offset, out, size);
}

static gboolean
write_to(GByteArray *to, guint64 offset, const void *bytes, gsize size, GError **error)
{
    if (offset + size > GROWN_BYTES) {
        g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_UNAVAILABLE, "too far away");
        return FALSE;
    }
    gsize old = to->len;
    if (offset + size > old) {
        g_byte_array_set_size(to, (guint)(offset + size));
        memset(to->data + old, 0, to->len - old);
    }
    memcpy(to->data + offset, bytes, size);
    return TRUE;
}

static gboolean
write_file(gpointer data, guint64 offset, const void *bytes, gsize size, GError **error)
{
    return write_to(((Pair *)data)->file, offset, bytes, size, error);
}

static gboolean
write_parity(gpointer data, guint64 offset, const void *bytes, gsize size, GError **error)
{
    return write_to(((Pair *)data)->parity, offset, bytes, size, error);
}

static gboolean
check(Pair *pair, gboolean repair, ParityReport *report)
{
    ParityFiles files = {.read_file = read_file,
                         .read_parity = read_parity,
                         .file_bytes = pair->file->len,
                         .parity_bytes = pair->parity->len,
                         .repair_file = repair ? write_file : NULL,
                         .repair_parity = repair ? write_parity : NULL,
                         .data = pair};

    return parity_check(&files, report, NULL);
}

/* As it comes, but for hashes of headers, which no fuzzer finds. */
static void
try_raw(const guint8 *data, gsize size_bytes)
{
    Pair pair = {g_byte_array_new(), g_byte_array_new()};
    ParityReport report;

    g_byte_array_set_size(pair.file, FILE_BYTES);
    memset(pair.file->data, 3, FILE_BYTES);
    g_byte_array_append(pair.parity, data, (guint)size_bytes);
    if (size_bytes >= PARITY_HEADER_BYTES)
        parity_hash(pair.parity->data, PARITY_HEADER_BYTES - PARITY_HASH_BYTES,
                    pair.parity->data + PARITY_HEADER_BYTES - PARITY_HASH_BYTES);
    check(&pair, FALSE, &report);
    check(&pair, TRUE, &report);
    g_byte_array_unref(pair.file);
    g_byte_array_unref(pair.parity);
}

/* Every four bytes: which file, where, what. */
static void
try_damage(const guint8 *data, gsize size_bytes)
{
    Pair pair = {g_byte_array_new(), g_byte_array_new()};
    ParityShape shape = {1 + data[0] % 12, 1 + data[1] % 5};
    ParityReport report;

    g_byte_array_set_size(pair.file, FILE_BYTES + data[2]);
    for (guint i = 0; i < pair.file->len; i++)
        pair.file->data[i] = (guint8)((i * 2654435761u) >> 13);
    g_autofree guint8 *right = g_memdup2(pair.file->data, pair.file->len);
    guint right_bytes = pair.file->len;
    gboolean made =
        parity_make(&shape, right_bytes, read_file, &pair, write_parity, &pair, 1, NULL);
    g_assert(made);
    for (gsize i = 3; i + 4 <= size_bytes; i += 4) {
        GByteArray *to = data[i] & 1 ? pair.file : pair.parity;
        guint at = ((guint)data[i + 1] << 8 | data[i + 2]) * (data[i] & 2 ? 1 : 3);
        if (data[i] & 4)
            g_byte_array_set_size(to, MIN(to->len, at + 1));
        else if (at < to->len)
            to->data[at] ^= data[i + 3];
    }
    if (check(&pair, TRUE, &report) && report.stripes_beyond + report.stripes_unproven == 0) {
        g_assert_cmpmem(pair.file->data, MIN(pair.file->len, right_bytes), right, right_bytes);
        g_assert(check(&pair, FALSE, &report) && report.data_damaged + report.parity_damaged == 0);
    }
    g_byte_array_unref(pair.file);
    g_byte_array_unref(pair.parity);
}

int
LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes)
{
    if (size_bytes > GROWN_BYTES)
        return 0;
    try_raw(data, size_bytes);
    if (size_bytes >= 3)
        try_damage(data, size_bytes);
    return 0;
}
