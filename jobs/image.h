/* image.h - one image in, its outputs out: bytes and a list of specs, whatever lane does the work.
 * libvips is the general lane; faster lanes for single formats stand beside it behind
 * image_resize().
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_IMAGE_H
#define MILLRACE_JOBS_IMAGE_H

#include "formats/ledger.h"
#include "formats/outspec.h"

#define IMAGE_MESSAGE_MAX_BYTES 512

typedef struct {
    guint64 pixels_max; /* width x height x pages of the input, and of each output */
    /* What an image may be expected to take beside the process itself; 0: no limit. The worker's
     * own: it is not sent. */
    guint64 memory_max_bytes;
} ImageLimits;

/* One encoded output. bytes: owned, to be released with image_result_clear(). */
typedef struct {
    ImageFormat format;
    guint32 width_px;
    guint32 height_px;
    guint8 *bytes;
    gsize size_bytes;
    guint64 cpu_us;
} ImageOutput;

/* What became of an image. All outputs are there, or none; after a failure output_count is 0 and
 * only cpu_us of the outputs asked for is set. */
typedef struct {
    RowClass class;                        /* ROW_OK, or why not */
    char message[IMAGE_MESSAGE_MAX_BYTES]; /* one line, valid UTF-8; "" when ok */
    ImageFormat format;                    /* the input's, when it was recognised */
    guint64 pixels_in; /* width x height of the frame that is read; 0 when unknown */
    guint64 cpu_us;    /* what the call used, failed or not: the sum of the outputs' */
    guint output_count;
    ImageOutput outputs[OUTPUTS_PER_ROW_MAX];
} ImageResult;

/* Starts the library for one image at a time in this process: one thread, no cache, loaders that
 * are not wanted blocked by name. Everything that opens files happens here, before the worker is
 * locked down. Returns FALSE and MILLRACE_ERROR_BUG. */
gboolean image_init(GError **error);
void image_shutdown(void);

/* Makes every output of specs[0..count) from bytes, by one decode. bytes: borrowed until return.
 * cpu_us of each output is this process's CPU time for it plus an equal share of the decode, so
 * that they add up to what the call used. Always fills *result; release it with
 * image_result_clear(). */
void image_resize(const guint8 *bytes, gsize size_bytes, const OutputSpec *specs, guint count,
                  const ImageLimits *limits, ImageResult *result);
void image_result_clear(ImageResult *result);

#endif
