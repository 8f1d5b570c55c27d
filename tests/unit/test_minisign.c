/* test_minisign.c - ours and the program minisign read each other's keys and signatures.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/minisign.h"

#include "tests/unit/scratch.h"

/* Made by minisign 0.11: -G -W; -S of "hello\n" with -t 'trusted x', and with -l; -G with the
 * password "pw". */
static const char their_secret[] =
    "untrusted comment: minisign encrypted secret key\n"
    "RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAarbyjhZY"
    "wpNjFZP6t69EmGUmK63TvbNOL2hJLT7LQtG1MBg35yx5hiNq+kfaz6GtvTse/7kUbAbFkwrXb27TpT9F"
    "NNg2P+mtAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    "\n";
static const char their_public[] = "untrusted comment: minisign public key 93C258168EF2B66A\n"
                                   "RWRqtvKOFljCkyNq+kfaz6GtvTse/7kUbAbFkwrXb27TpT9FNNg2P+mt\n";
static const char their_signature[] =
    "untrusted comment: signature from minisign secret key"
    "\n"
    "RURqtvKOFljCkz+N6SkmmTHoskv0RZedqo5qMJ8c5Os301btMuYuc2VvK8laNsFxF5H9GM1rOKjuFOKE"
    "wBRJULiQ3CIgJIQ0Ogw="
    "\n"
    "trusted comment: trusted x"
    "\n"
    "6mLiKxHeyn+t28o7RKdbiEkjZ6obymXPVFjfty7Go5qU3WOGUze4Fno+fLixCJucXErMjCXgwlOIRjn4"
    "C0qtCg=="
    "\n";
static const char their_old_signature[] =
    "untrusted comment: signature from minisign secret key"
    "\n"
    "RWRqtvKOFljCk7P50pmPXZ1lj7aWtzdPIglcuAc22yhzvotseOx2P/moT4ctt4KpF6ebdto0H80J1XfC"
    "FqI8aBMbo1VvVeePCwI="
    "\n"
    "trusted comment: timestamp:1795419652\tfile:f"
    "\n"
    "ceaFjHL9D+xNjazUp3YY9ltiQU0tPqZ58D0a6KNLdiTbU+xsDzbRaayvmRxueo5nWhAgxAPwX8nYN6qB"
    "DF0iCg=="
    "\n";
static const char with_password[] =
    "untrusted comment: minisign encrypted secret key\n"
    "RWRTY0IyoJ4PIA3tpPNHYwD1F2gPCauzaUY6nt6enYPdJpWeXnMAAAACAAAAAAAAAEAAAAAA/cNky8ZG"
    "AYJbBKvrN38fwzovalpygjfbU6jsg/UTEV/nn2GikqXyxCMg1Rkhp/pB/lDjo7AT/ZcWXJFej61bjgYu"
    "//Il7sN/z98qHdQ0m/lc539iivE5e9Czzc/oSoQfblHwIY7B/ec="
    "\n";

static MinisignSecret *
read_secret(const char *text)
{
    g_autoptr(GError) error = NULL;
    MinisignSecret *secret = minisign_secret_parse("their.key", text, &error);

    cr_assert_not_null(secret, "%s", error ? error->message : "");
    return secret;
}

static void
expect_bad_key(const char *text, const char *reason)
{
    MinisignPublic key;
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) error_of_public = NULL;

    cr_expect_null(minisign_secret_parse("some.key", text, &error));
    cr_expect_not(minisign_public_parse("some.key", text, &key, &error_of_public));
    cr_assert(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT));
    cr_assert(g_error_matches(error_of_public, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT));
    cr_expect(g_str_has_prefix(error->message, "some.key: "));
    cr_expect_not_null(strstr(error->message, reason), "%s", error->message);
}

/* Runs minisign in the folder; skips the test where there is none. Returns: its exit code. */
static int
run_minisign(const Scratch *scratch, char **arguments)
{
    g_autofree char *program = g_find_program_in_path("minisign");
    g_autoptr(GPtrArray) all = g_ptr_array_new();
    int status = 0;

    if (!program)
        cr_skip_test("minisign is not installed");
    g_ptr_array_add(all, program);
    for (; *arguments; arguments++)
        g_ptr_array_add(all, *arguments);
    g_ptr_array_add(all, NULL);
    cr_assert(g_spawn_sync(scratch->path, (char **)all->pdata, NULL,
                           G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL,
                           NULL, NULL, &status, NULL));
    return status;
}
#define MINISIGN(SCRATCH, ...) run_minisign(SCRATCH, (char *[]){__VA_ARGS__, NULL})

