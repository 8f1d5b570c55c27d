/* catalogue_print.c - the lines of the catalogue: entries, and checkpoints in the C2SP's form of
 * signed notes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/catalogue_internal.h"

#include <string.h>

#include "formats/json.h"
#include "formats/usage.h"

#define KIND(NAME)        (1u << CATALOGUE_##NAME)
#define MEMBER(KEY, NAME) KEY, offsetof(CatalogueEntry, NAME)
#define BY                "\n\xe2\x80\x94 " /* an empty line's end, and a dash */

enum { NOTE_KEY_HASH_BYTES = 4, NOTE_ED25519 = 0x01, ORIGIN_CHARS = 16 };

static const char *const kind_names[] = {"pack",  "hold",   "release", "extend", "expire",
                                         "check", "repair", "restore", "other"};
G_STATIC_ASSERT(G_N_ELEMENTS(kind_names) == CATALOGUE_KINDS);

const CatalogueMember catalogue_members[] = {
    {MEMBER("volume", volume), MEMBER_VOLUME, KIND(OTHER) - 1, KIND(RESTORE)},
    {MEMBER("class", class), MEMBER_TEXT, KIND(PACK), 0},
    {MEMBER("manifest", manifest), MEMBER_DIGEST, KIND(PACK), 0},
    {MEMBER("minisig", minisig), MEMBER_DIGEST, KIND(PACK), 0},
    {MEMBER("retain_until", retain_until_us), MEMBER_TIME, KIND(PACK) | KIND(EXTEND), 0},
    {MEMBER("name", name), MEMBER_TEXT, KIND(HOLD) | KIND(RELEASE), 0},
    {MEMBER("result", result), MEMBER_TEXT, KIND(CHECK), 0},
    {MEMBER("scope", scope), MEMBER_TEXT, KIND(CHECK) | KIND(REPAIR), 0},
    {MEMBER("records", record_count), MEMBER_COUNT, KIND(PACK) | KIND(RESTORE), 0},
    {MEMBER("bytes", bytes), MEMBER_COUNT, KIND(PACK) | KIND(REPAIR) | KIND(RESTORE), 0},
    {MEMBER("note", note), MEMBER_TEXT, KIND(HOLD) | KIND(RELEASE) | KIND(REPAIR) | KIND(RESTORE),
     KIND(HOLD) | KIND(RELEASE) | KIND(REPAIR) | KIND(RESTORE)},
};
const guint catalogue_member_count = G_N_ELEMENTS(catalogue_members);

const char *
catalogue_kind_name(CatalogueKind kind)
{
    g_assert((guint)kind < CATALOGUE_KINDS);
    return kind_names[kind];
}

gboolean
catalogue_kind_needs_key(CatalogueKind kind)
{
    return kind < CATALOGUE_CHECK || kind == CATALOGUE_OTHER;
}

static gboolean
is_hex(const char *text, gsize chars)
{
    return strspn(text, "0123456789abcdef") == chars && text[chars] == '\0';
}

/* Text that stands in an entry as it is: short enough, UTF-8, without control characters. */
static gboolean
is_clean(const char *text)
{
    if (strlen(text) > CATALOGUE_TEXT_MAX || !g_utf8_validate(text, -1, NULL))
        return FALSE;
    for (const char *at = text; *at; at = g_utf8_next_char(at))
        if (g_unichar_iscntrl(g_utf8_get_char(at)))
            return FALSE;
    return TRUE;
}

gboolean
catalogue_text_is(MemberType type, const char *text)
{
    if (type == MEMBER_VOLUME)
        return is_hex(text, CATALOGUE_VOLUME_CHARS);
    if (type == MEMBER_DIGEST)
        return is_hex(text, SHA256_CHARS);
    return is_clean(text);
}

char *
catalogue_clean(const char *text)
{
    g_autoptr(GString) out = g_string_new(NULL);
    gboolean utf8 = g_utf8_validate(text, -1, NULL);

    while (*text) {
        gunichar character = utf8 ? g_utf8_get_char(text) : (guchar)*text;
        gsize before = out->len;
        if (!utf8 && (character < 0x20 || character >= 0x7f || character == '%'))
            g_string_append_printf(out, "%%%02X", character);
        else
            g_string_append_unichar(out, g_unichar_iscntrl(character) ? '?' : character);
        if (out->len > CATALOGUE_TEXT_MAX) {
            g_string_truncate(out, before);
            break;
        }
        text = utf8 ? g_utf8_next_char(text) : text + 1;
    }
    return g_string_free(g_steal_pointer(&out), FALSE);
}

