/* fuzz_usage.c - whatever parses as a usage event is given back by its line, which is canonical: it
 * parses and prints as itself.
 * SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <string.h>

#include "formats/usage.h"

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes);

static void
check_equal(const UsageEvent *a, const UsageEvent *b)
{
    const char *const left[] = {a->id, a->source, a->type,   a->subject, a->writer, a->request,
                                a->op, a->format, a->status, a->failure, a->node};
    const char *const right[] = {b->id, b->source, b->type,   b->subject, b->writer, b->request,
                                 b->op, b->format, b->status, b->failure, b->node};

    for (guint i = 0; i < G_N_ELEMENTS(left); i++)
        g_assert_cmpstr(left[i], ==, right[i]);
    g_assert_cmpint(a->time_us, ==, b->time_us);
    g_assert_cmpuint(a->sequence, ==, b->sequence);
    g_assert_cmpuint(a->bytes_in, ==, b->bytes_in);
    g_assert_cmpuint(a->bytes_out, ==, b->bytes_out);
    g_assert_cmpuint(a->pixels_in, ==, b->pixels_in);
    g_assert_cmpuint(a->pixels_out, ==, b->pixels_out);
    g_assert_cmpuint(a->cpu_us, ==, b->cpu_us);
    g_assert_cmpuint(a->wall_us, ==, b->wall_us);
}

int
LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(UsageLine) line = usage_line_parse((const char *)data, size_bytes, &error);
    g_autoptr(GString) printed = g_string_new(NULL);
    g_autoptr(GString) again = g_string_new(NULL);

    g_assert_true((line == NULL) == (error != NULL));
    if (!line)
        return 0;
    usage_event_print(usage_line_event(line), printed);
    g_assert_cmpuint(printed->len, >, 0);
    g_assert_true(memchr(printed->str, '\n', printed->len) == printed->str + printed->len - 1);
    g_autoptr(UsageLine) reread = usage_line_parse(printed->str, printed->len, &error);
    g_assert_no_error(error);
    check_equal(usage_line_event(line), usage_line_event(reread));
    usage_event_print(usage_line_event(reread), again);
    g_assert_cmpstr(printed->str, ==, again->str);
    return 0;
}
