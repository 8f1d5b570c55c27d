/* test_segment_build.c - every event that is put into a segment comes out of it, as it was.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/segment_fixture.h"

#define TIME_MIN_US G_GINT64_CONSTANT(-62135596800000000)
#define TIME_MAX_US G_GINT64_CONSTANT(253402300799999999)

static void
add(SegmentBuilder *builder, const UsageEvent *event)
{
    segment_builder_add(builder, event, fixture_identity(event));
}

/* Builds a segment of the events and expects them back, bucket by bucket in their order. */
static void
expect_survival(const UsageEvent *events, guint count)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(SegmentBuilder) builder = segment_builder_new();
    g_autoptr(SegmentBlock) block = segment_block_new();
    guint found = 0;

    for (guint i = 0; i < count; i++)
        add(builder, &events[i]);
    cr_assert_eq(segment_builder_count(builder), count);
    g_autoptr(SegmentReader) reader = fixture_reopen(&scratch, builder);
    guint bits = segment_reader_footer(reader)->bucket_bits;
    for (guint bucket = 0; bucket < 1u << bits; bucket++) {
        guint32 row = 0;
        fixture_read(block, reader, bucket);
        for (guint i = 0; i < count; i++) {
            guint64 identity = fixture_identity(&events[i]);
            UsageEvent event;
            if (bits > 0 && identity >> (64 - bits) != bucket)
                continue;
            cr_assert_lt(row, segment_block_count(block));
            cr_assert_eq(segment_block_identities(block)[row], identity);
            segment_block_event(block, row++, &event);
            fixture_expect_equal(&event, &events[i]);
        }
        cr_assert_eq(row, segment_block_count(block));
        found += row;
    }
    cr_expect_eq(found, count);
}

/* Changes one field after the other of an event like any other. */
Test(segment_build, every_field_survives_at_its_limits)
{
    g_autofree char *long_text = g_strnfill(64 << 10, 'x');
    MadeEvent made[24];
    UsageEvent events[24];

    for (guint i = 0; i < G_N_ELEMENTS(events); i++) {
        fixture_event(&made[i], i);
        events[i] = made[i].event;
    }
    events[0].id = "a";
    events[1].id = "CEDD268915D874CC11D9C6B64EF13E0B"; /* upper case is another id */
    events[2].id = "cedd268915d874cc11d9c6b64ef13e0b0";
    events[3].id = long_text;
    events[4].source = "urn:\xc3\xa4\xf0\x9f\x98\x80";
    events[5].type = long_text;
    events[6].subject = "";
    events[7].subject = "two\nlines, \"quoted\"";
    events[8].writer = "";
    events[9].sequence = 0;
    events[10].sequence = G_MAXUINT64;
    events[11].request = long_text;
    events[12].op = events[12].format = events[12].status = events[12].node = "";
    events[13].time_us = TIME_MIN_US;
    events[14].time_us = TIME_MAX_US;
    events[15].time_us = -1;
    events[16].bytes_in = G_MAXINT64;
    events[17].bytes_out = G_MAXINT64;
    events[18].pixels_in = events[18].pixels_out = G_MAXINT64;
    events[19].cpu_us = (guint64)G_MAXUINT32 + 1;
    events[20].wall_us = G_MAXUINT32;
    events[21].extra = "t\"traceparent\":\"00-1\"\nd\"dpr\":2.0\n";
    events[22].present = 0;
    events[23].bytes_in = events[23].wall_us = 0;
    for (guint i = 0; i < G_N_ELEMENTS(events); i++)
        expect_survival(&events[i], 1);
    expect_survival(events, G_N_ELEMENTS(events));
}

Test(segment_build, a_month_like_any_other_survives)
{
    enum { COUNT = 20000 };
    g_autofree MadeEvent *made = g_new(MadeEvent, COUNT);
    g_autofree UsageEvent *events = g_new(UsageEvent, COUNT);

    for (guint i = 0; i < COUNT; i++) {
        fixture_event(&made[i], i);
        events[i] = made[i].event;
    }
    expect_survival(events, COUNT);
}

/* A few odd ones among many, so that no column is of one kind. */
Test(segment_build, odd_events_among_others_survive)
{
    enum { COUNT = 5000 };
    static const char *const requests[] = {"r-007", "", "r-99999999999999999999", "0xcafe", "r-1"};
    g_autofree MadeEvent *made = g_new(MadeEvent, COUNT);
    g_autofree UsageEvent *events = g_new(UsageEvent, COUNT);

    for (guint i = 0; i < COUNT; i++) {
        fixture_event(&made[i], i);
        events[i] = made[i].event;
        if (i % 611 == 0)
            events[i].id = i % 2 == 0 ? "x" : made[i].request;
        if (i % 97 == 0)
            events[i].time_us -= (gint64)i * 86400000000;
        if (i % 53 == 0)
            events[i].bytes_out = G_MAXINT64 - i;
        if (i % 5 != 0)
            events[i].request = requests[i % 5];
        if (i % 7 == 0)
            events[i].writer = "";
        if (i % 11 == 0)
            events[i].sequence = 0;
        if (i % 3 == 0)
            events[i].subject = made[i].id;
        if (i % 400 == 0)
            events[i].extra = "t\"zone\":1\n";
    }
    expect_survival(events, COUNT);
}

