/* fuzz_outspec.c - whatever parses as an output spec is given back by its canonical text.
 * SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <string.h>

#include "formats/outspec.h"

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes);

static void
check_equal(const OutputSpec *a, const OutputSpec *b)
{
    g_assert_cmpuint(a->width_px, ==, b->width_px);
    g_assert_cmpuint(a->height_px, ==, b->height_px);
    g_assert_cmpint(a->fit, ==, b->fit);
    g_assert_cmpint(a->crop, ==, b->crop);
    g_assert_cmpint(a->format, ==, b->format);
    g_assert_cmpuint(a->quality, ==, b->quality);
    g_assert_cmpuint(a->effort, ==, b->effort);
    g_assert_cmpint(a->upscale, ==, b->upscale);
    g_assert_cmpint(a->keep_metadata, ==, b->keep_metadata);
    g_assert_cmpint(a->keep_icc, ==, b->keep_icc);
    g_assert_cmpint(memcmp(a->background, b->background, sizeof a->background), ==, 0);
}

static void
check_round_trip(const OutputSpec *spec)
{
    OutputSpec again;
    g_autofree char *text = output_spec_print(spec);

    g_assert_null(strpbrk(text, "/; \t\r\n"));
    g_assert_cmpuint(spec->width_px | spec->height_px, !=, 0);
    g_assert_cmpuint(spec->width_px, <=, OUTPUT_SIDE_MAX_PX);
    g_assert_cmpuint(spec->height_px, <=, OUTPUT_SIDE_MAX_PX);
    g_assert_true(output_spec_parse(text, &again, NULL));
    check_equal(spec, &again);
    g_autofree char *text_again = output_spec_print(&again);
    g_assert_cmpstr(text, ==, text_again);
}

int
LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes)
{
    g_autofree char *text = g_strndup(size_bytes > 0 ? (const char *)data : "", size_bytes);
    OutputSpec specs[OUTPUTS_PER_ROW_MAX];
    g_autoptr(GError) error = NULL;
    int count = output_spec_parse_list(text, specs, G_N_ELEMENTS(specs), &error);

    g_assert_true((count < 0) == (error != NULL));
    if (error != NULL)
        g_assert_true(g_utf8_validate(error->message, -1, NULL));
    for (int i = 0; i < count; i++)
        check_round_trip(&specs[i]);
    return 0;
}
