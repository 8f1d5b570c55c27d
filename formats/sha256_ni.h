/* sha256_ni.h - SHA-256 of two streams at once, by the processor's instructions for it, where it
 * has them. Each of these waits for the one before it, so that a second stream, whose instructions
 * are done meanwhile, takes next to no time of its own. SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_SHA256_NI_H
#define MILLRACE_FORMATS_SHA256_NI_H

#include <glib.h>

#define SHA256_WORDS       8
#define SHA256_BLOCK_BYTES 64

/* Have the processor and the compiler that built us them? */
gboolean sha256_has_ni(void);
/* Adds blocks to two hash values, as FIPS 180-4, 6.2.2, says, if so. */
void sha256_add_blocks_ni(guint32 first[SHA256_WORDS], const guint8 *first_blocks,
                          guint32 second[SHA256_WORDS], const guint8 *second_blocks,
                          gsize block_count);

#endif
