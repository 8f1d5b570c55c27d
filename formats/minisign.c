/* minisign.c - minisign's files by libcrypto.
 * Where a text is read, it is written again and compared, so that each thing has one spelling.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/minisign.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#define UNTRUSTED        "untrusted comment: "
#define TRUSTED          "trusted comment: "
#define OUR_COMMENT      "signature of a millrace volume"
#define PUBLIC_COMMENT   "minisign public key "
#define SECRET_COMMENT   "minisign encrypted secret key" /* minisign's words, password or not */
#define ALGORITHM_PLAIN  "Ed"                            /* of keys, and of old signatures */
#define ALGORITHM_HASHED "ED"
#define CHECKSUM_NAME    "B2"

enum {
    NAME_BYTES = 2,
    NUMBER_BYTES = 8,
    KEY_BYTES = 32,
    SEED_BYTES = 32,
    PREHASH_BYTES = 64, /* BLAKE2b-512 */
    PUBLIC_BYTES = NAME_BYTES + NUMBER_BYTES + KEY_BYTES,
    SIGNED_BYTES = NAME_BYTES + NUMBER_BYTES + MINISIGN_SIGNATURE_BYTES,
    /* Of a secret key: the algorithm, how a password makes a key, the checksum's name; salt, two
     * limits; then number, seed, public key and checksum, which a password would encrypt. */
    KDF_AT = NAME_BYTES,
    CHECKSUM_NAME_AT = 2 * NAME_BYTES,
    NUMBER_AT = 3 * NAME_BYTES + 32 + 8 + 8,
    SEED_AT = NUMBER_AT + NUMBER_BYTES,
    KEY_AT = SEED_AT + SEED_BYTES,
    SECRET_BYTES = KEY_AT + KEY_BYTES + 32,
    LINES_MAX = 4
};

struct _MinisignSecret {
    MinisignPublic public;
    guint8 seed[SEED_BYTES];
    EVP_PKEY *pkey;
};

/* Returns: (transfer full), or NULL when libcrypto gives no key of this seed. Takes over nothing.
 */
static MinisignSecret *
secret_new(const guint8 number[NUMBER_BYTES], const guint8 seed[SEED_BYTES])
{
    MinisignSecret *secret = g_new0(MinisignSecret, 1);
    gsize size_bytes = KEY_BYTES;

    memcpy(secret->public.number, number, NUMBER_BYTES);
    memcpy(secret->seed, seed, SEED_BYTES);
    secret->pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, SEED_BYTES);
    if (secret->pkey &&
        EVP_PKEY_get_raw_public_key(secret->pkey, secret->public.key, &size_bytes) == 1)
        return secret;
    minisign_secret_free(secret);
    return NULL;
}

MinisignSecret *
minisign_generate(GError **error)
{
    guint8 drawn[NUMBER_BYTES + SEED_BYTES];
    MinisignSecret *secret = NULL;

    if (RAND_bytes(drawn, sizeof drawn) == 1)
        secret = secret_new(drawn, drawn + NUMBER_BYTES);
    OPENSSL_cleanse(drawn, sizeof drawn);
    if (!secret)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_UNAVAILABLE,
                    "the system gives no random numbers for a key");
    return secret;
}

void
minisign_secret_free(MinisignSecret *secret)
{
    if (!secret)
        return;
    EVP_PKEY_free(secret->pkey);
    OPENSSL_cleanse(secret, sizeof *secret);
    g_free(secret);
}

const MinisignPublic *
minisign_public(const MinisignSecret *secret)
{
    return &secret->public;
}

void
minisign_id(const MinisignPublic *key, char id[MINISIGN_ID_CHARS + 1])
{
    static const char digits[] = "0123456789ABCDEF";

    /* The number is little-endian. */
    for (guint i = 0; i < NUMBER_BYTES; i++) {
        guint8 byte = key->number[NUMBER_BYTES - 1 - i];
        id[2 * i] = digits[byte >> 4];
        id[2 * i + 1] = digits[byte & 15];
    }
    id[MINISIGN_ID_CHARS] = '\0';
}

