/* test_image.c - the image lane: sizes, fits, formats, alpha and colour.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/image_header.h"
#include "tests/unit/image_fixture.h"

TestSuite(image, .init = start);

/* The profile's bytes under the image's name for it, whatever the pixels are. */
static VipsImage *
with_blob(VipsImage *image, const void *bytes, gsize size_bytes)
{
    VipsImage *copy;

    vips_copy(image, &copy, NULL);
    vips_image_set_blob_copy(copy, VIPS_META_ICC_NAME, bytes, size_bytes);
    g_object_unref(image);
    return copy;
}

static VipsImage *
with_orientation(VipsImage *image, int orientation)
{
    VipsImage *copy;

    vips_copy(image, &copy, NULL);
    vips_image_set_int(copy, VIPS_META_ORIENTATION, orientation);
    g_object_unref(image);
    return copy;
}

Test(image, sizes_follow_the_fit)
{
    g_autoptr(GBytes) input = encoded(picture_new(1000, 500, 3), ".png");

    expect_size(input, "200x200", 200, 100);
    expect_size(input, "200x200,fit=contain", 200, 200);
    expect_size(input, "200x200,fit=cover", 200, 200);
    expect_size(input, "200x200,fit=fill", 200, 200);
    expect_size(input, "200x200,fit=outside", 400, 200);
    expect_size(input, "200x", 200, 100);
    expect_size(input, "x200", 400, 200);
    expect_size(input, "200x,fit=cover", 200, 100);
    expect_size(input, "x200,fit=contain", 400, 200);
    expect_size(input, "200x,fit=fill", 200, 100);
    expect_size(input, "x200,fit=outside", 400, 200);
}

Test(image, nothing_is_enlarged_unless_asked)
{
    g_autoptr(GBytes) input = encoded(picture_new(100, 50, 3), ".png");

    expect_size(input, "400x400", 100, 50);
    expect_size(input, "400x400,upscale=allow", 400, 200);
    expect_size(input, "400x400,fit=fill", 100, 50);
    expect_size(input, "400x20,fit=fill", 100, 20);
    expect_size(input, "400x20,fit=fill,upscale=allow", 400, 20);
    expect_size(input, "80x80,fit=cover", 80, 50);
    expect_size(input, "80x80,fit=cover,upscale=allow", 80, 80);
    expect_size(input, "400x400,fit=cover", 100, 50);
    expect_size(input, "400x400,fit=contain", 400, 400);
    expect_size(input, "400x400,fit=outside", 100, 50);
    expect_size(input, "400x400,fit=outside,upscale=allow", 800, 400);
}

Test(image, a_side_never_shrinks_to_nothing)
{
    g_autoptr(GBytes) input = encoded(picture_new(3000, 3, 3), ".png");

    expect_size(input, "10x10", 10, 1);
    expect_size(input, "x1", 1000, 1);
}

Test(image, every_crop_gives_the_box)
{
    g_autoptr(GBytes) input = encoded(picture_new(640, 480, 3), ".jpg");

    expect_size(input, "100x200,fit=cover,crop=centre", 100, 200);
    expect_size(input, "100x200,fit=cover,crop=entropy", 100, 200);
    expect_size(input, "100x200,fit=cover,crop=attention", 100, 200);
}

Test(image, geometry_counts_after_rotation)
{
    for (int orientation = 1; orientation <= 8; orientation++) {
        g_autoptr(GBytes) input =
            encoded(with_orientation(picture_new(400, 200, 3), orientation), ".jpg");
        gboolean is_turned = orientation >= 5;

        expect_size(input, "100x100", is_turned ? 50 : 100, is_turned ? 100 : 50);
        expect_size(input, "60x", 60, is_turned ? 120 : 30);
        expect_size(input, "90x30,fit=cover", 90, 30);
        expect_size(input, "90x120,fit=contain", 90, 120);
        expect_size(input, "30x90,fit=fill", 30, 90);
    }
}

Test(image, rotation_puts_the_right_corner_first)
{
    /* Left half red, right half blue; orientation 6 is "turn by 90 degrees clockwise". */
    VipsImage *red = plain_new(100, 100, 250, 0, 0), *blue = plain_new(100, 100, 0, 0, 250), *both;
    cr_assert_eq(vips_join(red, blue, &both, VIPS_DIRECTION_HORIZONTAL, NULL), 0);
    g_object_unref(red);
    g_object_unref(blue);
    g_autoptr(GBytes) input = encoded(with_orientation(both, 6), ".jpg[Q=95]");
    ImageResult result = resized(input, "50x100,format=png");
    VipsImage *image = decoded(&result.outputs[0]), *top;

    cr_assert_eq(vips_crop(image, &top, 0, 0, 50, 40, NULL), 0);
    expect_mean(top, 0, 250, 4);
    expect_mean(top, 2, 0, 4);
    g_object_unref(top);
    g_object_unref(image);
    image_result_clear(&result);
}

