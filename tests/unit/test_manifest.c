/* test_manifest.c - rows of every spelling of a manifest, whole and cut at every byte. A transcript
 * is what the reader gave: "ORDINAL@LINE source|customer|request|to", then "!problem" for a bad
 * row. SPDX-License-Identifier: Apache-2.0 */
#include "formats/manifest.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "formats/error.h"

#define BYTES(literal) literal, sizeof(literal) - 1

static int
drain(ManifestReader *reader, GString *out)
{
    g_autoptr(GError) error = NULL;
    ManifestRow row;
    int found;
    while ((found = manifest_reader_next(reader, &row, &error)) > 0) {
        g_string_append_printf(out, "%d@%d %s|%s|%s|%s", (int)row.ordinal, (int)row.line,
                               row.source, row.customer, row.request, row.to);
        if (row.problem != NULL)
            g_string_append_printf(out, "!%s", row.problem);
        g_string_append_c(out, '\n');
    }
    if (found < 0) {
        gboolean kind = g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT);
        g_string_append_printf(out, "%s %s\n", kind ? "error" : "ERROR KIND", error->message);
    }
    return found;
}

/* Reads a manifest that comes in pieces of piece_bytes. Returns: (transfer full) its transcript. */
static char *
transcript(const char *name, ManifestKind kind, const char *bytes, gsize size_bytes,
           gsize piece_bytes)
{
    g_autoptr(ManifestReader) reader = manifest_reader_new(name, kind);
    GString *out = g_string_new(NULL);
    int found = 0;
    for (gsize at = 0; at < size_bytes && found == 0; at += piece_bytes) {
        manifest_reader_push(reader, (const guint8 *)bytes + at, MIN(piece_bytes, size_bytes - at));
        found = drain(reader, out);
    }
    manifest_reader_finish(reader);
    if (found == 0)
        drain(reader, out);
    return g_string_free(out, FALSE);
}

static void
expect_pieces(const char *name, const char *bytes, gsize size_bytes, gsize piece_bytes,
              const char *expected)
{
    g_autofree char *got = transcript(name, MANIFEST_AUTO, bytes, size_bytes, piece_bytes);
    gboolean same = strcmp(got, expected) == 0;
    cr_expect(same, "pieces of %zu, got:\n%s\nexpected:\n%s", piece_bytes, got, expected);
}

static void
expect(const char *name, const char *bytes, gsize size_bytes, const char *expected)
{
    static const gsize pieces_bytes[] = {1, 2, 3, 7, 1 << 20};
    for (guint i = 0; i < G_N_ELEMENTS(pieces_bytes); i++)
        expect_pieces(name, bytes, size_bytes, pieces_bytes[i], expected);
}

static ManifestKind
kind_of(const char *name, const char *text)
{
    g_autoptr(ManifestReader) reader = manifest_reader_new(name, MANIFEST_AUTO);
    ManifestRow row;
    manifest_reader_push(reader, (const guint8 *)text, strlen(text));
    manifest_reader_finish(reader);
    manifest_reader_next(reader, &row, NULL);
    return manifest_reader_kind(reader);
}

Test(manifest, a_list_has_a_source_a_line)
{
    expect("-", BYTES("a.jpg\n\nb c.jpg\n\"q\",x\n d\r\nlast"),
           "1@1 a.jpg|||\n2@3 b c.jpg|||\n3@4 \"q\",x|||\n4@5  d\r|||\n5@6 last|||\n");
}

Test(manifest, crlf_is_a_line_end_when_the_first_line_has_it)
{
    expect("-", BYTES("a\r\n\r\nb\r\nc\nd\r"), "1@1 a|||\n2@3 b|||\n3@4 c|||\n4@5 d|||\n");
    expect("-", BYTES("\r\nb\r\n"), "1@2 b|||\n");
}

Test(manifest, names_in_lists_are_raw_bytes)
{
    expect("-", BYTES("\xff\x80.jpg\ncaf\xe9\n"), "1@1 \xff\x80.jpg|||\n2@2 caf\xe9|||\n");
}

Test(manifest, a_nul_in_a_list_is_a_bad_row)
{
    expect("-", BYTES("a\0b\nc\n"),
           "1@1 a|||!a NUL byte in the name: is it a list for -0?\n2@2 c|||\n");
}

Test(manifest, a_list_with_nul_keeps_every_other_byte)
{
    static const char bytes[] = "\xef\xbb\xbf"
                                "a\nb\r\0\0{c\0d";
    for (gsize piece_bytes = 1; piece_bytes < sizeof bytes; piece_bytes++) {
        g_autofree char *got =
            transcript("x.csv", MANIFEST_LIST0, bytes, sizeof bytes - 1, piece_bytes);
        cr_expect_str_eq(got, "1@1 \xef\xbb\xbf"
                              "a\nb\r|||\n2@3 {c|||\n3@4 d|||\n");
    }
}