char *
minisign_secret_print(const MinisignSecret *secret)
{
    guint8 bytes[SECRET_BYTES] = {0};

    memcpy(bytes, ALGORITHM_PLAIN, NAME_BYTES);
    memcpy(bytes + CHECKSUM_NAME_AT, CHECKSUM_NAME, NAME_BYTES);
    memcpy(bytes + NUMBER_AT, secret->public.number, NUMBER_BYTES);
    memcpy(bytes + SEED_AT, secret->seed, SEED_BYTES);
    memcpy(bytes + KEY_AT, secret->public.key, KEY_BYTES);
    char *base64 = g_base64_encode(bytes, sizeof bytes);
    char *text = g_strdup_printf(UNTRUSTED SECRET_COMMENT "\n%s\n", base64);
    OPENSSL_cleanse(bytes, sizeof bytes);
    OPENSSL_cleanse(base64, strlen(base64));
    g_free(base64);
    return text;
}

char *
minisign_public_print(const MinisignPublic *key)
{
    guint8 bytes[PUBLIC_BYTES];
    char id[MINISIGN_ID_CHARS + 1];
    const char *number = id;

    /* minisign prints a number, without leading zeros. */
    minisign_id(key, id);
    while (number[0] == '0' && number[1] != '\0')
        number++;
    memcpy(bytes, ALGORITHM_PLAIN, NAME_BYTES);
    memcpy(bytes + NAME_BYTES, key->number, NUMBER_BYTES);
    memcpy(bytes + NAME_BYTES + NUMBER_BYTES, key->key, KEY_BYTES);
    g_autofree char *base64 = g_base64_encode(bytes, sizeof bytes);
    return g_strdup_printf(UNTRUSTED PUBLIC_COMMENT "%s\n%s\n", number, base64);
}

/* A line of a text, without its end. */
typedef struct {
    const char *text;
    gsize size_bytes;
} Line;

/* Splits text into so many lines; the last one may lack its LF, and CR LF ends a line too, as for
 * minisign. Returns FALSE when there are more or fewer, or the text is too long. */
static gboolean
split_lines(const char *text, Line *lines, guint count)
{
    if (strlen(text) > MINISIGN_TEXT_MAX_BYTES)
        return FALSE;
    for (guint i = 0; i < count; i++) {
        const char *end = strchrnul(text, '\n');
        if (*text == '\0')
            return FALSE;
        lines[i] = (Line){text, (gsize)(end - text)};
        if (end > text && end[-1] == '\r')
            lines[i].size_bytes--;
        text = *end ? end + 1 : end;
    }
    return *text == '\0';
}

static gboolean
has_prefix(Line line, const char *prefix)
{
    gsize size_bytes = strlen(prefix);

    return line.size_bytes >= size_bytes && memcmp(line.text, prefix, size_bytes) == 0;
}

/* Decodes a line of base64 that stands for exactly so many bytes. */
static gboolean
decode(Line line, guint8 *out, gsize size_bytes)
{
    char *text = g_strndup(line.text, line.size_bytes);
    gsize got_bytes = 0;
    guchar *bytes = g_base64_decode(text, &got_bytes);
    gboolean same = got_bytes == size_bytes;

    /* GLib passes over what is no base64. */
    if (same) {
        char *again = g_base64_encode(bytes, got_bytes);
        same = strcmp(again, text) == 0;
        OPENSSL_cleanse(again, strlen(again));
        g_free(again);
    }
    if (same)
        memcpy(out, bytes, size_bytes);
    OPENSSL_cleanse(bytes, got_bytes);
    OPENSSL_cleanse(text, line.size_bytes);
    g_free(bytes);
    g_free(text);
    return same;
}

G_GNUC_PRINTF(2, 3)
static gboolean
bad_key(GError **error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT, message);
    return FALSE;
}

/* Reads the second of a key's two lines. */
static gboolean
read_key(const char *name, const char *text, const char *what, guint8 *bytes, gsize size_bytes,
         GError **error)
{
    Line lines[2];

    if (!split_lines(text, lines, 2) || !has_prefix(lines[0], UNTRUSTED))
        return bad_key(error, "%s: not a %s key of minisign: expected two lines, the first \"%s…\"",
                       name, what, UNTRUSTED);
    if (!decode(lines[1], bytes, size_bytes))
        return bad_key(error,
                       "%s: line 2: expected base64 of the %" G_GSIZE_FORMAT
                       " bytes that a %s key of minisign has",
                       name, size_bytes, what);
    if (memcmp(bytes, ALGORITHM_PLAIN, NAME_BYTES) != 0)
        return bad_key(error, "%s: a key of an algorithm other than Ed25519", name);
    return TRUE;
}

