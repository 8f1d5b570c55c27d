/* image_save.c - from pixels to the bytes of an output: each format's encoder with our settings,
 * and what metadata goes with them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/image_internal.h"

#define PNG_COMPRESSION_DEFAULT 6
#define WEBP_EFFORT_DEFAULT     4
#define WEBP_EFFORT_MAX         6
#define GIF_EFFORT_DEFAULT      7
#define HEIF_EFFORT_DEFAULT     4
#define JPEG_EFFORT_OPTIMIZES   5

static gboolean can_save[IMAGE_FORMAT_COUNT];

gboolean
image_can_save(ImageFormat format)
{
    g_assert(format < IMAGE_FORMAT_COUNT);
    return can_save[format];
}

static int
effort_or(const OutputSpec *spec, int effort, int default_effort)
{
    return spec->effort == OUTPUT_EFFORT_DEFAULT ? default_effort : effort;
}

gboolean
image_save_optimizes(const OutputSpec *spec)
{
    return effort_or(spec, spec->effort, 0) >= JPEG_EFFORT_OPTIMIZES;
}

/* Calls the encoder. strip: whether it writes no metadata at all. Returns libvips' status. */
static int
encode(VipsImage *image, const ImagePlan *plan, gboolean strip, void **bytes, gsize *size_bytes)
{
    const OutputSpec *spec = plan->spec;
    int quality = spec->quality;
    int effort = spec->effort;

    switch (plan->format) {
    case IMAGE_FORMAT_JPEG:
        return vips_jpegsave_buffer(image, bytes, size_bytes, "Q", quality, "strip", strip,
                                    "optimize_coding", image_save_optimizes(spec), NULL);
    case IMAGE_FORMAT_PNG:
        return vips_pngsave_buffer(image, bytes, size_bytes, "strip", strip, "compression",
                                   effort_or(spec, effort, PNG_COMPRESSION_DEFAULT), NULL);
    case IMAGE_FORMAT_WEBP:
        return vips_webpsave_buffer(
            image, bytes, size_bytes, "Q", quality, "strip", strip, "effort",
            effort_or(spec, MIN(effort, WEBP_EFFORT_MAX), WEBP_EFFORT_DEFAULT), NULL);
    case IMAGE_FORMAT_GIF:
        return vips_gifsave_buffer(image, bytes, size_bytes, "strip", strip, "effort",
                                   effort_or(spec, effort + 1, GIF_EFFORT_DEFAULT), NULL);
    case IMAGE_FORMAT_TIFF:
        return vips_tiffsave_buffer(image, bytes, size_bytes, "strip", strip, "compression",
                                    VIPS_FOREIGN_TIFF_COMPRESSION_DEFLATE, "predictor",
                                    VIPS_FOREIGN_TIFF_PREDICTOR_HORIZONTAL, NULL);
    case IMAGE_FORMAT_AVIF:
    case IMAGE_FORMAT_HEIF:
        return vips_heifsave_buffer(
            image, bytes, size_bytes, "Q", quality, "strip", strip, "compression",
            plan->format == IMAGE_FORMAT_AVIF ? VIPS_FOREIGN_HEIF_COMPRESSION_AV1
                                              : VIPS_FOREIGN_HEIF_COMPRESSION_HEVC,
            "effort", effort_or(spec, effort, HEIF_EFFORT_DEFAULT), NULL);
    default:
        g_assert_not_reached();
    }
}

gboolean
image_save(ImageJob *job, VipsImage *image, const ImagePlan *plan, ImageOutput *output)
{
    gboolean strip;
    g_autoptr(VipsImage) ready = image_metadata_prepare(image, plan, &strip);
    void *bytes = NULL;
    gsize size_bytes = 0;

    if (!ready || encode(ready, plan, strip, &bytes, &size_bytes)) {
        g_free(bytes);
        return image_fail_vips(job);
    }
    output->format = plan->format;
    output->width_px = (guint32)image->Xsize;
    output->height_px = (guint32)image->Ysize;
    output->bytes = bytes;
    output->size_bytes = size_bytes;
    if (!plan->spec->keep_metadata && (!strip || plan->format == IMAGE_FORMAT_WEBP))
        image_metadata_drop_exif(plan->format, output);
    return TRUE;
}

void
image_save_warm(VipsImage *image)
{
    for (int format = IMAGE_FORMAT_JPEG; format < IMAGE_FORMAT_COUNT; format++) {
        OutputSpec spec = {.quality = OUTPUT_QUALITY_DEFAULT, .effort = 0};
        ImagePlan plan = {.spec = &spec, .format = (ImageFormat)format};
        void *bytes = NULL;
        gsize size_bytes;

        can_save[format] = encode(image, &plan, TRUE, &bytes, &size_bytes) == 0;
        g_free(bytes);
        vips_error_clear();
    }
}
