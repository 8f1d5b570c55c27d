/* sha256.c - SHA-256 by libcrypto; openssl/ is included here only.
 * SPDX-License-Identifier: Apache-2.0 */
/* Its plain calls for single blocks are marked as old, but have no successor that is as quick. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "formats/sha256.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

struct _Sha256 {
    EVP_MD_CTX *context;
};

/* Looked up once: libcrypto 3 would search its providers anew for each digest. */
static const EVP_MD *
algorithm(void)
{
    static gsize once;
    static EVP_MD *found;

    if (g_once_init_enter(&once)) {
        found = EVP_MD_fetch(NULL, "SHA256", NULL);
        g_once_init_leave(&once, 1);
    }
    g_assert(found);
    return found;
}

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
    int done = EVP_DigestInit_ex(sha256->context, algorithm(), NULL);
    g_assert(done == 1);
}

Sha256 *
sha256_new(void)
{
    Sha256 *sha256 = g_new0(Sha256, 1);

    sha256->context = EVP_MD_CTX_new();
    g_assert(sha256->context);
    begin(sha256);
    return sha256;
}

void
sha256_free(Sha256 *sha256)
{
    EVP_MD_CTX_free(sha256->context);
    g_free(sha256);
}

void
sha256_add(Sha256 *sha256, const void *bytes, gsize size_bytes)
{
    int done = EVP_DigestUpdate(sha256->context, bytes, size_bytes);
    g_assert(done == 1);
}

void
sha256_finish(Sha256 *sha256, char hex[SHA256_CHARS + 1])
{
    guint8 digest[SHA256_BYTES];
    int done = EVP_DigestFinal_ex(sha256->context, digest, NULL);

    g_assert(done == 1);
    sha256_print(digest, hex);
    begin(sha256);
}
