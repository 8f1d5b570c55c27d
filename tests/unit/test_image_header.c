/* test_image_header.c - sizes of headers written by hand, as their specifications have them; cut
 * ones and lying ones say nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/image_header.h"

#include <string.h>

#include <criterion/criterion.h>

#define BYTES(text) (const guint8 *)(text), sizeof(text) - 1

typedef struct {
    const guint8 *bytes;
    gsize size_bytes;
    ImageFormat format;
    guint32 width_px;
    guint32 height_px;
    gboolean progressive;
} Case;

/* An ISO file: ftyp (16 bytes), meta (12 + iprp (8 + ipco (8 + boxes))). */
#define FTYP(brand)                                                                                \
    "\0\0\0\x10"                                                                                   \
    "ftyp" brand "\0\0\0\0"
#define ISPE(width, height)                                                                        \
    "\0\0\0\x14"                                                                                   \
    "ispe\0\0\0\0" width height
#define META_OF_TWO                                                                                \
    "\0\0\0\x44"                                                                                   \
    "meta\0\0\0\0"                                                                                 \
    "\0\0\0\x38"                                                                                   \
    "iprp"                                                                                         \
    "\0\0\0\x30"                                                                                   \
    "ipco" ISPE("\0\0\x02\0", "\0\0\x02\0") ISPE("\0\0\x0f\xc0", "\0\0\x0b\xd0")

static const Case cases[] = {
    /* APP0 of 16 bytes, then SOF0: length 17, precision 8, height 480, width 640. */
    {BYTES("\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0\xff\xc0\0\x11\x08\x01\xe0\x02\x80\x03"),
     IMAGE_FORMAT_JPEG, 640, 480, FALSE},
    /* A table (C4 is no frame), fill bytes, then SOF2. */
    {BYTES("\xff\xd8\xff\xc4\0\x04\xaa\xbb\xff\xff\xff\xc2\0\x11\x08\x03\xe8\x07\xd0\x03"),
     IMAGE_FORMAT_JPEG, 2000, 1000, TRUE},
    /* A frame behind the scan is not looked for. */
    {BYTES("\xff\xd8\xff\xda\0\x02\xff\xc0\0\x11\x08\x03\xe8\x07\xd0\x03"), IMAGE_FORMAT_JPEG, 0, 0,
     FALSE},
    /* A segment that is shorter than its length. */
    {BYTES("\xff\xd8\xff\xe0\0\1\xff\xc0\0\x11\x08\x03\xe8\x07\xd0\x03"), IMAGE_FORMAT_JPEG, 0, 0,
     FALSE},
    {BYTES("\xff\xd8\xff\xc0\0\x11\x08\x03\xe8\x07"), IMAGE_FORMAT_JPEG, 0, 0, FALSE},
    {BYTES("\xff\xd8\xff"), IMAGE_FORMAT_JPEG, 0, 0, FALSE},
    {BYTES("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x05\0\0\0\x02\xd0\x08\x06\0\0\0"), IMAGE_FORMAT_PNG,
     1280, 720, FALSE},
    {BYTES("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x05\0\0\0\x02"), IMAGE_FORMAT_PNG, 0, 0, FALSE},
    {BYTES("\x89PNG\r\n\x1a\n\0\0\0\rCgBI\0\0\x05\0\0\0\x02\xd0"), IMAGE_FORMAT_PNG, 0, 0, FALSE},
    {BYTES("GIF89a\x40\x01\xc8\0\xf7\0\0"), IMAGE_FORMAT_GIF, 320, 200, FALSE},
    {BYTES("GIF87a\x40"), IMAGE_FORMAT_GIF, 0, 0, FALSE},
    /* Key frame: tag, start code, 14 bits of each side and 2 of its scale, which is ignored. */
    {BYTES("RIFF\x24\0\0\0WEBPVP8 \x18\0\0\0\x30\x01\0\x9d\x01\x2a\x58\x42\x90\x81"),
     IMAGE_FORMAT_WEBP, 600, 400, FALSE},
    /* 14 bits of width - 1 (99), 14 of height - 1 (49). */
    {BYTES("RIFF\x24\0\0\0WEBPVP8L\x18\0\0\0\x2f\x63\x40\x0c\x10"), IMAGE_FORMAT_WEBP, 100, 50,
     FALSE},
    {BYTES("RIFF\x24\0\0\0WEBPVP8X\x0a\0\0\0\x10\0\0\0\xff\x0f\0\xff\x07\0"), IMAGE_FORMAT_WEBP,
     4096, 2048, FALSE},
    {BYTES("RIFF\x24\0\0\0WEBPVP8X\x0a\0\0\0\x10\0\0\0\xff\x0f\0\xff\x07"), IMAGE_FORMAT_WEBP, 0, 0,
     FALSE},
    /* Little-endian, directory at 8 with two entries: width SHORT 800, height LONG 600. */
    {BYTES("II*\0\x08\0\0\0\x02\0"
           "\0\x01\x03\0\x01\0\0\0\x20\x03\0\0"
           "\x01\x01\x04\0\x01\0\0\0\x58\x02\0\0"),
     IMAGE_FORMAT_TIFF, 800, 600, FALSE},
    {BYTES("MM\0*\0\0\0\x08\0\x02"
           "\x01\0\0\x03\0\0\0\x01\x03\x20\0\0"
           "\x01\x01\0\x04\0\0\0\x01\0\0\x02\x58"),
     IMAGE_FORMAT_TIFF, 800, 600, FALSE},
    /* BigTIFF: 8-byte offset at 8, counts of 8 bytes, entries of 20. */
    {BYTES("II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0"
           "\0\x01\x03\0\x01\0\0\0\0\0\0\0\x20\x03\0\0\0\0\0\0"
           "\x01\x01\x10\0\x01\0\0\0\0\0\0\0\x58\x02\0\0\0\0\0\0"),
     IMAGE_FORMAT_TIFF, 800, 600, FALSE},
    /* Directories behind the end, and a side that is a float. */
    {BYTES("II*\0\xff\xff\xff\xff"), IMAGE_FORMAT_TIFF, 0, 0, FALSE},
    {BYTES("MM\0+\0\x08\0\0\xff\xff\xff\xff\xff\xff\xff\xff"), IMAGE_FORMAT_TIFF, 0, 0, FALSE},
    {BYTES("II*\0\x08\0\0\0\x02\0"
           "\0\x01\x0b\0\x01\0\0\0\x20\x03\0\0"
           "\x01\x01\x04\0\x01\0\0\0\x58\x02\0\0"),
     IMAGE_FORMAT_TIFF, 0, 0, FALSE},
    /* The largest of a tile and the grid of them. */
    {BYTES(FTYP("avif") META_OF_TWO), IMAGE_FORMAT_AVIF, 4032, 3024, FALSE},
    {BYTES(FTYP("heic") "\0\0\0\x0c"
                        "free\0\0\0\0" META_OF_TWO),
     IMAGE_FORMAT_HEIF, 4032, 3024, FALSE},
    {BYTES("\0\0\0\x18"
           "ftypmif1\0\0\0\0mif1avif" META_OF_TWO),
     IMAGE_FORMAT_AVIF, 4032, 3024, FALSE},
    {BYTES(FTYP("heic") "\0\0\0\0meta"), IMAGE_FORMAT_HEIF, 0, 0, FALSE},
    {BYTES(FTYP("heic") "\0\0\0\1meta\xff\xff\xff\xff\xff\xff\xff\xff"), IMAGE_FORMAT_HEIF, 0, 0,
     FALSE},
    {BYTES(FTYP("heic") "\0\0\0\7meta\0\0\0\0"), IMAGE_FORMAT_HEIF, 0, 0, FALSE},
    {BYTES(FTYP("isom") META_OF_TWO), IMAGE_FORMAT_INPUT, 0, 0, FALSE},
    {BYTES("BM\x36\0\0\0\0\0\0\0"), IMAGE_FORMAT_INPUT, 0, 0, FALSE},
    {BYTES(""), IMAGE_FORMAT_INPUT, 0, 0, FALSE},
};

