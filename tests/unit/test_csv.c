/* test_csv.c - fields of RFC 4180, as lines.csv has them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/csv.h"

#include <string.h>

#include <criterion/criterion.h>

/* Reads records of so many fields; returns them with | between fields and ; behind records, or with
 * ! where one is malformed. (transfer full) */
static char *
read_all(const char *text, gsize size_bytes, guint field_count)
{
    g_autofree char *copy = g_memdup2(text, size_bytes + 1);
    CsvCursor cursor = csv_cursor(copy, size_bytes);
    GString *out = g_string_new(NULL);
    char *fields[8];

    while (cursor.at < cursor.end) {
        if (!csv_take_record(&cursor, fields, field_count)) {
            g_string_append_c(out, '!');
            break;
        }
        for (guint i = 0; i < field_count; i++)
            g_string_append_printf(out, "%s%s", i > 0 ? "|" : "", fields[i]);
        g_string_append_c(out, ';');
    }
    return g_string_free(out, FALSE);
}

Test(csv, records_are_taken_apart)
{
    static const struct {
        const char *text;
        guint fields;
        const char *expected;
    } cases[] = {
        {"", 2, ""},
        {"a,b\n", 2, "a|b;"},
        {"a,b\nc,d\n", 2, "a|b;c|d;"},
        {",\n", 2, "|;"},
        {"\n\n", 1, ";;"},
        {"\"a\",\"b\"\n", 2, "a|b;"},
        {"\"a,b\",c\n", 2, "a,b|c;"},
        {"\"a\"\"b\",\"\"\"\"\n", 2, "a\"b|\";"},
        {"\"\",\"\"\n", 2, "|;"},
        {"\"a\nb\",c\n", 2, "a\nb|c;"},
        {"a\"b,c\n", 2, "a\"b|c;"}, /* a quote within a field without quotes */
        {"a\rb,c\n", 2, "a\rb|c;"},
        {" a , b \n", 2, " a | b ;"},
        {"\xc3\xbc,\xff\n", 2, "\xc3\xbc|\xff;"},
        /* malformed */
        {"a,b", 2, "!"},          /* no end of line */
        {"a\n", 2, "!"},          /* too few */
        {"a,b,c\n", 2, "!"},      /* too many */
        {"\"a,b\n", 2, "!"},      /* an open quote */
        {"\"a\"b,c\n", 2, "!"},   /* something behind a quote */
        {"a,b\nc", 2, "a|b;!"},   /* cut within a record */
        {"a,b\n\"c", 2, "a|b;!"}, /* cut within quotes */
        {"a,b\n\"c\"", 2, "a|b;!"},
        {"a,b\n\"c\"\"", 2, "a|b;!"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *got = read_all(cases[i].text, strlen(cases[i].text), cases[i].fields);
        cr_expect_str_eq(got, cases[i].expected, "case %u", i);
    }
}

Test(csv, a_nul_is_malformed)
{
    g_autofree char *plain = read_all("a\0b,c\n", 6, 2);
    g_autofree char *quoted = read_all("\"a\0b\",c\n", 8, 2);

    cr_expect_str_eq(plain, "!");
    cr_expect_str_eq(quoted, "!");
}

Test(csv, lines_are_counted_within_quotes_too)
{
    char text[] = "a,b\n\"c\nd\",\"\n\"\ne,f\n";
    CsvCursor cursor = csv_cursor(text, strlen(text));
    char *fields[2];

    cr_assert(csv_take_record(&cursor, fields, 2));
    cr_expect_eq(cursor.line, 1);
    cr_assert(csv_take_record(&cursor, fields, 2));
    cr_expect_eq(cursor.line, 2);
    cr_assert(csv_take_record(&cursor, fields, 2));
    cr_expect_eq(cursor.line, 5);
    cr_expect_eq(cursor.at, cursor.end);
}
