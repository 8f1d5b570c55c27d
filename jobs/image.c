/* image.c - image_resize(): one image in, its outputs out. Sniffs, checks limits, plans every
 * output, decodes once, makes the outputs, meters the CPU. The lane behind it is libvips
 * (image_*.c).
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <time.h>

#include "formats/error.h"
#include "formats/image_header.h"
#include "jobs/image_internal.h"

#define WARM_SIDE_PX 64

/* The loaders that stay. All others, and all that open files, are blocked. */
static const char *const loaders[] = {
    "VipsForeignLoadJpegBuffer",  "VipsForeignLoadPngBuffer",  "VipsForeignLoadWebpBuffer",
    "VipsForeignLoadNsgifBuffer", "VipsForeignLoadTiffBuffer", "VipsForeignLoadHeifBuffer",
};

static guint64
cpu_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (guint64)now.tv_sec * 1000000 + (guint64)now.tv_nsec / 1000;
}

/* A small image with a profile that must be transformed: it goes through all that starts lazily. */
static VipsImage *
warm_image_new(void)
{
    g_autoptr(VipsImage) black = NULL;
    g_autoptr(VipsImage) srgb = NULL;
    VipsImage *image;

    if (vips_black(&black, WARM_SIDE_PX, WARM_SIDE_PX, "bands", 3, NULL) ||
        vips_copy(black, &srgb, "interpretation", VIPS_INTERPRETATION_sRGB, NULL) ||
        vips_icc_transform(srgb, &image, "p3", "input_profile", "srgb", NULL))
        return NULL;
    return image;
}

/* Does once, in each way, what images will ask for: code generated, tables made, files opened. */
static gboolean
warm_up(GError **error)
{
    const OutputSpec spec = {.width_px = WARM_SIDE_PX / 4, .quality = OUTPUT_QUALITY_DEFAULT};
    const ImageLimits limits = {.pixels_max = WARM_SIDE_PX * WARM_SIDE_PX};
    g_autoptr(VipsImage) image = warm_image_new();
    g_autofree void *bytes = NULL;
    gsize size_bytes = 0;
    ImageResult result = {.class = ROW_CORRUPT};

    if (image)
        image_save_warm(image);
    if (image && vips_jpegsave_buffer(image, &bytes, &size_bytes, NULL) == 0)
        image_resize(bytes, size_bytes, &spec, 1, &limits, &result);
    if (result.class != ROW_OK)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BUG,
                    "libvips cannot resize an image of its own: %s%s", result.message,
                    vips_error_buffer());
    image_error_clear();
    image_result_clear(&result);
    return result.class == ROW_OK;
}

gboolean
image_init(GError **error)
{
    image_modules_hide();
    if (VIPS_INIT("millrace-imageworker")) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BUG, "cannot start libvips: %s",
                    vips_error_buffer());
        vips_error_clear();
        return FALSE;
    }
    /* stderr is the operator's, who can do nothing about a warning of a decoder. */
    g_log_set_handler("VIPS", G_LOG_LEVEL_MASK & ~G_LOG_LEVEL_ERROR, image_error_hear, NULL);
    image_modules_load();
    vips_concurrency_set(1);
    vips_cache_set_max(0);
    vips_leak_set(FALSE);
    vips_block_untrusted_set(TRUE);
    vips_operation_block_set("VipsForeignLoad", TRUE);
    for (guint i = 0; i < G_N_ELEMENTS(loaders); i++)
        vips_operation_block_set(loaders[i], FALSE);
    return warm_up(error);
}

void
image_shutdown(void)
{
    vips_shutdown();
}

