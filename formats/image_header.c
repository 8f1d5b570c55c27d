/* image_header.c - what bytes are, by their magic number, and how large the image says it is. No
 * library is asked and nothing is decoded: this runs on anything, at once, in a process that must
 * not be taken over.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/image_header.h"

#include <string.h>

/* Boxes and directory entries that are looked at, however many there are. */
enum { ENTRIES_MAX = 4096 };

/* The bytes, and how their numbers are written. */
typedef struct {
    const guint8 *bytes;
    gsize size_bytes;
    gboolean little;
} View;

static const char *const heif_brands[] = {"heic", "heix", "hevc", "heim", "heis",
                                          "hevm", "hevs", "mif1", "msf1"};

static gboolean
has(const View *view, gsize at, const char *magic, gsize length)
{
    return view->size_bytes >= length && at <= view->size_bytes - length &&
           memcmp(view->bytes + at, magic, length) == 0;
}

/* A number of up to 8 bytes; 0 where there are none. */
static guint64
number(const View *view, guint64 at, guint length)
{
    guint64 value = 0;

    if (view->size_bytes < length || at > view->size_bytes - length)
        return 0;
    for (guint i = 0; i < length; i++)
        value = value << 8 | view->bytes[at + (view->little ? length - 1 - i : i)];
    return value;
}

static ImageFormat
sniff_isobmff(const View *view)
{
    if (!has(view, 4, "ftyp", 4))
        return IMAGE_FORMAT_INPUT;
    if (has(view, 8, "avif", 4) || has(view, 8, "avis", 4))
        return IMAGE_FORMAT_AVIF;
    for (guint i = 0; i < G_N_ELEMENTS(heif_brands); i++) {
        if (!has(view, 8, heif_brands[i], 4))
            continue;
        /* mif1 and msf1 are shared by both codecs: a compatible brand tells. */
        gsize end = MIN(view->size_bytes, number(view, 0, 4));
        for (gsize at = 16; at + 4 <= end; at += 4) {
            if (has(view, at, "avif", 4))
                return IMAGE_FORMAT_AVIF;
        }
        return IMAGE_FORMAT_HEIF;
    }
    return IMAGE_FORMAT_INPUT;
}

ImageFormat
image_sniff(const guint8 *bytes, gsize size_bytes)
{
    View view = {bytes, size_bytes, FALSE};

    if (has(&view, 0, "\xff\xd8\xff", 3))
        return IMAGE_FORMAT_JPEG;
    if (has(&view, 0, "\x89PNG\r\n\x1a\n", 8))
        return IMAGE_FORMAT_PNG;
    if (has(&view, 0, "RIFF", 4) && has(&view, 8, "WEBP", 4))
        return IMAGE_FORMAT_WEBP;
    if (has(&view, 0, "GIF87a", 6) || has(&view, 0, "GIF89a", 6))
        return IMAGE_FORMAT_GIF;
    if (has(&view, 0, "II*\0", 4) || has(&view, 0, "MM\0*", 4) || has(&view, 0, "II+\0", 4) ||
        has(&view, 0, "MM\0+", 4))
        return IMAGE_FORMAT_TIFF;
    return sniff_isobmff(&view);
}

static void
set_size(ImageHeader *header, guint64 width_px, guint64 height_px)
{
    if (width_px == 0 || height_px == 0 || width_px > G_MAXUINT32 || height_px > G_MAXUINT32)
        return;
    header->width_px = (guint32)width_px;
    header->height_px = (guint32)height_px;
}

