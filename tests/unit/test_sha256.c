/* test_sha256.c - the vectors of FIPS 180-4, at once and piece by piece.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/sha256.h"

#include <criterion/criterion.h>
#include <string.h>

/* NIST's examples for SHA-256, and the digest of nothing. */
static const struct {
    const char *text;
    const char *digest;
} vectors[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

Test(sha256, digests_are_those_of_the_standard)
{
    char hex[SHA256_CHARS + 1];
    guint8 digest[SHA256_BYTES];

    for (guint i = 0; i < G_N_ELEMENTS(vectors); i++) {
        sha256_hex(vectors[i].text, strlen(vectors[i].text), hex);
        cr_expect_str_eq(hex, vectors[i].digest);
        sha256_bytes(vectors[i].text, strlen(vectors[i].text), digest);
        for (guint k = 0; k < SHA256_BYTES; k++)
            g_snprintf(hex + (gsize)2 * k, 3, "%02x", digest[k]);
        cr_expect_str_eq(hex, vectors[i].digest);
    }
    sha256_hex(NULL, 0, hex);
    cr_expect_str_eq(hex, vectors[0].digest);
}

Test(sha256, pieces_give_the_digest_of_the_whole)
{
    g_autoptr(Sha256) sha256 = sha256_new();
    char hex[SHA256_CHARS + 1];

    for (guint i = 0; i < G_N_ELEMENTS(vectors); i++) {
        for (const char *at = vectors[i].text; *at != '\0'; at++)
            sha256_add(sha256, at, 1);
        sha256_finish(sha256, hex);
        cr_expect_str_eq(hex, vectors[i].digest, "and the next begins anew");
    }
}

/* What `seq 1 LAST` prints. */
static GString *
count_to(guint last)
{
    GString *text = g_string_new(NULL);

    for (guint i = 1; i <= last; i++)
        g_string_append_printf(text, "%u\n", i);
    return text;
}

/* Digests by sha256sum. */
Test(sha256, two_at_once_are_as_each_alone)
{
    static const gsize sizes[] = {64, 4096, 1, 63, 127, 128, 0, 70000, 5, 59, 94321};
    g_autoptr(GString) some = count_to(30000);
    g_autoptr(GString) more = count_to(200000);
    g_autoptr(Sha256) first = sha256_new();
    g_autoptr(Sha256) second = sha256_new();
    char hex[SHA256_CHARS + 1];
    gsize at = 0;

    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        sha256_add_two(first, some->str + at, second, more->str + at, sizes[i]);
        at += sizes[i];
    }
    cr_assert_leq(at, some->len);
    sha256_add(first, some->str + at, some->len - at);
    sha256_add(second, more->str + at, more->len - at);
    sha256_finish(first, hex);
    cr_expect_str_eq(hex, "5bc81dbc42fe0b86fd1c103f37dfa3de5bd7e8a1767fd1bd4a2471aa8be7a06e");
    sha256_finish(second, hex);
    cr_expect_str_eq(hex, "5af7b95208fdcff454bab3f5eddf567a688a3796c703d4fef91072e38645c062");
}

/* More bits than 32 bits count: `head -c 570425344 /dev/zero | sha256sum`. */
Test(sha256, two_long_ones_at_once_are_as_each_alone)
{
    g_autofree guint8 *zeros = g_malloc0(1 << 20);
    g_autoptr(Sha256) first = sha256_new();
    g_autoptr(Sha256) second = sha256_new();
    char hex[SHA256_CHARS + 1];

    sha256_add(second, zeros, 1 << 20);
    for (guint i = 0; i < 543; i++)
        sha256_add_two(first, zeros, second, zeros, 1 << 20);
    sha256_add(first, zeros, 1 << 20);
    sha256_finish(first, hex);
    cr_expect_str_eq(hex, "62b1dfda36aecdef202ae053b671a03ec272786bec8c81d857c71ac6f7f8858c");
    sha256_finish(second, hex);
    cr_expect_str_eq(hex, "62b1dfda36aecdef202ae053b671a03ec272786bec8c81d857c71ac6f7f8858c");
}