Test(image, specs_together_have_the_sizes_of_the_specs_alone)
{
    static const char *const suffixes[] = {".jpg", ".png", ".webp"};
    static const char *const specs[] = {"333x333", "77x", "x41,fit=cover", "60x60,fit=cover",
                                        "150x10,fit=fill"};

    for (guint s = 0; s < G_N_ELEMENTS(suffixes); s++) {
        g_autoptr(GBytes) input = encoded(picture_new(1801, 1203, 3), suffixes[s]);
        ImageResult all =
            resized(input, "333x333;77x;x41,fit=cover;60x60,fit=cover;150x10,fit=fill");

        cr_assert_eq(all.class, ROW_OK, "%s", all.message);
        for (guint i = 0; i < G_N_ELEMENTS(specs); i++) {
            ImageResult alone = resized(input, specs[i]);

            cr_expect(alone.outputs[0].width_px == all.outputs[i].width_px &&
                          alone.outputs[0].height_px == all.outputs[i].height_px,
                      "%s of %s", specs[i], suffixes[s]);
            image_result_clear(&alone);
        }
        image_result_clear(&all);
    }
}

Test(image, specs_together_have_the_pixels_of_the_specs_alone)
{
    g_autoptr(GBytes) input = encoded(picture_new(2001, 1503, 3), ".png");
    ImageResult all = resized(input, "300x300;90x90");
    static const char *const specs[] = {"300x300", "90x90"};

    for (guint i = 0; i < 2; i++) {
        ImageResult alone = resized(input, specs[i]);
        VipsImage *a = decoded(&alone.outputs[0]), *b = decoded(&all.outputs[i]);

        cr_expect_lt(mean_difference(a, b), 1.0, "%s", specs[i]);
        g_object_unref(a);
        g_object_unref(b);
        image_result_clear(&alone);
    }
    image_result_clear(&all);
}

Test(image, pixels_are_those_of_vips_thumbnail)
{
    static const int sides[] = {17, 160, 500};
    gsize size_bytes;

    for (int bands = 1; bands <= 4; bands++) {
        g_autoptr(GBytes) input = encoded(picture_new(1117, 771, bands), ".png");
        const void *bytes = g_bytes_get_data(input, &size_bytes);

        for (guint i = 0; i < G_N_ELEMENTS(sides); i++) {
            g_autofree char *spec = g_strdup_printf("%dx%d", sides[i], sides[i]);
            ImageResult result = resized(input, spec);
            VipsImage *ours = decoded(&result.outputs[0]), *theirs;

            cr_assert_eq(vips_thumbnail_buffer((void *)bytes, size_bytes, &theirs, sides[i], NULL),
                         0);
            cr_expect_lt(mean_difference(ours, theirs), 0.1, "%d bands, %s", bands, spec);
            g_object_unref(ours);
            g_object_unref(theirs);
            image_result_clear(&result);
        }
    }
}

Test(image, every_format_can_be_read_and_written)
{
    static const struct {
        const char *suffix;
        ImageFormat format;
    } formats[] = {{".jpg", IMAGE_FORMAT_JPEG},  {".png", IMAGE_FORMAT_PNG},
                   {".webp", IMAGE_FORMAT_WEBP}, {".gif", IMAGE_FORMAT_GIF},
                   {".tif", IMAGE_FORMAT_TIFF},  {".avif", IMAGE_FORMAT_AVIF}};

    for (guint i = 0; i < G_N_ELEMENTS(formats); i++) {
        g_autoptr(GBytes) input = encoded(picture_new(160, 120, 3), formats[i].suffix);
        ImageResult result =
            resized(input, "80x80;80x81,format=jpeg;80x82,format=png;80x83,format=webp;"
                           "80x84,format=gif;80x85,format=tiff;80x86,format=avif,effort=0");

        cr_assert_eq(result.class, ROW_OK, "%s: %s", formats[i].suffix, result.message);
        cr_expect_eq(result.format, formats[i].format);
        cr_expect_eq(result.outputs[0].format, formats[i].format, "the input's format by default");
        cr_expect_eq(result.pixels_in, 160 * 120);
        for (guint k = 0; k < result.output_count; k++) {
            VipsImage *image = decoded(&result.outputs[k]);

            cr_expect_eq(image_sniff(result.outputs[k].bytes, result.outputs[k].size_bytes),
                         result.outputs[k].format);
            cr_expect(image->Xsize == 80 && image->Ysize == 60);
            g_object_unref(image);
        }
        image_result_clear(&result);
    }
}

