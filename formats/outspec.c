/* outspec.c - parsing and printing of output specs, and the names of image formats. Printing is
 * canonical: two specs mean the same when their texts are equal, so the text can name folders and
 * ids.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/outspec.h"

#include <string.h>

#include "formats/error.h"

/* What is quoted of a wrong part: enough to find it, not a page. */
#define QUOTE_MAX_BYTES 80
#define SIZE_EXPECTED   "expected WIDTHxHEIGHT, as in 320x320"

/* A borrowed piece of the text that is parsed. */
typedef struct {
    const char *at;
    gsize size_bytes;
} Span;

typedef enum {
    KEY_FIT,
    KEY_CROP,
    KEY_FORMAT,
    KEY_QUALITY,
    KEY_EFFORT,
    KEY_BACKGROUND,
    KEY_UPSCALE,
    KEY_STRIP,
    KEY_ICC,
    KEY_COUNT
} SpecKey;

/* Names are indexed by the enum that they spell. */
static const char *const key_names[] = {"fit",        "crop",    "format", "q",   "effort",
                                        "background", "upscale", "strip",  "icc", NULL};
static const char *const fit_names[] = {"inside", "cover", "contain", "fill", "outside", NULL};
static const char *const crop_names[] = {"centre", "entropy", "attention", NULL};
static const char *const upscale_names[] = {"never", "allow", NULL};
static const char *const strip_names[] = {"all", "none", NULL};
static const char *const icc_names[] = {"srgb", "keep", NULL};
static const char *const format_names[] = {"jpeg", "png",  "webp", "gif",
                                           "tiff", "avif", "heif", NULL};

/* The first extension is the one that we give. */
static const char *const format_extensions[IMAGE_FORMAT_COUNT][5] = {
    [IMAGE_FORMAT_INPUT] = {"", NULL},
    [IMAGE_FORMAT_JPEG] = {"jpg", "jpeg", "jpe", "jfif", NULL},
    [IMAGE_FORMAT_PNG] = {"png", NULL},
    [IMAGE_FORMAT_WEBP] = {"webp", NULL},
    [IMAGE_FORMAT_GIF] = {"gif", NULL},
    [IMAGE_FORMAT_TIFF] = {"tif", "tiff", NULL},
    [IMAGE_FORMAT_AVIF] = {"avif", NULL},
    [IMAGE_FORMAT_HEIF] = {"heic", "heif", NULL},
};

G_STATIC_ASSERT(G_N_ELEMENTS(key_names) == KEY_COUNT + 1);
G_STATIC_ASSERT(G_N_ELEMENTS(format_names) == IMAGE_FORMAT_COUNT);

static gboolean
span_equals(Span span, const char *word)
{
    return strlen(word) == span.size_bytes && memcmp(word, span.at, span.size_bytes) == 0;
}

/* Takes the text up to the separator, or all of it, off *rest. */
static Span
span_cut(Span *rest, char separator)
{
    const char *end = memchr(rest->at, separator, rest->size_bytes);
    Span part = {rest->at, end != NULL ? (gsize)(end - rest->at) : rest->size_bytes};
    gsize taken_bytes = part.size_bytes + (end != NULL ? 1 : 0);
    rest->at += taken_bytes;
    rest->size_bytes -= taken_bytes;
    return part;
}

/* Sets *error to: WHAT "SPAN": EXPECTED. The quoted text is made fit for a terminal and for JSON.
 * Returns FALSE, so that it can end a function. */
static gboolean
fail(GError **error, const char *what, Span span, const char *expected)
{
    g_autofree char *quoted =
        g_utf8_make_valid(span.at, (gssize)MIN(span.size_bytes, QUOTE_MAX_BYTES));
    for (char *at = quoted; *at != '\0'; at++)
        if (g_ascii_iscntrl(*at))
            *at = '?';
    const char *cut = span.size_bytes > QUOTE_MAX_BYTES ? "..." : "";
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE, "%s \"%s%s\": %s", what, quoted, cut,
                expected);
    return FALSE;
}

/* Finds a word in a NULL-ended list. Returns its index, or -1 and an error that lists the choices.
 */
static int
word_find(const char *const *names, const char *what, Span word, GError **error)
{
    for (int i = 0; names[i] != NULL; i++)
        if (span_equals(word, names[i]))
            return i;
    g_autofree char *choices = g_strjoinv(", ", (char **)names);
    g_autofree char *expected = g_strconcat("expected one of ", choices, NULL);
    fail(error, what, word, expected);
    return -1;
}

/* Reads decimal digits and nothing else. Values beyond a guint32 come back as G_MAXUINT32. */
static gboolean
number_parse(Span span, guint32 *value)
{
    guint64 sum = 0;
    for (gsize i = 0; i < span.size_bytes; i++) {
        if (!g_ascii_isdigit(span.at[i]))
            return FALSE;
        sum = MIN(sum * 10 + (guint64)(span.at[i] - '0'), G_MAXUINT32);
    }
    *value = (guint32)sum;
    return span.size_bytes > 0;
}

