/* test_segment_read.c - what a segment says once it is opened, and that no damage passes.
 * SPDX-License-Identifier: Apache-2.0 */
#include <xxhash.h>

#include "formats/error.h"
#include "tests/unit/segment_fixture.h"

/* A segment of two events, as a program made it that shares nothing with ours: a Python script
 * written after formats/README.md, with struct.pack() and libxxhash by ctypes. */
static const guint8 golden[] = {
    0x4d, 0x52, 0x53, 0x45, 0x47, 0x4d, 0x54, 0x31, 0x12, 0x20, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xce, 0xdd, 0x26, 0x89, 0x15, 0xd8,
    0x74, 0xcc, 0x11, 0xd9, 0xc6, 0xb6, 0x4e, 0xf1, 0x3e, 0x0b, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab,
    0xcd, 0xef, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x10, 0x01, 0x00, 0x00, 0x00, 0x11,
    0x14, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x2f, 0x2f, 0x6d, 0x69, 0x6c, 0x6c, 0x72, 0x61,
    0x63, 0x65, 0x2f, 0x6a, 0x6f, 0x62, 0x2f, 0x64, 0x65, 0x6d, 0x6f, 0x00, 0x10, 0x01, 0x00, 0x00,
    0x00, 0x11, 0x12, 0x00, 0x00, 0x00, 0x12, 0x00, 0x00, 0x00, 0x6d, 0x69, 0x6c, 0x6c, 0x72, 0x61,
    0x63, 0x65, 0x2e, 0x69, 0x6d, 0x61, 0x67, 0x65, 0x2e, 0x76, 0x31, 0x00, 0x10, 0x01, 0x00, 0x00,
    0x00, 0x11, 0x05, 0x00, 0x00, 0x00, 0x05, 0x00, 0x00, 0x00, 0x61, 0x63, 0x6d, 0x65, 0x00, 0x10,
    0x01, 0x00, 0x00, 0x00, 0x11, 0x08, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x6e, 0x30, 0x37,
    0x2d, 0x33, 0x2d, 0x31, 0x00, 0x11, 0x06, 0x00, 0x00, 0x00, 0x06, 0x00, 0x00, 0x00, 0x61, 0x00,
    0x62, 0xc3, 0xa4, 0x00, 0x10, 0x01, 0x00, 0x00, 0x00, 0x11, 0x07, 0x00, 0x00, 0x00, 0x07, 0x00,
    0x00, 0x00, 0x72, 0x65, 0x73, 0x69, 0x7a, 0x65, 0x00, 0x10, 0x01, 0x00, 0x00, 0x00, 0x11, 0x05,
    0x00, 0x00, 0x00, 0x05, 0x00, 0x00, 0x00, 0x77, 0x65, 0x62, 0x70, 0x00, 0x10, 0x01, 0x00, 0x00,
    0x00, 0x11, 0x03, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x6f, 0x6b, 0x00, 0x10, 0x01, 0x00,
    0x00, 0x00, 0x13, 0x01, 0x6e, 0x02, 0x01, 0x07, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x10, 0x01, 0x00, 0x00, 0x00, 0x11, 0x01, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x03,
    0x00, 0x40, 0xe2, 0xb5, 0x2b, 0x5f, 0x06, 0x00, 0x02, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x04, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x02, 0x00, 0x00, 0x00, 0x50,
    0x00, 0x01, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x2c, 0x01, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x02, 0x02, 0x00, 0x00, 0x00, 0xf7, 0x00, 0x02, 0x00, 0x00, 0x00, 0x45,
    0x00, 0x01, 0x00, 0x4c, 0x1d, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x2c, 0x01, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x78, 0x20, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01,
    0xa0, 0x23, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0xff, 0x7f, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x42, 0x65, 0x94, 0xb9, 0xe0, 0x5d, 0x5f, 0xc4, 0x00, 0x40, 0xe2, 0xb5, 0x2b,
    0x5f, 0x06, 0x00, 0x01, 0x41, 0xe2, 0xb5, 0x2b, 0x5f, 0x06, 0x00, 0x01, 0x00, 0x00, 0x00, 0x07,
    0x00, 0x00, 0x00, 0x6e, 0x30, 0x37, 0x2d, 0x33, 0x2d, 0x31, 0x00, 0x29, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x2a, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x14, 0x02, 0x00, 0x00, 0x00, 0x42, 0x00, 0x00, 0x00, 0x02, 0xc8, 0x1b, 0xa6, 0xe4, 0xbb, 0x2d,
    0x1e, 0x22, 0x00, 0x00, 0x00, 0x3a, 0xea, 0xe4, 0x45, 0xc2, 0xad, 0xc7, 0x41, 0x20, 0x00, 0x00,
    0x00, 0x34, 0x10, 0x0f, 0xda, 0xee, 0x6c, 0xef, 0xba, 0x13, 0x00, 0x00, 0x00, 0xbf, 0xb6, 0xf9,
    0x46, 0xfc, 0x0b, 0xd9, 0xa3, 0x16, 0x00, 0x00, 0x00, 0x49, 0x72, 0x8b, 0x75, 0xba, 0x4e, 0x3d,
    0xab, 0x0f, 0x00, 0x00, 0x00, 0xc0, 0x97, 0x18, 0x5d, 0xda, 0xcc, 0xa3, 0x76, 0x15, 0x00, 0x00,
    0x00, 0x29, 0x04, 0x63, 0xe4, 0x20, 0x20, 0xef, 0xf3, 0x13, 0x00, 0x00, 0x00, 0x5b, 0x5c, 0x06,
    0x8d, 0x47, 0x8f, 0xd9, 0x1c, 0x11, 0x00, 0x00, 0x00, 0x52, 0x9e, 0xee, 0x4a, 0x69, 0xd9, 0x7a,
    0xba, 0x13, 0x00, 0x00, 0x00, 0xd9, 0x15, 0x85, 0x16, 0x21, 0xdb, 0x6a, 0xb8, 0x0f, 0x00, 0x00,
    0x00, 0x6b, 0xbe, 0x56, 0x72, 0x63, 0x64, 0x4e, 0x08, 0x12, 0x00, 0x00, 0x00, 0xef, 0xa9, 0x92,
    0xaa, 0xc8, 0x19, 0xad, 0x27, 0x10, 0x00, 0x00, 0x00, 0xfe, 0xf6, 0xd6, 0xe7, 0x7b, 0x93, 0xe0,
    0xcf, 0x0a, 0x00, 0x00, 0x00, 0x13, 0xd7, 0x92, 0xec, 0x74, 0xe0, 0xb9, 0x45, 0x16, 0x00, 0x00,
    0x00, 0x6e, 0xc1, 0x7e, 0x67, 0xf8, 0x85, 0x68, 0xd3, 0x0a, 0x00, 0x00, 0x00, 0x11, 0x79, 0x22,
    0x06, 0x97, 0x45, 0xf8, 0x30, 0x0a, 0x00, 0x00, 0x00, 0xfd, 0xb5, 0x9c, 0x7c, 0x0f, 0x25, 0x19,
    0x89, 0x0a, 0x00, 0x00, 0x00, 0xde, 0x36, 0x25, 0xfa, 0x9e, 0xb9, 0x01, 0xa5, 0x0a, 0x00, 0x00,
    0x00, 0x4c, 0x1c, 0x58, 0x87, 0x5e, 0xb4, 0x9e, 0x1d, 0x0a, 0x00, 0x00, 0x00, 0xab, 0x43, 0xa6,
    0xea, 0x2d, 0xd5, 0x10, 0x72, 0x42, 0x01, 0x00, 0x00, 0x6c, 0x1c, 0xa8, 0xfd, 0x09, 0x42, 0xe7,
    0x5e, 0x4d, 0x52, 0x53, 0x45, 0x47, 0x45, 0x4e, 0x44,
};

