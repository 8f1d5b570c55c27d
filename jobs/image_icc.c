/* image_icc.c - what an embedded profile means for the pixels. Most photographs carry an sRGB
 * profile: transforming by it costs much and changes nothing, so it is recognised by its numbers
 * (its name proves nothing, and there are dozens of byte-wise different ones).
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "jobs/image_internal.h"

#define ICC_HEADER_BYTES  128
#define ICC_TAG_BYTES     12
#define PRIMARY_TOLERANCE 0.002
#define CURVE_TOLERANCE   0.0015
#define CURVE_SAMPLES     32
#define ICC_TAGS_MAX      100

typedef struct {
    const guint8 *bytes;
    gsize size_bytes;
} Span;

static guint32
read_u32(const guint8 *bytes)
{
    return (guint32)bytes[0] << 24 | (guint32)bytes[1] << 16 | (guint32)bytes[2] << 8 | bytes[3];
}

static double
read_fixed(const guint8 *bytes)
{
    return (gint32)read_u32(bytes) / 65536.0;
}

/* Finds a tag. Its span is empty when there is none or when it leaves the profile. */
static Span
find_tag(Span profile, const char *name)
{
    const Span none = {NULL, 0};

    if (profile.size_bytes < ICC_HEADER_BYTES + 4)
        return none;
    guint32 count = MIN(read_u32(profile.bytes + ICC_HEADER_BYTES), ICC_TAGS_MAX);
    for (guint32 i = 0; i < count; i++) {
        gsize at = ICC_HEADER_BYTES + 4 + (gsize)i * ICC_TAG_BYTES;

        if (at + ICC_TAG_BYTES > profile.size_bytes)
            return none;
        if (memcmp(profile.bytes + at, name, 4) != 0)
            continue;
        gsize offset = read_u32(profile.bytes + at + 4);
        gsize size = read_u32(profile.bytes + at + 8);
        if (offset > profile.size_bytes || size > profile.size_bytes - offset)
            return none;
        return (Span){profile.bytes + offset, size};
    }
    return none;
}

static gboolean
primary_is(Span profile, const char *name, const double expected[3])
{
    Span tag = find_tag(profile, name);

    if (tag.size_bytes < 20 || memcmp(tag.bytes, "XYZ ", 4) != 0)
        return FALSE;
    for (guint i = 0; i < 3; i++) {
        if (fabs(read_fixed(tag.bytes + 8 + 4 * i) - expected[i]) > PRIMARY_TOLERANCE)
            return FALSE;
    }
    return TRUE;
}

static double
srgb_curve(double x)
{
    return x <= 0.04045 ? x / 12.92 : pow((x + 0.055) / 1.055, 2.4);
}

/* A table of count values, linear between them. A count of 0 or 1 is a pure gamma: not sRGB. */
static gboolean
table_is_srgb(Span tag)
{
    if (tag.size_bytes < 12)
        return FALSE;
    guint32 count = read_u32(tag.bytes + 8);
    if (count < 2 || count > (tag.size_bytes - 12) / 2)
        return FALSE;
    const guint8 *table = tag.bytes + 12;
    for (guint i = 0; i <= CURVE_SAMPLES; i++) {
        double x = (double)i / CURVE_SAMPLES;
        double place = x * (count - 1);
        guint32 low = MIN((guint32)place, count - 2);
        double a = (table[2 * low] << 8 | table[2 * low + 1]) / 65535.0;
        double b = (table[2 * low + 2] << 8 | table[2 * low + 3]) / 65535.0;

        if (fabs(a + (b - a) * (place - low) - srgb_curve(x)) > CURVE_TOLERANCE)
            return FALSE;
    }
    return TRUE;
}

/* Parametric curves: type 3 is (aX+b)^g above d and cX below it; type 4 adds e and f. */
static gboolean
formula_is_srgb(Span tag)
{
    double p[7] = {0};

    if (tag.size_bytes < 12)
        return FALSE;
    guint type = (guint)tag.bytes[8] << 8 | tag.bytes[9];
    guint count = type == 3 ? 5 : type == 4 ? 7 : 0;
    if (count == 0 || tag.size_bytes < 12 + 4 * count)
        return FALSE;
    for (guint i = 0; i < count; i++)
        p[i] = read_fixed(tag.bytes + 12 + 4 * i);
    for (guint i = 0; i <= CURVE_SAMPLES; i++) {
        double x = (double)i / CURVE_SAMPLES;
        double y = x >= p[4] ? pow(MAX(0, p[1] * x + p[2]), p[0]) + p[5] : p[3] * x + p[6];

        if (fabs(y - srgb_curve(x)) > CURVE_TOLERANCE)
            return FALSE;
    }
    return TRUE;
}

static gboolean
curve_is_srgb(Span profile, const char *name)
{
    Span tag = find_tag(profile, name);

    if (tag.size_bytes < 12)
        return FALSE;
    if (memcmp(tag.bytes, "curv", 4) == 0)
        return table_is_srgb(tag);
    return memcmp(tag.bytes, "para", 4) == 0 && formula_is_srgb(tag);
}

static gboolean
has_space(Span profile, const char *space)
{
    return profile.size_bytes >= ICC_HEADER_BYTES && memcmp(profile.bytes + 16, space, 4) == 0;
}

/* With lookup tables the matrix and the curves may not be what is used. */
static gboolean
is_matrix_profile(Span profile)
{
    return memcmp(profile.bytes + 20, "XYZ ", 4) == 0 && !find_tag(profile, "A2B0").bytes &&
           !find_tag(profile, "A2B1").bytes;
}

gboolean
image_icc_is_srgb(const guint8 *profile_bytes, gsize size_bytes)
{
    static const double red[3] = {0.4360, 0.2225, 0.0139};
    static const double green[3] = {0.3851, 0.7169, 0.0971};
    static const double blue[3] = {0.1431, 0.0606, 0.7141};
    Span profile = {profile_bytes, size_bytes};

    return has_space(profile, "RGB ") && is_matrix_profile(profile) &&
           primary_is(profile, "rXYZ", red) && primary_is(profile, "gXYZ", green) &&
           primary_is(profile, "bXYZ", blue) && curve_is_srgb(profile, "rTRC") &&
           curve_is_srgb(profile, "gTRC") && curve_is_srgb(profile, "bTRC");
}

IccKind
image_icc_kind(VipsImage *image)
{
    const void *bytes;
    gsize size_bytes;

    if (vips_image_get_typeof(image, VIPS_META_ICC_NAME) == 0)
        return ICC_NONE;
    if (vips_image_get_blob(image, VIPS_META_ICC_NAME, &bytes, &size_bytes)) {
        vips_error_clear();
        return ICC_NONE;
    }
    Span profile = {bytes, size_bytes};
    if (image->Type == VIPS_INTERPRETATION_CMYK)
        return has_space(profile, "CMYK") ? ICC_TRANSFORM : ICC_NONE;
    if (image->Bands < 3) {
        if (!has_space(profile, "GRAY"))
            return ICC_NONE;
        return curve_is_srgb(profile, "kTRC") ? ICC_SRGB : ICC_TRANSFORM;
    }
    if (!has_space(profile, "RGB "))
        return ICC_NONE;
    return image_icc_is_srgb(bytes, size_bytes) ? ICC_SRGB : ICC_TRANSFORM;
}
