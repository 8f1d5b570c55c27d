/* sha256.c - SHA-256 by libcrypto; openssl/ is included here only.
 * SPDX-License-Identifier: Apache-2.0 */
/* Its plain calls are marked as old, but have no successor that is as quick for single blocks, or
 * lets blocks be added by other means. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "formats/sha256.h"

#include <openssl/sha.h>

#include "formats/sha256_ni.h"

struct _Sha256 {
    SHA256_CTX context;
};

void
sha256_print(const guint8 digest[SHA256_BYTES], char hex[SHA256_CHARS + 1])
{
    static const char digits[] = "0123456789abcdef";

    for (guint i = 0; i < SHA256_BYTES; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[SHA256_CHARS] = '\0';
}

void
sha256_bytes(const void *bytes, gsize size_bytes, guint8 digest[SHA256_BYTES])
{
    SHA256_CTX context;

    /* Ids are digests of a few dozen bytes: making an EVP context takes three times as long as
     * hashing them. */
    int done = SHA256_Init(&context) == 1 && SHA256_Update(&context, bytes, size_bytes) == 1 &&
               SHA256_Final(digest, &context) == 1;
    g_assert(done);
}

void
sha256_hex(const void *bytes, gsize size_bytes, char hex[SHA256_CHARS + 1])
{
    guint8 digest[SHA256_BYTES];

    sha256_bytes(bytes, size_bytes, digest);
    sha256_print(digest, hex);
}

static void
begin(Sha256 *sha256)
{
    int done = SHA256_Init(&sha256->context);
    g_assert(done == 1);
}

Sha256 *
sha256_new(void)
{
    Sha256 *sha256 = g_new0(Sha256, 1);

    begin(sha256);
    return sha256;
}

void
sha256_free(Sha256 *sha256)
{
    g_free(sha256);
}

void
sha256_add(Sha256 *sha256, const void *bytes, gsize size_bytes)
{
    int done = SHA256_Update(&sha256->context, bytes, size_bytes);
    g_assert(done == 1);
}

/* Counts bytes that have been hashed, as the standard wants them at the end: in bits. */
static void
count_bytes(SHA256_CTX *context, guint64 size_bytes)
{
    guint64 bits = ((guint64)context->Nh << 32 | context->Nl) + size_bytes * 8;

    context->Nl = (guint32)bits;
    context->Nh = (guint32)(bits >> 32);
}

void
sha256_add_two(Sha256 *first, const void *first_bytes, Sha256 *second, const void *second_bytes,
               gsize size_bytes)
{
    gsize block_count = size_bytes / SHA256_BLOCK_BYTES;
    gsize done_bytes = 0;

    /* num: how much of a block has come already */
    if (first->context.num == 0 && second->context.num == 0 && sha256_has_ni()) {
        sha256_add_blocks_ni(first->context.h, first_bytes, second->context.h, second_bytes,
                             block_count);
        done_bytes = block_count * SHA256_BLOCK_BYTES;
        count_bytes(&first->context, done_bytes);
        count_bytes(&second->context, done_bytes);
    }
    sha256_add(first, (const guint8 *)first_bytes + done_bytes, size_bytes - done_bytes);
    sha256_add(second, (const guint8 *)second_bytes + done_bytes, size_bytes - done_bytes);
}

void
sha256_finish(Sha256 *sha256, char hex[SHA256_CHARS + 1])
{
    guint8 digest[SHA256_BYTES];
    int done = SHA256_Final(digest, &sha256->context);

    g_assert(done == 1);
    sha256_print(digest, hex);
    begin(sha256);
}