enum { MAGIC_BYTES = 8, TRAILER_BYTES = 20, BUCKET_BYTES = 4 + 12 * SEGMENT_COLUMNS };

static SegmentReader *
open_golden(const Scratch *scratch)
{
    g_autoptr(GError) error = NULL;
    SegmentReader *reader = fixture_open(scratch, golden, sizeof golden, &error);

    cr_assert_not_null(reader, "%s", error ? error->message : "");
    return reader;
}

Test(segment_read, a_footer_written_by_another_program_is_read)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(SegmentReader) reader = open_golden(&scratch);
    const SegmentFooter *footer = segment_reader_footer(reader);

    cr_expect_eq(footer->event_count, 2);
    cr_expect_eq(footer->quarantined_count, 3);
    cr_expect_eq(footer->bucket_bits, 0);
    cr_expect_eq(footer->time_min_us, 1793491200000000);
    cr_expect_eq(footer->time_max_us, 1793491200000257);
    cr_expect_eq(footer->identity_sum, G_GUINT64_CONSTANT(0xc45f5de0b9946542));
    cr_assert_eq(footer->range_count, 1);
    cr_expect_str_eq(footer->ranges[0].writer, "n07-3-1");
    cr_expect_eq(footer->ranges[0].first, 41);
    cr_expect_eq(footer->ranges[0].last, 42);
    cr_expect_null(footer->unnumbered[0]);
    cr_expect_eq(segment_bucket_count(reader, 0), 2);
    cr_expect(segment_reader_verify(reader, NULL));
}

