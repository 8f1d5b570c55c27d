/* test_segment_block.c - blocks: the columns that are asked for, whatever was read before.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/segment_fixture.h"

#define BIT(column) (1u << (column))

enum { COUNT = 9000, BITS = 2 };

/* A segment of COUNT events from number first on. */
static SegmentReader *
open_events(const Scratch *scratch, guint64 first)
{
    g_autoptr(SegmentBuilder) builder = segment_builder_new();
    MadeEvent made;

    for (guint64 i = first; i < first + COUNT; i++) {
        fixture_event(&made, i);
        segment_builder_add(builder, &made.event, fixture_identity(&made.event));
    }
    SegmentReader *reader = fixture_reopen(scratch, builder);
    cr_assert_eq(segment_reader_footer(reader)->bucket_bits, BITS);
    return reader;
}

Test(segment_block, columns_come_alone_and_more_of_them_later)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(SegmentReader) reader = open_events(&scratch, 0);
    g_autoptr(SegmentBlock) whole = segment_block_new();

    for (guint bucket = 0; bucket < 1u << BITS; bucket++) {
        fixture_read(whole, reader, bucket);
        guint32 count = segment_block_count(whole);
        for (guint column = 0; column < SEGMENT_COLUMNS; column++) {
            g_autoptr(SegmentBlock) block = segment_block_new();
            cr_assert(segment_block_read(block, reader, bucket, BIT(column), NULL));
            cr_assert_eq(segment_block_count(block), count);
            if (column >= SEGMENT_TEXTS) {
                cr_expect_arr_eq(segment_block_numbers(block, column),
                                 segment_block_numbers(whole, column), count * sizeof(gint64));
                continue;
            }
            const SegmentTexts *texts = segment_block_texts(block, column);
            const SegmentTexts *others = segment_block_texts(whole, column);
            for (guint32 i = 0; i < count; i++)
                cr_assert_str_eq(texts->values[texts->codes[i]], others->values[others->codes[i]]);
            cr_assert(segment_block_read(block, reader, bucket, SEGMENT_ALL_COLUMNS, NULL));
            cr_assert_eq(segment_block_texts(block, column), texts, "it is not read again");
        }
    }
}

Test(segment_block, the_text_of_one_event_is_that_among_all_of_them)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(SegmentReader) reader = open_events(&scratch, 0);
    g_autoptr(SegmentBlock) single = segment_block_new();
    g_autoptr(SegmentBlock) whole = segment_block_new();

    fixture_read(single, reader, 1);
    fixture_read(whole, reader, 1);
    for (guint column = 0; column < SEGMENT_TEXTS; column++) {
        const SegmentTexts *texts = segment_block_texts(whole, column);
        for (guint32 i = 0; i < segment_block_count(whole); i += 7) {
            guint32 size_bytes = 0;
            const char *text = segment_block_text(single, column, i, &size_bytes);
            cr_assert_str_eq(text, texts->values[texts->codes[i]]);
            cr_assert_eq(size_bytes, strlen(text));
        }
    }
}

Test(segment_block, texts_that_are_numbered_are_told_by_their_numbers)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(SegmentReader) reader = open_events(&scratch, 0);
    g_autoptr(SegmentBlock) block = segment_block_new();
    SegmentNumbered numbered;

    fixture_read(block, reader, 2);
    cr_expect_not(segment_block_numbered(block, SEGMENT_SUBJECT, &numbered), "they repeat");
    cr_expect_not(segment_block_numbered(block, SEGMENT_ID, &numbered), "they are digits");
    cr_assert(segment_block_numbered(block, SEGMENT_REQUEST, &numbered));
    cr_expect_eq(numbered.prefix_bytes, 2);
    cr_expect_arr_eq(numbered.prefix, "r-", 2);
    for (guint32 i = 0; i < segment_block_count(block); i++) {
        guint32 size_bytes = 0;
        const char *request = segment_block_text(block, SEGMENT_REQUEST, i, &size_bytes);
        cr_assert_eq(numbered.numbers[i], g_ascii_strtoull(request + 2, NULL, 10));
    }
    segment_block_texts(block, SEGMENT_REQUEST);
    cr_expect_not(segment_block_numbered(block, SEGMENT_REQUEST, &numbered), "they are spelt");
}

Test(segment_block, identities_are_made_only_when_they_are_wanted)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(SegmentReader) reader = open_events(&scratch, 0);
    g_autoptr(SegmentBlock) block = segment_block_new();
    const guint32 columns = BIT(SEGMENT_ID) | BIT(SEGMENT_SOURCE);

    cr_assert(segment_block_read(block, reader, 0, columns | SEGMENT_UNHASHED, NULL));
    gsize before = segment_block_size(block);
    cr_assert(segment_block_read(block, reader, 0, columns, NULL));
    cr_expect_geq(segment_block_size(block), before + segment_block_count(block) * sizeof(guint64));
    const SegmentTexts *ids = segment_block_texts(block, SEGMENT_ID);
    guint64 seed = usage_source_seed("//millrace/job/nightly");
    for (guint32 i = 0; i < segment_block_count(block); i++)
        cr_assert_eq(segment_block_identities(block)[i],
                     usage_identity_hash(seed, ids->values[i], ids->size_bytes[i]));
}