static const char *const regular[] = {NULL};

/* Builds from COUNT events, joined from builders of so many each. requests: those that every 500th
 * event has in turn, NULL at the end. Returns: (transfer full). */
static GByteArray *
build_joined(guint count, guint piece, const char *const *requests,
             char name[SEGMENT_NAME_CHARS + 1])
{
    g_autoptr(SegmentBuilder) builder = segment_builder_new();
    MadeEvent made;

    for (guint begin = 0; begin < count; begin += piece) {
        g_autoptr(SegmentBuilder) part = segment_builder_new();
        for (guint i = begin; i < MIN(begin + piece, count); i++) {
            fixture_event(&made, i);
            if (i % 500 == 0 && *requests)
                made.event.request = requests[i / 500 % g_strv_length((char **)requests)];
            add(part, &made.event);
        }
        segment_builder_quarantined(part, 1);
        segment_builder_append(builder, part);
        cr_assert_eq(segment_builder_count(part), 0);
    }
    segment_builder_quarantined(builder, 1000 - (count + piece - 1) / piece);
    return segment_builder_finish(builder, name);
}

/* Expects the same bytes, whatever builders the events were in before. */
static void
expect_same_bytes(const char *const *requests)
{
    enum { COUNT = 70000 };
    char name[SEGMENT_NAME_CHARS + 1];
    char other_name[SEGMENT_NAME_CHARS + 1];
    g_autoptr(GByteArray) bytes = build_joined(COUNT, COUNT, requests, name);
    static const guint pieces[] = {100, 2047, 2048, 2049, 65537};

    for (guint i = 0; i < G_N_ELEMENTS(pieces); i++) {
        g_autoptr(GByteArray) others = build_joined(COUNT, pieces[i], requests, other_name);
        cr_assert_eq(others->len, bytes->len);
        cr_assert_arr_eq(others->data, bytes->data, bytes->len);
        cr_assert_str_eq(other_name, name);
    }
}

Test(segment_build, the_bytes_do_not_depend_on_how_builders_were_joined)
{
    expect_same_bytes(regular);
}

Test(segment_build, requests_of_all_kinds_are_the_same_bytes_in_whatever_builders_they_were)
{
    static const char *const odd[] = {"x-17",  "r-4294967295", "r-4294967296", "",           "r-0",
                                      "r-007", "12",           "r-",           "\xc3\xa4-1", NULL};
    static const char *const another[] = {"a-prefix-of-more-than-15-bytes-1", NULL};

    expect_same_bytes(odd);
    expect_same_bytes(another);
}

Test(segment_build, a_builder_is_as_new_after_it_has_finished)
{
    g_autoptr(SegmentBuilder) builder = segment_builder_new();
    char name[SEGMENT_NAME_CHARS + 1];
    g_autoptr(GByteArray) first = NULL;
    MadeEvent made;

    for (guint round = 0; round < 3; round++) {
        for (guint i = 0; i < 3000; i++) {
            fixture_event(&made, i);
            add(builder, &made.event);
        }
        g_autoptr(GByteArray) bytes = segment_builder_finish(builder, name);
        cr_assert_eq(segment_builder_count(builder), 0);
        if (!first)
            first = g_byte_array_ref(bytes);
        cr_assert_eq(bytes->len, first->len);
        cr_assert_arr_eq(bytes->data, first->data, first->len);
    }
}

static gpointer
make_part(gpointer data)
{
    gpointer *call = data;

    segment_finish_part(call[0], GPOINTER_TO_UINT(call[1]));
    return NULL;
}

