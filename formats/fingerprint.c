/* fingerprint.c - XXH3 of bytes as they come.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/fingerprint.h"

/* Inline, so that a state is the same here and where vectors are used. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "formats/fingerprint_avx2.h"

struct _Fingerprint {
    XXH3_state_t *state;
};

Fingerprint *
fingerprint_new(void)
{
    Fingerprint *fingerprint = g_new0(Fingerprint, 1);

    fingerprint->state = XXH3_createState();
    g_assert(fingerprint->state && XXH3_128bits_reset(fingerprint->state) == XXH_OK);
    return fingerprint;
}

Fingerprint *
fingerprint_copy(const Fingerprint *fingerprint)
{
    Fingerprint *copy = fingerprint_new();

    XXH3_copyState(copy->state, fingerprint->state);
    return copy;
}

void
fingerprint_free(Fingerprint *fingerprint)
{
    XXH3_freeState(fingerprint->state);
    g_free(fingerprint);
}

void
fingerprint_add(Fingerprint *fingerprint, const void *bytes, gsize size_bytes)
{
    if (fingerprint_has_avx2())
        fingerprint_update_avx2(fingerprint->state, bytes, size_bytes);
    else
        XXH3_128bits_update(fingerprint->state, bytes, size_bytes);
}

void
fingerprint_print(const Fingerprint *fingerprint, char text[FINGERPRINT_CHARS + 1])
{
    XXH128_hash_t hash = XXH3_128bits_digest(fingerprint->state);

    g_snprintf(text, FINGERPRINT_CHARS + 1, "%016" G_GINT64_MODIFIER "x%016" G_GINT64_MODIFIER "x",
               (guint64)hash.high64, (guint64)hash.low64);
}

guint64
fingerprint_line(const void *bytes, gsize size_bytes)
{
    return XXH3_64bits(bytes, size_bytes);
}

guint64
fingerprint_seeded(const void *bytes, gsize size_bytes, guint64 seed)
{
    /* Vectors are for what is long. */
    if (size_bytes > XXH3_MIDSIZE_MAX && fingerprint_has_avx2())
        return fingerprint_seeded_avx2(bytes, size_bytes, seed);
    return XXH3_64bits_withSeed(bytes, size_bytes, seed);
}
