/* image_limits.c - what a file may ask of its decoder beside pixels, read from its structure before
 * the decoder sees it: small files that unfold into much text, many pages or many passes. No
 * library is asked, and every length is taken for a lie until it has been held against the file.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "jobs/image_internal.h"

/* Real encoders write about ten scans; jpegtran can be told to write some more. */
#define JPEG_SCANS_MAX 100
/* A scan costs time for every pixel, whatever it holds: 20 over the largest image are allowed. */
#define JPEG_SCAN_PIXELS_FACTOR 20
/* Text and profiles of a PNG once they are unpacked, all together. */
#define PNG_TEXT_MAX_BYTES  (16 << 20)
#define PNG_TEXT_CHUNKS_MAX 1000
#define TIFF_PAGES_MAX      4096
#define TIFF_ENTRIES_MAX    200000    /* of all directories */
#define TIFF_STRIPS_MAX     (4 << 20) /* of all pages, offsets and lengths counted apart */
/* libvips reads up to 10,000 bands, of which an output has four. */
#define BANDS_FACTOR 8

/* The bytes of a file, by their order. */
typedef struct {
    const guint8 *bytes;
    gsize size_bytes;
    gboolean is_big; /* big-endian */
} File;

/* The number of width bytes at at; 0 outside of the file. */
static guint64
read_uint(const File *file, guint64 at, guint width)
{
    guint64 value = 0;

    if (at > file->size_bytes || file->size_bytes - at < width)
        return 0;
    for (guint i = 0; i < width; i++)
        value = value << 8 | file->bytes[at + (file->is_big ? i : width - 1 - i)];
    return value;
}

/* Scans of a JPEG, up to one more than are allowed. */
static guint
jpeg_scans(const guint8 *bytes, gsize size_bytes)
{
    const guint8 *end = bytes + size_bytes;
    const guint8 *at = bytes + 2;
    guint count = 0;

    while (count <= JPEG_SCANS_MAX && (at = memchr(at, 0xff, (gsize)(end - at)))) {
        while (at < end && *at == 0xff)
            at++;
        if (at + 3 > end || *at == 0xd9)
            break;
        /* A stuffed byte, a restart, the beginning: nothing follows that has a length. */
        if (*at <= 0x01 || (*at >= 0xd0 && *at <= 0xd8)) {
            at++;
            continue;
        }
        count += *at == 0xda;
        gsize length = (gsize)at[1] << 8 | at[2];
        at = (gsize)(end - at) > 1 + length ? at + 1 + length : end;
    }
    return count;
}

gboolean
image_limits_check_scans(ImageJob *job)
{
    guint64 pixels = (guint64)job->header.width_px * (guint64)job->header.height_px;
    guint64 most = job->limits->pixels_max * JPEG_SCAN_PIXELS_FACTOR;
    guint count = jpeg_scans(job->bytes, job->size_bytes);

    if (count > JPEG_SCANS_MAX)
        return image_fail(job, ROW_TOO_LARGE, "a JPEG of more than %d scans", JPEG_SCANS_MAX);
    if (pixels * count > most)
        return image_fail(job, ROW_TOO_LARGE,
                          "%u scans of %d x %d pixels are %" G_GUINT64_FORMAT
                          " to decode, the limit is %" G_GUINT64_FORMAT,
                          count, job->header.width_px, job->header.height_px, pixels * count, most);
    return TRUE;
}

/* Unpacks what zlib packed, and throws it away. Returns: its size, at most about max_bytes. */
static gsize
unpacked_size(GConverter *unzip, const guint8 *bytes, gsize size_bytes, gsize max_bytes)
{
    guint8 out[16 << 10];
    gsize total_bytes = 0;
    GConverterResult state = G_CONVERTER_CONVERTED;

    g_converter_reset(unzip);
    while (state == G_CONVERTER_CONVERTED && total_bytes <= max_bytes) {
        gsize read = 0, written = 0;

        state = g_converter_convert(unzip, bytes, size_bytes, out, sizeof out,
                                    G_CONVERTER_INPUT_AT_END, &read, &written, NULL);
        if (state == G_CONVERTER_ERROR)
            break;
        bytes += read;
        size_bytes -= read;
        total_bytes += written;
    }
    return total_bytes;
}

/* Where the packed part of a chunk of PNG begins; NULL when it has none. */
static const guint8 *
png_packed(const char *type, const guint8 *body, gsize size_bytes)
{
    const guint8 *end = body + size_bytes;
    gboolean is_international = memcmp(type, "iTXt", 4) == 0;

    if (!is_international && memcmp(type, "zTXt", 4) != 0 && memcmp(type, "iCCP", 4) != 0)
        return NULL;
    const guint8 *at = memchr(body, 0, size_bytes); /* behind the keyword */
    if (!at || end - at < 3)
        return NULL;
    if (!is_international)
        return at + 2;
    if (at[1] != 1)
        return NULL;
    at = memchr(at + 3, 0, (gsize)(end - at - 3)); /* behind the language */
    if (at)
        at = memchr(at + 1, 0, (gsize)(end - at - 1)); /* and the keyword in that language */
    return at ? at + 1 : NULL;
}

