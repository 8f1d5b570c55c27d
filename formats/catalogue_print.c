/* catalogue_print.c - the lines of the catalogue: entries, and checkpoints, which are signed
 * notes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/catalogue_internal.h"

#include <string.h>

#include "formats/json.h"
#include "formats/note.h"
#include "formats/usage.h"

#define KIND(NAME)        (1u << CATALOGUE_##NAME)
#define MEMBER(KEY, NAME) KEY, offsetof(CatalogueEntry, NAME)

enum { ORIGIN_CHARS = 16 };

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

CatalogueCheckpoint
catalogue_checkpoint_sign(const Catalogue *catalogue, const MinisignSecret *secret)
{
    g_autofree char *body = catalogue_checkpoint_body(catalogue);

    return (CatalogueCheckpoint){.text = note_sign(secret, body)};
}

const char *
catalogue_checkpoint_read(const Catalogue *catalogue, const char *text,
                          CatalogueCheckpoint *checkpoint)
{
    gsize body_bytes = 0;

    if (catalogue->state.count == 0)
        return "a checkpoint of no entries";
    g_autofree char *body = catalogue_checkpoint_body(catalogue);
    if (!g_str_has_prefix(text, body))
        return "the checkpoint is of other entries than those before it";
    if (!note_is_form(text, strlen(text), &body_bytes) || body_bytes != strlen(body))
        return "expected a checkpoint with one signature";
    *checkpoint = (CatalogueCheckpoint){.text = g_strdup(text)};
    return NULL;
}

void
catalogue_print_checkpoint(const char *text, GString *out)
{
    g_string_append(out, CATALOGUE_CHECKPOINT);
    json_put_string(out, NULL, text);
    g_string_append_c(out, '}');
}

gboolean
catalogue_check_signatures(const Catalogue *catalogue, const MinisignPublic *keys, guint key_count,
                           GError **error)
{
    for (guint i = 0; i < catalogue->checkpoints->len; i++) {
        const CatalogueCheckpoint *checkpoint =
            &g_array_index(catalogue->checkpoints, CatalogueCheckpoint, i);
        g_autofree char *name = g_strdup_printf("%s:%" G_GUINT64_FORMAT ": checkpoint",
                                                catalogue->name, checkpoint->line);
        g_autofree char *body = note_open(name, checkpoint->text, strlen(checkpoint->text), keys,
                                          key_count, NULL, error);
        if (!body)
            return FALSE;
    }
    return TRUE;
}
