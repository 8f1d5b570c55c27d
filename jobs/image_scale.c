/* image_scale.c - from decoded pixels to the pixels of one output: scaled, in the right colour
 * space, upright, cropped or padded, without alpha where the format has none. The order of the
 * steps is that of vips_thumbnail(), whose results are the reference.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/image_internal.h"

#define RENDER_MAX_BYTES (64 << 20)

/* Each step takes over *image and puts its result there. They return FALSE with libvips' error set.
 */

static void
image_replace(VipsImage **image, VipsImage *next)
{
    g_object_unref(*image);
    *image = next;
}

static gboolean
to_memory(VipsImage **image)
{
    VipsImage *next = image_render(*image);

    if (!next)
        return FALSE;
    image_replace(image, next);
    return TRUE;
}

static gboolean
is_cmyk(const VipsImage *image)
{
    return image->Type == VIPS_INTERPRETATION_CMYK;
}

static gboolean
can_stay_cmyk(const OutputSpec *spec, ImageFormat format)
{
    return spec->keep_icc && spec->fit != FIT_CONTAIN &&
           (format == IMAGE_FORMAT_JPEG || format == IMAGE_FORMAT_TIFF);
}

static gboolean
drop_profile(VipsImage **image)
{
    VipsImage *copy;

    if (vips_image_get_typeof(*image, VIPS_META_ICC_NAME) == 0)
        return TRUE;
    if (vips_copy(*image, &copy, NULL))
        return FALSE;
    vips_image_remove(copy, VIPS_META_ICC_NAME);
    image_replace(image, copy);
    return TRUE;
}

/* Transforms to sRGB by the embedded profile. A profile that cannot be used is dropped: that the
 * colours are a little off is better than no image. */
static gboolean
transform_to_srgb(VipsImage **image)
{
    VipsImage *next;

    if (vips_icc_transform(*image, &next, "srgb", "embedded", TRUE, "intent", VIPS_INTENT_RELATIVE,
                           NULL)) {
        vips_error_clear();
        return drop_profile(image);
    }
    image_replace(image, next);
    return TRUE;
}

/* To 8 bits of sRGB or grey, the spaces that are scaled in. */
static gboolean
to_working_space(VipsImage **image, const ImagePlan *plan)
{
    VipsImage *next;

    if (is_cmyk(*image)) {
        if (can_stay_cmyk(plan->spec, plan->format))
            return TRUE;
        /* Before anything else: libvips 8.14.1 loses track of the profile otherwise. */
        if (image_icc_kind(*image) == ICC_TRANSFORM && !transform_to_srgb(image))
            return FALSE;
        if (is_cmyk(*image) && !drop_profile(image))
            return FALSE;
    }
    VipsInterpretation space =
        (*image)->Bands < 3 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB;
    if ((*image)->Type == space && (*image)->BandFmt == VIPS_FORMAT_UCHAR)
        return TRUE;
    if (vips_colourspace(*image, &next, space, NULL))
        return FALSE;
    image_replace(image, next);
    if ((*image)->BandFmt != VIPS_FORMAT_UCHAR) {
        if (vips_cast(*image, &next, VIPS_FORMAT_UCHAR, NULL))
            return FALSE;
        image_replace(image, next);
    }
    int bands = space == VIPS_INTERPRETATION_B_W ? 2 : 4;
    if ((*image)->Bands > bands) {
        if (vips_extract_band(*image, &next, 0, "n", bands, NULL))
            return FALSE;
        image_replace(image, next);
    }
    return TRUE;
}

static gboolean
resize(VipsImage **image, double hscale, double vscale)
{
    gboolean has_alpha = vips_image_hasalpha(*image);
    VipsBandFormat band_format = (*image)->BandFmt;
    VipsImage *next;

    if (hscale == 1.0 && vscale == 1.0)
        return TRUE;
    if (has_alpha) {
        if (vips_premultiply(*image, &next, NULL))
            return FALSE;
        image_replace(image, next);
    }
    if (vips_resize(*image, &next, hscale, "vscale", vscale, NULL))
        return FALSE;
    image_replace(image, next);
    if (has_alpha) {
        if (vips_unpremultiply(*image, &next, NULL))
            return FALSE;
        image_replace(image, next);
        if (vips_cast(*image, &next, band_format, NULL))
            return FALSE;
        image_replace(image, next);
    }
    return TRUE;
}

/* The scale of one side of base: the plan's own, unless its rounding would miss the planned size.
 */
static double
side_scale(int base_px, int scaled_px, double shrink)
{
    return image_plan_side(base_px, shrink) == scaled_px ? 1.0 / shrink
                                                         : (double)scaled_px / base_px;
}

/* Scales to exactly what the plan says, however far base was shrunk before. */
static gboolean
resize_to_plan(VipsImage **image, const ImageJob *job, const ImagePlan *plan)
{
    double done = job->base_shrink / plan->load_shrink;

    return resize(image, side_scale((*image)->Xsize, plan->scaled_width_px, plan->hshrink / done),
                  side_scale((*image)->Ysize, plan->scaled_height_px, plan->vshrink / done));
}

/* A grey image came back from its profile as RGB with equal bands: one of them is enough. */
static gboolean
rgb_to_grey(VipsImage **image)
{
    g_autoptr(VipsImage) grey = NULL;
    g_autoptr(VipsImage) alpha = NULL;
    g_autoptr(VipsImage) joined = NULL;
    VipsImage *next;

    if (vips_extract_band(*image, &grey, 1, NULL))
        return FALSE;
    if (vips_image_hasalpha(*image)) {
        if (vips_extract_band(*image, &alpha, 3, NULL) ||
            vips_bandjoin2(grey, alpha, &joined, NULL))
            return FALSE;
    } else {
        joined = g_object_ref(grey);
    }
    if (vips_copy(joined, &next, "interpretation", VIPS_INTERPRETATION_B_W, NULL))
        return FALSE;
    image_replace(image, next);
    return TRUE;
}

