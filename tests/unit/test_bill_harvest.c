/* test_bill_harvest.c - sequences that are there, against what seals promise.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_harvest.h"

#include "formats/error.h"
#include "formats/segment.h"
#include "tests/unit/scratch.h"

/* Inputs of 2026-11 with segments in a folder of their own. */
typedef struct {
    Scratch scratch;
    BillInputs inputs;
    GHashTable *seen;
} Fixture;

static void
segment_clear(gpointer data)
{
    g_free(((BillSegment *)data)->path);
    g_free(data);
}

static Fixture
fixture_new(void)
{
    Fixture fixture = {.scratch = scratch_new()};

    fixture.inputs.frozen = frozen_new();
    cr_assert(period_parse("2026-11", &fixture.inputs.frozen->period, NULL));
    fixture.inputs.frozen->all_expected = TRUE;
    fixture.inputs.segments = g_ptr_array_new_with_free_func(segment_clear);
    fixture.inputs.refused = g_ptr_array_new();
    fixture.seen = g_hash_table_new(g_str_hash, g_str_equal);
    return fixture;
}

static void
fixture_release(Fixture *fixture)
{
    frozen_free(fixture->inputs.frozen);
    g_ptr_array_unref(fixture->inputs.segments);
    g_ptr_array_unref(fixture->inputs.refused);
    g_hash_table_unref(fixture->seen);
    scratch_release(&fixture->scratch);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Fixture, fixture_release)

/* Adds a segment with these sequences of a writer. */
static void
add_segment(Fixture *fixture, const char *writer, guint64 first, guint64 last)
{
    g_autoptr(SegmentBuilder) builder = segment_builder_new();
    char name[SEGMENT_NAME_CHARS + 1];

    for (guint64 sequence = first; sequence <= last; sequence++) {
        UsageEvent event = {.id = "id",
                            .source = "s",
                            .type = "t",
                            .subject = "acme",
                            .writer = writer,
                            .sequence = sequence,
                            .request = "",
                            .op = "",
                            .format = "",
                            .status = "ok",
                            .node = "",
                            .extra = "",
                            .present = USAGE_HAS_WRITER | USAGE_HAS_SEQUENCE};
        segment_builder_add(builder, &event, usage_identity_hash(usage_source_seed("s"), "id", 2));
    }
    g_autoptr(GByteArray) bytes = segment_builder_finish(builder, name);
    BillSegment *segment = g_new0(BillSegment, 1);
    segment->path = g_build_filename(fixture->scratch.path, name, NULL);
    scratch_put(&fixture->scratch, name, bytes->data, bytes->len);
    g_ptr_array_add(fixture->inputs.segments, segment);
    g_hash_table_add(fixture->seen, (gpointer)writer);
}

static void
add_seal(Fixture *fixture, const char *seal)
{
    g_ptr_array_add(fixture->inputs.frozen->seals, g_strdup(seal));
}

/* "WRITER sealed|open FIRST-THROUGH PRESENT+LOST-MISSING, ...: REFLECTED/EXPECTED HARVEST" */
static void
expect_harvest(Fixture *fixture, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BillHarvest) harvest = bill_harvest(&fixture->inputs, fixture->seen, &error);
    g_autoptr(GString) text = g_string_new(NULL);

    cr_assert_not_null(harvest, "%s", error ? error->message : "");
    for (guint i = 0; i < harvest->writers->len; i++) {
        const BillWriter *writer = harvest->writers->pdata[i];
        g_string_append_printf(text, "%s%s %s %u-%u %u+%u-%u", i > 0 ? ", " : "", writer->name,
                               writer->sealed ? "sealed" : "open", (guint)writer->first,
                               (guint)writer->through, (guint)writer->present_count,
                               (guint)writer->lost_count, (guint)writer->missing_count);
    }
    g_string_append_printf(text, ": %u/%u %u", (guint)harvest->reflected, (guint)harvest->expected,
                           (guint)harvest->harvest);
    cr_expect_str_eq(text->str, expected);
    cr_expect_eq(harvest->preliminary, harvest->reflected < harvest->expected);
    cr_expect(bill_harvest_agrees(harvest, fixture->inputs.frozen));
}