Test(segment_read, events_written_by_another_program_are_read)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(SegmentReader) reader = open_golden(&scratch);
    g_autoptr(SegmentBlock) block = segment_block_new();
    UsageEvent expected = {.id = "cedd268915d874cc11d9c6b64ef13e0b",
                           .source = "//millrace/job/demo",
                           .type = "millrace.image.v1",
                           .subject = "acme",
                           .time_us = 1793491200000000,
                           .writer = "n07-3-1",
                           .sequence = 41,
                           .request = "a",
                           .op = "resize",
                           .format = "webp",
                           .status = "ok",
                           .bytes_in = 262144,
                           .bytes_out = 18211,
                           .pixels_in = 1920000,
                           .pixels_out = 76800,
                           .cpu_us = 8312,
                           .wall_us = 9120,
                           .node = "n07",
                           .extra = "",
                           .present = USAGE_HAS_ALL};
    UsageEvent event;

    fixture_read(block, reader, 0);
    cr_assert_eq(segment_block_count(block), 2);
    segment_block_event(block, 0, &event);
    fixture_expect_equal(&event, &expected);
    expected.id = "0123456789abcdef0123456789abcdef";
    expected.time_us += 257;
    expected.sequence = 42;
    expected.bytes_out = 300;
    expected.request = "b\xc3\xa4";
    segment_block_event(block, 1, &event);
    fixture_expect_equal(&event, &expected);
    const guint64 *identities = segment_block_identities(block);
    cr_expect_eq(identities[0] + identities[1], G_GUINT64_CONSTANT(0xc45f5de0b9946542));
}

/* Opens and verifies bytes. Returns: TRUE, or FALSE when they are refused as corrupt. */
static gboolean
holds(const Scratch *scratch, const guint8 *bytes, gsize size_bytes)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(SegmentReader) reader = fixture_open(scratch, bytes, size_bytes, &error);

    if (reader && segment_reader_verify(reader, &error))
        return TRUE;
    cr_assert(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT));
    cr_assert_not_null(strstr(error->message, scratch->path), "%s", error->message);
    return FALSE;
}

Test(segment_read, every_single_flipped_bit_is_found)
{
    g_auto(Scratch) scratch = scratch_new();
    guint8 bytes[sizeof golden];

    memcpy(bytes, golden, sizeof golden);
    cr_assert(holds(&scratch, bytes, sizeof bytes));
    for (gsize bit = 0; bit < 8 * sizeof golden; bit++) {
        bytes[bit / 8] ^= (guint8)(1 << bit % 8);
        cr_assert_not(holds(&scratch, bytes, sizeof bytes), "bit %zu", bit);
        bytes[bit / 8] ^= (guint8)(1 << bit % 8);
    }
}

