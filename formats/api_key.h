/* api_key.h - API keys: 32 random bytes, spelled for people and headers, and stored only as keyed
 * hashes. Since a key is drawn, and not chosen, one fast hash is enough: there is nothing to guess.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_API_KEY_H
#define MILLRACE_FORMATS_API_KEY_H

#include <glib.h>

#define API_KEY_PREFIX       "mr_"
#define API_KEY_CHARS        (3 + 43) /* the prefix, and 32 bytes as base64url without padding */
#define API_KEY_HASH_BYTES   32
#define API_KEY_PEPPER_BYTES 32
#define API_KEY_ID_CHARS     12 /* hexadecimal, the hash's beginning: names a key in public */

/* Draws a key from the system's random numbers. */
void api_key_draw(char key[API_KEY_CHARS + 1]);

/* Hashes with one pepper. Not for several threads at once; each has its own. */
typedef struct _ApiKeyHasher ApiKeyHasher;
ApiKeyHasher *api_key_hasher_new(const guint8 pepper[API_KEY_PEPPER_BYTES]);
void api_key_hasher_free(ApiKeyHasher *hasher);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ApiKeyHasher, api_key_hasher_free)
/* BLAKE2b-256 of the key's text, keyed with the pepper (RFC 7693). text: what a client sent.
 * Returns FALSE when it is not spelled as a key is. */
gboolean api_key_hash(ApiKeyHasher *hasher, const char *text, gsize size_bytes,
                      guint8 hash[API_KEY_HASH_BYTES]);

void api_key_id(const guint8 hash[API_KEY_HASH_BYTES], char id[API_KEY_ID_CHARS + 1]);

#endif
