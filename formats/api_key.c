/* api_key.c - API keys and their hashes; openssl/ does the arithmetic.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/api_key.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

enum { DRAWN_BYTES = 32, PREFIX_CHARS = sizeof API_KEY_PREFIX - 1, DIGIT_BITS = 6 };

G_STATIC_ASSERT(API_KEY_CHARS == PREFIX_CHARS + (DRAWN_BYTES * 8 + DIGIT_BITS - 1) / DIGIT_BITS);

struct _ApiKeyHasher {
    EVP_MAC_CTX *context;
};

void
api_key_draw(char key[API_KEY_CHARS + 1])
{
    guint8 drawn[DRAWN_BYTES];
    guint word = 0;
    guint bits = 0;
    char *at = key + PREFIX_CHARS;

    int done = RAND_bytes(drawn, sizeof drawn);
    g_assert(done == 1);
    memcpy(key, API_KEY_PREFIX, PREFIX_CHARS);
    for (guint i = 0; i < DRAWN_BYTES; i++) {
        word = (word << 8 | drawn[i]) & 0xffff;
        for (bits += 8; bits >= DIGIT_BITS; bits -= DIGIT_BITS)
            *at++ = alphabet[word >> (bits - DIGIT_BITS) & 63];
    }
    *at++ = alphabet[word << (DIGIT_BITS - bits) & 63];
    *at = '\0';
    g_assert(at == key + API_KEY_CHARS);
    OPENSSL_cleanse(drawn, sizeof drawn);
    OPENSSL_cleanse(&word, sizeof word);
}

ApiKeyHasher *
api_key_hasher_new(const guint8 pepper[API_KEY_PEPPER_BYTES])
{
    ApiKeyHasher *hasher = g_new0(ApiKeyHasher, 1);
    gsize size_bytes = API_KEY_HASH_BYTES;
    const OSSL_PARAM settings[] = {OSSL_PARAM_construct_size_t("size", &size_bytes),
                                   OSSL_PARAM_construct_end()};
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "BLAKE2BMAC", NULL);

    g_assert(mac != NULL);
    hasher->context = EVP_MAC_CTX_new(mac);
    EVP_MAC_free(mac); /* the context holds it */
    g_assert(hasher->context != NULL);
    int done = EVP_MAC_init(hasher->context, pepper, API_KEY_PEPPER_BYTES, settings);
    g_assert(done == 1);
    return hasher;
}

void
api_key_hasher_free(ApiKeyHasher *hasher)
{
    if (!hasher)
        return;
    EVP_MAC_CTX_free(hasher->context);
    g_free(hasher);
}

/* The last digit has four bits of the key; the others are 0, or one key had many spellings. */
static gboolean
is_spelled(const char *text, gsize size_bytes)
{
    if (size_bytes != API_KEY_CHARS || memcmp(text, API_KEY_PREFIX, PREFIX_CHARS) != 0)
        return FALSE;
    for (gsize i = PREFIX_CHARS; i < API_KEY_CHARS; i++)
        if (!g_ascii_isalnum(text[i]) && text[i] != '-' && text[i] != '_')
            return FALSE;
    return ((strchr(alphabet, text[API_KEY_CHARS - 1]) - alphabet) & 3) == 0;
}

gboolean
api_key_hash(ApiKeyHasher *hasher, const char *text, gsize size_bytes,
             guint8 hash[API_KEY_HASH_BYTES])
{
    if (!is_spelled(text, size_bytes))
        return FALSE;
    gsize hash_bytes = 0;
    int done = EVP_MAC_init(hasher->context, NULL, 0, NULL) == 1 &&
               EVP_MAC_update(hasher->context, (const guint8 *)text, size_bytes) == 1 &&
               EVP_MAC_final(hasher->context, hash, &hash_bytes, API_KEY_HASH_BYTES) == 1;
    g_assert(done && hash_bytes == API_KEY_HASH_BYTES);
    return TRUE;
}

void
api_key_id(const guint8 hash[API_KEY_HASH_BYTES], char id[API_KEY_ID_CHARS + 1])
{
    static const char digits[] = "0123456789abcdef";

    for (guint i = 0; i < API_KEY_ID_CHARS / 2; i++) {
        id[2 * i] = digits[hash[i] >> 4];
        id[2 * i + 1] = digits[hash[i] & 15];
    }
    id[API_KEY_ID_CHARS] = '\0';
}