/* Makes a key of the decoded bytes. */
static MinisignSecret *
secret_decode(const char *name, const guint8 bytes[SECRET_BYTES], GError **error)
{
    static const guint8 none[NAME_BYTES];

    if (memcmp(bytes + KDF_AT, none, NAME_BYTES) != 0) {
        bad_key(error,
                "%s: this key has a password and cannot be used here: take one without "
                "(millrace archive keygen, minisign -G -W, or minisign -C -W of this one)",
                name);
        return NULL;
    }
    g_autoptr(MinisignSecret) secret = secret_new(bytes + NUMBER_AT, bytes + SEED_AT);
    if (!secret || memcmp(secret->public.key, bytes + KEY_AT, KEY_BYTES) != 0) {
        bad_key(error, "%s: damaged: its secret half and its public half are of different keys",
                name);
        return NULL;
    }
    return g_steal_pointer(&secret);
}

MinisignSecret *
minisign_secret_parse(const char *name, const char *text, GError **error)
{
    guint8 bytes[SECRET_BYTES];
    MinisignSecret *secret = NULL;

    if (read_key(name, text, "secret", bytes, sizeof bytes, error))
        secret = secret_decode(name, bytes, error);
    OPENSSL_cleanse(bytes, sizeof bytes);
    return secret;
}

gboolean
minisign_public_parse(const char *name, const char *text, MinisignPublic *key, GError **error)
{
    guint8 bytes[PUBLIC_BYTES];

    if (!read_key(name, text, "public", bytes, sizeof bytes, error))
        return FALSE;
    memcpy(key->number, bytes + NAME_BYTES, NUMBER_BYTES);
    memcpy(key->key, bytes + NAME_BYTES + NUMBER_BYTES, KEY_BYTES);
    return TRUE;
}

void
minisign_raw_sign(const MinisignSecret *secret, const void *bytes, gsize size_bytes,
                  guint8 signature[MINISIGN_SIGNATURE_BYTES])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    gsize signature_bytes = MINISIGN_SIGNATURE_BYTES;
    gboolean done = context && EVP_DigestSignInit(context, NULL, NULL, NULL, secret->pkey) == 1 &&
                    EVP_DigestSign(context, signature, &signature_bytes, bytes, size_bytes) == 1;

    g_assert(done && signature_bytes == MINISIGN_SIGNATURE_BYTES);
    EVP_MD_CTX_free(context);
}

gboolean
minisign_raw_verify(const MinisignPublic *key, const void *bytes, gsize size_bytes,
                    const guint8 signature[MINISIGN_SIGNATURE_BYTES])
{
    EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key->key, KEY_BYTES);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    gboolean holds =
        pkey && context && EVP_DigestVerifyInit(context, NULL, NULL, NULL, pkey) == 1 &&
        EVP_DigestVerify(context, signature, MINISIGN_SIGNATURE_BYTES, bytes, size_bytes) == 1;

    EVP_MD_CTX_free(context);
    EVP_PKEY_free(pkey);
    return holds;
}

static void
prehash(const void *bytes, gsize size_bytes, guint8 hash[PREHASH_BYTES])
{
    int done = EVP_Digest(bytes, size_bytes, hash, NULL, EVP_blake2b512(), NULL);

    g_assert(done == 1);
}

/* What the second signature is of. (transfer full) */
static GByteArray *
comment_bytes(const guint8 signature[MINISIGN_SIGNATURE_BYTES], const char *comment,
              gsize comment_size)
{
    GByteArray *bytes = g_byte_array_sized_new((guint)(MINISIGN_SIGNATURE_BYTES + comment_size));

    g_byte_array_append(bytes, signature, MINISIGN_SIGNATURE_BYTES);
    g_byte_array_append(bytes, (const guint8 *)comment, (guint)comment_size);
    return bytes;
}