static void
put_text(const Scratch *scratch, const char *name, const char *text)
{
    scratch_put(scratch, name, text, strlen(text));
}

Test(minisign, a_key_of_the_program_is_read_and_written_as_it_was)
{
    g_autoptr(MinisignSecret) secret = read_secret(their_secret);
    g_autofree char *secret_again = minisign_secret_print(secret);
    g_autofree char *public_again = minisign_public_print(minisign_public(secret));
    MinisignPublic key;
    char id[MINISIGN_ID_CHARS + 1];

    cr_expect_str_eq(secret_again, their_secret);
    cr_expect_str_eq(public_again, their_public);
    cr_assert(minisign_public_parse("their.pub", their_public, &key, NULL));
    cr_expect_arr_eq(&key, minisign_public(secret), sizeof key);
    minisign_id(&key, id);
    cr_expect_str_eq(id, "93C258168EF2B66A");
}

Test(minisign, a_signature_of_the_program_holds)
{
    MinisignPublic key;
    g_autofree char *comment = NULL;
    g_autoptr(GError) error = NULL;

    cr_assert(minisign_public_parse("their.pub", their_public, &key, NULL));
    cr_expect(minisign_verify(&key, "hello\n", 6, their_signature, FALSE, &comment, &error), "%s",
              error ? error->message : "");
    cr_expect_str_eq(comment, "trusted x");
    cr_expect_not(minisign_verify(&key, "hello\n", 6, their_signature, TRUE, NULL, NULL),
                  "its untrusted comment is not ours");
    cr_expect_not(minisign_verify(&key, "hello", 5, their_signature, FALSE, NULL, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT));
}

Test(minisign, a_signature_of_the_old_kind_is_refused_and_told_how_to_be_made_anew)
{
    MinisignPublic key;
    g_autoptr(GError) error = NULL;

    cr_assert(minisign_public_parse("their.pub", their_public, &key, NULL));
    cr_assert_not(minisign_verify(&key, "hello\n", 6, their_old_signature, FALSE, NULL, &error));
    cr_expect_not_null(strstr(error->message, "without -l"), "%s", error->message);
}

Test(minisign, a_key_with_a_password_is_refused_and_told_how_to_be_rid_of_it)
{
    g_autoptr(GError) error = NULL;

    cr_assert_null(minisign_secret_parse("p.key", with_password, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT));
    cr_expect_not_null(strstr(error->message, "p.key: this key has a password"), "%s",
                       error->message);
    cr_expect_not_null(strstr(error->message, "minisign -C -W"));
}

Test(minisign, the_program_verifies_what_we_sign)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(MinisignSecret) secret = minisign_generate(NULL);
    g_autofree char *public_text = minisign_public_print(minisign_public(secret));

    put_text(&scratch, "k.pub", public_text);
    for (gsize size = 0; size < 300; size += 97) {
        char bytes[300];
        memset(bytes, (int)size, sizeof bytes);
        g_autofree char *text = minisign_sign(secret, bytes, size, "millrace volume 0 packed é");
        scratch_put(&scratch, "f", bytes, size);
        put_text(&scratch, "f.minisig", text);
        cr_expect_eq(MINISIGN(&scratch, "-V", "-H", "-p", "k.pub", "-m", "f"), 0);
        cr_expect(minisign_verify(minisign_public(secret), bytes, size, text, TRUE, NULL, NULL));
    }
    put_text(&scratch, "f", "something else");
    cr_expect_neq(MINISIGN(&scratch, "-V", "-p", "k.pub", "-m", "f"), 0);
}

Test(minisign, the_program_signs_with_a_key_of_ours)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(MinisignSecret) secret = minisign_generate(NULL);
    g_autofree char *secret_text = minisign_secret_print(secret);
    g_autofree char *comment = NULL;

    put_text(&scratch, "k.key", secret_text);
    put_text(&scratch, "f", "of ours");
    cr_assert_eq(MINISIGN(&scratch, "-S", "-s", "k.key", "-m", "f", "-t", "by theirs"), 0);
    g_autofree char *text = scratch_get(&scratch, "f.minisig", NULL);
    cr_assert_not_null(text);
    cr_expect(minisign_verify(minisign_public(secret), "of ours", 7, text, FALSE, &comment, NULL));
    cr_expect_str_eq(comment, "by theirs");

    /* And makes the public half of it. */
    cr_assert_eq(MINISIGN(&scratch, "-R", "-s", "k.key", "-p", "again.pub"), 0);
    g_autofree char *public_text = minisign_public_print(minisign_public(secret));
    g_autofree char *public_again = scratch_get(&scratch, "again.pub", NULL);
    cr_expect_str_eq(public_again, public_text);
}

