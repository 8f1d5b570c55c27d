/* outspec.h - the output spec: what one output of a manifest row should be, as in
 * "320x320,fit=cover,format=webp,q=80". Grammar: formats/README.md, "Output spec".
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_OUTSPEC_H
#define MILLRACE_FORMATS_OUTSPEC_H

#include <glib.h>

#define OUTPUT_SIDE_MAX_PX     65500 /* JPEG's limit; a saver with a lower one fails its row */
#define OUTPUTS_PER_ROW_MAX    16
#define OUTPUT_QUALITY_DEFAULT 75
#define OUTPUT_EFFORT_DEFAULT  255 /* the library's own */

typedef enum { FIT_INSIDE, FIT_COVER, FIT_CONTAIN, FIT_FILL, FIT_OUTSIDE } OutputFit;
typedef enum { CROP_CENTRE, CROP_ENTROPY, CROP_ATTENTION } OutputCrop;

/* Formats of images. IMAGE_FORMAT_INPUT is "the input's, or PNG where we cannot write it". */
typedef enum {
    IMAGE_FORMAT_INPUT,
    IMAGE_FORMAT_JPEG,
    IMAGE_FORMAT_PNG,
    IMAGE_FORMAT_WEBP,
    IMAGE_FORMAT_GIF,
    IMAGE_FORMAT_TIFF,
    IMAGE_FORMAT_AVIF,
    IMAGE_FORMAT_HEIF,
    IMAGE_FORMAT_COUNT
} ImageFormat;

/* Plain data: copied by assignment, sent to workers field by field. */
typedef struct {
    guint32 width_px;  /* 0 = follows from the height */
    guint32 height_px; /* 0 = follows from the width; one of the two is set */
    OutputFit fit;
    OutputCrop crop; /* used by FIT_COVER */
    ImageFormat format;
    guint8 quality;         /* 1..100 */
    guint8 effort;          /* 0 (fast) .. 9 (small), or OUTPUT_EFFORT_DEFAULT */
    gboolean upscale;       /* may the image be enlarged? */
    gboolean keep_metadata; /* strip=none */
    gboolean keep_icc;      /* icc=keep: no colour transform, the profile stays */
    guint8 background[3]; /* sRGB, behind alpha where the format has none and around FIT_CONTAIN */
} OutputSpec;

/* Parses one spec. Returns FALSE and MILLRACE_ERROR_USAGE that quotes the part that is wrong. */
gboolean output_spec_parse(const char *text, OutputSpec *spec, GError **error);

/* Parses specs with ';' between them into specs[0..max). A spec given twice is an error.
 * Returns: their number (at least 1), or -1 and error. */
int output_spec_parse_list(const char *text, OutputSpec *specs, guint max, GError **error);

/* Returns: (transfer full) the canonical text: size, then the keys that differ from the defaults,
 * in a fixed order. Parsing it gives the same spec. It has no '/', ';' or white space. */
char *output_spec_print(const OutputSpec *spec);

/* "jpeg", "png", ...; "" for IMAGE_FORMAT_INPUT. */
const char *image_format_name(ImageFormat format);
/* IMAGE_FORMAT_INPUT when there is no format of that name. */
ImageFormat image_format_from_name(const char *name);
/* The extension we give, without dot: "jpg", "png", "webp", "gif", "tif", "avif", "heic". */
const char *image_format_extension(ImageFormat format);
/* Does extension (without dot, any case) name the format, as jpg, jpeg, jpe and jfif name JPEG? */
gboolean image_format_has_extension(ImageFormat format, const char *extension);

#endif
