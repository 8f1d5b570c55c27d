/* test_compress.c - blocks come back or not at all; streams give what can be had.
 * Streams are made here by compressor_block(), whose frames any zstd reads, and cut or damaged.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/compress.h"

#include "formats/error.h"
#include "tests/unit/scratch.h"

enum { TEXT_BYTES = 300000, OUT_BYTES = 8 << 10 };

/* Text that compresses, but not to nothing. (transfer full) */
static char *
text_new(gsize size_bytes)
{
    GString *text = g_string_new(NULL);

    for (guint64 i = 1; text->len < size_bytes; i++)
        g_string_append_printf(text, "%" G_GUINT64_FORMAT " ", i * i * i);
    g_string_truncate(text, size_bytes);
    return g_string_free(text, FALSE);
}

static GByteArray *
frame_new(const void *bytes, gsize size_bytes)
{
    g_autoptr(Compressor) compressor = compressor_new(1);
    GByteArray *frame = g_byte_array_new();

    g_byte_array_set_size(frame, (guint)compressor_bound(size_bytes));
    gsize size = compressor_block(compressor, bytes, size_bytes, frame->data, frame->len);
    cr_assert_gt(size, 0);
    g_byte_array_set_size(frame, (guint)size);
    return frame;
}

Test(compress, blocks_come_back)
{
    g_autofree char *text = text_new(TEXT_BYTES);
    g_autofree char *out = g_malloc(TEXT_BYTES);
    g_autoptr(Decompressor) decompressor = decompressor_new();

    for (gsize size = 0; size <= TEXT_BYTES; size = size * 3 + 1) {
        g_autoptr(GByteArray) frame = frame_new(text, size);
        cr_assert(decompressor_block(decompressor, frame->data, frame->len, out, size));
        cr_assert_arr_eq(out, text, size);
    }
}

Test(compress, entropy_blocks_come_back_and_bytes_of_few_kinds_are_small)
{
    g_autoptr(Compressor) compressor = compressor_new_entropy();
    g_autoptr(Compressor) fresh = compressor_new_entropy();
    g_autoptr(Decompressor) decompressor = decompressor_new();
    guint8 bytes[OUT_BYTES];
    guint8 frame[OUT_BYTES];
    guint8 again[OUT_BYTES];
    guint32 state = 1;

    for (guint i = 0; i < OUT_BYTES; i++) {
        state = state * 1664525 + 1013904223;
        bytes[i] = (guint8)(state >> 30); /* two bits: a quarter of a byte */
    }
    for (gsize size = 100; size <= OUT_BYTES; size = size * 3 / 2) {
        gsize stored = compressor_block(compressor, bytes, size, frame, sizeof frame);
        cr_assert(stored > 0 && stored < size / 3 + 20, "%zu of %zu", stored, size);
        cr_assert(decompressor_block(decompressor, frame, stored, again, size));
        cr_assert_arr_eq(again, bytes, size);
    }
    gsize stored = compressor_block(compressor, bytes, 5000, frame, sizeof frame);
    cr_assert_eq(compressor_block(fresh, bytes, 5000, again, sizeof again), stored);
    cr_assert_arr_eq(again, frame, stored, "a context that was used makes the same frames");
}

Test(compress, a_context_that_was_used_makes_the_same_frames)
{
    g_autofree char *text = text_new(TEXT_BYTES);
    g_autoptr(Compressor) compressor = compressor_new(1);
    guint8 out[OUT_BYTES];

    for (gsize at = 0; at + 5000 < TEXT_BYTES; at += 777) {
        gsize size = at % 4999 + 1;
        g_autoptr(GByteArray) fresh = frame_new(text + at, size);
        cr_assert_eq(compressor_block(compressor, text + at, size, out, sizeof out), fresh->len);
        cr_assert_arr_eq(out, fresh->data, fresh->len);
    }
}

Test(compress, a_block_that_does_not_fit_is_not_written_behind_its_room)
{
    g_autofree char *text = text_new(4000);
    g_autoptr(GByteArray) frame = frame_new(text, 4000);
    g_autoptr(Compressor) compressor = compressor_new(1);
    guint8 out[OUT_BYTES];

    for (gsize capacity = 0; capacity < frame->len; capacity += 13) {
        memset(out, 0xa5, sizeof out);
        cr_assert_eq(compressor_block(compressor, text, 4000, out, capacity), 0);
        for (gsize i = capacity; i < sizeof out; i++)
            cr_assert_eq(out[i], 0xa5);
    }
}

Test(compress, a_block_of_another_size_or_cut_is_refused)
{
    g_autofree char *text = text_new(4000);
    g_autoptr(GByteArray) frame = frame_new(text, 4000);
    g_autoptr(Decompressor) decompressor = decompressor_new();
    char out[4001];

    cr_expect_not(decompressor_block(decompressor, frame->data, frame->len, out, 3999));
    cr_expect_not(decompressor_block(decompressor, frame->data, frame->len, out, 4001));
    for (gsize size = 0; size < frame->len; size++)
        cr_assert_not(decompressor_block(decompressor, frame->data, size, out, 4000));
    cr_expect(decompressor_block(decompressor, frame->data, frame->len, out, 4000));
}

