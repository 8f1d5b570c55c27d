/* meandiff.c - the mean absolute difference of the pixels of two images, in units of 1/255.
 *
 *     meandiff A B
 *
 * Prints "WIDTHxHEIGHT DIFFERENCE". Both are brought to 8-bit sRGB without alpha first. Exits with
 * 1 when the sizes differ, 64 when one cannot be read.
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

int
main(int argc, char **argv)
{
    VipsImage *difference = NULL, *absolute = NULL;
    double mean;

    if (argc != 3 || VIPS_INIT(argv[0]))
        return 64;
    VipsImage *a = open_rgb(argv[1]);
    VipsImage *b = open_rgb(argv[2]);
    if (!a || !b) {
        fprintf(stderr, "meandiff: %s", vips_error_buffer());
        return 64;
    }
    if (a->Xsize != b->Xsize || a->Ysize != b->Ysize) {
        printf("%dx%d is not %dx%d\n", a->Xsize, a->Ysize, b->Xsize, b->Ysize);
        return 1;
    }
    if (vips_subtract(a, b, &difference, NULL) || vips_abs(difference, &absolute, NULL) ||
        vips_avg(absolute, &mean, NULL)) {
        fprintf(stderr, "meandiff: %s", vips_error_buffer());
        return 64;
    }
    printf("%dx%d %.4f\n", a->Xsize, a->Ysize, mean);
    g_object_unref(a);
    g_object_unref(b);
    g_object_unref(difference);
    g_object_unref(absolute);
    return 0;
}
