/* test_resize_name.c - whatever a source or a template says, the name stays beneath the folder.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/resize_name.h"

#include <criterion/criterion.h>
#include <string.h>

#include "formats/error.h"

static void
expect_made(const char *template, const OutputName *name, const char *expected)
{
    g_autofree char *got = output_name_make(template, name);

    cr_expect_str_eq(got, expected, "%s: \"%s\", not \"%s\"", name->source, got, expected);
}

/* By default, of a source whose output is of this format. */
static void
expect_default(const char *source, ImageFormat format, const char *expected)
{
    OutputName name = {.row = 12,
                       .source = source,
                       .customer = "acme",
                       .request = "r-12",
                       .spec = "10x10",
                       .with_spec = FALSE,
                       .format = format};

    expect_made(NULL, &name, expected);
}

static void
expect_template(const char *template, const char *source, const char *expected)
{
    OutputName name = {.row = 12,
                       .source = source,
                       .customer = "acme",
                       .request = "r-12",
                       .spec = "10x10,format=webp",
                       .with_spec = FALSE,
                       .format = IMAGE_FORMAT_WEBP};

    g_autoptr(GError) error = NULL;
    cr_expect(output_name_check(template, &error), "%s", error ? error->message : "");
    expect_made(template, &name, expected);
}

Test(resize_name, an_extension_that_names_the_format_is_kept)
{
    expect_default("a/b.jpg", IMAGE_FORMAT_JPEG, "a/b.jpg");
    expect_default("a/B.JPG", IMAGE_FORMAT_JPEG, "a/B.JPG");
    expect_default("b.jpeg", IMAGE_FORMAT_JPEG, "b.jpeg");
    expect_default("b.tiff", IMAGE_FORMAT_TIFF, "b.tiff");
    expect_default("b.tar.png", IMAGE_FORMAT_PNG, "b.tar.png");
}

Test(resize_name, another_extension_gets_the_format_s_behind_it)
{
    expect_default("a.png", IMAGE_FORMAT_WEBP, "a.png.webp");
    expect_default("a.jpg", IMAGE_FORMAT_PNG, "a.jpg.png");
    expect_default("a.jpg.bak", IMAGE_FORMAT_JPEG, "a.jpg.bak.jpg");
    expect_default("a", IMAGE_FORMAT_JPEG, "a.jpg");
    expect_default("a.", IMAGE_FORMAT_JPEG, "a..jpg");
    expect_default("folder.jpg/a", IMAGE_FORMAT_JPEG, "folder.jpg/a.jpg");
}

Test(resize_name, a_hidden_file_s_name_is_no_extension)
{
    expect_default(".jpg", IMAGE_FORMAT_JPEG, ".jpg.jpg");
    expect_default("a/.hidden", IMAGE_FORMAT_PNG, "a/.hidden.png");
    expect_default("a/.hidden.png", IMAGE_FORMAT_PNG, "a/.hidden.png");
}

Test(resize_name, a_path_never_leads_out_of_the_folder)
{
    expect_default("/etc/a.jpg", IMAGE_FORMAT_JPEG, "etc/a.jpg");
    expect_default("//etc///a.jpg", IMAGE_FORMAT_JPEG, "etc/a.jpg");
    expect_default("./a/./b.jpg", IMAGE_FORMAT_JPEG, "a/b.jpg");
    expect_default("../a.jpg", IMAGE_FORMAT_JPEG, "%2E%2E/a.jpg");
    expect_default("/../../a/../b.jpg", IMAGE_FORMAT_JPEG, "%2E%2E/%2E%2E/a/%2E%2E/b.jpg");
    expect_default("a/..", IMAGE_FORMAT_JPEG, "a/%2E%2E.jpg");
    expect_default("...", IMAGE_FORMAT_JPEG, "....jpg");
    expect_default("..a/a..", IMAGE_FORMAT_JPEG, "..a/a...jpg");
}

Test(resize_name, a_path_never_leads_into_the_job_s_own_folder)
{
    expect_default(".millrace/a.jpg", IMAGE_FORMAT_JPEG, "%2Emillrace/a.jpg");
    expect_default("//./.millrace/a.jpg", IMAGE_FORMAT_JPEG, "%2Emillrace/a.jpg");
    expect_default("../.millrace/a.jpg", IMAGE_FORMAT_JPEG, "%2E%2E/.millrace/a.jpg");
    expect_default("a/.millrace/b.jpg", IMAGE_FORMAT_JPEG, "a/.millrace/b.jpg");
    expect_default(".millraces/b.jpg", IMAGE_FORMAT_JPEG, ".millraces/b.jpg");
    expect_template(".millrace/{path}", "a", "%2Emillrace/a");
    expect_template(".mill{stem}/x", "race", "%2Emillrace/x");
}

Test(resize_name, several_specs_have_a_folder_each)
{
    OutputName name = {.source = "/a/b.jpg",
                       .customer = "",
                       .request = "",
                       .spec = "10x10",
                       .with_spec = TRUE,
                       .format = IMAGE_FORMAT_JPEG};

    expect_made(NULL, &name, "10x10/a/b.jpg");
    name.source = ".millrace/b.jpg";
    expect_made(NULL, &name, "10x10/%2Emillrace/b.jpg");
}

Test(resize_name, templates_have_fields)
{
    expect_template("{path}", "/a/b.jpg", "a/b.jpg");
    expect_template("{dir}/{stem}-{spec}.{ext}", "a/b.c.jpg", "a/b.c-10x10,format=webp.webp");
    expect_template("{dir}/{stem}.{ext}", "b.jpg", "b.webp");
    expect_template("{customer}/{request}/{row}", "b.jpg", "acme/r-12/12");
    expect_template("x{row}{row}y", "b.jpg", "x1212y");
    expect_template("{stem}", "a/.hidden", ".hidden");
    expect_template("{dir}", "b.jpg", "");
}

Test(resize_name, what_a_template_makes_is_cleaned_too)
{
    expect_template("/../{stem}", "b.jpg", "%2E%2E/b");
    expect_template("{stem}{stem}/x", ".", "x");
    expect_template("a/.{stem}/{path}", ".", "a");
    expect_template("{dir}/{stem}", "../b.jpg", "%2E%2E/b");

    OutputName name = {.source = "b.jpg",
                       .customer = ".",
                       .request = "../../x",
                       .spec = "10x10",
                       .with_spec = FALSE,
                       .format = IMAGE_FORMAT_JPEG};
    expect_made("{customer}{customer}/{request}", &name, "%2E%2E/%2E%2E/%2E%2E/x");
}

Test(resize_name, a_template_without_fields_or_with_unknown_ones_is_refused)
{
    static const struct {
        const char *template;
        const char *part;
    } cases[] = {{"", "expected"},
                 {"a.jpg", "a.jpg"},
                 {"{name}", "{name}"},
                 {"{path", "{path"},
                 {"{path}{", "{path}{"},
                 {"{path}}", "{path}}"},
                 {"{}", "{}"},
                 {"{PATH}", "{PATH}"},
                 {"{path}/{ stem}", "{ stem}"},
                 {"{pa{path}", "{pa{path"}};

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        cr_expect_not(output_name_check(cases[i].template, &error), "%s", cases[i].template);
        cr_assert(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE));
        cr_expect_not_null(strstr(error->message, cases[i].part), "%s", error->message);
    }
}