Test(manifest, a_byte_order_mark_is_dropped)
{
    expect("-",
           BYTES("\xef\xbb\xbf"
                 "a.jpg\n"),
           "1@1 a.jpg|||\n");
    expect("m.csv", BYTES("\xef\xbb\xbfsource\na\n"), "1@2 a|||\n");
    expect("m.csv", BYTES("\xef\xbb\xbf"), "");
}

Test(manifest, utf_16_is_refused_with_the_cure)
{
    static const char error[] =
        "error m.txt:1: UTF-16 is not read: convert it first, as in iconv -f UTF-16 -t UTF-8\n";
    expect("m.txt",
           BYTES("\xff\xfe"
                 "a\0"),
           error);
    expect("m.txt", BYTES("\xfe\xff\0a"), error);
}

Test(manifest, columns_stand_in_any_order_and_others_are_ignored)
{
    expect("m.csv", BYTES("to,note,source,request,customer\n320x,n,a.jpg,r1,acme\n\n,,b.jpg,,\n"),
           "1@2 a.jpg|acme|r1|320x\n2@4 b.jpg|||\n");
}

Test(manifest, csv_quotes_as_rfc_4180_has_them)
{
    expect(
        "m.csv",
        BYTES("source,\"to\"\r\n\"a,\"\"b\"\"\r\nc\",\"1x,q=5\"\r\n\"\",x\r\nd\"e\",\"\"\"\"\r\n"),
        "1@2 a,\"b\"\r\nc|||1x,q=5\n2@4 |||x!no source\n3@5 d\"e\"|||\"\n");
}

Test(manifest, a_bad_row_does_not_stop_the_reader)
{
    expect("m.csv", BYTES("source,customer\na\nb,c,d\n\"e\"f,g\nh,i\nj\0,k\nl,m\n"),
           "1@2 a|||!1 field, expected 2\n"
           "2@3 b|||!3 fields, expected 2\n"
           "3@4 e|||!text behind a closing quote\n"
           "4@5 h|i||\n"
           "5@6 j|||!a NUL byte in the row\n"
           "6@7 l|m||\n");
}

Test(manifest, a_row_out_of_step_names_no_customer)
{
    /* Unquoted commas in the name move the rest: "b" is not whom to bill. */
    expect("m.csv", BYTES("source,customer\na,b,acme\n"), "1@2 a|||!3 fields, expected 2\n");
}

Test(manifest, a_quote_never_closed_is_an_error_where_it_was_opened)
{
    expect("m.csv", BYTES("source,to\n\"a\nb\",\"c\nd\ne,f\n"),
           "error m.csv:3: a quote is opened here and never closed\n");
}

Test(manifest, tsv_has_no_quotes)
{
    expect("m.tsv", BYTES("source\tto\r\n\"a\t\"\"\r\nb,c\t\r\nd\n"),
           "1@2 \"a|||\"\"\n2@3 b,c|||\n3@4 d|||!1 field, expected 2\n");
}

Test(manifest, a_missing_column_is_named_with_those_found)
{
    expect("m.csv", BYTES("a,Source\nx,y\n"),
           "error m.csv:1: no column \"source\" (found: a, Source): the first line names the "
           "columns, as in source,customer,to\n");
    expect("m.tsv", BYTES("\nsource,to\n"),
           "error m.tsv:2: no column \"source\" (found: source,to): the first line names the "
           "columns, as in source<TAB>customer<TAB>to\n");
}

Test(manifest, a_column_twice_is_an_error)
{
    expect("m.csv", BYTES("source,to,to\n"), "error m.csv:1: column \"to\" twice: remove one\n");
    expect("m.csv", BYTES("source,note,note\na,b,c\n"), "1@2 a|||\n");
}

Test(manifest, ndjson_has_an_object_a_line)
{
    expect("m.ndjson",
           BYTES("{\"source\":\"a\\u00e9\\nb\",\"customer\":\"acme\",\"n\":[1]}\r\n \t\n"
                 "{\"to\":\"1x\",\"request\":null,\"source\":\"c\"}\n"
                 "[1]\n{\"source\":1}\n{\"source\":\"d\",\"to\":[]}\n{}\n{\"source\":\"e\"}"),
           "1@1 aé\nb|acme||\n2@3 c|||1x\n3@4 |||!not a JSON object\n"
           "4@5 |||!\"source\" is not a string\n5@6 d|||!\"to\" is not a string\n"
           "6@7 |||!no source\n7@8 e|||\n");
}

