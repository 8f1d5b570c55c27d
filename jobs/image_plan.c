/* image_plan.c - the numbers of one output: how far to shrink while loading, how far to scale, what
 * to crop or pad. Pure arithmetic over the header, so that limits are checked before any pixel.
 *
 * Sizes must be those of vips_thumbnail(): it computes the scale from the size that the loader
 * gives after its own shrinking, so its rounding is followed step by step.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "jobs/image_internal.h"

#define WEBP_SIDE_MAX_PX 16383
#define GIF_SIDE_MAX_PX  65535
#define HEIF_SIDE_MAX_PX 16384

/* The box that an image is fitted to, before rotation. A free side is as good as infinite. */
typedef struct {
    double width;
    double height;
    OutputFit fit;
    gboolean upscale;
} Box;

static Box
box_of(const OutputSpec *spec, gboolean is_turned)
{
    Box box = {spec->width_px, spec->height_px, spec->fit, spec->upscale};

    if (spec->width_px == 0 || spec->height_px == 0)
        box.fit = FIT_INSIDE;
    if (spec->width_px == 0)
        box.width = VIPS_MAX_COORD;
    if (spec->height_px == 0)
        box.height = VIPS_MAX_COORD;
    if (is_turned) {
        double width = box.width;

        box.width = box.height;
        box.height = width;
    }
    return box;
}

/* By how much each side shrinks so that width x height fits the box. */
static void
box_shrink(const Box *box, int width, int height, double *hshrink, double *vshrink)
{
    *hshrink = width / box->width;
    *vshrink = height / box->height;
    if (box->fit == FIT_COVER || box->fit == FIT_OUTSIDE)
        *hshrink = *vshrink = MIN(*hshrink, *vshrink);
    else if (box->fit != FIT_FILL)
        *hshrink = *vshrink = MAX(*hshrink, *vshrink);
    if (!box->upscale) {
        *hshrink = MAX(1.0, *hshrink);
        *vshrink = MAX(1.0, *vshrink);
    }
    *hshrink = MIN(*hshrink, width);
    *vshrink = MIN(*vshrink, height);
}

/* JPEG's decoder halves cheaply but coarsely: at least a factor of two is left to the resampler. */
static double
jpeg_shrink(double shrink)
{
    return shrink >= 16 ? 8 : shrink >= 8 ? 4 : shrink >= 4 ? 2 : 1;
}

static void
plan_load(ImagePlan *plan, ImageFormat input_format, const ImageShape *header, const Box *box)
{
    double hshrink, vshrink;

    plan->load_shrink = 1.0;
    plan->loaded_width_px = header->width_px;
    plan->loaded_height_px = header->height_px;
    box_shrink(box, header->width_px, header->height_px, &hshrink, &vshrink);
    double shrink = MIN(hshrink, vshrink);
    if (input_format == IMAGE_FORMAT_JPEG) {
        plan->load_shrink = jpeg_shrink(shrink);
        plan->loaded_width_px = header->width_px / (int)plan->load_shrink;
        plan->loaded_height_px = header->height_px / (int)plan->load_shrink;
    } else if (input_format == IMAGE_FORMAT_WEBP && shrink > 1.0) {
        plan->load_shrink = shrink;
        plan->loaded_width_px = (int)VIPS_RINT(header->width_px * (1.0 / shrink));
        plan->loaded_height_px = (int)VIPS_RINT(header->height_px * (1.0 / shrink));
    }
}

static void
plan_output_size(ImagePlan *plan, const OutputSpec *spec, gboolean is_turned)
{
    gboolean has_box = spec->width_px > 0 && spec->height_px > 0;

    plan->width_px = is_turned ? plan->scaled_height_px : plan->scaled_width_px;
    plan->height_px = is_turned ? plan->scaled_width_px : plan->scaled_height_px;
    if (has_box && spec->fit == FIT_COVER) {
        plan->width_px = MIN(plan->width_px, (int)spec->width_px);
        plan->height_px = MIN(plan->height_px, (int)spec->height_px);
    } else if (has_box && spec->fit == FIT_CONTAIN) {
        plan->width_px = (int)spec->width_px;
        plan->height_px = (int)spec->height_px;
    }
}

static ImageFormat
output_format(ImageFormat asked, ImageFormat input)
{
    if (asked != IMAGE_FORMAT_INPUT)
        return asked;
    return image_can_save(input) ? input : IMAGE_FORMAT_PNG;
}

int
image_plan_side(int side_px, double shrink)
{
    double scale = MAX(1.0 / shrink, 1.0 / side_px);

    if (scale < 1.0) /* rounded as vips_reduce() does, which is handed the reciprocal again */
        return (int)(side_px / (1.0 / scale) + 0.5);
    return MAX(1, (int)(side_px * scale + 0.5));
}

void
image_plan_make(ImageFormat input_format, const ImageShape *header, const OutputSpec *spec,
                ImagePlan *plan)
{
    g_assert(header->width_px > 0 && header->height_px > 0);
    g_assert(spec->width_px > 0 || spec->height_px > 0);

    Box box = box_of(spec, header->is_turned);

    *plan = (ImagePlan){.spec = spec, .format = output_format(spec->format, input_format)};
    plan_load(plan, input_format, header, &box);
    box_shrink(&box, plan->loaded_width_px, plan->loaded_height_px, &plan->hshrink, &plan->vshrink);
    plan->scaled_width_px = image_plan_side(plan->loaded_width_px, plan->hshrink);
    plan->scaled_height_px = image_plan_side(plan->loaded_height_px, plan->vshrink);
    plan_output_size(plan, spec, header->is_turned);
}

static int
format_side_max(ImageFormat format)
{
    switch (format) {
    case IMAGE_FORMAT_WEBP:
        return WEBP_SIDE_MAX_PX;
    case IMAGE_FORMAT_GIF:
        return GIF_SIDE_MAX_PX;
    case IMAGE_FORMAT_AVIF:
    case IMAGE_FORMAT_HEIF:
        return HEIF_SIDE_MAX_PX;
    default:
        return OUTPUT_SIDE_MAX_PX;
    }
}

gboolean
image_plan_check(ImageJob *job, const ImagePlan *plan)
{
    const char *name = image_format_name(plan->format);
    /* What is scaled must fit too: a cover of a very long image crops most of it away. */
    guint64 pixels = MAX((guint64)plan->width_px * (guint64)plan->height_px,
                         (guint64)plan->scaled_width_px * (guint64)plan->scaled_height_px);
    int side_max = format_side_max(plan->format);

    if (pixels > job->limits->pixels_max)
        return image_fail(job, ROW_TOO_LARGE,
                          "an output of %d x %d would take %" G_GUINT64_FORMAT
                          " pixels, the limit is %" G_GUINT64_FORMAT,
                          plan->width_px, plan->height_px, pixels, job->limits->pixels_max);
    if (plan->width_px > side_max || plan->height_px > side_max)
        return image_fail(job, ROW_TOO_LARGE, "an output of %d x %d: a side of %s is at most %d",
                          plan->width_px, plan->height_px, name, side_max);
    if (!image_can_save(plan->format))
        return image_fail(job, ROW_UNSUPPORTED_FORMAT,
                          "%s cannot be written here: no encoder for it is installed", name);
    return TRUE;
}
