/* test_outspec.c - the grammar of output specs, its canonical print, and what its errors say.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/outspec.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "formats/error.h"

static void
expect_text(const char *got, const char *expected)
{
    gboolean same = strcmp(got, expected) == 0;
    cr_expect(same, "got:\n%s\nexpected:\n%s", got, expected);
}

/* Parses what must parse. */
static OutputSpec
parsed(const char *text)
{
    OutputSpec spec;
    g_autoptr(GError) error = NULL;
    gboolean good = output_spec_parse(text, &spec, &error);
    cr_assert(good, "%s: %s", text, good ? "" : error->message);
    return spec;
}

static void
expect_canonical(const char *text, const char *expected)
{
    OutputSpec spec = parsed(text);
    g_autofree char *printed = output_spec_print(&spec);
    expect_text(printed, expected);
}

static void
expect_error(const char *text, const char *expected)
{
    OutputSpec spec;
    g_autoptr(GError) error = NULL;
    gboolean refused = !output_spec_parse(text, &spec, &error);
    cr_assert(refused, "%s parsed", text);
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE));
    expect_text(error->message, expected);
}

static void
expect_list_error(const char *text, const char *expected)
{
    OutputSpec specs[3];
    g_autoptr(GError) error = NULL;
    int count = output_spec_parse_list(text, specs, G_N_ELEMENTS(specs), &error);
    cr_assert(count == -1, "%s parsed", text);
    expect_text(error->message, expected);
}

Test(outspec, a_size_alone_gives_the_defaults)
{
    OutputSpec spec = parsed("320x240");
    cr_expect_eq(spec.width_px, 320);
    cr_expect_eq(spec.height_px, 240);
    cr_expect_eq(spec.fit, FIT_INSIDE);
    cr_expect_eq(spec.crop, CROP_CENTRE);
    cr_expect_eq(spec.format, IMAGE_FORMAT_INPUT);
    cr_expect_eq(spec.quality, 75);
    cr_expect_eq(spec.effort, OUTPUT_EFFORT_DEFAULT);
    cr_expect_not(spec.upscale);
    cr_expect_not(spec.keep_metadata);
    cr_expect_not(spec.keep_icc);
    cr_expect_eq(memcmp(spec.background, "\xff\xff\xff", 3), 0);
}

Test(outspec, either_side_may_be_left_out)
{
    cr_expect_eq(parsed("800x").width_px, 800);
    cr_expect_eq(parsed("800x").height_px, 0);
    cr_expect_eq(parsed("x600").width_px, 0);
    cr_expect_eq(parsed("x600").height_px, 600);
    cr_expect_eq(parsed("65500x1").width_px, 65500);
}

Test(outspec, every_key_sets_its_field)
{
    OutputSpec spec = parsed("1x2,icc=keep,strip=none,upscale=allow,background=Ff8001,effort=9,"
                             "q=100,format=avif,crop=attention,fit=cover");
    cr_expect_eq(spec.fit, FIT_COVER);
    cr_expect_eq(spec.crop, CROP_ATTENTION);
    cr_expect_eq(spec.format, IMAGE_FORMAT_AVIF);
    cr_expect_eq(spec.quality, 100);
    cr_expect_eq(spec.effort, 9);
    cr_expect_eq(memcmp(spec.background, "\xff\x80\x01", 3), 0);
    cr_expect(spec.upscale);
    cr_expect(spec.keep_metadata);
    cr_expect(spec.keep_icc);
}

Test(outspec, the_canonical_text_has_a_fixed_order_and_no_defaults)
{
    expect_canonical("320x320", "320x320");
    expect_canonical("0320x", "320x");
    expect_canonical("x5,q=75,fit=inside,upscale=never,strip=all,icc=srgb,background=white", "x5");
    expect_canonical("9x9,crop=centre,fit=cover", "9x9,fit=cover");
    expect_canonical("1x2,icc=keep,strip=none,upscale=allow,background=FF8001,effort=0,q=1,"
                     "format=png,crop=entropy,fit=cover",
                     "1x2,fit=cover,crop=entropy,format=png,q=1,effort=0,background=ff8001,"
                     "upscale=allow,strip=none,icc=keep");
    expect_canonical("1x,background=black", "1x,background=000000");
    expect_canonical("1x,background=ffff00", "1x,background=ffff00");
}

Test(outspec, names_that_are_common_stand_for_the_format)
{
    expect_canonical("1x,format=jpg", "1x,format=jpeg");
    expect_canonical("1x,format=tif", "1x,format=tiff");
    expect_canonical("1x,format=heic", "1x,format=heif");
}