Test(manifest, a_line_of_ndjson_that_is_torn_is_a_bad_row)
{
    g_autofree char *got =
        transcript("m.jsonl", MANIFEST_AUTO, BYTES("{\"source\":\"a\n{\"source\":\"b\"}\n"), 5);
    cr_expect(g_str_has_prefix(got, "1@1 |||!not JSON: "), "%s", got);
    cr_expect(g_str_has_suffix(got, "\n2@2 b|||\n"), "%s", got);
}

Test(manifest, customers_and_requests_are_names)
{
    g_autofree char *full = g_strnfill(255, 'c');
    g_autofree char *over = g_strnfill(256, 'c');
    g_autoptr(GString) text = g_string_new("source,customer,request\n");
    g_string_append_printf(text, "a,%s,\nb,%s,\nc,\xff,\nd,\x01,\ne,ok,\xc2\x85\n", full, over);
    g_string_append(text, "f,\x7f,\xff\ng,é 漢,x\xc2\xa0y\n");
    g_autofree char *expected = g_strdup_printf(
        "1@2 a|%s||\n2@3 b|||!customer: longer than 255 bytes\n3@4 c|||!customer: not UTF-8\n"
        "4@5 d|||!customer: a control character in it\n"
        "5@6 e|ok||!request: a control character in it\n"
        "6@7 f|||!customer: a control character in it\n7@8 g|é 漢|x\xc2\xa0y|\n",
        full);
    expect("m.csv", text->str, text->len, expected);
}

Test(manifest, two_faults_of_a_row_give_the_first)
{
    expect("m.jsonl", BYTES("{\"source\":1,\"customer\":\"\\u0001\",\"request\":\"\\u0001\"}\n"),
           "1@1 |||!\"source\" is not a string\n");
    expect("m.csv", BYTES("source,customer,request\n,\x01,\x02\n"), "1@2 |||!no source\n");
}

Test(manifest, a_source_is_at_most_a_path)
{
    g_autofree char *full = g_strnfill(MANIFEST_SOURCE_MAX_BYTES, 's');
    g_autofree char *text = g_strdup_printf("%s\n%ss\nb\n", full, full);
    g_autofree char *expected = g_strdup_printf(
        "1@1 %s|||\n2@2 %s|||!a source longer than 4095 bytes\n3@3 b|||\n", full, full);
    expect("-", text, strlen(text), expected);
}

Test(manifest, http_sources_are_told_apart)
{
    expect("-", BYTES("http://x/a\nHTTPS://x/a\nhttp:/a\nh\n"),
           "1@1 http://x/a|||!http sources are not read yet: fetch it first\n"
           "2@2 HTTPS://x/a|||!http sources are not read yet: fetch it first\n"
           "3@3 http:/a|||\n4@4 h|||\n");
}

Test(manifest, nothing_is_no_rows)
{
    expect("-", "", 0, "");
    expect("m.csv", "", 0, "");
    expect("m.ndjson", "", 0, "");
    expect("m.csv", BYTES("source,to\r\n"), "");
    expect("m.csv", BYTES("\n\r\n\n"), "");
    expect("-", BYTES("\n\r\n\n"), "");
}

Test(manifest, the_kind_follows_the_name_then_the_first_line)
{
    cr_expect_eq(kind_of("m.CSV", "source\n"), MANIFEST_CSV);
    cr_expect_eq(kind_of("m.tsv", "source\n"), MANIFEST_TSV);
    cr_expect_eq(kind_of("m.jsonl", "x"), MANIFEST_NDJSON);
    cr_expect_eq(kind_of("m.ndjson", "x"), MANIFEST_NDJSON);
    cr_expect_eq(kind_of("m.lst", "source,to\n"), MANIFEST_LIST);
    cr_expect_eq(kind_of("m.TXT", "{\n"), MANIFEST_LIST);
    cr_expect_eq(kind_of("-", "{\"source\":1}"), MANIFEST_NDJSON);
    cr_expect_eq(kind_of("-", "to,source\r\n"), MANIFEST_CSV);
    cr_expect_eq(kind_of("-", "to\tsource\r\n"), MANIFEST_TSV);
    cr_expect_eq(kind_of("-", "\n\"source\",\"to\"\n"), MANIFEST_CSV);
    cr_expect_eq(kind_of("-", "sources,to\nsource\n"), MANIFEST_LIST);
    cr_expect_eq(kind_of("dir.csv/m", "a,b\n"), MANIFEST_LIST);
    cr_expect_eq(kind_of("-", ""), MANIFEST_AUTO);
}

