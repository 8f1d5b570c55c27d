/* image_memory.c - how much memory an image will take, from its header and what is asked of it: so
 * that one which takes more than there is can be refused by name, at once. The figures are a little
 * above what was measured with libvips 8.14 on images of 100 megapixels; where an image takes more
 * all the same, the limit of the process stands behind them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/image_internal.h"

/* What libvips keeps of an image that streams through it: lines, before and after each step. */
#define LINES_HELD 64
/* Bytes for a pixel of an output in the encoder's own copies. */
#define WEBP_GIF_ENCODER_BYTES 12
#define AVIF_ENCODER_BYTES     40
#define JPEG_OPTIMIZED_BYTES   8 /* all coefficients, for a second pass */

static guint64
frame_px(const ImageShape *header)
{
    return (guint64)header->width_px * (guint64)header->height_px;
}

/* What the decoder holds at once. */
static guint64
decoder_bytes(const ImageJob *job, guint64 loaded_px)
{
    const ImageShape *header = &job->header;
    guint64 stored_bytes = frame_px(header) * (guint64)header->bands * header->sample_bytes;

    switch (job->format) {
    case IMAGE_FORMAT_JPEG: /* coefficients of 16 bits */
        return header->is_multipass ? frame_px(header) * (guint64)header->bands * 2 : 0;
    case IMAGE_FORMAT_PNG:
        return header->is_multipass ? stored_bytes : 0;
    case IMAGE_FORMAT_GIF: /* the screen, the one before, and libvips' copy */
        return frame_px(header) * 12;
    case IMAGE_FORMAT_WEBP:
        return frame_px(header) * 4 + loaded_px * 4;
    case IMAGE_FORMAT_TIFF: /* one strip may be all of it */
        return stored_bytes;
    case IMAGE_FORMAT_AVIF: /* the decoder's planes, libheif's, and their RGB */
    case IMAGE_FORMAT_HEIF:
        return frame_px(header) * 10 * header->sample_bytes;
    default:
        return 0;
    }
}

/* The one decode that several outputs share: see image_load_shared(). */
static guint64
shared_bytes(const ImageJob *job, const ImagePlan *plan, double scale_shrink)
{
    guint64 px = (guint64)plan->loaded_width_px * (guint64)plan->loaded_height_px;
    int shrink = image_shared_shrink(job->format, scale_shrink);

    return px * (guint64)job->header.bands * job->header.sample_bytes / (guint64)(shrink * shrink);
}

static guint64
encoder_bytes(const ImagePlan *plan)
{
    switch (plan->format) {
    case IMAGE_FORMAT_JPEG:
        return image_save_optimizes(plan->spec) ? JPEG_OPTIMIZED_BYTES : 0;
    case IMAGE_FORMAT_WEBP:
    case IMAGE_FORMAT_GIF:
        return WEBP_GIF_ENCODER_BYTES;
    case IMAGE_FORMAT_AVIF:
    case IMAGE_FORMAT_HEIF:
        return AVIF_ENCODER_BYTES;
    default:
        return 0;
    }
}

/* What making an output takes; *kept_bytes: what stays of it until the image is done. */
static guint64
output_bytes(const ImageJob *job, const ImagePlan *plan, guint64 *kept_bytes)
{
    guint64 bands = (guint64)MIN(4, job->header.bands);
    guint64 scaled_px = (guint64)plan->scaled_width_px * (guint64)plan->scaled_height_px;
    guint64 px = (guint64)plan->width_px * (guint64)plan->height_px;
    gboolean is_exact = plan->format == IMAGE_FORMAT_PNG || plan->format == IMAGE_FORMAT_TIFF;

    *kept_bytes = is_exact ? px * bands : px;
    return (scaled_px + px) * bands + px * encoder_bytes(plan);
}

guint64
image_memory_estimate(const ImageJob *job, const ImagePlan *plans, guint count)
{
    const ImageShape *header = &job->header;
    const ImagePlan *largest = &plans[0];
    double scale_shrink = MIN(plans[0].hshrink, plans[0].vshrink);
    guint64 making_bytes = 0, kept_bytes = 0;

    for (guint i = 0; i < count; i++) {
        guint64 kept;

        making_bytes = MAX(making_bytes, output_bytes(job, &plans[i], &kept));
        kept_bytes += kept;
        scale_shrink = MIN(scale_shrink, MIN(plans[i].hshrink, plans[i].vshrink));
        if (plans[i].load_shrink < largest->load_shrink)
            largest = &plans[i];
    }
    guint64 loaded_px = (guint64)largest->loaded_width_px * (guint64)largest->loaded_height_px;
    /* Alpha is multiplied in floating point. */
    guint64 line_bytes = (guint64)largest->loaded_width_px * (guint64)header->bands *
                         MAX(header->sample_bytes, header->bands % 2 == 0 ? 4 : 1);
    guint64 total_bytes = job->size_bytes + decoder_bytes(job, loaded_px) + making_bytes +
                          kept_bytes +
                          line_bytes * (guint64)MIN(largest->loaded_height_px, LINES_HELD);
    if (count > 1)
        total_bytes += shared_bytes(job, largest, scale_shrink);
    return total_bytes;
}

gboolean
image_memory_check(ImageJob *job, const ImagePlan *plans, guint count)
{
    guint64 most_bytes = job->limits->memory_max_bytes;
    guint64 bytes = image_memory_estimate(job, plans, count);

    if (most_bytes > 0 && bytes > most_bytes)
        return image_fail(job, ROW_TOO_LARGE,
                          "%d x %d pixels of %s would take about %" G_GUINT64_FORMAT
                          " MB of memory for these outputs, the limit is %" G_GUINT64_FORMAT " MB",
                          job->header.width_px, job->header.height_px,
                          image_format_name(job->format), bytes / 1000000, most_bytes / 1000000);
    return TRUE;
}