Test(minisign, a_number_with_leading_zeros_is_printed_as_the_program_does)
{
    /* What minisign -R made of a secret key of this number. */
    static const char text[] = "untrusted comment: minisign public key 3939DA05838CF53\n"
                               "RWRTzzhYoJ2TA7KpjxUiTY0A+We9jk5gi5c9lAjBSvlN0JajZs7yIycA\n";
    MinisignPublic key;
    char id[MINISIGN_ID_CHARS + 1];

    cr_assert(minisign_public_parse("k.pub", text, &key, NULL));
    g_autofree char *printed = minisign_public_print(&key);
    cr_expect_str_eq(printed, text);
    minisign_id(&key, id);
    cr_expect_str_eq(id, "03939DA05838CF53");
}

Test(minisign, two_keys_that_are_drawn_are_two)
{
    g_autoptr(MinisignSecret) a = minisign_generate(NULL);
    g_autoptr(MinisignSecret) b = minisign_generate(NULL);

    cr_expect_arr_neq(minisign_public(a)->key, minisign_public(b)->key, 32);
    cr_expect_arr_neq(minisign_public(a)->number, minisign_public(b)->number, 8);
}

Test(minisign, the_same_bytes_comment_and_key_give_the_same_text)
{
    g_autoptr(MinisignSecret) secret = read_secret(their_secret);
    g_autofree char *a = minisign_sign(secret, "x", 1, "c");
    g_autofree char *b = minisign_sign(secret, "x", 1, "c");

    cr_expect_str_eq(a, b);
}

Test(minisign, any_altered_byte_of_a_signature_is_noticed)
{
    g_autoptr(MinisignSecret) secret = read_secret(their_secret);
    g_autofree char *text = minisign_sign(secret, "record", 6, "millrace volume 0 packed now");
    gsize size_bytes = strlen(text);

    for (gsize i = 0; i < size_bytes; i++) {
        for (guint bit = 0; bit < 8; bit++) {
            g_autoptr(GError) error = NULL;
            text[i] ^= (char)(1 << bit);
            cr_expect_not(
                minisign_verify(minisign_public(secret), "record", 6, text, TRUE, NULL, &error),
                "byte %zu, bit %u", i, bit);
            cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT));
            text[i] ^= (char)(1 << bit);
        }
    }
    cr_expect(minisign_verify(minisign_public(secret), "record", 6, text, TRUE, NULL, NULL));
    g_autofree char *longer = g_strconcat(text, "\n", NULL);
    cr_expect_not(minisign_verify(minisign_public(secret), "record", 6, longer, FALSE, NULL, NULL));
}

Test(minisign, lines_that_end_in_cr_lf_are_read_unless_strictly)
{
    g_autoptr(MinisignSecret) secret = read_secret(their_secret);
    g_autofree char *text = minisign_sign(secret, "record", 6, "c");
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autofree char *altered = g_strjoinv("\r\n", lines);

    cr_expect(minisign_verify(minisign_public(secret), "record", 6, altered, FALSE, NULL, NULL));
    cr_expect_not(minisign_verify(minisign_public(secret), "record", 6, altered, TRUE, NULL, NULL));
    g_autofree char *last = g_strdup_printf("%.*s\r\n", (int)strlen(text) - 1, text);
    cr_expect(minisign_verify(minisign_public(secret), "record", 6, last, FALSE, NULL, NULL));
    cr_expect_not(minisign_verify(minisign_public(secret), "record", 6, last, TRUE, NULL, NULL));
}

Test(minisign, another_keys_signature_says_whose_it_is)
{
    g_autoptr(MinisignSecret) theirs = read_secret(their_secret);
    g_autoptr(MinisignSecret) ours = minisign_generate(NULL);
    g_autofree char *text = minisign_sign(theirs, "x", 1, "c");
    g_autoptr(GError) error = NULL;
    char id[MINISIGN_ID_CHARS + 1];

    minisign_id(minisign_public(ours), id);
    cr_assert_not(minisign_verify(minisign_public(ours), "x", 1, text, TRUE, NULL, &error));
    g_autofree char *expected =
        g_strdup_printf("signed with the key 93C258168EF2B66A, not with %s", id);
    cr_expect_str_eq(error->message, expected);
}