Test(manifest, the_kind_is_not_guessed_from_half_a_line)
{
    g_autoptr(ManifestReader) reader = manifest_reader_new("-", MANIFEST_AUTO);
    ManifestRow row;
    manifest_reader_push(reader, (const guint8 *)"a,b,", 4);
    cr_expect_eq(manifest_reader_next(reader, &row, NULL), 0);
    cr_expect_eq(manifest_reader_kind(reader), MANIFEST_AUTO);
    manifest_reader_push(reader, (const guint8 *)"source\n", 7);
    cr_expect_eq(manifest_reader_next(reader, &row, NULL), 0);
    cr_expect_eq(manifest_reader_kind(reader), MANIFEST_CSV);
}

/* A row of exactly size_bytes behind a header and one good row, read in pieces. */
static char *
long_row(const char *name, char first, gsize size_bytes, gsize piece_bytes)
{
    g_autoptr(GString) text = g_string_new("source\na\n");
    gsize before_bytes = text->len;
    g_string_set_size(text, before_bytes + size_bytes);
    memset(text->str + before_bytes, 'x', size_bytes);
    text->str[before_bytes] = first;
    g_string_append(text, "\nb\n");
    return transcript(name, MANIFEST_AUTO, text->str, text->len, piece_bytes);
}

Test(manifest, a_row_beyond_the_limit_is_an_error_at_its_line)
{
    static const gsize pieces_bytes[] = {4096, 65537, 1 << 22};
    for (guint i = 0; i < G_N_ELEMENTS(pieces_bytes); i++) {
        g_autofree char *within = long_row("m.csv", 'x', MANIFEST_ROW_MAX_BYTES, pieces_bytes[i]);
        cr_expect(g_str_has_suffix(within, "4095 bytes\n3@4 b|||\n"));
        g_autofree char *beyond =
            long_row("m.csv", 'x', MANIFEST_ROW_MAX_BYTES + 1, pieces_bytes[i]);
        cr_expect_str_eq(beyond, "1@2 a|||\nerror m.csv:3: a row longer than 1048576 bytes: "
                                 "is it a manifest?\n");
        g_autofree char *listed =
            long_row("m.txt", 'x', MANIFEST_ROW_MAX_BYTES + 1, pieces_bytes[i]);
        cr_expect(g_str_has_prefix(listed, "1@1 source|||\n2@2 a|||\nerror m.txt:3: a row longer"));
        g_autofree char *quoted =
            long_row("m.csv", '"', MANIFEST_ROW_MAX_BYTES + 1, pieces_bytes[i]);
        cr_expect_str_eq(quoted, "1@2 a|||\nerror m.csv:3: a quote is opened here and a row longer "
                                 "than 1048576 bytes follows: close it\n");
    }
}

Test(manifest, a_list_with_nul_read_without_0_says_so)
{
    g_autofree char *zeros = g_malloc0(MANIFEST_ROW_MAX_BYTES + 1);
    g_autofree char *got =
        transcript("-", MANIFEST_AUTO, zeros, MANIFEST_ROW_MAX_BYTES + 1, 1 << 16);
    cr_expect_str_eq(got,
                     "error -:1: a row longer than 1048576 bytes: it has NUL bytes: for a list "
                     "that find -print0 wrote, give -0\n");
}

Test(manifest, a_reader_that_failed_stays_failed)
{
    g_autoptr(ManifestReader) reader = manifest_reader_new("m.csv", MANIFEST_AUTO);
    g_autoptr(GError) first = NULL;
    g_autoptr(GError) second = NULL;
    ManifestRow row;
    manifest_reader_push(reader, (const guint8 *)"a,b\n", 4);
    cr_expect_eq(manifest_reader_next(reader, &row, &first), -1);
    manifest_reader_push(reader, (const guint8 *)"source\nx\n", 9);
    cr_expect_eq(manifest_reader_next(reader, &row, &second), -1);
    cr_expect_str_eq(first->message, second->message);
}

Test(manifest, a_csv_field_that_was_written_reads_back)
{
    static const char *const fields[] = {"plain", "",   "a,b", "\"",     "\"\"", "a\"b\"",
                                         "\n",    "\r", "a\r", "\r\n\"", " x ",  "\xff,\xfe"};
    g_autoptr(GString) text = g_string_new("source,to\n");
    g_autoptr(GString) expected = g_string_new(NULL);
    int line = 2;
    for (guint i = 0; i < G_N_ELEMENTS(fields); i++) {
        g_string_append(text, "s,");
        manifest_put_csv_field(text, fields[i]);
        g_string_append_c(text, '\n');
        g_string_append_printf(expected, "%u@%d s|||%s\n", i + 1, line, fields[i]);
        line += strchr(fields[i], '\n') != NULL ? 2 : 1;
    }
    expect("m.csv", text->str, text->len, expected->str);
    cr_expect(g_str_has_prefix(text->str, "source,to\ns,plain\ns,\ns,\"a,b\"\ns,\"\"\"\"\n"));
}
