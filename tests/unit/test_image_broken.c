/* test_image_broken.c - the image lane on what is not a good image: limits, cut and damaged files,
 * formats that are not read; and what metadata leaves with a good one.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/image_fixture.h"

TestSuite(image_broken, .init = start);

static GBytes *
bytes_of(const void *bytes, gsize size_bytes)
{
    return g_bytes_new(bytes, size_bytes);
}

static void
put_u32be(GByteArray *out, guint32 value)
{
    guint32 swapped = GUINT32_TO_BE(value);

    g_byte_array_append(out, (const guint8 *)&swapped, 4);
}

static guint32
crc32_of(const guint8 *bytes, gsize size_bytes)
{
    guint32 crc = 0xffffffff;

    for (gsize i = 0; i < size_bytes; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

/* The header of a PNG, and nothing behind it but the start of its pixels. */
static GBytes *
png_header_new(guint32 width, guint32 height)
{
    static const guint8 tail[] = {8, 2, 0, 0, 0};
    GByteArray *png = g_byte_array_new();

    g_byte_array_append(png, (const guint8 *)"\x89PNG\r\n\x1a\n", 8);
    put_u32be(png, 13);
    g_byte_array_append(png, (const guint8 *)"IHDR", 4);
    put_u32be(png, width);
    put_u32be(png, height);
    g_byte_array_append(png, tail, sizeof tail);
    put_u32be(png, crc32_of(png->data + 12, 17));
    put_u32be(png, 0);
    g_byte_array_append(png, (const guint8 *)"IDAT", 4);
    put_u32be(png, crc32_of(png->data + png->len - 4, 4));
    return g_byte_array_free_to_bytes(png);
}

/* A GIF of count frames of 16 x 16. */
static GBytes *
gif_new(guint count)
{
    static const guint8 header[] = {'G',  'I', 'F', '8', '9', 'a', 16,  0,   16, 0,
                                    0x80, 0,   0,   0,   0,   0,   255, 255, 255};
    static const guint8 frame[] = {0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x4c, 1, 0};
    GByteArray *gif = g_byte_array_new();

    g_byte_array_append(gif, header, sizeof header);
    for (guint i = 0; i < count; i++)
        g_byte_array_append(gif, frame, sizeof frame);
    g_byte_array_append(gif, (const guint8 *)";", 1);
    return g_byte_array_free_to_bytes(gif);
}