Test(minisign, a_key_of_the_same_number_is_still_another_key)
{
    g_autoptr(MinisignSecret) secret = read_secret(their_secret);
    g_autoptr(MinisignSecret) other = minisign_generate(NULL);
    MinisignPublic forged = *minisign_public(other);
    g_autofree char *text = minisign_sign(secret, "x", 1, "c");

    memcpy(forged.number, minisign_public(secret)->number, sizeof forged.number);
    cr_expect_not(minisign_verify(&forged, "x", 1, text, TRUE, NULL, NULL));
}

Test(minisign, what_is_no_key_is_refused_with_the_reason)
{
    g_autofree char *cut = g_strndup(their_secret, strlen(their_secret) - 5);
    g_autofree char *three = g_strconcat(their_public, "more\n", NULL);
    g_autofree char *spaced = g_strdup(their_secret);

    expect_bad_key("", "expected two lines");
    expect_bad_key("untrusted comment: x\n", "expected two lines");
    expect_bad_key("RWQ=\nRWQ=\n", "expected two lines");
    expect_bad_key("untrusted comment: x\nRWQ=\n", "line 2: expected base64");
    expect_bad_key("untrusted comment: x\n!!!!\n", "line 2: expected base64");
    expect_bad_key(cut, "line 2: expected base64");
    expect_bad_key(three, "expected two lines");
    spaced[60] = ' ';
    expect_bad_key(spaced, "line 2: expected base64");
}

Test(minisign, a_secret_key_of_two_halves_that_differ_is_damaged)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = g_strdup(their_secret);
    char *line = strchr(text, '\n') + 1;

    line[100] = line[100] == 'A' ? 'B' : 'A'; /* in the seed */
    cr_assert_null(minisign_secret_parse("their.key", text, &error));
    cr_expect_not_null(strstr(error->message, "damaged"), "%s", error->message);
}

/* RFC 8032, section 7.1, test 3. */
Test(minisign, plain_signatures_are_those_of_rfc_8032)
{
    static const guint8 expected[MINISIGN_SIGNATURE_BYTES] = {
        0x62, 0x91, 0xd6, 0x57, 0xde, 0xec, 0x24, 0x02, 0x48, 0x27, 0xe6, 0x9c, 0x3a,
        0xbe, 0x01, 0xa3, 0x0c, 0xe5, 0x48, 0xa2, 0x84, 0x74, 0x3a, 0x44, 0x5e, 0x36,
        0x80, 0xd7, 0xdb, 0x5a, 0xc3, 0xac, 0x18, 0xff, 0x9b, 0x53, 0x8d, 0x16, 0xf2,
        0x90, 0xae, 0x67, 0xf7, 0x60, 0x98, 0x4d, 0xc6, 0x59, 0x4a, 0x7c, 0x15, 0xe9,
        0x71, 0x6e, 0xd2, 0x8d, 0xc0, 0x27, 0xbe, 0xce, 0xea, 0x1e, 0xc4, 0x0a};
    static const guint8 seed_and_key[] = {
        0xc5, 0xaa, 0x8d, 0xf4, 0x3f, 0x9f, 0x83, 0x7b, 0xed, 0xb7, 0x44, 0x2f, 0x31,
        0xdc, 0xb7, 0xb1, 0x66, 0xd3, 0x85, 0x35, 0x07, 0x6f, 0x09, 0x4b, 0x85, 0xce,
        0x3a, 0x2e, 0x0b, 0x44, 0x58, 0xf7, 0xfc, 0x51, 0xcd, 0x8e, 0x62, 0x18, 0xa1,
        0xa3, 0x8d, 0xa4, 0x7e, 0xd0, 0x02, 0x30, 0xf0, 0x58, 0x08, 0x16, 0xed, 0x13,
        0xba, 0x33, 0x03, 0xac, 0x5d, 0xeb, 0x91, 0x15, 0x48, 0x90, 0x80, 0x25};
    guint8 bytes[158] = {'E', 'd', 0, 0, 'B', '2'};
    guint8 signature[MINISIGN_SIGNATURE_BYTES];

    memcpy(bytes + 62, seed_and_key, sizeof seed_and_key);
    g_autofree char *base64 = g_base64_encode(bytes, sizeof bytes);
    g_autofree char *text = g_strdup_printf("untrusted comment: RFC 8032\n%s\n", base64);
    g_autoptr(MinisignSecret) secret = read_secret(text);
    minisign_raw_sign(secret, "\xaf\x82", 2, signature);
    cr_expect_arr_eq(signature, expected, sizeof expected);
    cr_expect(minisign_raw_verify(minisign_public(secret), "\xaf\x82", 2, signature));
    cr_expect_not(minisign_raw_verify(minisign_public(secret), "\xaf\x83", 2, signature));
}