static void
put_time(GString *out, const char *key, gint64 time_us)
{
    g_autoptr(GString) text = g_string_new(NULL);

    usage_print_time(text, time_us);
    json_put_string(out, key, text->str);
}

void
catalogue_print_entry(const CatalogueEntry *entry, GString *out)
{
    json_open(out, NULL, '{');
    json_put_uint(out, "n", entry->number);
    put_time(out, "time", entry->time_us);
    json_put_string(out, "actor", entry->actor);
    json_put_string(out, "kind", catalogue_kind_name(entry->kind));
    for (guint i = 0; i < catalogue_member_count; i++) {
        const CatalogueMember *member = &catalogue_members[i];
        if ((member->kinds >> entry->kind & 1) == 0)
            continue;
        if (member->type == MEMBER_TIME)
            put_time(out, member->key, CATALOGUE_FIELD(entry, member, const gint64));
        else if (member->type == MEMBER_COUNT)
            json_put_uint(out, member->key, CATALOGUE_FIELD(entry, member, const guint64));
        else if (CATALOGUE_FIELD(entry, member, const char *const))
            json_put_string(out, member->key, CATALOGUE_FIELD(entry, member, const char *const));
    }
}

void
catalogue_chain(const char *before, const char *line, gsize size_bytes,
                char chain[CATALOGUE_CHAIN_CHARS + 1])
{
    char hex[SHA256_CHARS + 1];
    g_autoptr(Sha256) sha256 = sha256_new();

    sha256_add(sha256, before, strlen(before));
    sha256_add(sha256, line, size_bytes);
    sha256_finish(sha256, hex);
    memcpy(chain, hex, CATALOGUE_CHAIN_CHARS);
    chain[CATALOGUE_CHAIN_CHARS] = '\0';
}

void
catalogue_print_chain(const char *chain, GString *out)
{
    json_put_string(out, "chain", chain);
    g_string_append_c(out, '}');
}

void
catalogue_advance(Catalogue *catalogue, const char *chain, const char *line, gsize size_bytes)
{
    CatalogueState *state = &catalogue->state;
    guint8 leaf[MERKLE_BYTES];

    merkle_leaf(line, size_bytes, leaf);
    merkle_add_leaf(&state->tree, leaf);
    g_byte_array_append(catalogue->leaves, leaf, sizeof leaf);
    memcpy(state->chain, chain, CATALOGUE_CHAIN_CHARS + 1);
    if (state->count++ > 0)
        return;
    GString *origin = g_string_new("millrace.archive/");
    for (guint i = 0; i < ORIGIN_CHARS / 2; i++)
        g_string_append_printf(origin, "%02x", leaf[i]);
    g_free(catalogue->origin);
    catalogue->origin = g_string_free(origin, FALSE);
}

char *
catalogue_checkpoint_body(const Catalogue *catalogue)
{
    guint8 root[MERKLE_BYTES];

    merkle_root(&catalogue->state.tree, root);
    g_autofree char *base64 = g_base64_encode(root, sizeof root);
    return g_strdup_printf("%s\n%" G_GUINT64_FORMAT "\n%s\n", catalogue->origin,
                           catalogue->state.count, base64);
}

/* SHA-256 of name, LF, the algorithm's number and the key: its first bytes, in C2SP's notes. */
static void
hash_key(const MinisignPublic *key, guint8 hash[NOTE_KEY_HASH_BYTES])
{
    guint8 bytes[MINISIGN_ID_CHARS + 2 + sizeof key->key];
    char id[MINISIGN_ID_CHARS + 1];
    char hex[SHA256_CHARS + 1];

    minisign_id(key, id);
    memcpy(bytes, id, MINISIGN_ID_CHARS);
    bytes[MINISIGN_ID_CHARS] = '\n';
    bytes[MINISIGN_ID_CHARS + 1] = NOTE_ED25519;
    memcpy(bytes + MINISIGN_ID_CHARS + 2, key->key, sizeof key->key);
    sha256_hex(bytes, sizeof bytes, hex);
    for (guint i = 0; i < NOTE_KEY_HASH_BYTES; i++)
        hash[i] =
            (guint8)(g_ascii_xdigit_value(hex[2 * i]) << 4 | g_ascii_xdigit_value(hex[2 * i + 1]));
}

/* The whole text of a checkpoint. (transfer full) */
static char *
join_note(const char *body, const CatalogueCheckpoint *checkpoint)
{
    guint8 bytes[NOTE_KEY_HASH_BYTES + MINISIGN_SIGNATURE_BYTES];

    memcpy(bytes, checkpoint->key_hash, NOTE_KEY_HASH_BYTES);
    memcpy(bytes + NOTE_KEY_HASH_BYTES, checkpoint->signature, MINISIGN_SIGNATURE_BYTES);
    g_autofree char *base64 = g_base64_encode(bytes, sizeof bytes);
    return g_strdup_printf("%s" BY "%s %s\n", body, checkpoint->id, base64);
}