static gboolean
apply_profile(VipsImage **image, const OutputSpec *spec)
{
    gboolean is_grey = (*image)->Bands < 3;

    if (spec->keep_icc)
        return TRUE;
    switch (image_icc_kind(*image)) {
    case ICC_SRGB:
        return TRUE;
    case ICC_NONE:
        return drop_profile(image);
    case ICC_TRANSFORM:
        break;
    }
    if (!transform_to_srgb(image))
        return FALSE;
    if (is_grey && (*image)->Bands >= 3)
        return rgb_to_grey(image) && drop_profile(image);
    return TRUE;
}

/* The encoder reads fastest from memory, but a very large image is better streamed through it. */
static gboolean
finish(VipsImage **image)
{
    return VIPS_IMAGE_SIZEOF_IMAGE(*image) > RENDER_MAX_BYTES || to_memory(image);
}

/* Upright and cropped: both read pixels out of order, so both need memory. Cropping in memory also
 * makes sure that every row is decoded: a crop that streams would not see that the file is cut. */
static gboolean
turn_and_crop(VipsImage **image, const ImageShape *header, const ImagePlan *plan)
{
    static const VipsInteresting interesting[] = {
        [CROP_CENTRE] = VIPS_INTERESTING_CENTRE,
        [CROP_ENTROPY] = VIPS_INTERESTING_ENTROPY,
        [CROP_ATTENTION] = VIPS_INTERESTING_ATTENTION,
    };
    gboolean has_crop =
        plan->spec->fit == FIT_COVER && plan->spec->width_px > 0 && plan->spec->height_px > 0;
    VipsImage *next;

    if (header->orientation == 1 && !has_crop)
        return TRUE;
    if (!to_memory(image))
        return FALSE;
    if (header->orientation != 1) {
        if (vips_autorot(*image, &next, NULL))
            return FALSE;
        image_replace(image, next);
    }
    int width = MIN((int)plan->spec->width_px, (*image)->Xsize);
    int height = MIN((int)plan->spec->height_px, (*image)->Ysize);
    if (has_crop && (width < (*image)->Xsize || height < (*image)->Ysize)) {
        if (vips_smartcrop(*image, &next, width, height, "interesting",
                           interesting[plan->spec->crop], NULL))
            return FALSE;
        image_replace(image, next);
    }
    return TRUE;
}

static gboolean
background_is_grey(const OutputSpec *spec)
{
    return spec->background[0] == spec->background[1] && spec->background[1] == spec->background[2];
}

/* The background in the image's bands. Returns: (transfer full). */
static VipsArrayDouble *
background_new(const VipsImage *image, const OutputSpec *spec)
{
    const guint8 *colour = spec->background;
    double values[4] = {colour[0], colour[1], colour[2], 255};

    if (image->Bands < 3)
        values[1] = 255;
    return vips_array_double_new(values, image->Bands);
}

/* A coloured background turns a grey image into a coloured one. */
static gboolean
make_room_for_background(VipsImage **image, const OutputSpec *spec)
{
    VipsImage *next;

    if ((*image)->Bands >= 3 || background_is_grey(spec))
        return TRUE;
    if (vips_colourspace(*image, &next, VIPS_INTERPRETATION_sRGB, NULL))
        return FALSE;
    image_replace(image, next);
    return drop_profile(image);
}

static gboolean
pad(VipsImage **image, const ImagePlan *plan)
{
    int left = (plan->width_px - (*image)->Xsize) / 2;
    int top = (plan->height_px - (*image)->Ysize) / 2;
    VipsImage *next;

    if (plan->spec->fit != FIT_CONTAIN || plan->spec->width_px == 0 || plan->spec->height_px == 0)
        return TRUE;
    if ((*image)->Xsize == plan->width_px && (*image)->Ysize == plan->height_px)
        return TRUE;
    if (!make_room_for_background(image, plan->spec))
        return FALSE;
    VipsArrayDouble *background = background_new(*image, plan->spec);
    int status = vips_embed(*image, &next, left, top, plan->width_px, plan->height_px, "extend",
                            VIPS_EXTEND_BACKGROUND, "background", background, NULL);
    vips_area_unref(VIPS_AREA(background));
    if (status)
        return FALSE;
    image_replace(image, next);
    return TRUE;
}

static gboolean
flatten(VipsImage **image, const ImagePlan *plan)
{
    const guint8 *colour = plan->spec->background;
    VipsImage *next;

    if (plan->format != IMAGE_FORMAT_JPEG || !vips_image_hasalpha(*image))
        return TRUE;
    if (!make_room_for_background(image, plan->spec))
        return FALSE;
    VipsArrayDouble *background = vips_array_double_newv(
        (*image)->Bands < 3 ? 1 : 3, (double)colour[0], (double)colour[1], (double)colour[2]);
    int status = vips_flatten(*image, &next, "background", background, NULL);
    vips_area_unref(VIPS_AREA(background));
    if (status)
        return FALSE;
    image_replace(image, next);
    return TRUE;
}

VipsImage *
image_scale(ImageJob *job, VipsImage *base, const ImagePlan *plan)
{
    g_autoptr(VipsImage) image = g_object_ref(base);

    if (!to_working_space(&image, plan) || !resize_to_plan(&image, job, plan) ||
        !apply_profile(&image, plan->spec) || !turn_and_crop(&image, &job->header, plan) ||
        !pad(&image, plan) || !flatten(&image, plan) || !finish(&image)) {
        image_fail_vips(job);
        return NULL;
    }
    return g_steal_pointer(&image);
}
