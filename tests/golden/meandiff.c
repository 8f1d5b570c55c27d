/* meandiff.c - how far pairs of images are apart: the mean absolute difference of their pixels, in
 * units of 1/255.
 *
 *     meandiff A B [A B]...
 *
 * Prints a line a pair: "DIFFERENCE WIDTHxHEIGHT B", or "size WIDTHxHEIGHT WIDTHxHEIGHT B" when the
 * sizes differ, or "unreadable B". Both are brought to 8-bit sRGB without alpha first.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include <vips/vips.h>

static VipsImage *
open_rgb(const char *path)
{
    VipsImage *image = vips_image_new_from_file(path, NULL);
    VipsImage *flat = NULL, *rgb = NULL, *cast = NULL;

    if (!image)
        return NULL;
    if (!vips_image_hasalpha(image))
        flat = g_object_ref(image);
    else if (vips_flatten(image, &flat, NULL))
        return NULL;
    if (vips_colourspace(flat, &rgb, VIPS_INTERPRETATION_sRGB, NULL) ||
        vips_cast(rgb, &cast, VIPS_FORMAT_UCHAR, NULL))
        return NULL;
    g_object_unref(image);
    g_object_unref(flat);
    g_object_unref(rgb);
    return cast;
}

/* Returns: the mean, or 255 when it cannot be computed. */
static double
difference_mean(VipsImage *a, VipsImage *b)
{
    VipsImage *difference = NULL, *absolute = NULL;
    double mean = 255;

    if (vips_subtract(a, b, &difference, NULL) || vips_abs(difference, &absolute, NULL) ||
        vips_avg(absolute, &mean, NULL))
        mean = 255;
    g_clear_object(&difference);
    g_clear_object(&absolute);
    return mean;
}

static void
compare(const char *a_path, const char *b_path)
{
    VipsImage *a = open_rgb(a_path);
    VipsImage *b = open_rgb(b_path);

    if (!a || !b)
        printf("unreadable %s\n", b_path);
    else if (a->Xsize != b->Xsize || a->Ysize != b->Ysize)
        printf("size %dx%d %dx%d %s\n", a->Xsize, a->Ysize, b->Xsize, b->Ysize, b_path);
    else
        printf("%.4f %dx%d %s\n", difference_mean(a, b), a->Xsize, a->Ysize, b_path);
    vips_error_clear();
    g_clear_object(&a);
    g_clear_object(&b);
}

int
main(int argc, char **argv)
{
    if (argc < 3 || argc % 2 == 0 || VIPS_INIT(argv[0]))
        return 64;
    vips_cache_set_max(0);
    for (int i = 1; i < argc; i += 2)
        compare(argv[i], argv[i + 1]);
    vips_shutdown();
    return 0;
}
