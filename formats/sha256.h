/* sha256.h - SHA-256, the name of what must not change: segments, seals, lines of a bill.
 * libcrypto does it, since it knows the CPU's instructions for it; GChecksum is six times slower.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_SHA256_H
#define MILLRACE_FORMATS_SHA256_H

#include <glib.h>

#define SHA256_CHARS 64
#define SHA256_BYTES (SHA256_CHARS / 2)

/* Writes the digest of the bytes. bytes: may be NULL when there are none. Any thread. */
void sha256_bytes(const void *bytes, gsize size_bytes, guint8 digest[SHA256_BYTES]);
/* The same in lower-case hexadecimal. */
void sha256_hex(const void *bytes, gsize size_bytes, char hex[SHA256_CHARS + 1]);

/* A digest in lower-case hexadecimal. */
void sha256_print(const guint8 digest[SHA256_BYTES], char hex[SHA256_CHARS + 1]);

/* The same of bytes that come piece by piece. */
typedef struct _Sha256 Sha256;
Sha256 *sha256_new(void);
void sha256_free(Sha256 *sha256);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Sha256, sha256_free)
void sha256_add(Sha256 *sha256, const void *bytes, gsize size_bytes);
/* Writes the digest of all that was added, and begins anew. */
void sha256_finish(Sha256 *sha256, char hex[SHA256_CHARS + 1]);

#endif