char *
minisign_sign(const MinisignSecret *secret, const void *bytes, gsize size_bytes,
              const char *trusted_comment)
{
    guint8 hash[PREHASH_BYTES];
    guint8 signed_bytes[SIGNED_BYTES];
    guint8 *signature = signed_bytes + NAME_BYTES + NUMBER_BYTES;
    guint8 comment_signature[MINISIGN_SIGNATURE_BYTES];

    g_assert(strlen(trusted_comment) <= MINISIGN_TEXT_MAX_BYTES / 2);
    g_assert(!strpbrk(trusted_comment, "\r\n"));
    prehash(bytes, size_bytes, hash);
    memcpy(signed_bytes, ALGORITHM_HASHED, NAME_BYTES);
    memcpy(signed_bytes + NAME_BYTES, secret->public.number, NUMBER_BYTES);
    minisign_raw_sign(secret, hash, sizeof hash, signature);
    g_autoptr(GByteArray) with_comment =
        comment_bytes(signature, trusted_comment, strlen(trusted_comment));
    minisign_raw_sign(secret, with_comment->data, with_comment->len, comment_signature);
    g_autofree char *first = g_base64_encode(signed_bytes, sizeof signed_bytes);
    g_autofree char *second = g_base64_encode(comment_signature, sizeof comment_signature);
    return g_strdup_printf(UNTRUSTED OUR_COMMENT "\n%s\n" TRUSTED "%s\n%s\n", first,
                           trusted_comment, second);
}

/* A .minisig that was read. */
typedef struct {
    guint8 bytes[SIGNED_BYTES];
    const guint8 *signature; /* in bytes */
    Line comment;
    guint8 comment_signature[MINISIGN_SIGNATURE_BYTES];
} Signature;

/* Returns NULL, or what is wrong with it. */
static const char *
read_signature(const char *text, gboolean strict, Signature *out)
{
    Line lines[LINES_MAX];

    if (!split_lines(text, lines, LINES_MAX) || !has_prefix(lines[0], UNTRUSTED) ||
        !has_prefix(lines[2], TRUSTED))
        return "not a signature of minisign: expected its four lines";
    out->comment = (Line){lines[2].text + strlen(TRUSTED), lines[2].size_bytes - strlen(TRUSTED)};
    if (!decode(lines[1], out->bytes, SIGNED_BYTES) ||
        !decode(lines[3], out->comment_signature, MINISIGN_SIGNATURE_BYTES))
        return "not a signature of minisign: lines 2 and 4 are not base64 of signatures";
    out->signature = out->bytes + NAME_BYTES + NUMBER_BYTES;
    if (memcmp(out->bytes, ALGORITHM_PLAIN, NAME_BYTES) == 0)
        return "a signature of the old kind, of the file itself and not of its hash (minisign -l): "
               "sign anew without -l";
    if (memcmp(out->bytes, ALGORITHM_HASHED, NAME_BYTES) != 0)
        return "a signature of an unknown kind";
    if (!strict)
        return NULL;
    const char *expected = UNTRUSTED OUR_COMMENT "\n";
    gsize size_bytes = strlen(text);
    if (!g_str_has_prefix(text, expected) || strchr(text, '\r') || text[size_bytes - 1] != '\n')
        return "the untrusted comment or the line ends were altered";
    return NULL;
}

static gboolean
corrupt(GError **error, const char *why)
{
    g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT, why);
    return FALSE;
}

gboolean
minisign_verify(const MinisignPublic *key, const void *bytes, gsize size_bytes, const char *text,
                gboolean strict, char **trusted_comment, GError **error)
{
    guint8 hash[PREHASH_BYTES];
    Signature signature;

    const char *wrong = read_signature(text, strict, &signature);
    if (wrong)
        return corrupt(error, wrong);
    if (memcmp(signature.bytes + NAME_BYTES, key->number, NUMBER_BYTES) != 0) {
        MinisignPublic other = {0};
        char ids[2][MINISIGN_ID_CHARS + 1];
        memcpy(other.number, signature.bytes + NAME_BYTES, NUMBER_BYTES);
        minisign_id(&other, ids[0]);
        minisign_id(key, ids[1]);
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                    "signed with the key %s, not with %s", ids[0], ids[1]);
        return FALSE;
    }
    prehash(bytes, size_bytes, hash);
    if (!minisign_raw_verify(key, hash, sizeof hash, signature.signature))
        return corrupt(error, "the signature is not of these bytes");
    g_autoptr(GByteArray) with_comment =
        comment_bytes(signature.signature, signature.comment.text, signature.comment.size_bytes);
    if (!minisign_raw_verify(key, with_comment->data, with_comment->len,
                             signature.comment_signature))
        return corrupt(error, "the trusted comment was altered");
    if (trusted_comment)
        *trusted_comment = g_strndup(signature.comment.text, signature.comment.size_bytes);
    return TRUE;
}
