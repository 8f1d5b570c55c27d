/* fuzz_image.c - any bytes through the image lane: never a crash, always a class; all outputs that
 * were asked for, or none and a message; CPU time that adds up.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "jobs/image.h"

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size);

static void
begin(void)
{
    static gboolean begun;
    g_autoptr(GError) error = NULL;

    if (!begun && !image_init(&error))
        g_error("image_init: %s", error->message);
    begun = TRUE;
}

/* One output, or two of one decode, as the size of the input has it; every fit in turn. */
static guint
choose_specs(size_t size, OutputSpec specs[2])
{
    static const char *const texts[] = {"16x16",
                                        "9x17,fit=cover,format=webp",
                                        "20x12,fit=contain,format=png,upscale=allow",
                                        "x7,format=jpeg,icc=keep,strip=none",
                                        "8x8,fit=fill,format=gif",
                                        "12x12,fit=outside,format=tiff"};
    guint first = size % G_N_ELEMENTS(texts);

    for (guint i = 0; i < 2; i++) {
        gboolean parsed =
            output_spec_parse(texts[(first + i) % G_N_ELEMENTS(texts)], &specs[i], NULL);
        g_assert(parsed);
    }
    return 1 + size / G_N_ELEMENTS(texts) % 2;
}

int
LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
    const ImageLimits limits = {.pixels_max = 1 << 20, .memory_max_bytes = 256 << 20};
    OutputSpec specs[2];
    ImageResult result;
    guint64 cpu_us = 0;

    begin();
    guint count = choose_specs(size, specs);
    image_resize(data, size, specs, count, &limits, &result);
    g_assert(result.class == ROW_OK ? result.output_count == count : result.output_count == 0);
    g_assert((result.class == ROW_OK) == (*result.message == '\0'));
    g_assert(g_utf8_validate(result.message, -1, NULL) && !strchr(result.message, '\n'));
    for (guint i = 0; i < result.output_count; i++) {
        g_assert(result.outputs[i].size_bytes > 0 && result.outputs[i].width_px > 0);
        cpu_us += result.outputs[i].cpu_us;
    }
    g_assert(result.output_count == 0 || cpu_us == result.cpu_us);
    image_result_clear(&result);
    return 0;
}
