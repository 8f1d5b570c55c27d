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
    const char *const left[] = {a->id,      a->source, a->type,   a->subject, a->writer,
                                a->request, a->op,     a->format, a->status,  a->node};
    const char *const right[] = {b->id,      b->source, b->type,   b->subject, b->writer,
                                 b->request, b->op,     b->format, b->status,  b->node};

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
    g_autofree char *text = g_malloc(size_bytes + 1);
    g_autoptr(GString) scratch = g_string_new(NULL);
    g_autoptr(GString) printed = g_string_new(NULL);
    g_autoptr(GString) again = g_string_new(NULL);
    g_autoptr(GString) rescratch = g_string_new(NULL);
    const char *reason = NULL;
    UsageEvent event;
    UsageEvent reread;

    if (memchr(data, '\n', size_bytes))
        return 0;
    memcpy(text, data, size_bytes);
    if (!usage_line_parse(text, size_bytes, scratch, &event, &reason)) {
        g_assert_nonnull(reason);
        return 0;
    }
    usage_event_print(&event, printed);
    g_assert_cmpuint(printed->len, >, 0);
    g_assert_true(memchr(printed->str, '\n', printed->len) == printed->str + printed->len - 1);
    g_autofree char *copy = g_strndup(printed->str, printed->len);
    g_assert_true(usage_line_parse(copy, printed->len - 1, rescratch, &reread, &reason));
    check_equal(&event, &reread);
    usage_event_print(&reread, again);
    g_assert_cmpstr(printed->str, ==, again->str);
    return 0;
}