CatalogueCheckpoint
catalogue_checkpoint_sign(const Catalogue *catalogue, const MinisignSecret *secret)
{
    CatalogueCheckpoint checkpoint = {0};
    g_autofree char *body = catalogue_checkpoint_body(catalogue);

    checkpoint.body_bytes = strlen(body);
    minisign_id(minisign_public(secret), checkpoint.id);
    hash_key(minisign_public(secret), checkpoint.key_hash);
    minisign_raw_sign(secret, body, checkpoint.body_bytes, checkpoint.signature);
    checkpoint.text = join_note(body, &checkpoint);
    return checkpoint;
}

const char *
catalogue_checkpoint_read(const Catalogue *catalogue, const char *text,
                          CatalogueCheckpoint *checkpoint)
{
    gsize got_bytes = 0;

    if (catalogue->state.count == 0)
        return "a checkpoint of no entries";
    g_autofree char *body = catalogue_checkpoint_body(catalogue);
    if (!g_str_has_prefix(text, body))
        return "the checkpoint is of other entries than those before it";
    const char *at = text + strlen(body);
    *checkpoint = (CatalogueCheckpoint){.body_bytes = strlen(body)};
    if (!g_str_has_prefix(at, BY) ||
        strspn(at + strlen(BY), "0123456789ABCDEF") != MINISIGN_ID_CHARS)
        return "expected a checkpoint with one signature";
    at += strlen(BY);
    memcpy(checkpoint->id, at, MINISIGN_ID_CHARS);
    at += MINISIGN_ID_CHARS;
    g_autofree guchar *bytes = g_base64_decode(at, &got_bytes);
    if (got_bytes != NOTE_KEY_HASH_BYTES + MINISIGN_SIGNATURE_BYTES)
        return "expected a checkpoint with one signature";
    memcpy(checkpoint->key_hash, bytes, NOTE_KEY_HASH_BYTES);
    memcpy(checkpoint->signature, bytes + NOTE_KEY_HASH_BYTES, MINISIGN_SIGNATURE_BYTES);
    /* One spelling only. */
    checkpoint->text = join_note(body, checkpoint);
    if (strcmp(checkpoint->text, text) == 0)
        return NULL;
    g_clear_pointer(&checkpoint->text, g_free);
    return "expected a checkpoint with one signature";
}

void
catalogue_print_checkpoint(const char *text, GString *out)
{
    g_string_append(out, CATALOGUE_CHECKPOINT);
    json_put_string(out, NULL, text);
    g_string_append_c(out, '}');
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

static gboolean
is_signed_by(const CatalogueCheckpoint *checkpoint, const MinisignPublic *key)
{
    guint8 hash[NOTE_KEY_HASH_BYTES];

    hash_key(key, hash);
    return memcmp(hash, checkpoint->key_hash, sizeof hash) == 0 &&
           minisign_raw_verify(key, checkpoint->text, checkpoint->body_bytes,
                               checkpoint->signature);
}

gboolean
catalogue_check_signatures(const Catalogue *catalogue, const MinisignPublic *keys, guint key_count,
                           GError **error)
{
    for (guint i = 0; i < catalogue->checkpoints->len; i++) {
        const CatalogueCheckpoint *checkpoint =
            &g_array_index(catalogue->checkpoints, CatalogueCheckpoint, i);
        gboolean known = FALSE;
        gboolean holds = FALSE;
        for (guint k = 0; k < key_count && !holds; k++) {
            char id[MINISIGN_ID_CHARS + 1];
            minisign_id(&keys[k], id);
            if (strcmp(id, checkpoint->id) != 0)
                continue;
            known = TRUE;
            holds = is_signed_by(checkpoint, &keys[k]);
        }
        if (holds)
            continue;
        g_autoptr(GString) why = g_string_new(NULL);
        if (known)
            g_string_append_printf(why, "the signature by the key %s does not hold",
                                   checkpoint->id);
        else {
            g_string_append_printf(why,
                                   "signed with the key %s, which is none of:", checkpoint->id);
            list_ids(why, keys, key_count);
        }
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                    "%s:%" G_GUINT64_FORMAT ": checkpoint: %s", catalogue->name, checkpoint->line,
                    why->str);
        return FALSE;
    }
    return TRUE;
}
