/* test_bytes.c - little-endian fields: their bytes on disk, and every way of reading too far.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/bytes.h"

#include <criterion/criterion.h>
#include <string.h>

static void
expect_bytes(const GByteArray *got, const char *expected, gsize size_bytes)
{
    cr_expect_eq(got->len, size_bytes, "%u bytes, not %zu", got->len, size_bytes);
    cr_expect(got->len == size_bytes && memcmp(got->data, expected, size_bytes) == 0);
}

Test(bytes, numbers_are_written_with_the_lowest_byte_first)
{
    static const char expected[] = "\xab"
                                   "\x04\x03\x02\x01"
                                   "\x08\x07\x06\x05\x04\x03\x02\x01";
    g_autoptr(GByteArray) out = g_byte_array_new();

    bytes_put_u8(out, 0xab);
    bytes_put_u32(out, 0x01020304);
    bytes_put_u64(out, 0x0102030405060708);
    expect_bytes(out, expected, sizeof expected - 1);
}

Test(bytes, a_string_is_its_length_then_its_bytes_then_nul)
{
    static const char expected[] = "\x03\0\0\0abc\0"
                                   "\0\0\0\0\0"
                                   "\0\0\0\0";
    g_autoptr(GByteArray) out = g_byte_array_new();

    bytes_put_string(out, "abc");
    bytes_put_string(out, "");
    bytes_put_string(out, NULL); /* the last NUL of it is the literal's */
    expect_bytes(out, expected, sizeof expected);
}

Test(bytes, what_was_written_reads_back)
{
    g_autoptr(GByteArray) out = g_byte_array_new();

    bytes_put_u8(out, G_MAXUINT8);
    bytes_put_u32(out, G_MAXUINT32);
    bytes_put_u64(out, G_MAXUINT64);
    bytes_put_string(out, "\xff not UTF-8");
    bytes_put_string(out, NULL);
    bytes_put_blob(out, "a\0b", 3);
    bytes_put_blob(out, NULL, 0);
    ByteReader reader = byte_reader(out->data, out->len);
    cr_expect_eq(bytes_get_u8(&reader), G_MAXUINT8);
    cr_expect_eq(bytes_get_u32(&reader), G_MAXUINT32);
    cr_expect_eq(bytes_get_u64(&reader), G_MAXUINT64);
    cr_expect_str_eq(bytes_get_string(&reader), "\xff not UTF-8");
    cr_expect_str_eq(bytes_get_string(&reader), "");
    const guint8 *blob = bytes_get_blob(&reader, 3);
    cr_assert_not_null(blob);
    cr_expect_eq(memcmp(blob, "a\0b", 3), 0);
    cr_expect(reader.ok);
    cr_expect_eq(reader.at, reader.end);
}

Test(bytes, no_bytes_are_no_error_until_one_is_read)
{
    ByteReader reader = byte_reader(NULL, 0);

    cr_expect(reader.ok);
    cr_expect_eq(reader.at, reader.end);
    cr_expect_eq(bytes_get_u8(&reader), 0);
    cr_expect_not(reader.ok);
}

Test(bytes, reading_too_far_is_an_error_for_good)
{
    /* A copy of its exact size, so that a sanitizer sees a read behind it. */
    g_autofree guint8 *three = g_memdup2("\x01\x02\x03", 3);
    ByteReader reader = byte_reader(three, 3);

    cr_expect_eq(bytes_get_u32(&reader), 0);
    cr_expect_not(reader.ok);
    cr_expect_eq(bytes_get_u8(&reader), 0, "one byte would have been there");
    cr_expect_eq(bytes_get_u64(&reader), 0);
    cr_expect_str_eq(bytes_get_string(&reader), "");
    cr_expect_null(bytes_get_blob(&reader, 1));
    cr_expect_not(reader.ok);
}

Test(bytes, a_string_cut_anywhere_is_empty_and_an_error)
{
    static const char whole[] = "\x05\0\0\0hello";

    for (gsize size = 0; size < sizeof whole; size++) {
        g_autofree guint8 *cut = g_memdup2(whole, size);
        ByteReader reader = byte_reader(cut, size);
        cr_expect_str_eq(bytes_get_string(&reader), "");
        cr_expect_not(reader.ok, "cut at %zu", size);
    }
    ByteReader reader = byte_reader(whole, sizeof whole);
    cr_expect_str_eq(bytes_get_string(&reader), "hello");
    cr_expect(reader.ok);
}

Test(bytes, a_string_with_nul_inside_or_without_one_behind_is_refused)
{
    static const char nul_inside[] = "\x03\0\0\0a\0c";
    static const char no_end[] = "\x03\0\0\0abcd";
    ByteReader inside = byte_reader(nul_inside, sizeof nul_inside);
    ByteReader end = byte_reader(no_end, sizeof no_end - 1);

    cr_expect_str_eq(bytes_get_string(&inside), "");
    cr_expect_not(inside.ok);
    cr_expect_str_eq(bytes_get_string(&end), "");
    cr_expect_not(end.ok);
}

Test(bytes, a_length_of_four_gigabytes_does_not_wrap_around)
{
    static const char huge[] = "\xff\xff\xff\xff"
                               "abc";
    ByteReader string = byte_reader(huge, sizeof huge);
    ByteReader blob = byte_reader(huge, sizeof huge);

    cr_expect_str_eq(bytes_get_string(&string), "");
    cr_expect_not(string.ok);
    cr_expect_null(bytes_get_blob(&blob, G_MAXSIZE));
    cr_expect_not(blob.ok);
}
