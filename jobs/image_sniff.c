/* image_sniff.c - what bytes are that we do not read, by their magic number, and whether those that
 * we do end before their own lengths say. No library is asked: this runs on anything, at once.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "jobs/image_internal.h"

typedef struct {
    const char *name;
    guint offset;
    guint length;
    const char *magic;
} Magic;

static const Magic foreign_magics[] = {
    {"BMP", 0, 2, "BM"},
    {"ICO", 0, 4, "\0\0\1\0"},
    {"CUR", 0, 4, "\0\0\2\0"},
    {"SGI", 0, 2, "\x01\xda"},
    {"JPEG 2000", 0, 12, "\0\0\0\x0cjP  \r\n\x87\n"},
    {"JPEG 2000", 0, 4, "\xff\x4f\xff\x51"},
    {"JPEG XL", 0, 2, "\xff\x0a"},
    {"JPEG XL", 0, 12, "\0\0\0\x0cJXL \r\n\x87\n"},
    {"JPEG XR", 0, 3, "II\xbc"},
    {"PDF", 0, 5, "%PDF-"},
    {"PostScript", 0, 4, "%!PS"},
    {"DDS", 0, 4, "DDS "},
    {"BLP", 0, 4, "BLP1"},
    {"BLP", 0, 4, "BLP2"},
    {"FLI", 4, 2, "\x11\xaf"},
    {"FLC", 4, 2, "\x12\xaf"},
    {"MSP", 0, 4, "DanM"},
    {"MSP", 0, 4, "LinS"},
    {"PSD", 0, 4, "8BPS"},
    {"QOI", 0, 4, "qoif"},
    {"OpenEXR", 0, 4, "\x76\x2f\x31\x01"},
    {"Radiance HDR", 0, 10, "#?RADIANCE"},
    {"FITS", 0, 9, "SIMPLE  ="},
    {"XCF", 0, 8, "gimp xcf"},
    {"MNG", 0, 4, "\x8aMNG"},
    {"gzip", 0, 2, "\x1f\x8b"},
    {"Zip", 0, 4, "PK\3\4"},
    {"MPEG-4 video", 4, 8, "ftypisom"},
    {"MPEG-4 video", 4, 7, "ftypmp4"},
    {"QuickTime video", 4, 6, "ftypqt"},
};

static gboolean
has_magic(const guint8 *bytes, gsize size_bytes, guint offset, const char *magic, guint length)
{
    return size_bytes >= offset + length && memcmp(bytes + offset, magic, length) == 0;
}

static guint32
read_u32be(const guint8 *bytes)
{
    return (guint32)bytes[0] << 24 | (guint32)bytes[1] << 16 | (guint32)bytes[2] << 8 | bytes[3];
}

static guint32
read_u32le(const guint8 *bytes)
{
    return (guint32)bytes[3] << 24 | (guint32)bytes[2] << 16 | (guint32)bytes[1] << 8 | bytes[0];
}

static gboolean
is_text_of(const guint8 *bytes, gsize size_bytes, const char *needle)
{
    gsize size = MIN(size_bytes, 1024);

    return size > 0 && (bytes[0] == '<' || bytes[0] == 0xef || g_ascii_isspace(bytes[0])) &&
           memmem(bytes, size, needle, strlen(needle)) != NULL;
}

static gboolean
is_all_zero(const guint8 *bytes, gsize size_bytes)
{
    gsize size = MIN(size_bytes, 4096);

    for (gsize i = 0; i < size; i++) {
        if (bytes[i] != 0)
            return FALSE;
    }
    return size >= 16;
}

const char *
image_sniff_foreign(const guint8 *bytes, gsize size_bytes)
{
    for (guint i = 0; i < G_N_ELEMENTS(foreign_magics); i++) {
        const Magic *magic = &foreign_magics[i];

        if (has_magic(bytes, size_bytes, magic->offset, magic->magic, magic->length))
            return magic->name;
    }
    if (size_bytes >= 3 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '7' &&
        g_ascii_isspace(bytes[2]))
        return "PPM";
    if (is_text_of(bytes, size_bytes, "<svg"))
        return "SVG";
    if (is_text_of(bytes, size_bytes, "<html") || is_text_of(bytes, size_bytes, "<!DOCTYPE html"))
        return "HTML";
    if (is_all_zero(bytes, size_bytes))
        return "a run of zeros";
    return NULL;
}

/* Steps over data in sub-blocks. Returns: where it ends. */
static gsize
gif_skip_data(const guint8 *bytes, gsize size_bytes, gsize at)
{
    while (at < size_bytes && bytes[at] != 0)
        at += 1 + (gsize)bytes[at];
    return at + 1;
}