Test(bill_harvest, nothing_is_whole)
{
    g_auto(Fixture) fixture = fixture_new();

    expect_harvest(&fixture, ": 0/0 1000000");
}

Test(bill_harvest, a_writer_without_a_seal_may_have_one_more)
{
    g_auto(Fixture) fixture = fixture_new();

    add_segment(&fixture, "w", 1, 9);
    expect_harvest(&fixture, "w open 1-0 9+0-0: 9/10 900000");
}

Test(bill_harvest, sequences_count_once_however_segments_overlap)
{
    g_auto(Fixture) fixture = fixture_new();

    add_segment(&fixture, "w", 5, 20);
    add_segment(&fixture, "w", 1, 8);
    add_segment(&fixture, "w", 6, 7);
    add_segment(&fixture, "w", 20, 22);
    add_segment(&fixture, "w", 30, 30);
    add_seal(&fixture, "2026-11 30 - w");
    expect_harvest(&fixture, "w sealed 1-30 23+0-7: 23/30 766666");
    add_segment(&fixture, "w", 23, 29);
    expect_harvest(&fixture, "w sealed 1-30 30+0-0: 30/30 1000000");
}

Test(bill_harvest, a_month_begins_behind_the_last_seal_before_it)
{
    g_auto(Fixture) fixture = fixture_new();

    add_segment(&fixture, "w", 1, 12);
    add_segment(&fixture, "w", 15, 40);
    add_seal(&fixture, "2026-10 13 - w");
    add_seal(&fixture, "2026-08 5 - w");
    add_seal(&fixture, "2026-11 30 - w");
    add_seal(&fixture, "2026-11 9 - other");
    /* 13 is the month before's to miss; 14 is this one's; 31 on are the next one's. */
    expect_harvest(&fixture, "w sealed 14-30 16+0-1: 16/17 941176");
}

Test(bill_harvest, what_is_declared_lost_is_accounted_for_unless_it_is_there)
{
    g_auto(Fixture) fixture = fixture_new();

    add_segment(&fixture, "a b", 1, 5);
    add_segment(&fixture, "a b", 9, 10);
    add_seal(&fixture, "2026-11 12 5-6,8-9,12-12 a b");
    expect_harvest(&fixture, "a b sealed 1-12 7+3-2: 10/12 833333");
}

Test(bill_harvest, losses_of_the_month_before_are_not_of_this_one)
{
    g_auto(Fixture) fixture = fixture_new();

    add_segment(&fixture, "w", 1, 4);
    add_segment(&fixture, "w", 7, 9);
    add_seal(&fixture, "2026-10 6 5-6 w");
    add_seal(&fixture, "2026-11 10 - w");
    expect_harvest(&fixture, "w sealed 7-10 3+0-1: 3/4 750000");
}

Test(bill_harvest, two_words_that_contradict_each_other_are_none)
{
    g_auto(Fixture) fixture = fixture_new();

    add_segment(&fixture, "w", 1, 9);
    add_seal(&fixture, "2026-11 9 - w");
    add_seal(&fixture, "2026-11 8 - w");
    expect_harvest(&fixture, "w open 1-0 9+0-0: 9/10 900000");
    add_seal(&fixture, "2026-11 9 3-3 w");
    expect_harvest(&fixture, "w open 1-0 9+0-0: 9/10 900000");
}

Test(bill_harvest, writers_without_sequences_give_their_word_on_nothing)
{
    g_auto(Fixture) fixture = fixture_new();

    add_segment(&fixture, "//door", 0, 0);
    expect_harvest(&fixture, "//door open 1-0 0+0-0: 0/1 0");
    add_seal(&fixture, "2026-11 0 - //door");
    expect_harvest(&fixture, "//door sealed 1-0 0+0-0: 0/0 1000000");
}

Test(bill_harvest, a_seal_on_what_the_month_before_had_is_a_month_of_nothing)
{
    g_auto(Fixture) fixture = fixture_new();

    add_segment(&fixture, "w", 1, 9);
    add_seal(&fixture, "2026-10 9 - w");
    add_seal(&fixture, "2026-11 9 - w");
    expect_harvest(&fixture, "w sealed 10-9 0+0-0: 0/0 1000000");
}