Test(segment_read, a_segment_torn_at_any_byte_is_refused)
{
    g_auto(Scratch) scratch = scratch_new();

    for (gsize size = 0; size < sizeof golden; size++)
        cr_assert_not(holds(&scratch, golden, size), "%zu bytes", size);
}

Test(segment_read, bytes_behind_a_segment_are_refused)
{
    g_auto(Scratch) scratch = scratch_new();
    guint8 bytes[2 * sizeof golden];

    memcpy(bytes, golden, sizeof golden);
    memcpy(bytes + sizeof golden, golden, sizeof golden);
    cr_expect_not(holds(&scratch, bytes, sizeof golden + 1));
    cr_expect_not(holds(&scratch, bytes, sizeof bytes));
}

Test(segment_read, a_damaged_column_is_found_by_who_reads_it_and_by_nobody_else)
{
    g_auto(Scratch) scratch = scratch_new();
    guint8 bytes[sizeof golden];
    g_autoptr(SegmentBlock) block = segment_block_new();
    g_autoptr(GError) error = NULL;

    memcpy(bytes, golden, sizeof golden);
    bytes[MAGIC_BYTES + 40] ^= 1; /* in the first id */
    g_autoptr(SegmentReader) reader = fixture_open(&scratch, bytes, sizeof bytes, &error);
    cr_assert_not_null(reader);
    cr_expect(segment_block_read(block, reader, 0, 1u << SEGMENT_SUBJECT, &error));
    cr_expect_str_eq(segment_block_texts(block, SEGMENT_SUBJECT)->values[0], "acme");
    cr_expect_not(segment_block_read(block, reader, 0, SEGMENT_ALL_COLUMNS, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT));
    cr_expect_not_null(strstr(error->message, "bucket 0, column 0"), "%s", error->message);
}

/* Sets a checksum right again, so that what is tested is what stands behind it. */
static void
put_checksum(guint8 *to, const guint8 *bytes, gsize size_bytes, guint64 seed)
{
    guint64 checksum = GUINT64_TO_LE(XXH3_64bits_withSeed(bytes, size_bytes, seed));

    memcpy(to, &checksum, sizeof checksum);
}

/* The golden segment with one byte of its footer changed, and the footer's checksum right. */
static gboolean
holds_with_footer_byte(const Scratch *scratch, gsize at, guint8 value)
{
    guint8 bytes[sizeof golden];
    guint32 size = 0;

    memcpy(bytes, golden, sizeof golden);
    memcpy(&size, bytes + sizeof golden - TRAILER_BYTES, sizeof size);
    size = GUINT32_FROM_LE(size);
    guint8 *footer = bytes + sizeof golden - TRAILER_BYTES - size;
    cr_assert_lt(at, size);
    footer[at] = value;
    put_checksum(bytes + sizeof golden - 16, footer, size, size);
    return holds(scratch, bytes, sizeof bytes);
}

