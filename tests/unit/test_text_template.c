/* test_text_template.c - text with holes, and fields of CSV made of it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/text_template.h"

#include <criterion/criterion.h>

static const TextValue values[] = {{"zero", 4}, {"", 0}, {"\"a,b\"", 5}};

static void
expect_printed(const TextTemplate *template, const char *expected)
{
    g_autoptr(GString) out = g_string_new(">");
    text_template_print(template, values, out);
    cr_expect_str_eq(out->str + 1, expected);
    cr_expect_eq(out->len, strlen(expected) + 1);
}

Test(text_template, values_stand_where_the_holes_are)
{
    TextTemplate template;
    text_template_init(&template);
    expect_printed(&template, "");
    text_template_add_hole(&template, 0);
    expect_printed(&template, "zero");
    g_string_append(template.text, ", then ");
    text_template_add_hole(&template, 2);
    text_template_add_hole(&template, 1);
    text_template_add_hole(&template, 0);
    g_string_append(template.text, ".");
    expect_printed(&template, "zero, then \"a,b\"zero.");
    text_template_clear(&template);
    expect_printed(&template, "");
    text_template_release(&template);
}

Test(text_template, a_field_is_quoted_for_its_own_text_only)
{
    TextTemplate record;
    TextTemplate field;
    text_template_init(&record);
    text_template_init(&field);
    text_template_add_hole(&field, 2);
    text_template_add_csv(&record, &field);
    g_string_append_c(record.text, ',');
    g_string_append(field.text, " plain");
    text_template_add_csv(&record, &field);
    g_string_append_c(record.text, ',');
    text_template_clear(&field);
    g_string_append(field.text, "1\" at ");
    text_template_add_hole(&field, 0);
    g_string_append(field.text, ", \"x\"");
    text_template_add_csv(&record, &field);
    text_template_clear(&field);
    g_string_append_c(record.text, ',');
    text_template_add_csv(&record, &field);
    expect_printed(&record, "\"a,b\",\"a,b\" plain,\"1\"\" at zero, \"\"x\"\"\",");
    text_template_release(&field);
    text_template_release(&record);
}
