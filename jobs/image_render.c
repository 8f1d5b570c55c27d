/* image_render.c - runs a pipeline into memory, in the calling thread. libvips' own sinks hand one
 * line at a time to a thread of their pool; strips without the hand-over are cheaper, and the
 * encoder then reads from memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "jobs/image_internal.h"

/* Rows at a time: enough that the cost of a call is spread, few enough to stay in the cache. */
#define STRIP_ROWS 32

VipsImage *
image_render(VipsImage *image)
{
    g_autoptr(VipsImage) memory = vips_image_new_memory();
    g_autoptr(VipsRegion) region = NULL;

    if (vips_image_pio_input(image))
        return NULL;
    if (vips_image_pipelinev(memory, VIPS_DEMAND_STYLE_ANY, image, NULL) ||
        vips_image_write_prepare(memory))
        return NULL;
    region = vips_region_new(image);
    gsize line_bytes = VIPS_IMAGE_SIZEOF_LINE(image);
    for (int top = 0; top < image->Ysize; top += STRIP_ROWS) {
        VipsRect strip = {0, top, image->Xsize, MIN(STRIP_ROWS, image->Ysize - top)};

        if (!region || vips_region_prepare(region, &strip))
            return NULL;
        for (int y = 0; y < strip.height; y++)
            memcpy(VIPS_IMAGE_ADDR(memory, 0, top + y), VIPS_REGION_ADDR(region, 0, top + y),
                   line_bytes);
    }
    return g_steal_pointer(&memory);
}
