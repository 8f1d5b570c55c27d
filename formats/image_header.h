/* image_header.h - how large an image says it is, from its first bytes, without decoding it: what a
 * door predicts a request's cost by before any worker has seen it. It is a guess for admission;
 * what holds is what the worker finds. Sources: ITU T.81 (JPEG), RFC 2083 (PNG), RFC 9649 (WebP),
 * GIF89a, TIFF 6.0, ISO/IEC 23008-12 (HEIF, AVIF: the largest ispe).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_IMAGE_HEADER_H
#define MILLRACE_FORMATS_IMAGE_HEADER_H

#include <glib.h>

#include "formats/outspec.h"

#define IMAGE_HEADER_BYTES (64 << 10) /* as much as is worth giving */

typedef struct {
    ImageFormat format; /* IMAGE_FORMAT_INPUT: none that is known here */
    guint32 width_px;   /* 0: not found within the bytes */
    guint32 height_px;
    gboolean progressive; /* JPEG: costs more memory and time */
} ImageHeader;

/* What the bytes begin as; IMAGE_FORMAT_INPUT: none that is known here. */
ImageFormat image_sniff(const guint8 *bytes, gsize size_bytes);
/* Never fails: what cannot be read stays 0. Bounded: looks at IMAGE_HEADER_BYTES of them once. */
void image_header_read(const guint8 *bytes, gsize size_bytes, ImageHeader *header);

#endif