/* Parses one side; an empty one gives 0, which means "follows from the other". */
static gboolean
side_parse(const char *what, Span side, Span size, guint32 *side_px, GError **error)
{
    *side_px = 0;
    if (side.size_bytes == 0)
        return TRUE;
    if (!number_parse(side, side_px) || *side_px == 0)
        return fail(error, what, size, SIZE_EXPECTED);
    if (*side_px > OUTPUT_SIDE_MAX_PX)
        return fail(error, what, size, "expected 1 to " G_STRINGIFY(OUTPUT_SIDE_MAX_PX) " pixels");
    return TRUE;
}

static gboolean
size_parse(Span size, OutputSpec *spec, GError **error)
{
    Span height = size;
    Span width = span_cut(&height, 'x');
    if (size.size_bytes < 2 || width.size_bytes == size.size_bytes)
        return fail(error, "size", size, SIZE_EXPECTED);
    return side_parse("width", width, size, &spec->width_px, error) &&
           side_parse("height", height, size, &spec->height_px, error);
}

static gboolean
background_parse(Span value, guint8 background[3], GError **error)
{
    if (span_equals(value, "white") || span_equals(value, "black")) {
        memset(background, span_equals(value, "white") ? 0xff : 0, 3);
        return TRUE;
    }
    gboolean good = value.size_bytes == 6;
    for (gsize i = 0; good && i < 6; i++)
        good = g_ascii_isxdigit(value.at[i]);
    if (!good)
        return fail(error, "background", value,
                    "expected RRGGBB in hex, as in ff8000, or white or black");
    for (gsize i = 0; i < 3; i++)
        background[i] = (guint8)(g_ascii_xdigit_value(value.at[2 * i]) * 16 +
                                 g_ascii_xdigit_value(value.at[2 * i + 1]));
    return TRUE;
}

static gboolean
bounded_parse(const char *what, Span value, guint32 min, guint32 max, guint8 *out, GError **error)
{
    guint32 number;
    if (!number_parse(value, &number) || number < min || number > max) {
        g_autofree char *expected = g_strdup_printf("expected a number from %u to %u", min, max);
        return fail(error, what, value, expected);
    }
    *out = (guint8)number;
    return TRUE;
}

static ImageFormat
format_from_span(Span name)
{
    for (guint i = 0; format_names[i] != NULL; i++)
        if (span_equals(name, format_names[i]))
            return (ImageFormat)(i + 1);
    if (span_equals(name, "jpg"))
        return IMAGE_FORMAT_JPEG;
    if (span_equals(name, "tif"))
        return IMAGE_FORMAT_TIFF;
    return span_equals(name, "heic") ? IMAGE_FORMAT_HEIF : IMAGE_FORMAT_INPUT;
}

static gboolean
format_parse(Span value, ImageFormat *format, GError **error)
{
    *format = format_from_span(value);
    return *format != IMAGE_FORMAT_INPUT || word_find(format_names, "format", value, error) >= 0;
}

/* The keys whose value is one of two or more words. Returns the word's index, or -1 and error. */
static int
choice_parse(SpecKey key, Span value, GError **error)
{
    static const char *const *const choices[KEY_COUNT] = {
        [KEY_FIT] = fit_names,     [KEY_CROP] = crop_names, [KEY_UPSCALE] = upscale_names,
        [KEY_STRIP] = strip_names, [KEY_ICC] = icc_names,
    };
    g_assert(choices[key] != NULL);
    return word_find(choices[key], key_names[key], value, error);
}

static gboolean
value_parse(SpecKey key, Span value, OutputSpec *spec, GError **error)
{
    switch (key) {
    case KEY_FORMAT:
        return format_parse(value, &spec->format, error);
    case KEY_QUALITY:
        return bounded_parse("q", value, 1, 100, &spec->quality, error);
    case KEY_EFFORT:
        return bounded_parse("effort", value, 0, 9, &spec->effort, error);
    case KEY_BACKGROUND:
        return background_parse(value, spec->background, error);
    default:
        break;
    }
    int choice = choice_parse(key, value, error);
    if (choice < 0)
        return FALSE;
    if (key == KEY_FIT)
        spec->fit = (OutputFit)choice;
    else if (key == KEY_CROP)
        spec->crop = (OutputCrop)choice;
    else if (key == KEY_UPSCALE)
        spec->upscale = choice == 1;
    else if (key == KEY_STRIP)
        spec->keep_metadata = choice == 1;
    else
        spec->keep_icc = choice == 1;
    return TRUE;
}

static gboolean
pair_parse(Span pair, gboolean seen[KEY_COUNT], OutputSpec *spec, GError **error)
{
    Span value = pair;
    Span name = span_cut(&value, '=');
    if (name.size_bytes == pair.size_bytes)
        return fail(error, "part", pair, "expected key=value, as in q=80");
    int key = word_find(key_names, "key", name, error);
    if (key < 0)
        return FALSE;
    if (seen[key])
        return fail(error, "key", name, "given twice");
    seen[key] = TRUE;
    return value_parse((SpecKey)key, value, spec, error);
}