static gboolean
png_check(ImageJob *job)
{
    const File file = {job->bytes, job->size_bytes, TRUE};
    g_autoptr(GConverter) unzip = NULL;
    gsize total_bytes = 0;
    guint count = 0;

    for (gsize at = 8; at + 12 <= file.size_bytes;) {
        const guint8 *body = file.bytes + at + 8;
        gsize length = MIN((gsize)read_uint(&file, at, 4), file.size_bytes - at - 8);
        const guint8 *packed = png_packed((const char *)body - 4, body, length);

        if (packed) {
            if (!unzip)
                unzip = G_CONVERTER(g_zlib_decompressor_new(G_ZLIB_COMPRESSOR_FORMAT_ZLIB));
            total_bytes += unpacked_size(unzip, packed, length - (gsize)(packed - body),
                                         PNG_TEXT_MAX_BYTES - total_bytes);
            count++;
        }
        if (total_bytes > PNG_TEXT_MAX_BYTES)
            return image_fail(job, ROW_TOO_LARGE,
                              "text and profiles of this PNG unpack to more than %d bytes",
                              PNG_TEXT_MAX_BYTES);
        if (count > PNG_TEXT_CHUNKS_MAX)
            return image_fail(job, ROW_TOO_LARGE, "a PNG with more than %d packed texts",
                              PNG_TEXT_CHUNKS_MAX);
        at += 12 + length;
    }
    return TRUE;
}

/* What has been seen of a TIFF. */
typedef struct {
    File file;
    gboolean is_bigtiff;
    guint64 pages;
    guint64 entries;
    guint64 strips;
} Tiff;

/* Counts a directory in. Returns: where the next one is; 0: nowhere. */
static guint64
tiff_directory(Tiff *tiff, guint64 at)
{
    guint count_width = tiff->is_bigtiff ? 8 : 2;
    guint value_width = tiff->is_bigtiff ? 8 : 4;
    guint entry_bytes = tiff->is_bigtiff ? 20 : 12;
    guint64 count = read_uint(&tiff->file, at, count_width);

    tiff->pages++;
    count = MIN(count, tiff->file.size_bytes / entry_bytes);
    tiff->entries += count;
    if (tiff->entries > TIFF_ENTRIES_MAX)
        return 0;
    at += count_width;
    for (guint64 i = 0; i < count; i++, at += entry_bytes) {
        guint64 tag = read_uint(&tiff->file, at, 2);

        if (tag == 273 || tag == 279 || tag == 324 || tag == 325) /* of strips and tiles */
            tiff->strips += MIN(read_uint(&tiff->file, at + 4, value_width), G_MAXUINT32);
    }
    return read_uint(&tiff->file, at, value_width);
}

static gboolean
tiff_check(ImageJob *job)
{
    Tiff tiff = {.file = {job->bytes, job->size_bytes, job->bytes[0] == 'M'}};
    guint64 turns_back = 0;

    tiff.is_bigtiff = read_uint(&tiff.file, 2, 2) == 43;
    guint64 at = read_uint(&tiff.file, tiff.is_bigtiff ? 8 : 4, tiff.is_bigtiff ? 8 : 4);
    /* A chain that comes back to a page is the decoder's to refuse: it ends here, too (Brent). */
    for (guint64 limit = 1, steps = 0; at > 0 && at != turns_back; steps++) {
        if (steps == limit) {
            turns_back = at;
            limit *= 2;
            steps = 0;
        }
        at = at < job->size_bytes ? tiff_directory(&tiff, at) : 0;
        if (tiff.pages > TIFF_PAGES_MAX)
            return image_fail(job, ROW_TOO_LARGE, "a TIFF of more than %d pages", TIFF_PAGES_MAX);
    }
    if (tiff.entries > TIFF_ENTRIES_MAX)
        return image_fail(job, ROW_TOO_LARGE,
                          "a TIFF of %" G_GUINT64_FORMAT " directory entries, the limit is %d",
                          tiff.entries, TIFF_ENTRIES_MAX);
    if (tiff.strips > TIFF_STRIPS_MAX)
        return image_fail(job, ROW_TOO_LARGE,
                          "a TIFF of %" G_GUINT64_FORMAT " strips and tiles, the limit is %d",
                          tiff.strips, TIFF_STRIPS_MAX);
    return TRUE;
}

gboolean
image_limits_check_structure(ImageJob *job)
{
    if (job->format == IMAGE_FORMAT_PNG)
        return png_check(job);
    if (job->format == IMAGE_FORMAT_TIFF)
        return tiff_check(job);
    return TRUE;
}

gboolean
image_limits_check_header(ImageJob *job)
{
    const ImageShape *header = &job->header;
    guint64 frame = (guint64)header->width_px * (guint64)header->height_px;
    guint64 pages = (guint64)MAX(1, header->pages);
    guint64 samples_max = job->limits->pixels_max * BANDS_FACTOR;

    /* width and height are below 2^24 each, so only the product with pages could overflow. */
    if (frame > job->limits->pixels_max || frame * pages / pages != frame ||
        frame * pages > job->limits->pixels_max)
        return image_fail(job, ROW_TOO_LARGE,
                          "%d x %d x %" G_GUINT64_FORMAT " page%s is %" G_GUINT64_FORMAT
                          " pixels, the limit is %" G_GUINT64_FORMAT,
                          header->width_px, header->height_px, pages, pages == 1 ? "" : "s",
                          frame * pages, job->limits->pixels_max);
    if (frame * (guint64)header->bands > samples_max)
        return image_fail(job, ROW_TOO_LARGE,
                          "%d x %d x %d bands is %" G_GUINT64_FORMAT
                          " samples, the limit is %" G_GUINT64_FORMAT,
                          header->width_px, header->height_px, header->bands,
                          frame * (guint64)header->bands, samples_max);
    return TRUE;
}
