/* image_load.c - from bytes to a libvips image: the header against the limits, then the pixels at
 * the shrink that was planned. Each format's loader is named outright: nothing is sniffed twice,
 * and fail_on reaches it (vips_thumbnail_buffer() drops it, so that it passes truncated files as
 * good).
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/image_internal.h"

/* Errors fail, warnings do not: phones write JPEGs that make libjpeg grumble. */
#define FAIL_ON VIPS_FAIL_ON_ERROR

/* An intermediate is worth its pass when it has at most a quarter of the pixels. */
#define SHARED_SHRINK_MIN 2

/* Opens the loader of the job's format, which reads the header and leaves the pixels for later. */
static VipsImage *
loader_open(const ImageJob *job, double load_shrink)
{
    void *bytes = (void *)job->bytes; /* libvips only reads it */
    gsize size_bytes = job->size_bytes;
    VipsImage *image = NULL;
    int status = -1;

    switch (job->format) {
    case IMAGE_FORMAT_JPEG:
        status = vips_jpegload_buffer(bytes, size_bytes, &image, "access", VIPS_ACCESS_SEQUENTIAL,
                                      "fail_on", FAIL_ON, "shrink", (int)load_shrink, NULL);
        break;
    case IMAGE_FORMAT_PNG:
        status = vips_pngload_buffer(bytes, size_bytes, &image, "access", VIPS_ACCESS_SEQUENTIAL,
                                     "fail_on", FAIL_ON, NULL);
        break;
    case IMAGE_FORMAT_WEBP:
        status = vips_webpload_buffer(bytes, size_bytes, &image, "access", VIPS_ACCESS_SEQUENTIAL,
                                      "fail_on", FAIL_ON, "scale", 1.0 / load_shrink, NULL);
        break;
    case IMAGE_FORMAT_GIF:
        status = vips_gifload_buffer(bytes, size_bytes, &image, "access", VIPS_ACCESS_SEQUENTIAL,
                                     "fail_on", FAIL_ON, NULL);
        break;
    case IMAGE_FORMAT_TIFF:
        status = vips_tiffload_buffer(bytes, size_bytes, &image, "access", VIPS_ACCESS_SEQUENTIAL,
                                      "fail_on", FAIL_ON, NULL);
        break;
    case IMAGE_FORMAT_AVIF:
    case IMAGE_FORMAT_HEIF:
        status = vips_heifload_buffer(bytes, size_bytes, &image, "access", VIPS_ACCESS_SEQUENTIAL,
                                      "fail_on", FAIL_ON, NULL);
        break;
    default:
        g_assert_not_reached();
    }
    return status == 0 ? image : NULL;
}

/* Is every pixel held until the last pass over the file? */
static gboolean
is_multipass(VipsImage *image)
{
    int flag = 0;

    if (vips_image_get_typeof(image, "jpeg-multiscan") != 0)
        vips_image_get_int(image, "jpeg-multiscan", &flag);
    else if (vips_image_get_typeof(image, "interlaced") != 0)
        vips_image_get_int(image, "interlaced", &flag);
    return flag != 0;
}

gboolean
image_shape_read(ImageJob *job)
{
    g_autoptr(VipsImage) image = NULL;

    if (!image_limits_check_structure(job))
        return FALSE;
    image = loader_open(job, 1.0);
    if (!image)
        return image_fail_vips(job);
    job->header = (ImageShape){
        .width_px = vips_image_get_width(image),
        .height_px = vips_image_get_height(image),
        .pages = vips_image_get_n_pages(image),
        .bands = vips_image_get_bands(image),
        .sample_bytes = (guint)VIPS_IMAGE_SIZEOF_ELEMENT(image),
        .is_multipass = is_multipass(image),
        .orientation = vips_image_get_orientation(image),
        .is_turned = vips_image_get_orientation_swap(image),
    };
    if (job->format == IMAGE_FORMAT_GIF)
        job->header.pages = image_gif_frames(job->bytes, job->size_bytes);
    job->result->pixels_in = (guint64)job->header.width_px * (guint64)job->header.height_px;
    if (!image_limits_check_header(job))
        return FALSE;
    if (job->format == IMAGE_FORMAT_JPEG && job->header.is_multipass &&
        !image_limits_check_scans(job))
        return FALSE;
    /* A shrinking JPEG decoder may never touch the last rows: see that they are there. */
    if (job->format == IMAGE_FORMAT_JPEG &&
        image_ends_early(job->format, job->bytes, job->size_bytes))
        return image_fail(job, ROW_TRUNCATED, "the JPEG has no end: its pixels are cut off");
    return TRUE;
}

VipsImage *
image_load(ImageJob *job, double load_shrink)
{
    VipsImage *image = loader_open(job, load_shrink);

    job->base_shrink = load_shrink;
    if (!image)
        image_fail_vips(job);
    return image;
}

/* The box filter that vips_resize() itself would begin with, run once for all outputs. */
static VipsImage *
shrink_shared(VipsImage *image, int shrink)
{
    g_autoptr(VipsImage) opaque = NULL;
    g_autoptr(VipsImage) rows = NULL;
    g_autoptr(VipsImage) small = NULL;
    VipsBandFormat band_format = image->BandFmt;
    gboolean has_alpha = vips_image_hasalpha(image);
    VipsImage *out = NULL;

    if (has_alpha ? vips_premultiply(image, &opaque, NULL) : vips_copy(image, &opaque, NULL))
        return NULL;
    if (vips_shrinkv(opaque, &rows, shrink, "ceil", TRUE, NULL) ||
        vips_shrinkh(rows, &small, shrink, "ceil", TRUE, NULL))
        return NULL;
    if (!has_alpha)
        return g_steal_pointer(&small);
    g_autoptr(VipsImage) straight = NULL;
    if (vips_unpremultiply(small, &straight, NULL) || vips_cast(straight, &out, band_format, NULL))
        return NULL;
    return out;
}

int
image_shared_shrink(ImageFormat format, double scale_shrink)
{
    gboolean can_shrink = format != IMAGE_FORMAT_JPEG && format != IMAGE_FORMAT_WEBP;
    int shrink = (int)(scale_shrink / 2.0);

    return can_shrink && shrink >= SHARED_SHRINK_MIN ? shrink : 1;
}

VipsImage *
image_load_shared(ImageJob *job, const ImagePlan *plans, guint count)
{
    double load_shrink = plans[0].load_shrink;
    double scale_shrink = MIN(plans[0].hshrink, plans[0].vshrink);

    g_assert(count > 0);
    for (guint i = 1; i < count; i++) {
        load_shrink = MIN(load_shrink, plans[i].load_shrink);
        scale_shrink = MIN(scale_shrink, MIN(plans[i].hshrink, plans[i].vshrink));
    }
    g_autoptr(VipsImage) image = image_load(job, load_shrink);
    if (!image)
        return NULL;
    int shrink = image_shared_shrink(job->format, scale_shrink);
    if (shrink > 1 && vips_image_get_coding(image) == VIPS_CODING_NONE) {
        VipsImage *small = shrink_shared(image, shrink);

        g_object_unref(image);
        image = small;
        job->base_shrink *= shrink;
    }
    VipsImage *memory = image ? image_render(image) : NULL;
    if (!memory)
        image_fail_vips(job);
    return memory;
}