Test(outspec, an_error_quotes_the_part_and_says_what_was_expected)
{
    expect_error("", "size \"\": expected WIDTHxHEIGHT, as in 320x320");
    expect_error("x", "size \"x\": expected WIDTHxHEIGHT, as in 320x320");
    expect_error("320", "size \"320\": expected WIDTHxHEIGHT, as in 320x320");
    expect_error("0x", "width \"0x\": expected WIDTHxHEIGHT, as in 320x320");
    expect_error("-1x5", "width \"-1x5\": expected WIDTHxHEIGHT, as in 320x320");
    expect_error(" 5x5", "width \" 5x5\": expected WIDTHxHEIGHT, as in 320x320");
    expect_error("1x2x3", "height \"1x2x3\": expected WIDTHxHEIGHT, as in 320x320");
    expect_error("65501x", "width \"65501x\": expected 1 to 65500 pixels");
    expect_error("x99999999999999999999999",
                 "height \"x99999999999999999999999\": expected 1 to 65500 pixels");
    expect_error("5x,", "part \"\": expected key=value, as in q=80");
    expect_error("5x,q", "part \"q\": expected key=value, as in q=80");
    expect_error("5x,q=0", "q \"0\": expected a number from 1 to 100");
    expect_error("5x,q=101", "q \"101\": expected a number from 1 to 100");
    expect_error("5x,q=", "q \"\": expected a number from 1 to 100");
    expect_error("5x,effort=10", "effort \"10\": expected a number from 0 to 9");
    expect_error("5x,background=#ffffff", "background \"#ffffff\": expected RRGGBB in hex, as in "
                                          "ff8000, or white or black");
    expect_error("5x,q=1,q=1", "key \"q\": given twice");
    expect_error("5x,crop=entropy", "spec \"5x,crop=entropy\": crop= needs fit=cover");
}

Test(outspec, a_typo_is_answered_with_the_choices)
{
    expect_error("5x,quality=1", "key \"quality\": expected one of fit, crop, format, q, effort, "
                                 "background, upscale, strip, icc");
    expect_error("5x,fit=Cover",
                 "fit \"Cover\": expected one of inside, cover, contain, fill, outside");
    expect_error("5x,fit=cover,crop=center",
                 "crop \"center\": expected one of centre, entropy, attention");
    expect_error("5x,format=bmp",
                 "format \"bmp\": expected one of jpeg, png, webp, gif, tiff, avif, heif");
    expect_error("5x,upscale=yes", "upscale \"yes\": expected one of never, allow");
    expect_error("5x,strip=", "strip \"\": expected one of all, none");
    expect_error("5x,icc=p3", "icc \"p3\": expected one of srgb, keep");
}

Test(outspec, hostile_text_is_quoted_harmlessly)
{
    g_autofree char *filler = g_strnfill(100000, 'a');
    g_autofree char *long_text = g_strconcat("\x1b[2J\xff\n", filler, NULL);
    OutputSpec spec;
    g_autoptr(GError) error = NULL;
    cr_assert_not(output_spec_parse(long_text, &spec, &error));
    cr_expect(strlen(error->message) < 200);
    cr_expect(g_utf8_validate(error->message, -1, NULL));
    cr_expect_null(strpbrk(error->message, "\x1b\n"));
}

Test(outspec, a_failed_parse_leaves_the_spec_alone)
{
    OutputSpec spec = parsed("7x7,q=9");
    cr_expect_not(output_spec_parse("9x9,q=1,nope=1", &spec, NULL));
    cr_expect_eq(spec.width_px, 7);
    cr_expect_eq(spec.quality, 9);
}

Test(outspec, a_list_has_semicolons_between)
{
    OutputSpec specs[3];
    cr_assert_eq(output_spec_parse_list("1x;2x,q=5;x3", specs, 3, NULL), 3);
    cr_expect_eq(specs[0].width_px, 1);
    cr_expect_eq(specs[1].quality, 5);
    cr_expect_eq(specs[2].height_px, 3);
    cr_expect_eq(output_spec_parse_list("1x", specs, 3, NULL), 1);
}

Test(outspec, a_list_refuses_what_is_twice_too_much_or_empty)
{
    expect_list_error("5x;6x;5x,q=75", "spec \"5x,q=75\": given twice");
    expect_list_error("1x;2x;3x;4x", "spec \"4x\": expected at most 3 specs");
    expect_list_error("1x;", "size \"\": expected WIDTHxHEIGHT, as in 320x320");
    expect_list_error("", "size \"\": expected WIDTHxHEIGHT, as in 320x320");
    expect_list_error("1x;;2x", "size \"\": expected WIDTHxHEIGHT, as in 320x320");
}

Test(outspec, formats_have_a_name_and_extensions)
{
    for (int i = IMAGE_FORMAT_INPUT + 1; i < IMAGE_FORMAT_COUNT; i++) {
        ImageFormat format = (ImageFormat)i;
        cr_expect_eq(image_format_from_name(image_format_name(format)), format);
        cr_expect(image_format_has_extension(format, image_format_extension(format)));
        cr_expect_not(image_format_has_extension(format, ""));
    }
    cr_expect_str_eq(image_format_name(IMAGE_FORMAT_INPUT), "");
    cr_expect_eq(image_format_from_name(""), IMAGE_FORMAT_INPUT);
    cr_expect_eq(image_format_from_name("JPEG"), IMAGE_FORMAT_INPUT);
    cr_expect_str_eq(image_format_extension(IMAGE_FORMAT_JPEG), "jpg");
    cr_expect_str_eq(image_format_extension(IMAGE_FORMAT_TIFF), "tif");
    cr_expect_str_eq(image_format_extension(IMAGE_FORMAT_HEIF), "heic");
    cr_expect(image_format_has_extension(IMAGE_FORMAT_JPEG, "JFIF"));
    cr_expect(image_format_has_extension(IMAGE_FORMAT_JPEG, "Jpe"));
    cr_expect(image_format_has_extension(IMAGE_FORMAT_HEIF, "heif"));
    cr_expect_not(image_format_has_extension(IMAGE_FORMAT_PNG, "jpg"));
}