Test(image_broken, what_is_no_image_is_named)
{
    static const struct {
        const char *bytes;
        gsize size_bytes;
        const char *name;
    } inputs[] = {
        {"BM\x36\0\0\0\0\0\0\0\0\0", 12, "BMP"},
        {"P6\n2 2\n255\n123456789012", 23, "PPM"},
        {"\x01\xda\0\1\0\2", 6, "SGI"},
        {"\0\0\1\0\1\0", 6, "ICO"},
        {"%PDF-1.7\n", 9, "PDF"},
        {"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", 41, "SVG"},
        {"\xff\x4f\xff\x51\0\0", 6, "JPEG 2000"},
        {"\xff\x0a\0\0", 4, "JPEG XL"},
        {"hello, world", 12, "not an image"},
        {"x", 1, "not an image"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(inputs); i++) {
        g_autoptr(GBytes) input = bytes_of(inputs[i].bytes, inputs[i].size_bytes);

        expect_class(input, ROW_UNSUPPORTED_FORMAT, inputs[i].name);
    }
}

Test(image_broken, an_empty_file_is_truncated)
{
    g_autoptr(GBytes) input = bytes_of("", 0);

    expect_class(input, ROW_TRUNCATED, "empty");
}

Test(image_broken, zeros_cost_nothing)
{
    guint8 *zeros = g_malloc0(64 << 20);
    g_autoptr(GBytes) input = g_bytes_new_take(zeros, 64 << 20);
    ImageResult result = resized(input, "64x64");

    cr_expect_eq(result.class, ROW_UNSUPPORTED_FORMAT);
    cr_expect_lt(result.cpu_us, 20000);
    image_result_clear(&result);
}

Test(image_broken, limits_are_checked_on_the_header)
{
    g_autoptr(GBytes) png = png_header_new(50000, 50000);
    g_autoptr(GBytes) gif = gif_new(400000);
    GBytes *const inputs[] = {png, gif};

    for (guint i = 0; i < G_N_ELEMENTS(inputs); i++) {
        ImageResult result = resized(inputs[i], "64x64");

        cr_expect_eq(result.class, ROW_TOO_LARGE, "%s: %s", row_class_name(result.class),
                     result.message);
        cr_expect(strstr(result.message, "100000000") != NULL, "the limit: %s", result.message);
        cr_expect(strstr(result.message, i == 0 ? "2500000000" : "102400000") != NULL,
                  "the size: %s", result.message);
#ifndef MILLRACE_SANITIZED /* under which everything takes several times as long */
        cr_expect_lt(result.cpu_us, 400000, "%" G_GUINT64_FORMAT " us", result.cpu_us);
#endif
        image_result_clear(&result);
    }
}

Test(image_broken, an_output_has_limits_too)
{
    g_autoptr(GBytes) input = encoded(picture_new(64, 64, 3), ".png");
    ImageResult result = resized_within(input, "2000x2000,upscale=allow", 1000000);

    cr_expect_eq(result.class, ROW_TOO_LARGE);
    cr_expect(strstr(result.message, "4000000") && strstr(result.message, "1000000"), "%s",
              result.message);
    image_result_clear(&result);
    result = resized(input, "20000x20,fit=contain,format=webp");
    cr_expect_eq(result.class, ROW_TOO_LARGE);
    cr_expect(strstr(result.message, "16383") != NULL, "%s", result.message);
    image_result_clear(&result);
}

Test(image_broken, the_first_frame_of_a_gif_is_read)
{
    g_autoptr(GBytes) input = gif_new(3);
    ImageResult result = resized(input, "64x64,format=png");

    cr_expect_eq(result.class, ROW_OK, "%s", result.message);
    cr_expect(result.outputs[0].width_px == 16 && result.outputs[0].height_px == 16);
    image_result_clear(&result);
}

/* Cut anywhere, a file is never a success: at most its last bytes, which hold no pixels, may go. */
static void
expect_cuts_fail(const char *suffix, const char *spec, gsize tail_bytes)
{
    static const int permille[] = {1, 5, 20, 50, 100, 300, 500, 700, 900, 950, 990, 998};
    g_autoptr(GBytes) whole = encoded(picture_new(301, 203, 3), suffix);
    gsize size_bytes;
    const guint8 *bytes = g_bytes_get_data(whole, &size_bytes);

    for (guint i = 0; i < G_N_ELEMENTS(permille); i++) {
        gsize cut = MAX(16, size_bytes * (gsize)permille[i] / 1000);
        g_autoptr(GBytes) input = bytes_of(bytes, MIN(cut, size_bytes - tail_bytes));
        ImageResult result = resized(input, spec);

        cr_expect_eq(result.class, ROW_TRUNCATED, "%s cut at %zu of %zu for %s: %s, %s", suffix,
                     g_bytes_get_size(input), size_bytes, spec, row_class_name(result.class),
                     result.message);
        image_result_clear(&result);
    }
}

Test(image_broken, cut_files_are_truncated)
{
    static const char *const specs[] = {"64x64,format=png", "300x10,fit=cover,format=png",
                                        "30x30,format=png;200x200,format=png", "301x203"};

    for (guint i = 0; i < G_N_ELEMENTS(specs); i++) {
        expect_cuts_fail(".jpg", specs[i], 4);
        expect_cuts_fail(".jpg[interlace]", specs[i], 4);
        expect_cuts_fail(".jpg[restart_interval=4]", specs[i], 4);
        expect_cuts_fail(".png", specs[i], 20);
        expect_cuts_fail(".png[interlace]", specs[i], 20);
        expect_cuts_fail(".webp", specs[i], 8);
        expect_cuts_fail(".webp[lossless]", specs[i], 8);
        expect_cuts_fail(".gif", specs[i], 8);
        expect_cuts_fail(".tif[compression=deflate]", specs[i], 8);
        expect_cuts_fail(".tif", specs[i], 8);
        expect_cuts_fail(".avif[effort=0]", specs[i], 8);
    }
}

Test(image_broken, damage_is_an_error_or_a_picture_but_never_a_crash)
{
    static const char *const suffixes[] = {".jpg", ".png", ".webp",
                                           ".gif", ".tif", ".avif[effort=0]"};
    guint32 seed = 1;

    for (guint i = 0; i < G_N_ELEMENTS(suffixes); i++) {
        g_autoptr(GBytes) whole = encoded(picture_new(64, 48, 3), suffixes[i]);

        for (guint round = 0; round < 60; round++) {
            g_autofree guint8 *bytes =
                g_memdup2(g_bytes_get_data(whole, NULL), g_bytes_get_size(whole));

            for (guint flip = 0; flip < 1 + round / 10; flip++) {
                seed = seed * 1664525 + 1013904223;
                bytes[seed / 7 % g_bytes_get_size(whole)] ^= (guint8)(1 << (seed >> 29));
            }
            g_autoptr(GBytes) input = bytes_of(bytes, g_bytes_get_size(whole));
            ImageResult result = resized_within(input, "32x32;16x16,format=png", 1000000);
            image_result_clear(&result);
        }
    }
}

Test(image_broken, a_failure_leaves_nothing_for_the_next_image)
{
    g_autoptr(GBytes) bad = bytes_of("\xff\xd8\xff\xe0\0\x10JFIF\0", 11);
    g_autoptr(GBytes) good = encoded(picture_new(64, 48, 3), ".jpg");

    expect_class(bad, ROW_TRUNCATED, "");
    expect_size(good, "32x32", 32, 24);
    expect_class(bad, ROW_TRUNCATED, "");
}

Test(image_broken, a_jpeg_process_we_cannot_decode_is_unsupported)
{
    /* SOI, then SOF3: lossless, 8 bits, 16 x 16, one component. */
    static const guint8 lossless[] = {0xff, 0xd8, 0xff, 0xc3, 0, 11,   8,    0,    16,  0,
                                      16,   1,    1,    0x11, 0, 0xff, 0xda, 0,    8,   1,
                                      1,    0,    0,    0,    0, 0,    0,    0xff, 0xd9};
    g_autoptr(GBytes) input = bytes_of(lossless, sizeof lossless);

    expect_class(input, ROW_UNSUPPORTED_FORMAT, "Unsupported JPEG process");
}

static const char *const metadata_names[] = {VIPS_META_EXIF_NAME, VIPS_META_XMP_NAME,
                                             VIPS_META_IPTC_NAME, VIPS_META_ICC_NAME,
                                             "png-comment-0-a"};

/* An image with all of it: a camera's name in Exif, XMP, IPTC, a P3 profile, to be turned. */
static VipsImage *
with_metadata(void)
{
    static const char xmp[] = "<x:xmpmeta><rdf:Description tiff:Orientation=\"6\"/></x:xmpmeta>";
    VipsImage *image = picture_new(200, 100, 3), *p3, *copy;

    cr_assert_eq(vips_icc_transform(image, &p3, "p3", "input_profile", "srgb", NULL), 0);
    cr_assert_eq(vips_copy(p3, &copy, NULL), 0);
    vips_image_set_string(copy, "exif-ifd0-Make", "Camera (Camera, ASCII, 7 components, 7 bytes)");
    vips_image_set_int(copy, VIPS_META_ORIENTATION, 6);
    vips_image_set_blob_copy(copy, VIPS_META_XMP_NAME, xmp, sizeof xmp - 1);
    vips_image_set_blob_copy(copy, VIPS_META_IPTC_NAME, "Photoshop 3.0", 14);
    g_object_unref(image);
    g_object_unref(p3);
    return copy;
}

static guint
metadata_bits(const ImageOutput *output)
{
    VipsImage *image = decoded(output);
    guint bits = 0;

    for (guint i = 0; i < G_N_ELEMENTS(metadata_names); i++) {
        if (vips_image_get_typeof(image, metadata_names[i]))
            bits |= 1u << i;
    }
    cr_expect_eq(vips_image_get_orientation(image), 1);
    g_object_unref(image);
    return bits;
}

Test(image_broken, metadata_is_stripped_and_with_icc_keep_only_the_profile_stays)
{
    g_autoptr(GBytes) input = encoded(with_metadata(), ".jpg");
    ImageResult result =
        resized(input, "99x99;98x98,format=png;97x97,format=webp;96x96,format=tiff;"
                       "99x99,icc=keep;98x98,icc=keep,format=png;97x97,icc=keep,format=webp;"
                       "96x96,icc=keep,format=tiff;95x95,icc=keep,format=avif,effort=0");

    cr_assert_eq(result.class, ROW_OK, "%s", result.message);
    for (guint i = 0; i < result.output_count; i++) {
        guint made_up = result.outputs[i].format == IMAGE_FORMAT_AVIF ? 1u : 0; /* by the encoder */

        cr_expect_eq(metadata_bits(&result.outputs[i]) & ~made_up, i < 4 ? 0u : 1u << 3,
                     "output %u", i);
        cr_expect_lt(result.outputs[i].width_px, result.outputs[i].height_px, "turned");
    }
    image_result_clear(&result);
}

Test(image_broken, metadata_that_stays_is_true)
{
    g_autoptr(GBytes) input = encoded(with_metadata(), ".jpg");
    ImageResult result = resized(input, "100x100,strip=none,format=jpeg");
    cr_assert_eq(result.class, ROW_OK, "%s", result.message);
    VipsImage *image = decoded(&result.outputs[0]);
    const char *make, *orientation;
    const void *xmp;
    gsize size_bytes;

    cr_assert_eq(vips_image_get_string(image, "exif-ifd0-Make", &make), 0);
    cr_expect(g_str_has_prefix(make, "Camera"));
    if (vips_image_get_string(image, "exif-ifd0-Orientation", &orientation) == 0)
        cr_expect(g_str_has_prefix(orientation, "1 "), "%s", orientation);
    cr_assert_eq(vips_image_get_blob(image, VIPS_META_XMP_NAME, &xmp, &size_bytes), 0);
    cr_expect_not_null(memmem(xmp, size_bytes, "tiff:Orientation=\"1\"", 20));
    /* The pixels are sRGB now: so must be the profile, if there is one. */
    VipsImage *srgb;
    cr_assert_eq(vips_icc_transform(image, &srgb, "srgb", "embedded", TRUE, NULL), 0);
    cr_expect_lt(mean_difference(image, srgb), 1.0);
    g_object_unref(srgb);
    g_object_unref(image);
    image_result_clear(&result);
}
