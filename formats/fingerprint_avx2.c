/* fingerprint_avx2.c - the one file that is compiled for processors that not everybody has; nothing
 * of it runs before one was asked whether it is such.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/fingerprint_avx2.h"

#if defined __x86_64__ && defined __GNUC__ && !defined __clang__

/* What xxhash.h includes, before the pragma. */
#include <immintrin.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

gboolean
fingerprint_has_avx2(void)
{
    return __builtin_cpu_supports("avx2") != 0;
}

#pragma GCC target("avx2")
#define XXH_INLINE_ALL
#define XXH_VECTOR XXH_AVX2
#include <xxhash.h>

void
fingerprint_update_avx2(void *state, const void *bytes, gsize size_bytes)
{
    XXH3_128bits_update(state, bytes, size_bytes);
}

guint64
fingerprint_seeded_avx2(const void *bytes, gsize size_bytes, guint64 seed)
{
    return XXH3_64bits_withSeed(bytes, size_bytes, seed);
}

#else

gboolean
fingerprint_has_avx2(void)
{
    return FALSE;
}

void
fingerprint_update_avx2(void *state, const void *bytes, gsize size_bytes)
{
    g_error("no vectors for %p, %p, %" G_GSIZE_FORMAT, state, bytes, size_bytes);
}

guint64
fingerprint_seeded_avx2(const void *bytes, gsize size_bytes, guint64 seed)
{
    g_error("no vectors for %p, %" G_GSIZE_FORMAT ", %" G_GUINT64_FORMAT, bytes, size_bytes, seed);
}

#endif
