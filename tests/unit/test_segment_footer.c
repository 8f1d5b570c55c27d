/* test_segment_footer.c - what a footer says of writers: which sequences are there.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/segment_fixture.h"

static void
add(SegmentBuilder *builder, guint64 number, const char *source, const char *writer,
    guint64 sequence)
{
    MadeEvent made;

    fixture_event(&made, number);
    made.event.source = source;
    made.event.writer = writer;
    made.event.sequence = sequence;
    segment_builder_add(builder, &made.event, fixture_identity(&made.event));
}

/* The ranges as text: "writer:first-last …|unnumbered …". (transfer full) */
static char *
describe(SegmentBuilder *builder)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(SegmentReader) reader = fixture_reopen(&scratch, builder);
    const SegmentFooter *footer = segment_reader_footer(reader);
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < footer->range_count; i++)
        g_string_append_printf(text, "%s:%" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT " ",
                               footer->ranges[i].writer, footer->ranges[i].first,
                               footer->ranges[i].last);
    g_string_append_c(text, '|');
    for (guint i = 0; footer->unnumbered[i]; i++)
        g_string_append_printf(text, " %s", footer->unnumbered[i]);
    return g_string_free(text, FALSE);
}

Test(segment_footer, sequences_in_order_are_one_range_a_writer)
{
    g_autoptr(SegmentBuilder) builder = segment_builder_new();

    for (guint64 i = 0; i < 5000; i++)
        add(builder, i, "s", i % 2 == 0 ? "b" : "a", i / 2 + 10);
    g_autofree char *text = describe(builder);
    cr_expect_str_eq(text, "a:10-2509 b:10-2509 |");
}

Test(segment_footer, sequences_in_any_order_and_twice_are_the_same_ranges)
{
    g_autoptr(SegmentBuilder) builder = segment_builder_new();

    /* 7 is prime to 5000, so this goes through 1 to 5000, 100 of them left out; and again. */
    for (guint64 i = 0; i < 10000; i++) {
        guint64 sequence = i * 7 % 5000 + 1;
        if (sequence <= 1000 || sequence > 1100)
            add(builder, i, "s", "w", sequence);
    }
    g_autofree char *text = describe(builder);
    cr_expect_str_eq(text, "w:1-1000 w:1101-5000 |");
}

Test(segment_footer, gaps_part_ranges)
{
    g_autoptr(SegmentBuilder) builder = segment_builder_new();

    add(builder, 1, "s", "w", 3);
    add(builder, 2, "s", "w", 1);
    add(builder, 3, "s", "w", 5);
    add(builder, 4, "s", "w", G_MAXUINT64);
    add(builder, 5, "s", "w", 6);
    g_autofree char *text = describe(builder);
    cr_expect_str_eq(text, "w:1-1 w:3-3 w:5-6 w:18446744073709551615-18446744073709551615 |");
}

Test(segment_footer, who_has_no_writer_counts_under_the_source)
{
    g_autoptr(SegmentBuilder) builder = segment_builder_new();

    add(builder, 1, "//door/a", "", 0);
    add(builder, 2, "//door/a", "", 0);
    add(builder, 3, "//door/b", "", 8);
    add(builder, 4, "//door/b", "w", 0);
    add(builder, 5, "//door/b", "w", 9);
    add(builder, 6, "//door/c", "//door/b", 9);
    g_autofree char *text = describe(builder);
    cr_expect_str_eq(text, "//door/b:8-9 w:9-9 | //door/a w");
}

Test(segment_footer, ranges_of_builders_that_are_joined_are_joined)
{
    g_autoptr(SegmentBuilder) builder = segment_builder_new();

    for (guint64 part = 0; part < 3; part++) {
        g_autoptr(SegmentBuilder) other = segment_builder_new();
        for (guint64 i = 1; i <= 10; i++)
            add(other, part * 10 + i, "s", "w", part * 10 + i);
        segment_builder_append(builder, other);
    }
    g_autofree char *text = describe(builder);
    cr_expect_str_eq(text, "w:1-30 |");
}

Test(segment_footer, times_are_those_of_the_first_and_the_last)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(SegmentBuilder) builder = segment_builder_new();
    static const gint64 times[] = {5, -7, 1000, 12};
    MadeEvent made;

    for (guint i = 0; i < G_N_ELEMENTS(times); i++) {
        g_autoptr(SegmentBuilder) other = segment_builder_new();
        fixture_event(&made, i);
        made.event.time_us = times[i];
        segment_builder_add(other, &made.event, fixture_identity(&made.event));
        segment_builder_append(builder, other);
    }
    g_autoptr(SegmentReader) reader = fixture_reopen(&scratch, builder);
    cr_expect_eq(segment_reader_footer(reader)->time_min_us, -7);
    cr_expect_eq(segment_reader_footer(reader)->time_max_us, 1000);
}
