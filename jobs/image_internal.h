/* image_internal.h - what the files of the libvips lane share. Nobody else includes it.
 * One image goes header -> plan (numbers only) -> load -> scale -> save, each in its own file.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_IMAGE_INTERNAL_H
#define MILLRACE_JOBS_IMAGE_INTERNAL_H

#include <vips/vips.h>

#include "jobs/image.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VipsImage, g_object_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VipsRegion, g_object_unref)

/* What the header says, before any pixel. */
typedef struct {
    int width_px; /* of the frame that is read, as stored: before rotation */
    int height_px;
    int pages;
    int bands;
    guint sample_bytes;    /* of one band of one pixel */
    gboolean is_multipass; /* progressive or interlaced: every pixel is held until the last pass */
    int orientation;       /* EXIF, 1..8 */
    gboolean is_turned;    /* orientation swaps the axes */
} ImageShape;

/* The numbers of one output: the same whether its spec comes alone or with others. */
typedef struct {
    const OutputSpec *spec;
    ImageFormat format; /* never IMAGE_FORMAT_INPUT */
    double load_shrink; /* what the loader is to shrink by: JPEG 1, 2, 4 or 8; WebP any; others 1 */
    int loaded_width_px; /* the size the loader gives at load_shrink */
    int loaded_height_px;
    double hshrink; /* from the loaded size to the scaled */
    double vshrink;
    int scaled_width_px; /* after scaling, before rotation, crop and padding */
    int scaled_height_px;
    int width_px; /* of the output: upright, cropped or padded */
    int height_px;
} ImagePlan;

/* One call of image_resize(). Borrows everything. */
typedef struct {
    const guint8 *bytes;
    gsize size_bytes;
    ImageFormat format;
    ImageShape header;
    double base_shrink; /* from the stored image to the one that was loaded, in both directions */
    const ImageLimits *limits;
    ImageResult *result;
} ImageJob;

/* image_modules.c */
/* Before vips_init(): keeps it from loading its modules. */
void image_modules_hide(void);
/* After it: loads those that we use. */
void image_modules_load(void);

/* image_sniff.c */
/* Names what bytes seem to be, for the message of an image that we do not read: "BMP", or NULL. */
const char *image_sniff_foreign(const guint8 *bytes, gsize size_bytes);
/* Counts the frames of a GIF; the library stops at 4096. */
int image_gif_frames(const guint8 *bytes, gsize size_bytes);
/* Does the file end before its own structure says? Looks at lengths only; TRUE is certain. */
gboolean image_ends_early(ImageFormat format, const guint8 *bytes, gsize size_bytes);

/* image_error.c */
/* Records the first failure of the job; later ones are its consequences and change nothing.
 * Returns: FALSE, so that callers can return it. */
gboolean image_fail(ImageJob *job, RowClass class, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* Forgets what the library said so far: before each image. */
void image_error_clear(void);
/* The log handler of libvips: some decoders give their reason only as a warning. It is kept. */
void image_error_hear(const char *domain, GLogLevelFlags level, const char *message, gpointer data);
/* Records libvips' own error text, classified, and clears it. Returns: FALSE. */
gboolean image_fail_vips(ImageJob *job);

/* image_limits.c */
/* Before the library sees the bytes: what they unfold into. */
gboolean image_limits_check_structure(ImageJob *job);
/* What the header says, against the limits. */
gboolean image_limits_check_header(ImageJob *job);
/* The passes of a JPEG whose header has been read. */
gboolean image_limits_check_scans(ImageJob *job);

/* image_memory.c */
/* What the image and its outputs will take at most at one time, by its header; the process and its
 * libraries come on top. */
guint64 image_memory_estimate(const ImageJob *job, const ImagePlan *plans, guint count);
/* Holds that against the limits. */
gboolean image_memory_check(ImageJob *job, const ImagePlan *plans, guint count);

/* image_load.c */
/* Reads the header by the library and holds it against the limits. */
gboolean image_shape_read(ImageJob *job);
/* Opens the pixels at load_shrink for one pass from top to bottom.
 * Returns: (transfer full), or NULL with the failure recorded. */
VipsImage *image_load(ImageJob *job, double load_shrink);
/* Decodes once for several plans: into memory, reduced as far as the largest output allows.
 * Returns: (transfer full), or NULL with the failure recorded. */
VipsImage *image_load_shared(ImageJob *job, const ImagePlan *plans, guint count);
/* By how much that decode is shrunk after loading, when the largest output shrinks by scale_shrink;
 * 1: not at all. */
int image_shared_shrink(ImageFormat format, double scale_shrink);

/* image_plan.c */
void image_plan_make(ImageFormat input_format, const ImageShape *header, const OutputSpec *spec,
                     ImagePlan *plan);
/* The length that vips_resize() gives a side that is shrunk. */
int image_plan_side(int side_px, double shrink);
/* Holds the output's size against the limits and what its format can hold. */
gboolean image_plan_check(ImageJob *job, const ImagePlan *plan);

/* image_scale.c */
/* The pixels of one output from base: scaled, in the right colour space, upright, cropped.
 * Returns: (transfer full), or NULL with the failure recorded. */
VipsImage *image_scale(ImageJob *job, VipsImage *base, const ImagePlan *plan);

/* image_render.c */
/* Computes all pixels of image into memory, from top to bottom, so that it may be read in any
 * order. Returns: (transfer full), or NULL with libvips' error set. */
VipsImage *image_render(VipsImage *image);

/* image_icc.c */
typedef enum {
    ICC_NONE, /* no profile, or none that fits the pixels: a device space is assumed */
    ICC_SRGB, /* the profile is sRGB, or a grey one with sRGB's curve: pixels are right as they are
               */
    ICC_TRANSFORM, /* a profile that fits the pixels and changes them */
} IccKind;
IccKind image_icc_kind(VipsImage *image);
/* Is the profile sRGB by its numbers? */
gboolean image_icc_is_srgb(const guint8 *profile, gsize size_bytes);

/* image_metadata.c */
/* Leaves in image what its output shall carry. *strip: whether the encoder is to write no metadata.
 * Returns: (transfer full), or NULL with libvips' error set. */
VipsImage *image_metadata_prepare(VipsImage *image, const ImagePlan *plan, gboolean *strip);
/* Takes out the Exif block that the encoders of JPEG and WebP make up. (That of AVIF stays: it says
 * resolution and size, nothing of the source.) */
void image_metadata_drop_exif(ImageFormat format, ImageOutput *output);

/* image_save.c */
gboolean image_can_save(ImageFormat format);
/* Does the encoder of JPEG take two passes for this spec? */
gboolean image_save_optimizes(const OutputSpec *spec);
/* Finds out what can be written, by writing a small image in each format. */
void image_save_warm(VipsImage *image);
/* Encodes image into output. */
gboolean image_save(ImageJob *job, VipsImage *image, const ImagePlan *plan, ImageOutput *output);

#endif
