/* minisign.h - keys and signatures of the program minisign (https://jedisct1.github.io/minisign/),
 * which can check what we sign and sign what we check. Ed25519 over BLAKE2b-512 of the file; the
 * arithmetic is libcrypto's. Secret keys have no password (as of minisign -G -W).
 * Bytes: formats/README.md, "Cold archive v1".
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_MINISIGN_H
#define MILLRACE_FORMATS_MINISIGN_H

#include <glib.h>

#include "formats/error.h"

#define MINISIGN_ID_CHARS        16 /* upper-case hexadecimal, as minisign prints it */
#define MINISIGN_SIGNATURE_BYTES 64
#define MINISIGN_TEXT_MAX_BYTES  4096 /* of any of its files */

/* What checks. Plain data. */
typedef struct {
    guint8 number[8];
    guint8 key[32];
} MinisignPublic;

/* What signs. */
typedef struct _MinisignSecret MinisignSecret;

/* Draws a new pair from the system's random numbers. (transfer full), or NULL and
 * MILLRACE_ERROR_UNAVAILABLE. */
MinisignSecret *minisign_generate(GError **error);
void minisign_secret_free(MinisignSecret *secret);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MinisignSecret, minisign_secret_free)
/* The public half; borrowed. */
const MinisignPublic *minisign_public(const MinisignSecret *secret);

/* The text of NAME.key and NAME.pub, comment included, as minisign -G -W writes them.
 * (transfer full) */
char *minisign_secret_print(const MinisignSecret *secret);
char *minisign_public_print(const MinisignPublic *key);
/* Read them. name: for messages. NULL / FALSE and MILLRACE_ERROR_BAD_INPUT: what is wrong, and
 * that a key with a password cannot be used. */
MinisignSecret *minisign_secret_parse(const char *name, const char *text, GError **error);
gboolean minisign_public_parse(const char *name, const char *text, MinisignPublic *key,
                               GError **error);

void minisign_id(const MinisignPublic *key, char id[MINISIGN_ID_CHARS + 1]);

/* The text of the .minisig of these bytes. Its untrusted comment is always the same; the trusted
 * one, which is signed too, is given: one line without control characters. The same bytes, comment
 * and key give the same text. (transfer full) */
char *minisign_sign(const MinisignSecret *secret, const void *bytes, gsize size_bytes,
                    const char *trusted_comment);
/* Is text such a signature of bytes, by this key? Both signatures are checked, and that the text is
 * to the byte what minisign_sign() writes when strict (minisign itself lets the untrusted comment
 * be altered). trusted_comment: (out) (transfer full) (nullable).
 * FALSE and MILLRACE_ERROR_CORRUPT with the reason; another key's signature says whose. */
gboolean minisign_verify(const MinisignPublic *key, const void *bytes, gsize size_bytes,
                         const char *text, gboolean strict, char **trusted_comment, GError **error);

/* Plain Ed25519 of bytes, for checkpoints. */
void minisign_raw_sign(const MinisignSecret *secret, const void *bytes, gsize size_bytes,
                       guint8 signature[MINISIGN_SIGNATURE_BYTES]);
gboolean minisign_raw_verify(const MinisignPublic *key, const void *bytes, gsize size_bytes,
                             const guint8 signature[MINISIGN_SIGNATURE_BYTES]);

#endif