Test(image, the_same_input_gives_the_same_bytes)
{
    static const char specs[] = "80x80;80x81,format=png;80x82,format=webp;80x83,format=gif;"
                                "80x84,format=tiff;80x85,format=avif,effort=0";
    g_autoptr(GBytes) input = encoded(picture_new(160, 120, 3), ".jpg");
    ImageResult first = resized(input, specs), second = resized(input, specs);

    for (guint i = 0; i < first.output_count; i++) {
        cr_expect_eq(first.outputs[i].size_bytes, second.outputs[i].size_bytes);
        cr_expect_arr_eq(first.outputs[i].bytes, second.outputs[i].bytes,
                         first.outputs[i].size_bytes);
    }
    image_result_clear(&first);
    image_result_clear(&second);
}

Test(image, alpha_is_flattened_onto_the_background)
{
    VipsImage *plain = plain_new(100, 100, 0, 0, 0), *clear;
    cr_assert_eq(vips_bandjoin_const1(plain, &clear, 0, NULL), 0);
    g_object_unref(plain);
    g_autoptr(GBytes) input = encoded(clear, ".png");
    ImageResult result = resized(input, "50x50,format=jpeg,background=ff8000,q=95");
    cr_assert_eq(result.class, ROW_OK, "%s", result.message);
    VipsImage *image = decoded(&result.outputs[0]);

    cr_expect_eq(image->Bands, 3);
    expect_mean(image, 0, 255, 2);
    expect_mean(image, 1, 128, 2);
    expect_mean(image, 2, 0, 2);
    g_object_unref(image);
    image_result_clear(&result);
}

Test(image, contain_pads_with_the_background_even_around_grey)
{
    g_autoptr(GBytes) input = encoded(picture_new(200, 100, 1), ".png");
    ImageResult result = resized(input, "100x100,fit=contain,background=00ff00");
    cr_assert_eq(result.class, ROW_OK, "%s", result.message);
    VipsImage *image = decoded(&result.outputs[0]), *top;

    cr_assert_eq(vips_crop(image, &top, 0, 0, 100, 20, NULL), 0);
    expect_mean(top, 0, 0, 0);
    expect_mean(top, 1, 255, 0);
    g_object_unref(top);
    g_object_unref(image);
    image_result_clear(&result);
}

Test(image, grey_stays_grey)
{
    g_autoptr(GBytes) input = encoded(picture_new(200, 100, 1), ".jpg");
    ImageResult result = resized(input, "100x;100x99,format=png");

    for (guint i = 0; i < result.output_count; i++) {
        VipsImage *image = decoded(&result.outputs[i]);

        cr_expect_eq(image->Bands, 1);
        g_object_unref(image);
    }
    image_result_clear(&result);
}

Test(image, sixteen_bits_become_eight)
{
    for (int bands = 1; bands <= 3; bands += 2) {
        VipsImage *picture = picture_new(200, 100, bands), *wide;
        cr_assert_eq(vips_colourspace(
                         picture, &wide,
                         bands == 1 ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_RGB16, NULL),
                     0);
        g_autoptr(GBytes) input = encoded(wide, ".png");
        ImageResult result = resized(input, "200x100");
        cr_assert_eq(result.class, ROW_OK, "%s", result.message);
        VipsImage *image = decoded(&result.outputs[0]);

        cr_expect_eq(image->BandFmt, VIPS_FORMAT_UCHAR);
        cr_expect_lt(mean_difference(image, picture), 1.01);
        g_object_unref(image);
        g_object_unref(picture);
        image_result_clear(&result);
    }
}