/* T.81 B.1.1.3: SOF0 to SOF15 but for DHT, JPG and DAC, which lie among them. */
static gboolean
begins_frame(guint64 marker)
{
    return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

static void
read_jpeg(const View *view, ImageHeader *header)
{
    for (gsize at = 2; number(view, at, 1) == 0xff;) {
        guint64 marker = number(view, at + 1, 1);
        if (begins_frame(marker)) {
            header->progressive = (marker & 3) == 2;
            set_size(header, number(view, at + 7, 2), number(view, at + 5, 2));
            return;
        }
        if (marker == 0xff) { /* fill */
            at++;
            continue;
        }
        gsize length = (gsize)number(view, at + 2, 2);
        if (marker == 0xda || length < 2)
            return;
        at += 2 + length;
    }
}

static void
read_webp(View *view, ImageHeader *header)
{
    view->little = TRUE;
    if (has(view, 12, "VP8 ", 4) && has(view, 23, "\x9d\x01\x2a", 3)) {
        set_size(header, number(view, 26, 2) & 0x3fff, number(view, 28, 2) & 0x3fff);
    } else if (has(view, 12, "VP8L", 4) && has(view, 20, "\x2f", 1) && view->size_bytes >= 25) {
        guint64 bits = number(view, 21, 4);
        set_size(header, (bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1);
    } else if (has(view, 12, "VP8X", 4) && view->size_bytes >= 30) {
        set_size(header, number(view, 24, 3) + 1, number(view, 27, 3) + 1);
    }
}

/* A directory's entry is tag, type, count, value: 2, 2, 4, 4 bytes; or 2, 2, 8, 8 in a BigTIFF. */
static void
read_tiff(View *view, ImageHeader *header)
{
    static const guint8 type_bytes[] = {[1] = 1, [3] = 2, [4] = 4, [16] = 8};
    guint64 sides[2] = {0};

    view->little = view->bytes[0] == 'I';
    gboolean big = number(view, 2, 2) == 43;
    guint64 at = number(view, big ? 8 : 4, big ? 8 : 4);
    guint64 count = MIN(number(view, at, big ? 8 : 2), ENTRIES_MAX);
    if (at >= view->size_bytes)
        return;
    at += big ? 8 : 2;
    for (guint64 i = 0; i < count; i++, at += big ? 20 : 12) {
        guint64 tag = number(view, at, 2);
        guint64 type = number(view, at + 2, 2);
        if ((tag == 256 || tag == 257) && type < G_N_ELEMENTS(type_bytes))
            sides[tag - 256] = number(view, at + (big ? 12 : 8), type_bytes[type]);
    }
    set_size(header, sides[0], sides[1]);
}

/* A box within [at, end): what is in it is [inside, after). */
typedef struct {
    guint64 inside;
    guint64 after;
} Box;

/* The next box of the type at or behind *at, within end. */
static gboolean
find_box(const View *view, const char *type, guint64 *at, guint64 end, guint *budget, Box *box)
{
    while (*at + 8 <= end && *budget > 0) {
        guint64 length = number(view, *at, 4);
        guint64 head = 8;

        --*budget;
        if (length == 1) {
            length = number(view, *at + 8, 8);
            head = 16;
        }
        if (length == 0 || length > end - *at)
            length = end - *at; /* to the end; or cut, and what is there may do */
        if (length < head)
            return FALSE;
        *box = (Box){*at + head, *at + length};
        gboolean found = has(view, *at + 4, type, 4);
        *at += length;
        if (found)
            return TRUE;
    }
    return FALSE;
}

/* meta / iprp / ipco / ispe: the largest is the image itself, or the grid of its tiles. */
static void
read_isobmff(const View *view, ImageHeader *header)
{
    static const struct {
        const char *type;
        guint skip_bytes; /* meta begins with a version and flags */
    } path[] = {{"meta", 4}, {"iprp", 0}, {"ipco", 0}};
    Box box = {0, view->size_bytes};
    guint budget = ENTRIES_MAX;
    guint64 most_px = 0;

    for (guint i = 0; i < G_N_ELEMENTS(path); i++) {
        guint64 at = box.inside;
        if (!find_box(view, path[i].type, &at, box.after, &budget, &box))
            return;
        box.inside += path[i].skip_bytes;
    }
    guint64 at = box.inside;
    guint64 end = box.after;
    while (find_box(view, "ispe", &at, end, &budget, &box)) {
        guint64 width_px = number(view, box.inside + 4, 4);
        guint64 height_px = number(view, box.inside + 8, 4);
        if (width_px * height_px <= most_px)
            continue;
        most_px = width_px * height_px;
        set_size(header, width_px, height_px);
    }
}

void
image_header_read(const guint8 *bytes, gsize size_bytes, ImageHeader *header)
{
    View view = {bytes, MIN(size_bytes, IMAGE_HEADER_BYTES), FALSE};

    *header = (ImageHeader){.format = image_sniff(view.bytes, view.size_bytes)};
    switch (header->format) {
    case IMAGE_FORMAT_JPEG:
        read_jpeg(&view, header);
        break;
    case IMAGE_FORMAT_PNG:
        if (has(&view, 12, "IHDR", 4))
            set_size(header, number(&view, 16, 4), number(&view, 20, 4));
        break;
    case IMAGE_FORMAT_GIF:
        view.little = TRUE;
        set_size(header, number(&view, 6, 2), number(&view, 8, 2));
        break;
    case IMAGE_FORMAT_WEBP:
        read_webp(&view, header);
        break;
    case IMAGE_FORMAT_TIFF:
        read_tiff(&view, header);
        break;
    case IMAGE_FORMAT_AVIF:
    case IMAGE_FORMAT_HEIF:
        read_isobmff(&view, header);
        break;
    default:
        break;
    }
}