Test(segment_read, a_footer_that_contradicts_itself_is_refused)
{
    g_auto(Scratch) scratch = scratch_new();
    const gsize ranges = 40;         /* behind five numbers */
    const gsize first = ranges + 16; /* behind count, "n07-3-1" and its NUL */
    const gsize last = first + 8;
    const gsize unnumbered = last + 8;
    const gsize bits = unnumbered + 4;

    cr_assert(holds_with_footer_byte(&scratch, 8, 4), "one more bad line is none of our business");
    cr_expect_not(holds_with_footer_byte(&scratch, 0, 3), "one event too many");
    cr_expect_not(holds_with_footer_byte(&scratch, 25, 0xff), "it begins after it ends");
    cr_expect_not(holds_with_footer_byte(&scratch, 31, 0x80), "it begins before the year 1");
    cr_expect_not(holds_with_footer_byte(&scratch, 39, 0x7f), "it ends after the year 9999");
    cr_expect_not(holds_with_footer_byte(&scratch, ranges, 2), "two ranges");
    cr_expect_not(holds_with_footer_byte(&scratch, ranges + 3, 0xff), "very many ranges");
    cr_expect_not(holds_with_footer_byte(&scratch, ranges + 7, 0xff), "a very long writer");
    cr_expect_not(holds_with_footer_byte(&scratch, ranges + 9, 0xff), "a writer not in UTF-8");
    cr_expect_not(holds_with_footer_byte(&scratch, first, 0), "sequence 0");
    cr_expect_not(holds_with_footer_byte(&scratch, first, 43),
                  "a range that ends before it begins");
    cr_expect_not(holds_with_footer_byte(&scratch, last, 43), "more sequences than events");
    cr_expect_not(holds_with_footer_byte(&scratch, unnumbered, 1), "an unnumbered writer");
    cr_expect_not(holds_with_footer_byte(&scratch, bits, 1), "two buckets");
    cr_expect_not(holds_with_footer_byte(&scratch, bits, 13), "8192 buckets");
    cr_expect_not(holds_with_footer_byte(&scratch, bits, 255), "2^255 buckets");
    cr_expect_not(holds_with_footer_byte(&scratch, bits + 1, 19), "19 columns");
    cr_expect_not(holds_with_footer_byte(&scratch, bits + 2, 3), "three events in the bucket");
    cr_expect_not(holds_with_footer_byte(&scratch, bits + 6, 67), "an id column too long");
}

/* Events whose identities are said to be others than they are. */
Test(segment_read, events_in_a_bucket_that_is_not_theirs_are_refused)
{
    enum { COUNT = 4096 };
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(SegmentBuilder) builder = segment_builder_new();
    g_autoptr(SegmentBlock) block = segment_block_new();
    g_autoptr(GError) error = NULL;
    MadeEvent made;

    for (guint i = 0; i < COUNT; i++) {
        fixture_event(&made, i);
        segment_builder_add(builder, &made.event,
                            fixture_identity(&made.event) ^
                                (i == 77 ? G_GUINT64_CONSTANT(1) << 63 : 0));
    }
    g_autoptr(SegmentReader) reader = fixture_reopen(&scratch, builder);
    cr_assert_eq(segment_reader_footer(reader)->bucket_bits, 1);
    cr_expect(segment_reader_verify(reader, NULL));
    gboolean first = segment_block_read(block, reader, 0, SEGMENT_ALL_COLUMNS, &error);
    cr_expect_neq(first,
                  segment_block_read(block, reader, 1, SEGMENT_ALL_COLUMNS, error ? NULL : &error));
    cr_assert(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT));
    cr_expect_not_null(strstr(error->message, "another bucket"), "%s", error->message);
}

Test(segment_read, what_is_no_segment_is_told_apart)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *missing = g_build_filename(scratch.path, "missing", NULL);
    g_autofree char *fifo = g_build_filename(scratch.path, "fifo", NULL);
    g_autoptr(GError) error = NULL;

    cr_expect_null(segment_reader_open(missing, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT));
    g_clear_error(&error);
    cr_expect_null(segment_reader_open(scratch.path, &error), "a folder");
    cr_expect_not_null(error);
    g_clear_error(&error);
    cr_assert_eq(mkfifo(fifo, 0600), 0);
    cr_expect_null(segment_reader_open(fifo, &error), "a FIFO that nobody writes to");
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT));
}

Test(segment_read, a_segment_that_shrinks_while_it_is_read_is_an_error_and_no_crash)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(SegmentReader) reader = open_golden(&scratch);
    g_autoptr(SegmentBlock) block = segment_block_new();
    g_autoptr(GError) error = NULL;

    cr_assert_eq(truncate(segment_reader_path(reader), 20), 0);
    cr_expect_not(segment_block_read(block, reader, 0, SEGMENT_ALL_COLUMNS, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT));
    cr_expect_not(segment_reader_verify(reader, NULL));
}