Test(bill_harvest, those_who_are_named_are_expected_and_no_others)
{
    g_auto(Fixture) fixture = fixture_new();

    add_segment(&fixture, "w", 1, 9);
    add_segment(&fixture, "v", 1, 2);
    add_seal(&fixture, "2026-11 2 - v");
    fixture.inputs.frozen->all_expected = FALSE;
    g_ptr_array_add(fixture.inputs.frozen->expected, g_strdup("v"));
    expect_harvest(&fixture, "v sealed 1-2 2+0-0: 2/2 1000000");
    g_ptr_array_add(fixture.inputs.frozen->expected, g_strdup("never"));
    g_ptr_array_add(fixture.inputs.frozen->expected, g_strdup("v"));
    expect_harvest(&fixture, "never open 1-0 0+0-0, v sealed 1-2 2+0-0: 2/3 666666");
}

Test(bill_harvest, a_segment_that_does_not_hold_is_at_least_one_event)
{
    g_auto(Fixture) fixture = fixture_new();
    BillRefused refused = {0};

    add_segment(&fixture, "w", 1, 9);
    add_seal(&fixture, "2026-11 9 - w");
    g_ptr_array_add(fixture.inputs.refused, &refused);
    expect_harvest(&fixture, "w sealed 1-9 9+0-0: 9/10 900000");
}

Test(bill_harvest, one_event_of_many_is_enough_to_be_less_than_whole)
{
    BillWriter writer = {.sealed = TRUE, .present_count = 999999999999, .missing_count = 1};
    BillHarvest harvest = {.writers = g_ptr_array_new()};

    g_ptr_array_add(harvest.writers, &writer);
    bill_harvest_sum(&harvest, 0);
    cr_expect_eq(harvest.harvest, 999999, "it is never rounded up");
    cr_expect(harvest.preliminary);
    g_ptr_array_unref(harvest.writers);
}

Test(bill_harvest, sequences_at_the_end_of_their_range_are_counted)
{
    g_auto(Fixture) fixture = fixture_new();
    guint64 last = G_MAXINT64;
    g_autofree char *seal = g_strdup_printf("2026-11 %" G_GUINT64_FORMAT " - w", last);
    g_autofree char *before = g_strdup_printf("2026-10 %" G_GUINT64_FORMAT " - w", last - 3);

    add_segment(&fixture, "w", last - 4, last);
    add_seal(&fixture, before);
    add_seal(&fixture, seal);
    g_autoptr(BillHarvest) harvest = bill_harvest(&fixture.inputs, fixture.seen, NULL);
    cr_assert_not_null(harvest);
    cr_expect_eq(harvest->reflected, 3);
    cr_expect_eq(harvest->expected, 3);
}

Test(bill_harvest, a_segment_that_is_gone_is_an_error)
{
    g_auto(Fixture) fixture = fixture_new();
    g_autoptr(GError) error = NULL;

    add_segment(&fixture, "w", 1, 9);
    cr_assert_eq(unlink(((BillSegment *)fixture.inputs.segments->pdata[0])->path), 0);
    g_autoptr(BillHarvest) harvest = bill_harvest(&fixture.inputs, fixture.seen, &error);
    cr_expect_null(harvest);
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT));
}

Test(bill_harvest, what_others_say_of_seals_is_held_against_them)
{
    g_auto(Fixture) fixture = fixture_new();

    add_segment(&fixture, "w", 1, 9);
    add_seal(&fixture, "2026-10 3 - w");
    add_seal(&fixture, "2026-11 9 - w");
    g_autoptr(BillHarvest) harvest = bill_harvest(&fixture.inputs, fixture.seen, NULL);
    cr_assert_not_null(harvest);
    BillWriter *writer = harvest->writers->pdata[0];
    BillWriter right = *writer;
    cr_expect(bill_harvest_agrees(harvest, fixture.inputs.frozen));
    writer->sealed = FALSE;
    cr_expect_not(bill_harvest_agrees(harvest, fixture.inputs.frozen));
    *writer = right;
    writer->first++;
    cr_expect_not(bill_harvest_agrees(harvest, fixture.inputs.frozen));
    *writer = right;
    writer->through++;
    cr_expect_not(bill_harvest_agrees(harvest, fixture.inputs.frozen));
    *writer = right;
}
