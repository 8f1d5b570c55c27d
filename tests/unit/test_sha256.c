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
