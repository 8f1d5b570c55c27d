/* fingerprint_avx2.h - XXH3 by vectors of 32 bytes, where the processor has them. The library that
 * systems bring uses those that every processor of the kind has: it takes four times as long.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_FINGERPRINT_AVX2_H
#define MILLRACE_FORMATS_FINGERPRINT_AVX2_H

#include <glib.h>

/* Have the processor and the compiler that built us them? */
gboolean fingerprint_has_avx2(void);
/* What XXH3_128bits_update() does, if so. state: an XXH3_state_t of the same xxhash.h. */
void fingerprint_update_avx2(void *state, const void *bytes, gsize size_bytes);
/* What XXH3_64bits_withSeed() does. */
guint64 fingerprint_seeded_avx2(const void *bytes, gsize size_bytes, guint64 seed);

#endif
