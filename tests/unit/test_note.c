/* test_note.c - notes are what the C2SP's signed-note says, byte for byte, and nothing else is one.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/note.h"

#include <criterion/criterion.h>
#include <string.h>

#include "tests/unit/note_golden.h"

static const char body[] = "one line\nGr\xc3\xbc\xc3\x9f"
                           "e = 1\n\nafter an empty line\n";

static MinisignSecret *
golden_secret(void)
{
    MinisignSecret *secret = minisign_secret_parse("their.key", note_golden_secret, NULL);

    cr_assert_not_null(secret);
    return secret;
}

static void
expect_none(const char *text, gsize size_bytes, const char *reason)
{
    g_autoptr(MinisignSecret) secret = golden_secret();
    g_autoptr(GError) error = NULL;

    cr_assert_null(note_open("a note", text, size_bytes, minisign_public(secret), 1, NULL, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT));
    cr_expect(g_str_has_prefix(error->message, "a note: "), "%s", error->message);
    cr_expect_not_null(strstr(error->message, reason), "%s", error->message);
}

Test(note, it_is_what_another_program_signs)
{
    g_autoptr(MinisignSecret) secret = golden_secret();
    g_autofree char *note = note_sign(secret, body);

    cr_expect_str_eq(note, note_golden_note);
}

Test(note, what_another_program_signed_is_opened)
{
    g_autoptr(MinisignSecret) secret = golden_secret();
    char id[MINISIGN_ID_CHARS + 1] = "";
    gsize body_bytes = 0;
    g_autofree char *got = note_open("a note", note_golden_note, strlen(note_golden_note),
                                     minisign_public(secret), 1, id, NULL);

    cr_assert_not_null(got);
    cr_expect_str_eq(got, body);
    cr_expect_str_eq(id, "93C258168EF2B66A");
    cr_assert(note_is_form(note_golden_note, strlen(note_golden_note), &body_bytes));
    cr_expect_eq(body_bytes, strlen(body));
}

Test(note, no_byte_of_it_can_be_changed_removed_or_added)
{
    gsize size_bytes = strlen(note_golden_note);
    g_autofree char *text = g_strdup(note_golden_note);

    for (gsize i = 0; i < size_bytes; i++) {
        text[i] ^= 1;
        expect_none(text, size_bytes, "");
        text[i] ^= 1;
        expect_none(text, i, "expected lines of text");
    }
    g_autofree char *longer = g_strconcat(text, "\n", NULL);
    expect_none(longer, size_bytes + 1, "expected lines of text");
    expect_none(text, size_bytes + 1, "expected lines of text"); /* the NUL, too */
}

Test(note, a_second_signature_a_space_and_another_dash_are_refused)
{
    const char *line = strstr(note_golden_note, "\xe2\x80\x94");
    g_autofree char *twice = g_strconcat(note_golden_note, line, NULL);
    g_auto(GStrv) parts = g_strsplit(note_golden_note, "\xe2\x80\x94", -1);
    g_autofree char *hyphen = g_strjoinv("--", parts);
    g_autofree char *control = g_strconcat("a\tb\n", note_golden_note, NULL);

    expect_none(twice, strlen(twice), "expected lines of text");
    expect_none(hyphen, strlen(hyphen), "expected lines of text");
    expect_none(control, strlen(control), "expected lines of text");
}

Test(note, a_large_one_is_not_read)
{
    g_autofree char *line = g_strnfill(NOTE_MAX_BYTES, 'x');
    g_autofree char *text = g_strconcat(line, "\n", note_golden_note, NULL);

    expect_none(text, strlen(text), "expected lines of text");
}

Test(note, whose_signature_it_is_is_said_when_it_is_nobodys_here)
{
    g_autoptr(MinisignSecret) other = minisign_generate(NULL);
    g_autoptr(GError) error = NULL;
    char id[MINISIGN_ID_CHARS + 1];

    minisign_id(minisign_public(other), id);
    g_autofree char *expected =
        g_strdup_printf("n: signed with the key 93C258168EF2B66A, which is none of: %s", id);
    cr_assert_null(note_open("n", note_golden_note, strlen(note_golden_note),
                             minisign_public(other), 1, NULL, &error));
    cr_expect_str_eq(error->message, expected);
    g_clear_error(&error);
    cr_assert_null(
        note_open("n", note_golden_note, strlen(note_golden_note), NULL, 0, NULL, &error));
    cr_expect_not_null(strstr(error->message, "(there are none)"), "%s", error->message);
}

Test(note, another_key_with_the_same_number_is_found_out)
{
    g_autoptr(MinisignSecret) other = minisign_generate(NULL);
    g_autoptr(MinisignSecret) secret = golden_secret();
    g_autoptr(GError) error = NULL;
    MinisignPublic keys[2] = {*minisign_public(other), *minisign_public(secret)};

    memcpy(keys[0].number, keys[1].number, sizeof keys[0].number);
    cr_assert_null(
        note_open("n", note_golden_note, strlen(note_golden_note), keys, 1, NULL, &error));
    cr_expect_str_eq(error->message, "n: the signature by the key 93C258168EF2B66A does not hold");
    g_autofree char *got =
        note_open("n", note_golden_note, strlen(note_golden_note), keys, 2, NULL, NULL);
    cr_expect_not_null(got, "the other one of that number is asked, too");
}

Test(note, a_value_is_the_rest_of_its_line_and_there_is_one_of_it)
{
    static const char lines[] = "kind\nname a b  c\nnamed x\ntwice 1\ntwice 1\nempty \n";
    g_autofree char *name = note_value(lines, "name");
    g_autofree char *empty = note_value(lines, "empty");

    cr_expect_str_eq(name, "a b  c");
    cr_expect_str_eq(empty, "");
    cr_expect_null(note_value(lines, "twice"));
    cr_expect_null(note_value(lines, "kind"));
    cr_expect_null(note_value(lines, "nam"));
    cr_expect_null(note_value("", "name"));
}
