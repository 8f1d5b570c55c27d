/* image_fixture.h - what the tests of the image lane share: images made with libvips, and results
 * read back with libvips, not with the code under test. SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TESTS_IMAGE_FIXTURE_H
#define MILLRACE_TESTS_IMAGE_FIXTURE_H

#include <math.h>
#include <string.h>

#include <criterion/criterion.h>
#include <vips/vips.h>

#include "jobs/image.h"

#define PIXELS_MAX 100000000

#pragma GCC diagnostic ignored "-Wunused-function"

/* What is under test needs its one-time start in each test's process. Reading back needs loaders
 * that image_init() leaves open: those of buffers. */
static void
start(void)
{
    g_autoptr(GError) error = NULL;

    cr_assert(image_init(&error), "%s", error ? error->message : "");
}

/* A picture with detail in every part: two sine gratings and a ramp. bands: 1..4. */
static VipsImage *
picture_new(int width, int height, int bands)
{
    guint8 *pixels = g_malloc((gsize)width * height * bands);
    VipsImage *image, *copy;

    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            guint8 *pixel = pixels + ((gsize)y * width + x) * bands;
            double grating = sin(x * 0.21) * sin(y * 0.17);

            for (int band = 0; band < bands; band++)
                pixel[band] = (guint8)(128 + 60 * grating + 60.0 * x / width - 30 * band);
            if (bands == 2 || bands == 4)
                pixel[bands - 1] = (guint8)(255.0 * y / height);
        }
    }
    image = vips_image_new_from_memory_copy(pixels, (gsize)width * height * bands, width, height,
                                            bands, VIPS_FORMAT_UCHAR);
    g_free(pixels);
    cr_assert_eq(vips_copy(image, &copy, "interpretation",
                           bands < 3 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB, NULL),
                 0);
    g_object_unref(image);
    return copy;
}

/* Encodes by suffix, as ".jpg[Q=90]". Takes image. */
static GBytes *
encoded(VipsImage *image, const char *suffix)
{
    void *bytes;
    gsize size_bytes;

    cr_assert_eq(vips_image_write_to_buffer(image, suffix, &bytes, &size_bytes, NULL), 0, "%s: %s",
                 suffix, vips_error_buffer());
    g_object_unref(image);
    return g_bytes_new_take(bytes, size_bytes);
}

static VipsImage *
decoded(const ImageOutput *output)
{
    VipsImage *image = vips_image_new_from_buffer(output->bytes, output->size_bytes, "", NULL);

    cr_assert_not_null(image, "%s", vips_error_buffer());
    return image;
}

static ImageResult
resized_within(GBytes *input, const char *specs_text, guint64 pixels_max)
{
    OutputSpec specs[OUTPUTS_PER_ROW_MAX];
    g_autoptr(GError) error = NULL;
    gsize size_bytes;
    const guint8 *bytes = g_bytes_get_data(input, &size_bytes);
    int count = output_spec_parse_list(specs_text, specs, OUTPUTS_PER_ROW_MAX, &error);
    ImageLimits limits = {.pixels_max = pixels_max};
    ImageResult result;
    guint64 sum_us = 0;

    cr_assert_gt(count, 0, "%s", error ? error->message : "");
    image_resize(bytes, size_bytes, specs, (guint)count, &limits, &result);
    for (int i = 0; i < count; i++)
        sum_us += result.outputs[i].cpu_us;
    cr_assert_eq(sum_us, result.cpu_us, "the parts of the CPU time add up");
    cr_assert_eq(result.output_count, result.class == ROW_OK ? (guint)count : 0);
    cr_assert_eq(result.message[0] == '\0', result.class == ROW_OK);
    cr_assert(g_utf8_validate(result.message, -1, NULL) && !strchr(result.message, '\n'));
    return result;
}

static ImageResult
resized(GBytes *input, const char *specs_text)
{
    return resized_within(input, specs_text, PIXELS_MAX);
}

static void
expect_size(GBytes *input, const char *spec, guint width, guint height)
{
    ImageResult result = resized(input, spec);

    cr_assert_eq(result.class, ROW_OK, "%s: %s", spec, result.message);
    cr_expect(result.outputs[0].width_px == width && result.outputs[0].height_px == height,
              "%s: %ux%u, expected %ux%u", spec, result.outputs[0].width_px,
              result.outputs[0].height_px, width, height);
    VipsImage *image = decoded(&result.outputs[0]);
    cr_expect(image->Xsize == (int)width && image->Ysize == (int)height, "%s: the bytes say %dx%d",
              spec, image->Xsize, image->Ysize);
    g_object_unref(image);
    image_result_clear(&result);
}

static void
expect_class(GBytes *input, RowClass class, const char *in_message)
{
    ImageResult result = resized(input, "64x64,format=png");

    cr_expect_eq(result.class, class, "%s, expected %s: %s", row_class_name(result.class),
                 row_class_name(class), result.message);
    cr_expect(strstr(result.message, in_message) != NULL, "\"%s\" should hold \"%s\"",
              result.message, in_message);
    image_result_clear(&result);
}

static double
mean_difference(VipsImage *a, VipsImage *b)
{
    VipsImage *difference, *absolute;
    double mean;

    cr_assert(a->Xsize == b->Xsize && a->Ysize == b->Ysize && a->Bands == b->Bands,
              "%dx%dx%d and %dx%dx%d", a->Xsize, a->Ysize, a->Bands, b->Xsize, b->Ysize, b->Bands);
    cr_assert_eq(vips_subtract(a, b, &difference, NULL), 0);
    cr_assert_eq(vips_abs(difference, &absolute, NULL), 0);
    cr_assert_eq(vips_avg(absolute, &mean, NULL), 0);
    g_object_unref(difference);
    g_object_unref(absolute);
    return mean;
}

static void
expect_mean(VipsImage *image, int band, double expected, double tolerance)
{
    VipsImage *one;
    double mean;

    cr_assert_eq(vips_extract_band(image, &one, band, NULL), 0);
    cr_assert_eq(vips_avg(one, &mean, NULL), 0);
    cr_expect(fabs(mean - expected) <= tolerance, "band %d: %.2f, expected %.2f", band, mean,
              expected);
    g_object_unref(one);
}

/* One colour everywhere. */
static VipsImage *
plain_new(int width, int height, double red, double green, double blue)
{
    VipsImage *black, *plain, *image, *cast;
    double ones[] = {1, 1, 1}, colour[] = {red, green, blue};

    vips_black(&black, width, height, "bands", 3, NULL);
    vips_linear(black, &plain, ones, colour, 3, NULL);
    vips_cast(plain, &cast, VIPS_FORMAT_UCHAR, NULL);
    vips_copy(cast, &image, "interpretation", VIPS_INTERPRETATION_sRGB, NULL);
    g_object_unref(black);
    g_object_unref(plain);
    g_object_unref(cast);
    return image;
}

static VipsImage *
with_profile(VipsImage *image, const char *profile)
{
    VipsImage *out;

    cr_assert_eq(vips_icc_transform(image, &out, profile, "input_profile", "srgb", NULL), 0, "%s",
                 vips_error_buffer());
    g_object_unref(image);
    return out;
}

#endif
