/* test_image_limits.c - small files that unfold into much: refused by their structure, in
 * milliseconds, with figures.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/image_fixture.h"

TestSuite(image_limits, .init = start);

#ifdef MILLRACE_SANITIZED
enum { REFUSAL_MAX_US = 1000000 };
#else
enum { REFUSAL_MAX_US = 60000 };
#endif

static void
put_u32(GByteArray *out, guint32 value, gboolean is_big)
{
    guint32 swapped = is_big ? GUINT32_TO_BE(value) : GUINT32_TO_LE(value);

    g_byte_array_append(out, (const guint8 *)&swapped, 4);
}

static void
put_u16(GByteArray *out, guint16 value)
{
    guint16 swapped = GUINT16_TO_LE(value);

    g_byte_array_append(out, (const guint8 *)&swapped, 2);
}

static void
expect_refused(GBytes *input, guint64 pixels_max, const char *in_message)
{
    ImageResult result = resized_within(input, "64x64,format=png", pixels_max);

    cr_expect_eq(result.class, ROW_TOO_LARGE, "%s: %s", row_class_name(result.class),
                 result.message);
    cr_expect(strstr(result.message, in_message) != NULL, "\"%s\" should hold \"%s\"",
              result.message, in_message);
    cr_expect_lt(result.cpu_us, REFUSAL_MAX_US, "%" G_GUINT64_FORMAT " us", result.cpu_us);
    image_result_clear(&result);
}

static void
expect_ok(GBytes *input, guint64 pixels_max)
{
    ImageResult result = resized_within(input, "64x64,format=png", pixels_max);

    cr_expect_eq(result.class, ROW_OK, "%s: %s", row_class_name(result.class), result.message);
    image_result_clear(&result);
}

static guint
count_scans(GBytes *jpeg)
{
    gsize size_bytes;
    const guint8 *bytes = g_bytes_get_data(jpeg, &size_bytes);
    guint count = 0;

    for (gsize i = 2; i + 1 < size_bytes; i++)
        count += bytes[i] == 0xff && bytes[i + 1] == 0xda;
    return count;
}

/* A progressive JPEG of 200 x 100 whose last scan comes more than once. */
static GBytes *
jpeg_with_scans(guint count)
{
    g_autoptr(GBytes) whole = encoded(picture_new(200, 100, 3), ".jpg[interlace]");
    gsize size_bytes;
    const guint8 *bytes = g_bytes_get_data(whole, &size_bytes);
    gsize last = size_bytes - 2;
    GByteArray *jpeg = g_byte_array_new();

    while (bytes[last] != 0xff || bytes[last + 1] != 0xda)
        last--;
    g_byte_array_append(jpeg, bytes, (guint)size_bytes - 2);
    for (guint i = count_scans(whole); i < count; i++)
        g_byte_array_append(jpeg, bytes + last, (guint)(size_bytes - 2 - last));
    g_byte_array_append(jpeg, bytes + size_bytes - 2, 2);
    return g_byte_array_free_to_bytes(jpeg);
}

Test(image_limits, a_jpeg_of_many_scans_is_refused)
{
    g_autoptr(GBytes) usual = jpeg_with_scans(0);
    g_autoptr(GBytes) many = jpeg_with_scans(101);
    g_autoptr(GBytes) flood = jpeg_with_scans(20000);

    cr_assert_geq(count_scans(usual), 8);
    expect_ok(usual, 20000);
    expect_refused(many, PIXELS_MAX, "100 scans");
    expect_refused(flood, PIXELS_MAX, "100 scans");
}

Test(image_limits, scans_times_pixels_are_bounded)
{
    g_autoptr(GBytes) input = jpeg_with_scans(30);

    expect_refused(input, 20000, "30 scans of 200 x 100 pixels are 600000");
    expect_refused(input, 29999, "limit is 599980");
}

