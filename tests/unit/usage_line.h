/* usage_line.h - a good usage line and its event, and lines that are made from it and read.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TESTS_USAGE_LINE_H
#define MILLRACE_TESTS_USAGE_LINE_H

#include <criterion/criterion.h>
#include <glib.h>
#include <string.h>

#include "formats/usage.h"

#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-variable"

/* Put together by hand from the list of members in formats/README.md. */
static const char ok_line[] =
    "{\"specversion\":\"1.0\",\"id\":\"ad01c3ef0925141e713b6de4e2b3712e\","
    "\"source\":\"//millrace/job/job-1\",\"type\":\"millrace.image.v1\",\"subject\":\"acme\","
    "\"time\":\"2026-11-22T10:00:00.123456Z\",\"writer\":\"n07-3-1\","
    "\"sequence\":\"00000000000000000042\",\"data\":{\"request\":\"r-1\",\"op\":\"resize\","
    "\"format\":\"webp\",\"status\":\"ok\",\"bytes_in\":1000,\"bytes_out\":300,"
    "\"pixels_in\":307200,\"pixels_out\":76800,\"cpu_us\":5,\"wall_us\":9,\"node\":\"n07\"}}\n";

static const UsageEvent ok_event = {.id = "ad01c3ef0925141e713b6de4e2b3712e",
                                    .source = "//millrace/job/job-1",
                                    .type = "millrace.image.v1",
                                    .subject = "acme",
                                    .time_us = 1795341600123456,
                                    .writer = "n07-3-1",
                                    .sequence = 42,
                                    .request = "r-1",
                                    .op = "resize",
                                    .format = "webp",
                                    .status = "ok",
                                    .bytes_in = 1000,
                                    .bytes_out = 300,
                                    .pixels_in = 307200,
                                    .pixels_out = 76800,
                                    .cpu_us = 5,
                                    .wall_us = 9,
                                    .node = "n07",
                                    .extra = "",
                                    .present = USAGE_HAS_ALL};

static void
expect_equal(const UsageEvent *got, const UsageEvent *expected)
{
    cr_expect_str_eq(got->id, expected->id);
    cr_expect_str_eq(got->source, expected->source);
    cr_expect_str_eq(got->type, expected->type);
    cr_expect_str_eq(got->subject, expected->subject);
    cr_expect_eq(got->time_us, expected->time_us);
    cr_expect_str_eq(got->writer, expected->writer);
    cr_expect_eq(got->sequence, expected->sequence);
    cr_expect_str_eq(got->request, expected->request);
    cr_expect_str_eq(got->op, expected->op);
    cr_expect_str_eq(got->format, expected->format);
    cr_expect_str_eq(got->status, expected->status);
    cr_expect_eq(got->bytes_in, expected->bytes_in);
    cr_expect_eq(got->bytes_out, expected->bytes_out);
    cr_expect_eq(got->pixels_in, expected->pixels_in);
    cr_expect_eq(got->pixels_out, expected->pixels_out);
    cr_expect_eq(got->cpu_us, expected->cpu_us);
    cr_expect_eq(got->wall_us, expected->wall_us);
    cr_expect_str_eq(got->node, expected->node);
    cr_expect_str_eq(got->extra, expected->extra);
    cr_expect_eq(got->present, expected->present, "%#x", got->present);
}

static void
expect_measured(const UsageEvent *event)
{
    cr_expect(event->measured);
    cr_expect_eq(event->sizes.id, strlen(event->id));
    cr_expect_eq(event->sizes.source, strlen(event->source));
    cr_expect_eq(event->sizes.type, strlen(event->type));
    cr_expect_eq(event->sizes.subject, strlen(event->subject));
    cr_expect_eq(event->sizes.writer, strlen(event->writer));
    cr_expect_eq(event->sizes.request, strlen(event->request));
    cr_expect_eq(event->sizes.op, strlen(event->op));
    cr_expect_eq(event->sizes.format, strlen(event->format));
    cr_expect_eq(event->sizes.status, strlen(event->status));
    cr_expect_eq(event->sizes.node, strlen(event->node));
    cr_expect_eq(event->sizes.extra, strlen(event->extra));
}

/* A line read, and the memory that its event borrows from. */
typedef struct {
    char *text;
    GString *scratch;
    const char *reason;
    UsageEvent event;
} Line;

static void
line_free(Line *line)
{
    g_free(line->text);
    g_string_free(line->scratch, TRUE);
    g_free(line);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Line, line_free)

/* Reads a line, of size_bytes to the byte, so that sanitizers see what is read beyond. Refused:
 * with a reason. */
static Line *
read_line(const char *text, gsize size_bytes)
{
    Line *line = g_new0(Line, 1);

    line->text = g_malloc(size_bytes + 1);
    memcpy(line->text, text, size_bytes);
    line->text[size_bytes] = '\n';
    line->scratch = g_string_new("before");
    if (!usage_line_parse(line->text, size_bytes, line->scratch, &line->event, &line->reason))
        cr_assert_not_null(line->reason, "%s", text);
    else
        expect_measured(&line->event);
    return line;
}

static Line *
parsed(const char *text)
{
    gsize size_bytes = strlen(text);
    Line *line = read_line(text, size_bytes - (g_str_has_suffix(text, "\n") ? 1 : 0));

    cr_assert_null(line->reason, "%s: %s", text, line->reason);
    return line;
}

/* Replaces part of the good line. Returns: (transfer full). */
static char *
with(const char *part, const char *replacement)
{
    const char *at = strstr(ok_line, part);

    cr_assert_not_null(at, "%s", part);
    return g_strdup_printf("%.*s%s%s", (int)(at - ok_line), ok_line, replacement,
                           at + strlen(part));
}

#endif
