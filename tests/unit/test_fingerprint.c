/* test_fingerprint.c - fingerprints beside those that the library makes at once.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/fingerprint.h"

#include <criterion/criterion.h>
#include <xxhash.h>

enum { BYTES = 300000 };

static void
expect_print(const Fingerprint *fingerprint, const guint8 *bytes, gsize size_bytes)
{
    char text[FINGERPRINT_CHARS + 1];
    XXH128_hash_t hash = XXH3_128bits(bytes, size_bytes);
    g_autofree char *expected =
        g_strdup_printf("%016" G_GINT64_MODIFIER "x%016" G_GINT64_MODIFIER "x",
                        (guint64)hash.high64, (guint64)hash.low64);

    fingerprint_print(fingerprint, text);
    cr_expect_str_eq(text, expected, "%" G_GSIZE_FORMAT, size_bytes);
}

Test(fingerprint, bytes_that_come_in_any_pieces_have_the_digest_of_all)
{
    static const gsize pieces[] = {1, 63, 64, 255, 256, 257, 1024, 4097, 131072, 3};
    g_autofree guint8 *bytes = g_malloc(BYTES);
    Fingerprint *fingerprint = fingerprint_new();
    gsize at = 0;

    for (guint i = 0; i < BYTES; i++)
        bytes[i] = (guint8)(i * 2654435761u >> 13);
    expect_print(fingerprint, bytes, 0);
    for (guint i = 0; at < BYTES; i++) {
        gsize size_bytes = MIN(pieces[i % G_N_ELEMENTS(pieces)], BYTES - at);
        fingerprint_add(fingerprint, bytes + at, size_bytes);
        at += size_bytes;
        expect_print(fingerprint, bytes, at);
    }
    Fingerprint *copy = fingerprint_copy(fingerprint);
    fingerprint_add(fingerprint, bytes, 1000);
    expect_print(copy, bytes, BYTES);
    fingerprint_free(copy);
    fingerprint_free(fingerprint);
}

Test(fingerprint, seeded_hashes_are_those_of_the_library)
{
    static const gsize sizes[] = {0, 1, 16, 17, 128, 240, 241, 512, 1024, 1025, 65536, BYTES};
    g_autofree guint8 *bytes = g_malloc(BYTES);

    for (guint i = 0; i < BYTES; i++)
        bytes[i] = (guint8)(i * 2654435761u >> 13);
    for (guint64 seed = 0; seed < 3; seed++)
        for (guint i = 0; i < G_N_ELEMENTS(sizes); i++)
            cr_expect_eq(fingerprint_seeded(bytes, sizes[i], seed * G_MAXUINT64 / 2),
                         XXH3_64bits_withSeed(bytes, sizes[i], seed * G_MAXUINT64 / 2),
                         "%" G_GSIZE_FORMAT, sizes[i]);
}
