/* sha256_ni.c - SHA-256 for processors that not everybody has; nothing of it runs before one was
 * asked whether it is such.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/sha256_ni.h"

#if defined __x86_64__ && defined __GNUC__ && !defined __clang__

#include <immintrin.h>

#define WITH_NI   __attribute__((target("sha,sse4.1")))
#define INLINE_NI WITH_NI __attribute__((always_inline)) static inline

enum { VECTORS = 4, ROUND_VECTORS = 16 }; /* of four words or rounds each */

/* FIPS 180-4, 4.2.2. */
static const guint32 constants[] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

/* The working variables in the order that the instructions have them in. */
typedef struct {
    __m128i abef;
    __m128i cdgh;
    __m128i words[VECTORS]; /* the message schedule's last sixteen */
} Lane;

gboolean
sha256_has_ni(void)
{
    return __builtin_cpu_supports("sha") && __builtin_cpu_supports("sse4.1");
}

INLINE_NI Lane
load(const guint32 hash[SHA256_WORDS])
{
    __m128i badc = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)hash), 0xb1);
    __m128i hgfe = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)hash + 1), 0x1b);

    return (Lane){_mm_alignr_epi8(badc, hgfe, 8), _mm_blend_epi16(hgfe, badc, 0xf0)};
}

INLINE_NI void
store(const Lane *lane, guint32 hash[SHA256_WORDS])
{
    __m128i feba = _mm_shuffle_epi32(lane->abef, 0x1b);
    __m128i dchg = _mm_shuffle_epi32(lane->cdgh, 0xb1);

    _mm_storeu_si128((__m128i *)hash, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128((__m128i *)hash + 1, _mm_alignr_epi8(dchg, feba, 8));
}

/* Takes a block's words, which are big-endian. */
INLINE_NI void
take_words(Lane *lane, const guint8 *block)
{
    const __m128i swap = _mm_set_epi32(0x0c0d0e0f, 0x08090a0b, 0x04050607, 0x00010203);

    for (guint i = 0; i < VECTORS; i++)
        lane->words[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)block + i), swap);
}

/* Four rounds with words[k], which then becomes what is sixteen words later. */
INLINE_NI void
do_rounds(Lane *lane, const guint32 *four_constants, guint k, gboolean more)
{
    const __m128i *a = &lane->words[k];
    const __m128i *b = &lane->words[(k + 1) % VECTORS];
    const __m128i *c = &lane->words[(k + 2) % VECTORS];
    const __m128i *d = &lane->words[(k + 3) % VECTORS];
    __m128i sums = _mm_add_epi32(*a, _mm_load_si128((const __m128i *)four_constants));

    lane->cdgh = _mm_sha256rnds2_epu32(lane->cdgh, lane->abef, sums);
    lane->abef = _mm_sha256rnds2_epu32(lane->abef, lane->cdgh, _mm_shuffle_epi32(sums, 0x0e));
    if (more)
        lane->words[k] = _mm_sha256msg2_epu32(
            _mm_add_epi32(_mm_sha256msg1_epu32(*a, *b), _mm_alignr_epi8(*d, *c, 4)), *d);
}

WITH_NI void
sha256_add_blocks_ni(guint32 first[SHA256_WORDS], const guint8 *first_blocks,
                     guint32 second[SHA256_WORDS], const guint8 *second_blocks, gsize block_count)
{
    Lane one = load(first);
    Lane two = load(second);

    for (gsize i = 0; i < block_count; i++) {
        const Lane one_before = one;
        const Lane two_before = two;
        take_words(&one, first_blocks + i * SHA256_BLOCK_BYTES);
        take_words(&two, second_blocks + i * SHA256_BLOCK_BYTES);
#pragma GCC unroll 16
        for (guint k = 0; k < ROUND_VECTORS; k++) {
            gboolean more = k + VECTORS < ROUND_VECTORS;
            do_rounds(&one, constants + (gsize)4 * k, k % VECTORS, more);
            do_rounds(&two, constants + (gsize)4 * k, k % VECTORS, more);
        }
        one.abef = _mm_add_epi32(one.abef, one_before.abef);
        one.cdgh = _mm_add_epi32(one.cdgh, one_before.cdgh);
        two.abef = _mm_add_epi32(two.abef, two_before.abef);
        two.cdgh = _mm_add_epi32(two.cdgh, two_before.cdgh);
    }
    store(&one, first);
    store(&two, second);
}

#else

gboolean
sha256_has_ni(void)
{
    return FALSE;
}

void
sha256_add_blocks_ni(guint32 *first, const guint8 *first_blocks, guint32 *second,
                     const guint8 *second_blocks, gsize block_count)
{
    g_error("no instructions for %p, %p, %p, %p, %" G_GSIZE_FORMAT, (gpointer)first,
            (gconstpointer)first_blocks, (gpointer)second, (gconstpointer)second_blocks,
            block_count);
}

#endif