static gboolean
spec_parse(Span text, OutputSpec *spec, GError **error)
{
    OutputSpec parsed = {.quality = OUTPUT_QUALITY_DEFAULT,
                         .effort = OUTPUT_EFFORT_DEFAULT,
                         .background = {0xff, 0xff, 0xff}};
    gboolean seen[KEY_COUNT] = {FALSE};
    Span rest = text;
    Span size = span_cut(&rest, ',');

    if (!size_parse(size, &parsed, error))
        return FALSE;
    gsize done_bytes = size.size_bytes;
    /* A comma at the end promises a pair, so that an empty one is found there too. */
    while (done_bytes < text.size_bytes) {
        Span pair = span_cut(&rest, ',');
        if (!pair_parse(pair, seen, &parsed, error))
            return FALSE;
        done_bytes += 1 + pair.size_bytes;
    }
    if (seen[KEY_CROP] && parsed.fit != FIT_COVER) {
        fail(error, "spec", text, "crop= needs fit=cover");
        return FALSE;
    }
    *spec = parsed;
    return TRUE;
}

static gboolean
spec_in_list(const OutputSpec *spec, const OutputSpec *specs, int count)
{
    g_autofree char *text = output_spec_print(spec);
    for (int i = 0; i < count; i++) {
        g_autofree char *other = output_spec_print(&specs[i]);
        if (strcmp(text, other) == 0)
            return TRUE;
    }
    return FALSE;
}

gboolean
output_spec_parse(const char *text, OutputSpec *spec, GError **error)
{
    return spec_parse((Span){text, strlen(text)}, spec, error);
}

int
output_spec_parse_list(const char *text, OutputSpec *specs, guint max, GError **error)
{
    Span whole = {text, strlen(text)};
    Span rest = whole;
    int count = 0;
    gsize done_bytes = 0;

    g_assert(max > 0);
    do {
        Span part = span_cut(&rest, ';');
        OutputSpec spec;
        if (!spec_parse(part, &spec, error))
            return -1;
        if (spec_in_list(&spec, specs, count)) {
            fail(error, "spec", part, "given twice");
            return -1;
        }
        if ((guint)count == max) {
            g_autofree char *expected = g_strdup_printf("expected at most %u specs", max);
            fail(error, "spec", part, expected);
            return -1;
        }
        specs[count++] = spec;
        done_bytes += part.size_bytes + 1;
    } while (done_bytes <= whole.size_bytes);
    return count;
}

char *
output_spec_print(const OutputSpec *spec)
{
    g_assert(spec->width_px > 0 || spec->height_px > 0);
    g_assert(spec->format < IMAGE_FORMAT_COUNT);
    GString *out = g_string_new(NULL);

    if (spec->width_px > 0)
        g_string_append_printf(out, "%u", spec->width_px);
    g_string_append_c(out, 'x');
    if (spec->height_px > 0)
        g_string_append_printf(out, "%u", spec->height_px);
    if (spec->fit != FIT_INSIDE)
        g_string_append_printf(out, ",fit=%s", fit_names[spec->fit]);
    if (spec->fit == FIT_COVER && spec->crop != CROP_CENTRE)
        g_string_append_printf(out, ",crop=%s", crop_names[spec->crop]);
    if (spec->format != IMAGE_FORMAT_INPUT)
        g_string_append_printf(out, ",format=%s", image_format_name(spec->format));
    if (spec->quality != OUTPUT_QUALITY_DEFAULT)
        g_string_append_printf(out, ",q=%u", spec->quality);
    if (spec->effort != OUTPUT_EFFORT_DEFAULT)
        g_string_append_printf(out, ",effort=%u", spec->effort);
    const guint8 *rgb = spec->background;
    if ((rgb[0] & rgb[1] & rgb[2]) != 0xff)
        g_string_append_printf(out, ",background=%02x%02x%02x", rgb[0], rgb[1], rgb[2]);
    if (spec->upscale)
        g_string_append(out, ",upscale=allow");
    if (spec->keep_metadata)
        g_string_append(out, ",strip=none");
    if (spec->keep_icc)
        g_string_append(out, ",icc=keep");
    return g_string_free(out, FALSE);
}

const char *
image_format_name(ImageFormat format)
{
    g_assert(format < IMAGE_FORMAT_COUNT);
    return format == IMAGE_FORMAT_INPUT ? "" : format_names[format - 1];
}

ImageFormat
image_format_from_name(const char *name)
{
    return format_from_span((Span){name, strlen(name)});
}

const char *
image_format_extension(ImageFormat format)
{
    g_assert(format < IMAGE_FORMAT_COUNT);
    return format_extensions[format][0];
}

gboolean
image_format_has_extension(ImageFormat format, const char *extension)
{
    g_assert(format < IMAGE_FORMAT_COUNT);
    if (*extension == '\0')
        return FALSE;
    for (const char *const *known = format_extensions[format]; *known != NULL; known++)
        if (g_ascii_strcasecmp(*known, extension) == 0)
            return TRUE;
    return FALSE;
}
