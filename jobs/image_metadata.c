/* image_metadata.c - what of an image's metadata goes into its output: nothing, the colour profile,
 * or all that is still true of the new pixels. Encoders only know "everything" and "nothing", and
 * add an Exif block of their own to "everything"; the cases between are made here.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "jobs/image_internal.h"

#define VP8X_HAS_EXIF 0x08

/* XMP has an orientation of its own, which nobody rotates by but some show. */
static void
xmp_set_upright(VipsImage *image)
{
    static const char *const keys[] = {"tiff:Orientation=\"", "tiff:Orientation='",
                                       "<tiff:Orientation>"};
    const void *bytes;
    gsize size_bytes;

    if (vips_image_get_typeof(image, VIPS_META_XMP_NAME) == 0 ||
        vips_image_get_blob(image, VIPS_META_XMP_NAME, &bytes, &size_bytes))
        return;
    g_autofree char *xmp = g_memdup2(bytes, size_bytes);
    for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
        gsize length = strlen(keys[i]);
        char *found = memmem(xmp, size_bytes, keys[i], length);

        if (found && found + length < xmp + size_bytes && g_ascii_isdigit(found[length]))
            found[length] = '1';
    }
    vips_image_set_blob_copy(image, VIPS_META_XMP_NAME, xmp, size_bytes);
}

/* Everything stays but what rotating and scaling made untrue. */
static void
keep_what_is_true(VipsImage *image)
{
    vips_image_remove(image, "jpeg-thumbnail-data");
    vips_autorot_remove_angle(image);
    xmp_set_upright(image);
}

static void
keep_at_most_profile(VipsImage *image, gboolean keep_icc)
{
    g_auto(GStrv) fields = vips_image_get_fields(image);

    for (char **field = fields; field && *field; field++) {
        if (!keep_icc || !g_str_equal(*field, VIPS_META_ICC_NAME))
            vips_image_remove(image, *field);
    }
}

VipsImage *
image_metadata_prepare(VipsImage *image, const ImagePlan *plan, gboolean *strip)
{
    const OutputSpec *spec = plan->spec;
    VipsImage *copy;

    /* The encoder of WebP does not strip, whatever it is told: there the image itself is cleared.
     */
    *strip = !spec->keep_metadata && !spec->keep_icc && plan->format != IMAGE_FORMAT_WEBP;
    if (*strip)
        return g_object_ref(image);
    if (vips_copy(image, &copy, NULL))
        return NULL;
    if (spec->keep_metadata)
        keep_what_is_true(copy);
    else
        keep_at_most_profile(copy, spec->keep_icc);
    *strip = !spec->keep_metadata && vips_image_get_typeof(copy, VIPS_META_ICC_NAME) == 0;
    return copy;
}

/* Steps over the segments of a JPEG's header that are Exif, copying the others. */
static void
jpeg_drop_exif(GByteArray *jpeg)
{
    for (guint at = 2; at + 10 <= jpeg->len && jpeg->data[at] == 0xff;) {
        guint length = 2 + ((guint)jpeg->data[at + 2] << 8 | jpeg->data[at + 3]);

        if (jpeg->data[at + 1] == 0xda || at + length > jpeg->len)
            return;
        if (jpeg->data[at + 1] == 0xe1 && memcmp(jpeg->data + at + 4, "Exif", 4) == 0)
            g_byte_array_remove_range(jpeg, at, length);
        else
            at += length;
    }
}

static guint32
read_u32le(const guint8 *bytes)
{
    return (guint32)bytes[3] << 24 | (guint32)bytes[2] << 16 | (guint32)bytes[1] << 8 | bytes[0];
}

/* Without Exif an extended file may say nothing that a simple one does not: then it becomes one. */
static void
webp_drop_exif(GByteArray *webp)
{
    for (guint at = 12; at + 8 <= webp->len;) {
        guint64 length = 8 + (guint64)read_u32le(webp->data + at + 4);

        length += length & 1;
        if (length > webp->len - at)
            return;
        gboolean is_empty = FALSE;
        if (memcmp(webp->data + at, "VP8X", 4) == 0 && length >= 18) {
            webp->data[at + 8] &= (guint8)~VP8X_HAS_EXIF;
            is_empty = webp->data[at + 8] == 0;
        }
        if (is_empty || memcmp(webp->data + at, "EXIF", 4) == 0)
            g_byte_array_remove_range(webp, at, (guint)length);
        else
            at += (guint)length;
    }
    guint32 size = GUINT32_TO_LE(webp->len - 8);
    memcpy(webp->data + 4, &size, sizeof size);
}

void
image_metadata_drop_exif(ImageFormat format, ImageOutput *output)
{
    if (format != IMAGE_FORMAT_JPEG && format != IMAGE_FORMAT_WEBP)
        return;
    GByteArray *bytes = g_byte_array_new_take(output->bytes, output->size_bytes);
    if (format == IMAGE_FORMAT_JPEG)
        jpeg_drop_exif(bytes);
    else
        webp_drop_exif(bytes);
    output->bytes = g_byte_array_steal(bytes, &output->size_bytes);
    g_byte_array_unref(bytes);
}