static gsize
gif_palette_bytes(guint8 flags)
{
    return flags & 0x80 ? (gsize)3 << ((flags & 7) + 1) : 0;
}

int
image_gif_frames(const guint8 *bytes, gsize size_bytes)
{
    int count = 0;

    if (size_bytes < 13)
        return 0;
    for (gsize at = 13 + gif_palette_bytes(bytes[10]); at < size_bytes;) {
        if (bytes[at] == 0x21) { /* an extension: its label, then data */
            at = gif_skip_data(bytes, size_bytes, at + 2);
        } else if (bytes[at] == 0x2c && at + 10 < size_bytes && count < G_MAXINT) {
            count++; /* a frame: its place and palette, the code size, then data */
            at += 10 + gif_palette_bytes(bytes[at + 9]);
            at = gif_skip_data(bytes, size_bytes, at + 1);
        } else {
            break;
        }
    }
    return count;
}

static gboolean
jpeg_ends_early(const guint8 *bytes, gsize size_bytes)
{
    /* Entropy-coded data cannot hold an EOI, a header can (in the thumbnail of an Exif block): so
     * the segments of the header are stepped over, and the rest must have one. */
    gsize at = 2;

    while (at + 4 <= size_bytes && bytes[at] == 0xff) {
        guint8 marker = bytes[at + 1];

        if (marker == 0xff) {
            at++;
            continue;
        }
        gsize length = (gsize)bytes[at + 2] << 8 | bytes[at + 3];
        if (at + 2 + length > size_bytes)
            return TRUE;
        at += 2 + length;
        if (marker == 0xda)
            break;
    }
    for (gsize end = size_bytes; end >= at + 2; end--) {
        if (bytes[end - 1] == 0xd9 && bytes[end - 2] == 0xff)
            return FALSE;
    }
    return TRUE;
}

static gboolean
png_ends_early(const guint8 *bytes, gsize size_bytes)
{
    for (gsize at = 8; at + 12 <= size_bytes;) {
        if (memcmp(bytes + at + 4, "IEND", 4) == 0)
            return FALSE;
        at += 12 + (gsize)read_u32be(bytes + at);
    }
    return TRUE;
}

static gboolean
isobmff_ends_early(const guint8 *bytes, gsize size_bytes)
{
    gsize at = 0;

    while (at + 8 <= size_bytes) {
        guint64 length = read_u32be(bytes + at);

        if (length == 1 && at + 16 <= size_bytes)
            length = (guint64)read_u32be(bytes + at + 8) << 32 | read_u32be(bytes + at + 12);
        if (length == 0) /* to the end of the file, wherever that is */
            return FALSE;
        if (length < 8 || length > size_bytes - at)
            return length >= 8;
        at += length;
    }
    return at != size_bytes;
}

/* Most writers put the directory behind the pixels: it is the first that a cut takes away. */
static gboolean
tiff_ends_early(const guint8 *bytes, gsize size_bytes)
{
    if (size_bytes < 16)
        return TRUE;
    if (bytes[2] == '+' || bytes[3] == '+') /* BigTIFF */
        return FALSE;
    guint64 offset = bytes[0] == 'I' ? read_u32le(bytes + 4) : read_u32be(bytes + 4);
    if (offset + 2 > size_bytes)
        return TRUE;
    const guint8 *directory = bytes + offset;
    guint64 entries = bytes[0] == 'I' ? (guint)directory[1] << 8 | directory[0]
                                      : (guint)directory[0] << 8 | directory[1];
    return offset + 2 + entries * 12 > size_bytes;
}

gboolean
image_ends_early(ImageFormat format, const guint8 *bytes, gsize size_bytes)
{
    switch (format) {
    case IMAGE_FORMAT_JPEG:
        return jpeg_ends_early(bytes, size_bytes);
    case IMAGE_FORMAT_PNG:
        return png_ends_early(bytes, size_bytes);
    case IMAGE_FORMAT_WEBP:
        return size_bytes < 20 || (guint64)read_u32le(bytes + 4) + 8 > size_bytes;
    case IMAGE_FORMAT_GIF:
        return size_bytes < 14;
    case IMAGE_FORMAT_AVIF:
    case IMAGE_FORMAT_HEIF:
        return isobmff_ends_early(bytes, size_bytes);
    case IMAGE_FORMAT_TIFF:
        return tiff_ends_early(bytes, size_bytes);
    default:
        return FALSE;
    }
}