Test(image_header, sizes_are_those_that_the_header_gives)
{
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        /* A copy of its own size, so that a sanitizer sees a read beyond it. */
        g_autofree guint8 *bytes = g_memdup2(cases[i].bytes, cases[i].size_bytes);
        ImageHeader header = {.width_px = 1};
        image_header_read(bytes, cases[i].size_bytes, &header);
        cr_expect_eq(header.format, cases[i].format, "case %u: %u", i, header.format);
        cr_expect_eq(header.width_px, cases[i].width_px, "case %u: %u", i, header.width_px);
        cr_expect_eq(header.height_px, cases[i].height_px, "case %u: %u", i, header.height_px);
        cr_expect_eq(header.progressive, cases[i].progressive, "case %u", i);
    }
}

Test(image_header, a_cut_header_gives_the_size_or_none)
{
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        for (gsize size_bytes = 0; size_bytes < cases[i].size_bytes; size_bytes++) {
            g_autofree guint8 *bytes = g_memdup2(cases[i].bytes, size_bytes);
            ImageHeader header = {0};
            image_header_read(bytes, size_bytes, &header);
            cr_expect_eq(header.width_px == 0, header.height_px == 0, "case %u, %zu bytes", i,
                         size_bytes);
            cr_expect_leq(header.width_px, MAX(cases[i].width_px, 512), "case %u, %zu bytes", i,
                          size_bytes);
        }
    }
}

Test(image_header, many_boxes_and_segments_cost_no_more_than_their_bytes)
{
    static const guint8 start[] = {0xff, 0xd8, 0xff, 0xff};
    static const guint8 segment[] = {0xff, 0xe0, 0, 2};
    static const guint8 box[] = {0, 0, 0, 8, 'f', 'r', 'e', 'e'};
    static const char heif[] = FTYP("heic");
    gsize size_bytes = 8 << 20;
    g_autofree guint8 *bytes = g_malloc(size_bytes);
    ImageHeader header;

    /* Empty segments; then fill; then boxes of 8 bytes. */
    for (gsize i = 0; i + 4 <= size_bytes; i += 4)
        memcpy(bytes + i, segment, sizeof(segment));
    memcpy(bytes, start, sizeof(start));
    image_header_read(bytes, size_bytes, &header);
    cr_expect_eq(header.format, IMAGE_FORMAT_JPEG);
    cr_expect_eq(header.width_px, 0);
    memset(bytes + 2, 0xff, size_bytes - 2);
    image_header_read(bytes, size_bytes, &header);
    cr_expect_eq(header.width_px, 0);
    for (gsize i = 0; i + 8 <= size_bytes; i += 8)
        memcpy(bytes + i, box, sizeof(box));
    memcpy(bytes, heif, sizeof(heif) - 1);
    image_header_read(bytes, size_bytes, &header);
    cr_expect_eq(header.format, IMAGE_FORMAT_HEIF);
    cr_expect_eq(header.width_px, 0);
}