Test(compress, zstd_is_known_by_its_first_bytes)
{
    g_autoptr(GByteArray) frame = frame_new("abc", 3);
    static const guint8 skippable[] = {0x5f, 0x2a, 0x4d, 0x18};

    cr_expect(zstd_is_head(frame->data, frame->len));
    cr_expect_not(zstd_is_head(frame->data, 3));
    cr_expect(zstd_is_head(skippable, sizeof skippable));
    cr_expect_not(zstd_is_head("{\"specversion\"", 14));
}

/* Reads a stream of the bytes in pieces of OUT_BYTES. Returns: (transfer full) what came; *kind:
 * the error's, or -1. */
static GByteArray *
read_stream(const Scratch *scratch, const GByteArray *bytes, gsize head_bytes, gboolean *truncated,
            int *kind)
{
    GByteArray *out = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    guint8 piece[OUT_BYTES];
    gssize got = 0;

    scratch_put(scratch, "log.zst", bytes->data, bytes->len);
    int fd = openat(scratch->fd, "log.zst", O_RDONLY | O_CLOEXEC);
    cr_assert_eq(lseek(fd, (off_t)head_bytes, SEEK_SET), (off_t)head_bytes);
    g_autoptr(ZstdReader) reader = zstd_reader_new(fd, "log.zst", bytes->data, head_bytes);
    while ((got = zstd_reader_read(reader, piece, sizeof piece, &error)) > 0)
        g_byte_array_append(out, piece, (guint)got);
    *truncated = zstd_reader_truncated(reader);
    *kind = error ? error->code : -1;
    if (got < 0) { /* once more is the same */
        cr_assert(error && error->domain == MILLRACE_ERROR);
        cr_assert_eq(zstd_reader_read(reader, piece, sizeof piece, NULL), -1);
    }
    close(fd);
    return out;
}

/* Three frames, one of them empty. (transfer full) */
static GByteArray *
stream_new(const char *text)
{
    GByteArray *stream = frame_new(text, TEXT_BYTES / 2);
    g_autoptr(GByteArray) empty = frame_new("", 0);
    g_autoptr(GByteArray) rest = frame_new(text + TEXT_BYTES / 2, TEXT_BYTES / 2);

    g_byte_array_append(stream, empty->data, empty->len);
    g_byte_array_append(stream, rest->data, rest->len);
    return stream;
}

Test(compress, frames_behind_one_another_are_one_stream)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *text = text_new(TEXT_BYTES);
    g_autoptr(GByteArray) stream = stream_new(text);
    gboolean truncated = TRUE;
    int kind = 0;

    for (gsize head = 0; head <= ZSTD_HEAD_BYTES; head++) {
        g_autoptr(GByteArray) out = read_stream(&scratch, stream, head, &truncated, &kind);
        cr_assert_eq(out->len, TEXT_BYTES);
        cr_assert_arr_eq(out->data, text, TEXT_BYTES);
        cr_assert_not(truncated);
        cr_assert_eq(kind, -1);
    }
}

Test(compress, a_stream_that_is_cut_gives_its_beginning_and_says_so)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *text = text_new(TEXT_BYTES);
    g_autoptr(GByteArray) first = frame_new(text, TEXT_BYTES / 2);
    g_autoptr(GByteArray) stream = stream_new(text);
    gsize most = 0;

    for (guint size = 0; size < stream->len; size += size < 20 ? 1 : 997) {
        g_autoptr(GByteArray) cut = g_byte_array_new();
        gboolean truncated = FALSE;
        int kind = 0;
        g_byte_array_append(cut, stream->data, size);
        g_autoptr(GByteArray) out = read_stream(&scratch, cut, 0, &truncated, &kind);
        cr_assert_eq(kind, -1);
        cr_assert_eq(truncated, size > 0 && size != first->len, "%u bytes", size);
        cr_assert_geq(out->len, most);
        if (out->len > 0)
            cr_assert_arr_eq(out->data, text, out->len);
        most = out->len;
    }
    cr_expect_gt(most, TEXT_BYTES / 2);
}

Test(compress, what_is_before_the_damage_comes_first)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *text = text_new(TEXT_BYTES);
    g_autoptr(GByteArray) stream = frame_new(text, TEXT_BYTES);
    gboolean truncated = FALSE;
    int kind = 0;

    g_byte_array_append(stream, (const guint8 *)"no zstd", 7);
    g_autoptr(GByteArray) out = read_stream(&scratch, stream, 0, &truncated, &kind);
    cr_expect_eq(kind, MILLRACE_ERROR_CORRUPT);
    cr_assert_eq(out->len, TEXT_BYTES);
    cr_expect_arr_eq(out->data, text, TEXT_BYTES);
}

Test(compress, what_was_never_zstd_is_an_error)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(GByteArray) plain = g_byte_array_new();
    gboolean truncated = FALSE;
    int kind = 0;

    g_byte_array_append(plain, (const guint8 *)"{\"specversion\":\"1.0\"}\n", 22);
    g_autoptr(GByteArray) out = read_stream(&scratch, plain, 0, &truncated, &kind);
    cr_expect_eq(kind, MILLRACE_ERROR_CORRUPT);
    cr_expect_eq(out->len, 0);
}