/* Two segments in turn, of other texts and sizes, since what made parts is used again. */
Test(segment_build, threads_make_the_parts_in_any_order)
{
    static const guint counts[] = {40000, 5000};
    char expected_name[SEGMENT_NAME_CHARS + 1];
    char name[SEGMENT_NAME_CHARS + 1];
    MadeEvent made;

    for (guint round = 0; round < 4; round++) {
        g_autoptr(SegmentBuilder) builder = segment_builder_new();
        g_autoptr(SegmentBuilder) other = segment_builder_new();
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        GThread *threads[16];
        gpointer calls[G_N_ELEMENTS(threads)][2];
        for (guint i = 0; i < counts[round % 2]; i++) {
            fixture_event(&made, 1000 * round + i);
            add(builder, &made.event);
            add(other, &made.event);
        }
        SegmentFinish *finish = segment_finish_begin(builder);
        guint count = segment_finish_part_count(finish);
        cr_assert(count > 1 && count <= G_N_ELEMENTS(threads));
        for (guint i = count; i-- > 0;) {
            calls[i][0] = finish;
            calls[i][1] = GUINT_TO_POINTER(i);
            threads[i] = g_thread_new(NULL, make_part, calls[i]);
        }
        for (guint i = 0; i < count; i++)
            g_thread_join(threads[i]);
        segment_finish_end(finish, bytes, name);
        g_autoptr(GByteArray) expected = segment_builder_finish(other, expected_name);
        cr_assert_str_eq(name, expected_name);
        cr_assert_eq(bytes->len, expected->len);
        cr_assert_arr_eq(bytes->data, expected->data, expected->len);
    }
}

Test(segment_build, the_name_is_the_sha256_of_the_bytes)
{
    char name[SEGMENT_NAME_CHARS + 1];
    g_autoptr(GByteArray) bytes = build_joined(10, 10, regular, name);
    g_autofree char *expected =
        g_compute_checksum_for_data(G_CHECKSUM_SHA256, bytes->data, bytes->len);

    cr_expect_str_eq(name, expected);
}

Test(segment_build, buckets_are_as_many_as_leave_2048_events_to_each_but_at_most_256)
{
    static const struct {
        guint count;
        guint bits;
    } cases[] = {{1, 0}, {4095, 0}, {4096, 1}, {8191, 1}, {8192, 2}, {16384, 3}, {32767, 3}};
    g_auto(Scratch) scratch = scratch_new();
    char name[SEGMENT_NAME_CHARS + 1];

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GByteArray) bytes = build_joined(cases[i].count, 5000, regular, name);
        g_autoptr(SegmentReader) reader = fixture_open(&scratch, bytes->data, bytes->len, NULL);
        cr_expect_eq(segment_reader_footer(reader)->bucket_bits, cases[i].bits, "%u",
                     cases[i].count);
    }
}

/* So many that a writer sorts them in another way. */
Test(segment_build, events_keep_their_order_in_each_of_256_buckets)
{
    enum { COUNT = 256 * 2048 + 1 };
    g_auto(Scratch) scratch = scratch_new();
    char name[SEGMENT_NAME_CHARS + 1];
    g_autoptr(GByteArray) bytes = build_joined(COUNT, 20000, regular, name);
    g_autoptr(SegmentReader) reader = fixture_open(&scratch, bytes->data, bytes->len, NULL);
    g_autoptr(SegmentBlock) block = segment_block_new();
    guint64 count = 0;
    guint64 sum = 0;

    cr_assert_eq(segment_reader_footer(reader)->bucket_bits, 8);
    for (guint bucket = 0; bucket < 256; bucket++) {
        gint64 last = -1;
        fixture_read(block, reader, bucket);
        const SegmentTexts *requests = segment_block_texts(block, SEGMENT_REQUEST);
        for (guint32 i = 0; i < segment_block_count(block); i++) {
            /* "r-N" of event N */
            gint64 number = g_ascii_strtoll(requests->values[requests->codes[i]] + 2, NULL, 10);
            cr_assert_gt(number, last);
            last = number;
            sum += (guint64)number;
        }
        count += segment_block_count(block);
    }
    cr_expect_eq(count, COUNT);
    cr_expect_eq(sum, (guint64)COUNT * (COUNT - 1) / 2);
}

Test(segment_build, bad_lines_alone_are_a_segment_too)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(SegmentBuilder) builder = segment_builder_new();

    segment_builder_quarantined(builder, 5);
    g_autoptr(SegmentReader) reader = fixture_reopen(&scratch, builder);
    const SegmentFooter *footer = segment_reader_footer(reader);
    cr_expect_eq(footer->event_count, 0);
    cr_expect_eq(footer->quarantined_count, 5);
    cr_expect_eq(footer->time_min_us, 0);
    cr_expect_eq(footer->time_max_us, -1);
    cr_expect_eq(footer->range_count, 0);
    cr_expect(segment_reader_verify(reader, NULL));
}

Test(segment_build, small_segments_stay_small)
{
    enum { COUNT = 50000 };
    char name[SEGMENT_NAME_CHARS + 1];
    g_autoptr(GByteArray) bytes = build_joined(COUNT, COUNT, regular, name);

    cr_expect_lt(bytes->len, COUNT * 46, "%u bytes an event", bytes->len / COUNT);
}