Test(segment_block, texts_have_their_sizes_and_a_nul)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(SegmentReader) reader = open_events(&scratch, 0);
    g_autoptr(SegmentBlock) block = segment_block_new();

    fixture_read(block, reader, 3);
    for (guint column = 0; column < SEGMENT_TEXTS; column++) {
        const SegmentTexts *texts = segment_block_texts(block, column);
        cr_assert_leq(texts->value_count, segment_block_count(block));
        for (guint32 i = 0; i < texts->value_count; i++)
            cr_assert_eq(strlen(texts->values[i]), texts->size_bytes[i]);
        for (guint32 i = 0; i < segment_block_count(block); i++)
            cr_assert_lt(texts->codes[i], texts->value_count);
    }
}

Test(segment_block, values_that_repeat_are_there_once)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(SegmentReader) reader = open_events(&scratch, 0);
    g_autoptr(SegmentBlock) block = segment_block_new();

    fixture_read(block, reader, 0);
    cr_expect_eq(segment_block_texts(block, SEGMENT_SOURCE)->value_count, 1);
    cr_expect_eq(segment_block_texts(block, SEGMENT_WRITER)->value_count, 5);
    cr_expect_eq(segment_block_texts(block, SEGMENT_OP)->value_count, 3);
    cr_expect_eq(segment_block_texts(block, SEGMENT_SUBJECT)->value_count, 97);
    cr_expect_eq(segment_block_texts(block, SEGMENT_EXTRA)->value_count, 1);
    cr_expect_eq(segment_block_texts(block, SEGMENT_REQUEST)->value_count,
                 segment_block_count(block));
}

Test(segment_block, identities_are_those_of_the_events)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(SegmentReader) reader = open_events(&scratch, 0);
    g_autoptr(SegmentBlock) block = segment_block_new();
    guint64 sum = 0;

    for (guint bucket = 0; bucket < 1u << BITS; bucket++) {
        cr_assert(segment_block_read(block, reader, bucket, BIT(SEGMENT_ID), NULL));
        cr_assert(segment_block_read(block, reader, bucket, BIT(SEGMENT_SOURCE), NULL));
        const guint64 *identities = segment_block_identities(block);
        const SegmentTexts *ids = segment_block_texts(block, SEGMENT_ID);
        for (guint32 i = 0; i < segment_block_count(block); i++) {
            UsageEvent event = {.source = "//millrace/job/nightly",
                                .id = ids->values[ids->codes[i]]};
            cr_assert_eq(identities[i], fixture_identity(&event));
            cr_assert_eq(identities[i] >> (64 - BITS), bucket);
            sum += identities[i];
        }
    }
    cr_expect_eq(sum, segment_reader_footer(reader)->identity_sum);
}

/* A reader that is gone may have left its address to the next. */
Test(segment_block, a_block_never_takes_one_segment_for_another)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(SegmentBlock) block = segment_block_new();

    for (guint64 round = 0; round < 8; round++) {
        g_autoptr(SegmentReader) reader = open_events(&scratch, round * COUNT);
        fixture_read(block, reader, 0);
        gint64 lowest = segment_reader_footer(reader)->time_min_us;
        gint64 highest = segment_reader_footer(reader)->time_max_us;
        gint64 time = segment_block_numbers(block, SEGMENT_TIME)[0];
        cr_assert(time >= lowest && time <= highest);
    }
}

Test(segment_block, an_empty_bucket_has_no_events)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(SegmentBuilder) builder = segment_builder_new();
    g_autoptr(SegmentBlock) block = segment_block_new();
    MadeEvent made;

    /* All in the last bucket of two. */
    for (guint64 i = 0; segment_builder_count(builder) < 4096; i++) {
        fixture_event(&made, i);
        guint64 identity = fixture_identity(&made.event);
        if (identity >> 63 == 1)
            segment_builder_add(builder, &made.event, identity);
    }
    g_autoptr(SegmentReader) reader = fixture_reopen(&scratch, builder);
    cr_assert_eq(segment_reader_footer(reader)->bucket_bits, 1);
    cr_expect_eq(segment_bucket_count(reader, 0), 0);
    cr_expect_eq(segment_bucket_size(reader, 0, SEGMENT_ALL_COLUMNS), 0);
    fixture_read(block, reader, 1);
    cr_expect_eq(segment_block_count(block), 4096);
    fixture_read(block, reader, 0);
    cr_expect_eq(segment_block_count(block), 0);
    cr_expect_eq(segment_block_texts(block, SEGMENT_SUBJECT)->value_count, 0);
    fixture_read(block, reader, 1);
    cr_expect_eq(segment_block_count(block), 4096);
}

Test(segment_block, sizes_tell_what_is_read)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(SegmentReader) reader = open_events(&scratch, 0);
    g_autoptr(SegmentBlock) block = segment_block_new();
    gsize sum = 0;

    for (guint column = 0; column < SEGMENT_COLUMNS; column++)
        sum += segment_bucket_size(reader, 1, BIT(column));
    cr_expect_eq(segment_bucket_size(reader, 1, SEGMENT_ALL_COLUMNS), sum);
    gsize before = segment_block_size(block);
    fixture_read(block, reader, 1);
    cr_expect_gt(segment_block_size(block),
                 before + segment_block_count(block) * 9 * sizeof(gint64));
}
