/* note.c - signed notes. There is one spelling of each note: what would be spelled otherwise is
 * none, so that a note can be compared, and its digest means something.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/note.h"

#include <string.h>

#include "formats/sha256.h"

#define BY "\n\xe2\x80\x94 " /* an empty line's end, and a dash */

enum {
    KEY_HASH_BYTES = 4,
    ED25519 = 0x01,
    SIGNED_BYTES = KEY_HASH_BYTES + MINISIGN_SIGNATURE_BYTES,
    SIGNED_CHARS = (SIGNED_BYTES + 2) / 3 * 4,
    BY_CHARS = sizeof BY - 1,
    TAIL_CHARS = BY_CHARS + MINISIGN_ID_CHARS + 1 + SIGNED_CHARS + 1
};

/* The line behind the body. */
typedef struct {
    char id[MINISIGN_ID_CHARS + 1];
    guint8 bytes[SIGNED_BYTES];
} Signature;

/* SHA-256 of name, LF, the algorithm's number and the key: its first bytes, in C2SP's notes. */
static void
hash_key(const MinisignPublic *key, guint8 hash[KEY_HASH_BYTES])
{
    guint8 bytes[MINISIGN_ID_CHARS + 2 + sizeof key->key];
    char id[MINISIGN_ID_CHARS + 1];
    guint8 digest[SHA256_BYTES];

    minisign_id(key, id);
    memcpy(bytes, id, MINISIGN_ID_CHARS);
    bytes[MINISIGN_ID_CHARS] = '\n';
    bytes[MINISIGN_ID_CHARS + 1] = ED25519;
    memcpy(bytes + MINISIGN_ID_CHARS + 2, key->key, sizeof key->key);
    sha256_bytes(bytes, sizeof bytes, digest);
    memcpy(hash, digest, KEY_HASH_BYTES);
}

/* Lines of UTF-8 without control characters, each with its LF. */
static gboolean
is_body(const char *body, gsize size_bytes)
{
    if (size_bytes == 0 || body[size_bytes - 1] != '\n' ||
        !g_utf8_validate(body, (gssize)size_bytes, NULL))
        return FALSE;
    for (const char *at = body; at < body + size_bytes; at = g_utf8_next_char(at))
        if (*at != '\n' && g_unichar_iscntrl(g_utf8_get_char(at)))
            return FALSE;
    return TRUE;
}

/* (transfer full) */
static char *
print_tail(const Signature *signature)
{
    g_autofree char *base64 = g_base64_encode(signature->bytes, SIGNED_BYTES);

    return g_strdup_printf(BY "%s %s\n", signature->id, base64);
}

char *
note_sign(const MinisignSecret *secret, const char *body)
{
    Signature signature;
    gsize size_bytes = strlen(body);

    g_assert(is_body(body, size_bytes) && size_bytes + TAIL_CHARS <= NOTE_MAX_BYTES);
    minisign_id(minisign_public(secret), signature.id);
    hash_key(minisign_public(secret), signature.bytes);
    minisign_raw_sign(secret, body, size_bytes, signature.bytes + KEY_HASH_BYTES);
    g_autofree char *tail = print_tail(&signature);
    return g_strconcat(body, tail, NULL);
}

/* Reads the signature, which is as long as any other, and no line more. */
static gboolean
read_note(const char *text, gsize size_bytes, Signature *signature, gsize *body_bytes)
{
    gsize got_bytes = 0;

    if (size_bytes <= TAIL_CHARS || size_bytes > NOTE_MAX_BYTES || memchr(text, '\0', size_bytes))
        return FALSE;
    *body_bytes = size_bytes - TAIL_CHARS;
    g_autofree char *tail = g_strndup(text + *body_bytes, TAIL_CHARS);
    if (!g_str_has_prefix(tail, BY) || !is_body(text, *body_bytes) ||
        strspn(tail + BY_CHARS, "0123456789ABCDEF") != MINISIGN_ID_CHARS)
        return FALSE;
    memcpy(signature->id, tail + BY_CHARS, MINISIGN_ID_CHARS);
    signature->id[MINISIGN_ID_CHARS] = '\0';
    g_autofree guchar *bytes = g_base64_decode(tail + BY_CHARS + MINISIGN_ID_CHARS + 1, &got_bytes);
    if (got_bytes != SIGNED_BYTES)
        return FALSE;
    memcpy(signature->bytes, bytes, SIGNED_BYTES);
    /* GLib passes over what is no base64. */
    g_autofree char *again = print_tail(signature);
    return strcmp(again, tail) == 0;
}

gboolean
note_is_form(const char *text, gsize size_bytes, gsize *body_bytes)
{
    Signature signature;

    return read_note(text, size_bytes, &signature, body_bytes);
}

static gboolean
is_signed_by(const Signature *signature, const char *body, gsize body_bytes,
             const MinisignPublic *key)
{
    guint8 hash[KEY_HASH_BYTES];

    hash_key(key, hash);
    return memcmp(hash, signature->bytes, sizeof hash) == 0 &&
           minisign_raw_verify(key, body, body_bytes, signature->bytes + KEY_HASH_BYTES);
}

/* Appends " 0123…, 4567…". */
static void
list_ids(GString *out, const MinisignPublic *keys, guint key_count)
{
    for (guint i = 0; i < key_count; i++) {
        char id[MINISIGN_ID_CHARS + 1];
        minisign_id(&keys[i], id);
        g_string_append_printf(out, "%s %s", i > 0 ? "," : "", id);
    }
    if (key_count == 0)
        g_string_append(out, " (there are none)");
}

static void
set_error(const char *name, const Signature *signature, gboolean known, const MinisignPublic *keys,
          guint key_count, GError **error)
{
    g_autoptr(GString) why = g_string_new(NULL);

    if (known) {
        g_string_append_printf(why, "the signature by the key %s does not hold", signature->id);
    } else {
        g_string_append_printf(why, "signed with the key %s, which is none of:", signature->id);
        list_ids(why, keys, key_count);
    }
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT, "%s: %s", name, why->str);
}

char *
note_open(const char *name, const char *text, gsize size_bytes, const MinisignPublic *keys,
          guint key_count, char id[MINISIGN_ID_CHARS + 1], GError **error)
{
    Signature signature;
    gsize body_bytes = 0;
    gboolean known = FALSE;

    if (!read_note(text, size_bytes, &signature, &body_bytes)) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                    "%s: expected lines of text, an empty line and one signature", name);
        return NULL;
    }
    for (guint i = 0; i < key_count; i++) {
        char of_key[MINISIGN_ID_CHARS + 1];
        minisign_id(&keys[i], of_key);
        if (strcmp(of_key, signature.id) != 0)
            continue;
        known = TRUE;
        if (!is_signed_by(&signature, text, body_bytes, &keys[i]))
            continue;
        if (id)
            memcpy(id, of_key, sizeof of_key);
        return g_strndup(text, body_bytes);
    }
    set_error(name, &signature, known, keys, key_count, error);
    return NULL;
}

char *
note_value(const char *body, const char *key)
{
    gsize key_bytes = strlen(key);
    char *value = NULL;

    for (const char *line = body; *line;) {
        const char *end = strchrnul(line, '\n');
        if (strncmp(line, key, key_bytes) == 0 && line[key_bytes] == ' ') {
            if (value) {
                g_free(value);
                return NULL;
            }
            line += key_bytes + 1;
            value = g_strndup(line, (gsize)(end - line));
        }
        line = *end ? end + 1 : end;
    }
    return value;
}
