/* test_seek_table.c - the table by the text of its format, and as the program zstd sees it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/seek_table.h"

#include <sys/wait.h>

#include "tests/unit/scratch.h"

/* Two frames and one of another use, by hand after zstd_seekable_compression_format.md. */
static const guint8 golden[] = {
    0x5e, 0x2a, 0x4d, 0x18, 0x2d, 0x00, 0x00, 0x00,                         /* magic, 3 x 12 + 9 */
    0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x40, 0x00, 0xef, 0xbe, 0xad, 0xde, /* 256, 4 MiB */
    0x10, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x78, 0x56, 0x34, 0x12, /* 16, 1 */
    0x0c, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* 12, 0 */
    0x03, 0x00, 0x00, 0x00, 0x80, 0xb1, 0xea, 0x92, 0x8f};
static const guint64 golden_file_bytes = 256 + 16 + 12 + sizeof golden;

static GArray *
golden_frames(void)
{
    static const SeekFrame frames[] = {
        {0, 256, 4 << 20, 0xdeadbeef}, {256, 16, 1, 0x12345678}, {272, 12, 0, 0}};
    GArray *array = g_array_new(FALSE, FALSE, sizeof(SeekFrame));

    g_array_append_vals(array, frames, G_N_ELEMENTS(frames));
    return array;
}

static GArray *
parse(const guint8 *table, gsize table_bytes, guint64 file_bytes)
{
    g_autoptr(GError) error = NULL;
    GArray *frames = seek_table_parse("v", table, table_bytes, file_bytes, 4 << 20, &error);

    cr_expect_eq(frames == NULL, error != NULL);
    if (error)
        cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT));
    return frames;
}

Test(seek_table, is_written_by_the_text_of_its_format)
{
    g_autoptr(GArray) frames = golden_frames();
    g_autoptr(GByteArray) out = g_byte_array_new();

    seek_table_print(frames, out);
    cr_assert_eq(out->len, sizeof golden);
    cr_expect_arr_eq(out->data, golden, sizeof golden);
}

Test(seek_table, is_read_back_with_offsets)
{
    g_autoptr(GArray) expected = golden_frames();

    cr_assert_eq(seek_table_size(golden + sizeof golden - SEEK_TABLE_FOOTER_BYTES), sizeof golden);
    g_autoptr(GArray) frames = parse(golden, sizeof golden, golden_file_bytes);
    cr_assert_not_null(frames);
    cr_assert_eq(frames->len, expected->len);
    for (guint i = 0; i < frames->len; i++) {
        const SeekFrame *got = &g_array_index(frames, SeekFrame, i);
        const SeekFrame *frame = &g_array_index(expected, SeekFrame, i);
        cr_expect_eq(got->offset, frame->offset);
        cr_expect_eq(got->compressed_bytes, frame->compressed_bytes);
        cr_expect_eq(got->bytes, frame->bytes);
        cr_expect_eq(got->checksum, frame->checksum);
    }
}

Test(seek_table, a_flip_of_its_frame_or_its_sizes_is_noticed)
{
    /* Sizes decompressed and checksums are for the frames to show. */
    static const guint bytes[] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,
                                  10, 11, 20, 32, 44, 48, 49, 50, 51, 52};

    for (guint i = 0; i < G_N_ELEMENTS(bytes) * 8; i++) {
        guint8 copy[sizeof golden];
        memcpy(copy, golden, sizeof golden);
        copy[bytes[i / 8]] ^= (guint8)(1u << i % 8);
        g_autoptr(GArray) frames = parse(copy, sizeof copy, golden_file_bytes);
        cr_expect_null(frames, "byte %u bit %u", bytes[i / 8], i % 8);
    }
}

Test(seek_table, frames_must_fill_what_is_before_it)
{
    g_autoptr(GArray) shorter = parse(golden, sizeof golden, golden_file_bytes - 1);
    g_autoptr(GArray) longer = parse(golden, sizeof golden, golden_file_bytes + 1);
    g_autoptr(GArray) smaller = parse(golden, sizeof golden, sizeof golden - 1);

    cr_expect_null(shorter);
    cr_expect_null(longer);
    cr_expect_null(smaller);
    for (gsize size = 0; size < sizeof golden; size++) {
        g_autoptr(GArray) cut = parse(golden + sizeof golden - size, size, golden_file_bytes);
        cr_expect_null(cut);
    }
}

Test(seek_table, a_frame_that_gives_more_than_can_be_is_refused)
{
    guint8 copy[sizeof golden];

    memcpy(copy, golden, sizeof golden);
    copy[12] = 1; /* 4 MiB and a byte */
    g_autoptr(GArray) frames = parse(copy, sizeof copy, golden_file_bytes);
    cr_expect_null(frames);
}

Test(seek_table, a_count_beyond_the_format_is_no_table)
{
    static const guint8 footer[] = {0x01, 0x00, 0x00, 0x08, 0x80, 0xb1, 0xea, 0x92, 0x8f};

    cr_expect_eq(seek_table_size(footer), 0);
}

/* XXH64 of "" and of "abc" with seed 0 are ef46db3751d8e999 and 44bc2cf5ad770999 (xxhash's own
 * vectors). */
Test(seek_table, a_checksum_is_the_low_half_of_xxh64)
{
    cr_expect_eq(seek_table_checksum("", 0), 0x51d8e999);
    cr_expect_eq(seek_table_checksum("abc", 3), 0xad770999);
}

Test(seek_table, zstd_passes_over_it)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *commands = g_strdup_printf(
        "cd %s && printf one | zstd -q > a && printf two | zstd -q > b && cat a b > ab",
        scratch.path);
    int status = -1;
    gsize sizes[2] = {0};
    gsize both_bytes = 0;

    cr_assert(g_spawn_sync(NULL, (char *[]){"sh", "-c", commands, NULL}, NULL, G_SPAWN_SEARCH_PATH,
                           NULL, NULL, NULL, NULL, &status, NULL));
    cr_assert_eq(status, 0);
    g_autofree char *a = scratch_get(&scratch, "a", &sizes[0]);
    g_autofree char *b = scratch_get(&scratch, "b", &sizes[1]);
    g_autofree char *both = scratch_get(&scratch, "ab", &both_bytes);
    g_autoptr(GArray) frames = g_array_new(FALSE, TRUE, sizeof(SeekFrame));
    g_autoptr(GByteArray) file = g_byte_array_new();
    for (guint i = 0; i < 2; i++) {
        SeekFrame frame = {.compressed_bytes = (guint32)sizes[i], .bytes = 3};
        frame.checksum = seek_table_checksum(i == 0 ? "one" : "two", 3);
        g_array_append_val(frames, frame);
    }
    g_byte_array_append(file, (const guint8 *)both, (guint)both_bytes);
    seek_table_print(frames, file);
    scratch_put(&scratch, "v.zst", file->data, file->len);

    g_autofree char *check = g_strdup_printf("cd %s && zstd -q -t v.zst && zstd -d -c -q v.zst && "
                                             "zstd -l v.zst | awk 'END{print $1, $2}'",
                                             scratch.path);
    g_autofree char *said = NULL;
    cr_assert(g_spawn_sync(NULL, (char *[]){"sh", "-c", check, NULL}, NULL, G_SPAWN_SEARCH_PATH,
                           NULL, NULL, &said, NULL, &status, NULL));
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    /* Three frames, one of which is skipped. */
    cr_expect_str_eq(said, "onetwo3 1\n");
}