Test(image, a_wide_gamut_profile_is_transformed_to_srgb)
{
    /* The pixels were made from sRGB by the P3 profile: they must come back. */
    g_autoptr(GBytes) input = encoded(with_profile(plain_new(64, 64, 200, 60, 30), "p3"), ".png");
    ImageResult srgb = resized(input, "32x32"), kept = resized(input, "32x32,icc=keep");
    VipsImage *image = decoded(&srgb.outputs[0]);

    expect_mean(image, 0, 200, 2);
    expect_mean(image, 1, 60, 2);
    expect_mean(image, 2, 30, 2);
    cr_expect_eq(vips_image_get_typeof(image, VIPS_META_ICC_NAME), 0);
    g_object_unref(image);
    image = decoded(&kept.outputs[0]);
    VipsImage *original = vips_image_new_from_buffer(g_bytes_get_data(input, NULL),
                                                     g_bytes_get_size(input), "", NULL);
    double red;
    vips_avg(original, &red, NULL);
    double mean;
    vips_avg(image, &mean, NULL);
    cr_expect_float_eq(mean, red, 0.5, "icc=keep changes no colour");
    cr_expect_neq(vips_image_get_typeof(image, VIPS_META_ICC_NAME), 0);
    g_object_unref(original);
    g_object_unref(image);
    image_result_clear(&srgb);
    image_result_clear(&kept);
}

Test(image, cmyk_comes_back_through_its_profile)
{
    g_autoptr(GBytes) input =
        encoded(with_profile(plain_new(64, 64, 180, 120, 60), "cmyk"), ".jpg[Q=98]");
    ImageResult result = resized(input, "32x32,format=png");
    cr_assert_eq(result.class, ROW_OK, "%s", result.message);
    VipsImage *image = decoded(&result.outputs[0]);

    cr_expect_eq(image->Bands, 3);
    expect_mean(image, 0, 180, 8);
    expect_mean(image, 1, 120, 8);
    expect_mean(image, 2, 60, 8);
    g_object_unref(image);
    image_result_clear(&result);
}

Test(image, cmyk_without_a_profile_becomes_rgb)
{
    VipsImage *cmyk = with_profile(plain_new(64, 64, 180, 120, 60), "cmyk");
    g_autoptr(GBytes) input = encoded(cmyk, ".jpg[strip]");
    ImageResult result = resized(input, "32x32,format=png;32x31,format=jpeg;30x30,icc=keep");

    cr_assert_eq(result.class, ROW_OK, "%s", result.message);
    for (guint i = 0; i < 2; i++) {
        VipsImage *image = decoded(&result.outputs[i]);

        cr_expect_eq(image->Bands, 3);
        g_object_unref(image);
    }
    image_result_clear(&result);
}

static void
expect_ok(VipsImage *image, const char *suffix, const char *specs)
{
    g_autoptr(GBytes) input = encoded(image, suffix);
    ImageResult result = resized(input, specs);

    cr_expect_eq(result.class, ROW_OK, "%s", result.message);
    image_result_clear(&result);
}

Test(image, a_profile_that_is_broken_or_does_not_fit_fails_nothing)
{
    static const char specs[] = "32x32;31x31,icc=keep;30x30,format=png,strip=none;29x29,fit=cover";
    VipsBlob *srgb;
    gsize size_bytes;

    cr_assert_eq(vips_profile_load("srgb", &srgb, NULL), 0);
    const void *profile = vips_blob_get(srgb, &size_bytes);
    expect_ok(with_blob(picture_new(64, 64, 3), "no profile at all", 17), ".jpg", specs);
    expect_ok(with_blob(picture_new(64, 64, 3), profile, size_bytes / 2), ".jpg", specs);
    /* An RGB profile on a grey image: vipsthumbnail fails on these. */
    expect_ok(with_blob(picture_new(64, 64, 1), profile, size_bytes), ".jpg", specs);
    vips_area_unref(VIPS_AREA(srgb));
}

Test(image, an_srgb_profile_changes_no_pixel)
{
    VipsBlob *srgb;
    gsize size_bytes;

    cr_assert_eq(vips_profile_load("srgb", &srgb, NULL), 0);
    const void *profile = vips_blob_get(srgb, &size_bytes);
    g_autoptr(GBytes) input =
        encoded(with_blob(picture_new(64, 64, 3), profile, size_bytes), ".png");
    ImageResult result = resized(input, "64x64");
    VipsImage *image = decoded(&result.outputs[0]), *picture = picture_new(64, 64, 3);

    cr_expect_eq(mean_difference(image, picture), 0);
    g_object_unref(image);
    g_object_unref(picture);
    image_result_clear(&result);
    vips_area_unref(VIPS_AREA(srgb));
}