static gboolean
recognise(ImageJob *job)
{
    const char *name;

    if (job->size_bytes == 0)
        return image_fail(job, ROW_TRUNCATED, "the file is empty");
    job->format = job->result->format = image_sniff(job->bytes, job->size_bytes);
    if (job->format != IMAGE_FORMAT_INPUT)
        return TRUE;
    name = image_sniff_foreign(job->bytes, job->size_bytes);
    if (name)
        return image_fail(job, ROW_UNSUPPORTED_FORMAT,
                          "this is %s: JPEG, PNG, WebP, GIF, TIFF, AVIF and HEIF are read", name);
    return image_fail(job, ROW_UNSUPPORTED_FORMAT,
                      "not an image of a known format: JPEG, PNG, WebP, GIF, TIFF, AVIF and HEIF "
                      "are read");
}

static gboolean
plan_all(ImageJob *job, const OutputSpec *specs, guint count, ImagePlan *plans)
{
    for (guint i = 0; i < count; i++) {
        image_plan_make(job->format, &job->header, &specs[i], &plans[i]);
        if (!image_plan_check(job, &plans[i]))
            return FALSE;
    }
    return TRUE;
}

static gboolean
make_output(ImageJob *job, VipsImage *base, const ImagePlan *plan, ImageOutput *output)
{
    g_autoptr(VipsImage) image = image_scale(job, base, plan);

    return image && image_save(job, image, plan, output);
}

/* Runs the job. cpu_marks_us[0] is set after the decode that all outputs share, [i + 1] after
 * output i. */
static gboolean
run(ImageJob *job, const OutputSpec *specs, guint count, guint64 *cpu_marks_us)
{
    ImagePlan plans[OUTPUTS_PER_ROW_MAX];
    g_autoptr(VipsImage) base = NULL;

    if (!recognise(job) || !image_shape_read(job) || !plan_all(job, specs, count, plans) ||
        !image_memory_check(job, plans, count))
        return FALSE;
    if (count == 1)
        base = image_load(job, plans[0].load_shrink);
    else
        base = image_load_shared(job, plans, count);
    if (!base)
        return FALSE;
    cpu_marks_us[0] = cpu_now_us();
    for (guint i = 0; i < count; i++) {
        if (!make_output(job, base, &plans[i], &job->result->outputs[i]))
            return FALSE;
        cpu_marks_us[i + 1] = cpu_now_us();
    }
    return TRUE;
}

/* Shares out what the call used: to each output its own part and an equal part of the rest. The
 * microseconds that do not divide go to the first outputs, so that the sum is exact. */
static void
share_cpu(ImageResult *result, guint count, guint64 start_us, const guint64 *marks_us)
{
    guint64 total_us = cpu_now_us() - start_us;
    guint64 shared_us = total_us;

    for (guint i = 0; i < count && marks_us[i + 1] > 0; i++) {
        result->outputs[i].cpu_us = marks_us[i + 1] - marks_us[i];
        shared_us -= result->outputs[i].cpu_us;
    }
    for (guint i = 0; i < count; i++)
        result->outputs[i].cpu_us += shared_us / count + (i < shared_us % count ? 1 : 0);
    result->cpu_us = total_us;
}

void
image_resize(const guint8 *bytes, gsize size_bytes, const OutputSpec *specs, guint count,
             const ImageLimits *limits, ImageResult *result)
{
    guint64 start_us = cpu_now_us();
    guint64 marks_us[OUTPUTS_PER_ROW_MAX + 1] = {0};
    ImageJob job = {.bytes = bytes, .size_bytes = size_bytes, .limits = limits, .result = result};

    g_assert(count > 0 && count <= OUTPUTS_PER_ROW_MAX);
    memset(result, 0, sizeof *result);
    image_error_clear();
    if (run(&job, specs, count, marks_us)) {
        result->output_count = count;
    } else {
        g_assert(result->class != ROW_OK);
        image_result_clear(result);
    }
    image_error_clear();
    share_cpu(result, count, start_us, marks_us);
}

void
image_result_clear(ImageResult *result)
{
    for (guint i = 0; i < OUTPUTS_PER_ROW_MAX; i++) {
        g_free(result->outputs[i].bytes);
        result->outputs[i] = (ImageOutput){0};
    }
    result->output_count = 0;
}