/* A PNG with count times a chunk behind its header. Takes body. */
static GBytes *
png_with_chunk(const char *type, GByteArray *body, guint count)
{
    g_autoptr(GBytes) whole = encoded(picture_new(80, 60, 3), ".png");
    gsize size_bytes;
    const guint8 *bytes = g_bytes_get_data(whole, &size_bytes);
    GByteArray *png = g_byte_array_new();

    g_byte_array_append(png, bytes, 33);
    g_byte_array_prepend(body, (const guint8 *)type, 4);
    guint32 crc = 0xffffffff;
    for (guint i = 0; i < body->len; i++) {
        crc ^= body->data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    for (guint i = 0; i < count; i++) {
        put_u32(png, body->len - 4, TRUE);
        g_byte_array_append(png, body->data, body->len);
        put_u32(png, ~crc, TRUE);
    }
    g_byte_array_append(png, bytes + 33, (guint)size_bytes - 33);
    g_byte_array_unref(body);
    return g_byte_array_free_to_bytes(png);
}

/* head, then size_bytes spaces packed by zlib. */
static GByteArray *
packed_new(const char *head, gsize head_bytes, gsize size_bytes)
{
    g_autoptr(GConverter) zip =
        G_CONVERTER(g_zlib_compressor_new(G_ZLIB_COMPRESSOR_FORMAT_ZLIB, 9));
    g_autofree char *text = g_strnfill(size_bytes, ' ');
    gsize capacity = size_bytes / 500 + 1000, read, written;
    g_autofree guint8 *out = g_malloc(capacity);
    GByteArray *body = g_byte_array_new();

    cr_assert_eq(g_converter_convert(zip, text, size_bytes, out, capacity, G_CONVERTER_INPUT_AT_END,
                                     &read, &written, NULL),
                 G_CONVERTER_FINISHED);
    g_byte_array_append(body, (const guint8 *)head, (guint)head_bytes);
    g_byte_array_append(body, out, (guint)written);
    return body;
}

Test(image_limits, text_that_unpacks_into_much_is_refused)
{
    static const struct {
        const char *type;
        const char *head;
        gsize head_bytes;
    } chunks[] = {{"zTXt", "k\0\0", 3}, {"iTXt", "k\0\1\0en\0k\0", 9}, {"iCCP", "p\0\0", 3}};

    for (guint i = 0; i < G_N_ELEMENTS(chunks); i++) {
        const char *head = chunks[i].head;
        gsize head_bytes = chunks[i].head_bytes;
        g_autoptr(GBytes) bomb =
            png_with_chunk(chunks[i].type, packed_new(head, head_bytes, 20 << 20), 1);
        g_autoptr(GBytes) cluster =
            png_with_chunk(chunks[i].type, packed_new(head, head_bytes, 5 << 20), 20);
        g_autoptr(GBytes) fine =
            png_with_chunk(chunks[i].type, packed_new(head, head_bytes, 1 << 20), 1);
        g_autoptr(GBytes) flood =
            png_with_chunk(chunks[i].type, packed_new(head, head_bytes, 1), 2000);

        expect_refused(bomb, PIXELS_MAX, "16777216");
        expect_refused(cluster, PIXELS_MAX, "16777216");
        expect_refused(flood, PIXELS_MAX, "1000");
        expect_ok(fine, PIXELS_MAX);
    }
}

/* A TIFF that is a chain of empty pages. loop: the last leads to the first. */
static GBytes *
tiff_chain(guint count, gboolean loop)
{
    GByteArray *tiff = g_byte_array_new();

    g_byte_array_append(tiff, (const guint8 *)"II*\0", 4);
    put_u32(tiff, 8, FALSE);
    for (guint i = 0; i < count; i++) {
        put_u16(tiff, 0);
        put_u32(tiff, i + 1 < count ? tiff->len + 4 : loop ? 8 : 0, FALSE);
    }
    return g_byte_array_free_to_bytes(tiff);
}

/* A TIFF of one page with count entries, each of a tag and of values of 32 bits. */
static GBytes *
tiff_entries(guint pages, guint count, guint16 tag, guint32 values)
{
    GByteArray *tiff = g_byte_array_new();

    g_byte_array_append(tiff, (const guint8 *)"II*\0", 4);
    put_u32(tiff, 8, FALSE);
    for (guint page = 0; page < pages; page++) {
        put_u16(tiff, (guint16)count);
        for (guint i = 0; i < count; i++) {
            put_u16(tiff, tag);
            put_u16(tiff, 4);
            put_u32(tiff, values, FALSE);
            put_u32(tiff, 8, FALSE);
        }
        put_u32(tiff, page + 1 < pages ? tiff->len + 4 : 0, FALSE);
    }
    return g_byte_array_free_to_bytes(tiff);
}

Test(image_limits, a_tiff_of_many_pages_or_strips_is_refused)
{
    g_autoptr(GBytes) pages = tiff_chain(5000, FALSE);
    g_autoptr(GBytes) loop = tiff_chain(5, TRUE);
    g_autoptr(GBytes) entries = tiff_entries(4, 60000, 256, 1);
    g_autoptr(GBytes) strips = tiff_entries(1, 3, 273, 0x7fffffff);

    expect_refused(pages, PIXELS_MAX, "4096 pages");
    expect_refused(entries, PIXELS_MAX, "240000 directory entries");
    expect_refused(strips, PIXELS_MAX, "6442450941 strips");
    expect_class(loop, ROW_CORRUPT, "");
}

Test(image_limits, bands_count_too)
{
    VipsImage *black;

    cr_assert_eq(vips_black(&black, 64, 64, "bands", 100, NULL), 0);
    g_autoptr(GBytes) input = encoded(black, ".tif");
    expect_refused(input, 64 * 64, "64 x 64 x 100 bands is 409600 samples");
    expect_ok(input, PIXELS_MAX);
}

static RowClass
class_within(GBytes *input, const char *specs_text, guint64 memory_max_bytes, char *message)
{
    OutputSpec specs[OUTPUTS_PER_ROW_MAX];
    gsize size_bytes;
    const guint8 *bytes = g_bytes_get_data(input, &size_bytes);
    int count = output_spec_parse_list(specs_text, specs, OUTPUTS_PER_ROW_MAX, NULL);
    ImageLimits limits = {.pixels_max = PIXELS_MAX, .memory_max_bytes = memory_max_bytes};
    ImageResult result;

    image_resize(bytes, size_bytes, specs, (guint)count, &limits, &result);
    if (message)
        g_strlcpy(message, result.message, IMAGE_MESSAGE_MAX_BYTES);
    image_result_clear(&result);
    return result.class;
}

/* 2000 x 1500 of 3 bands are 9 MB; the same as coefficients 18. */
Test(image_limits, what_would_not_fit_into_memory_is_refused)
{
    g_autoptr(GBytes) plain = encoded(picture_new(2000, 1500, 3), ".jpg");
    g_autoptr(GBytes) progressive = encoded(picture_new(2000, 1500, 3), ".jpg[interlace]");
    g_autoptr(GBytes) png = encoded(picture_new(2000, 1500, 3), ".png[compression=1]");
    g_autoptr(GBytes) interlaced =
        encoded(picture_new(2000, 1500, 3), ".png[compression=1,interlace]");
    char message[IMAGE_MESSAGE_MAX_BYTES];

    cr_expect_eq(class_within(plain, "64x64", 8 << 20, NULL), ROW_OK);
    cr_expect_eq(class_within(progressive, "64x64", 8 << 20, message), ROW_TOO_LARGE);
    cr_expect(strstr(message, "2000 x 1500") && strstr(message, "limit is 8 MB"), "%s", message);
    cr_expect_eq(class_within(progressive, "64x64", 0, NULL), ROW_OK);
    cr_expect_eq(class_within(png, "64x64,format=jpeg", 11 << 20, NULL), ROW_OK);
    cr_expect_eq(class_within(interlaced, "64x64,format=jpeg", 11 << 20, NULL), ROW_TOO_LARGE);
    cr_expect_eq(class_within(plain, "2000x;64x64", 16 << 20, NULL), ROW_TOO_LARGE);
    cr_expect_eq(class_within(plain, "2000x", 64 << 20, NULL), ROW_OK);
}
