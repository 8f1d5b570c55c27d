/* segment_fixture.h - events of many shapes for the tests of segments, and how two are compared.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TESTS_SEGMENT_FIXTURE_H
#define MILLRACE_TESTS_SEGMENT_FIXTURE_H

#include "formats/segment.h"
#include "tests/unit/scratch.h"

/* An event and the memory of its strings. */
typedef struct {
    UsageEvent event;
    char id[64];
    char subject[64];
    char writer[32];
    char request[64];
} MadeEvent;

static guint64
fixture_identity(const UsageEvent *event)
{
    return usage_identity_hash(usage_source_seed(event->source), event->id, strlen(event->id));
}

/* A number whose bits look random, from a counter: splitmix64 of Vigna. */
static guint64
fixture_random(guint64 *state)
{
    guint64 z = *state += G_GUINT64_CONSTANT(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * G_GUINT64_CONSTANT(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * G_GUINT64_CONSTANT(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Event i of a month like any other. */
static void
fixture_event(MadeEvent *made, guint64 i)
{
    static const char *const ops[] = {"resize", "thumbnail", "convert"};
    static const char *const formats[] = {"jpeg", "png", "webp", "avif"};
    guint64 state = i;
    guint64 high = fixture_random(&state);
    guint64 low = fixture_random(&state);
    guint64 dice = fixture_random(&state);

    g_snprintf(made->id, sizeof made->id, "%016" G_GINT64_MODIFIER "x%016" G_GINT64_MODIFIER "x",
               high, low);
    g_snprintf(made->subject, sizeof made->subject, "customer-%u", (guint)(dice % 97));
    g_snprintf(made->writer, sizeof made->writer, "n%02u-0-1", (guint)(i % 5));
    g_snprintf(made->request, sizeof made->request, "r-%u", (guint)i);
    made->event = (UsageEvent){.id = made->id,
                               .source = "//millrace/job/nightly",
                               .type = USAGE_TYPE_IMAGE,
                               .subject = made->subject,
                               .time_us = 1793491200000000 + (gint64)(i * 1000 + dice % 777),
                               .writer = made->writer,
                               .sequence = i / 5 + 1,
                               .request = made->request,
                               .op = ops[dice / 97 % G_N_ELEMENTS(ops)],
                               .format = formats[dice / 291 % G_N_ELEMENTS(formats)],
                               .status = dice % 50 == 0 ? "timeout" : "ok",
                               .bytes_in = dice % 5000000,
                               .bytes_out = dice % 70001,
                               .pixels_in = 1920 * 1080,
                               .pixels_out = dice % 2 == 0 ? 320 * 320 : 640 * 480,
                               .cpu_us = dice % 30011,
                               .wall_us = dice % 40009,
                               .node = "n07",
                               .extra = "",
                               .present = USAGE_HAS_ALL};
}

static void
fixture_expect_equal(const UsageEvent *got, const UsageEvent *expected)
{
    cr_assert_str_eq(got->id, expected->id);
    cr_assert_str_eq(got->source, expected->source);
    cr_assert_str_eq(got->type, expected->type);
    cr_assert_str_eq(got->subject, expected->subject);
    cr_assert_eq(got->time_us, expected->time_us);
    cr_assert_str_eq(got->writer, expected->writer);
    cr_assert_eq(got->sequence, expected->sequence);
    cr_assert_str_eq(got->request, expected->request);
    cr_assert_str_eq(got->op, expected->op);
    cr_assert_str_eq(got->format, expected->format);
    cr_assert_str_eq(got->status, expected->status);
    cr_assert_eq(got->bytes_in, expected->bytes_in);
    cr_assert_eq(got->bytes_out, expected->bytes_out);
    cr_assert_eq(got->pixels_in, expected->pixels_in);
    cr_assert_eq(got->pixels_out, expected->pixels_out);
    cr_assert_eq(got->cpu_us, expected->cpu_us);
    cr_assert_eq(got->wall_us, expected->wall_us);
    cr_assert_str_eq(got->node, expected->node);
    cr_assert_str_eq(got->extra, expected->extra);
    cr_assert_eq(got->present, expected->present);
}

/* Opens bytes as a segment of the scratch folder. */
static SegmentReader *
fixture_open(const Scratch *scratch, const void *bytes, gsize size_bytes, GError **error)
{
    g_autofree char *path = g_build_filename(scratch->path, "segment", NULL);

    scratch_put(scratch, "segment", bytes, size_bytes);
    return segment_reader_open(path, error);
}

/* Finishes the builder and opens what it made. */
static SegmentReader *
fixture_reopen(const Scratch *scratch, SegmentBuilder *builder)
{
    char name[SEGMENT_NAME_CHARS + 1];
    g_autoptr(GByteArray) bytes = segment_builder_finish(builder, name);
    g_autoptr(GError) error = NULL;
    SegmentReader *reader = fixture_open(scratch, bytes->data, bytes->len, &error);

    cr_assert_not_null(reader, "%s", error ? error->message : "");
    return reader;
}

/* Reads a bucket whole. */
static void
fixture_read(SegmentBlock *block, SegmentReader *reader, guint bucket)
{
    g_autoptr(GError) error = NULL;
    gboolean read = segment_block_read(block, reader, bucket, SEGMENT_ALL_COLUMNS, &error);

    cr_assert(read, "%s", error ? error->message : "");
}

#endif
