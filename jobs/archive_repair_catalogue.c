/* archive_repair_catalogue.c - a catalogue.log that does not hold is replaced by a copy's. Nothing
 * of it may be lost that somebody signed, so every line that can still be proven (its chain follows
 * from the line before) has to be in the copy's log, or be of a kind that needs no key; and every
 * volume that lies here has to be known there.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/sha256.h"
#include "jobs/archive_repair.h"

enum { CHAIN_CHARS = 32 };

/* Both logs, line by line. */
typedef struct {
    Tier *tier;
    Archive *copy;
    GHashTable *lines;   /* of the copy; borrowed */
    guint common;        /* of our lines, in the copy's */
    guint own;           /* proven lines that only we have */
    guint matched;       /* volumes whose manifest is the one that the copy's log names */
    const char *refusal; /* why it must not be replaced */
} Compare;

static gboolean
refuse(const char *where, const char *why, GError **error)
{
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT, "%s/%s: not replaced: %s", where,
                ARCHIVE_CATALOGUE, why);
    return FALSE;
}

/* The chain in an entry's line, and how long what it covers is. NULL when it is no entry. */
static const char *
find_chain(const char *line, gsize *covered_bytes)
{
    static const char member[] = ",\"chain\":\"";
    const char *found = g_strrstr(line, member);

    if (!found || strlen(found) != strlen(member) + CHAIN_CHARS + strlen("\"}"))
        return NULL;
    *covered_bytes = (gsize)(found - line);
    return found + strlen(member);
}

/* Does the entry's chain follow from the line before? */
static gboolean
is_proven(const char *line, const char *line_before)
{
    gsize covered_bytes = 0;
    gsize unused = 0;
    char hex[SHA256_CHARS + 1];
    g_autoptr(Sha256) sha256 = sha256_new();
    const char *chain = find_chain(line, &covered_bytes);
    const char *before = line_before ? find_chain(line_before, &unused) : "";

    if (!chain || !before)
        return FALSE;
    sha256_add(sha256, before, line_before ? CHAIN_CHARS : 0);
    sha256_add(sha256, line, covered_bytes);
    sha256_finish(sha256, hex);
    return strncmp(hex, chain, CHAIN_CHARS) == 0;
}

/* Within strings quotes are escaped, so this member is the entry's. */
static gboolean
needs_key(const char *line)
{
    const char *kind = strstr(line, "\"kind\":\"");

    for (CatalogueKind i = CATALOGUE_CHECK; kind && i < CATALOGUE_OTHER; i++) {
        g_autofree char *member = g_strdup_printf("\"kind\":\"%s\"", catalogue_kind_name(i));
        if (g_str_has_prefix(kind, member))
            return FALSE;
    }
    return TRUE;
}

static void
compare_lines(Compare *compare, char **ours)
{
    const char *entry_before = NULL;

    for (guint i = 0; ours[i]; i++) {
        if (*ours[i] == '\0' || g_str_has_prefix(ours[i], "{\"checkpoint\":")) {
            compare->common += g_hash_table_contains(compare->lines, ours[i]);
            continue;
        }
        if (g_hash_table_contains(compare->lines, ours[i])) {
            compare->common++;
        } else if (is_proven(ours[i], entry_before)) {
            compare->own++;
            if (needs_key(ours[i]))
                compare->refusal = "it has signed entries that the copy's has not: the copy is "
                                   "older, or they have parted";
        }
        entry_before = ours[i];
    }
}

/* Every volume that lies here must be known to the copy. */
static gboolean
compare_volumes(Compare *compare, GError **error)
{
    g_autoptr(GPtrArray) names = tier_list(compare->tier, ARCHIVE_VOLUMES, error);
    const char *suffix = volume_suffix(VOLUME_MANIFEST);

    for (guint i = 0; names && i < names->len; i++) {
        const char *name = names->pdata[i];
        gsize size_bytes = 0;
        char hex[SHA256_CHARS + 1];
        if (!g_str_has_suffix(name, suffix))
            continue;
        g_autofree char *volume = g_strndup(name, strlen(name) - strlen(suffix));
        const CatalogueVolume *known =
            volume_is_name(volume) ? catalogue_volume(compare->copy->catalogue, volume) : NULL;
        if (!known) {
            compare->refusal = "there are volumes here that the copy's does not know";
            continue;
        }
        g_autofree char *path = volume_path(volume, VOLUME_MANIFEST);
        g_autofree char *text =
            tier_read_all(compare->tier, path, VOLUME_MANIFEST_MAX, &size_bytes, NULL);
        if (text)
            sha256_hex(text, size_bytes, hex);
        compare->matched += text && strcmp(hex, known->manifest) == 0;
    }
    return names != NULL;
}

/* Keys that lie in the copy and not here, or otherwise. */
static gboolean
copy_keys(const Compare *compare, ArchiveRepairReport *report, GError **error)
{
    g_autoptr(GPtrArray) names = tier_list(compare->copy->tier, ARCHIVE_KEYS, error);
    MinisignPublic key;

    for (guint i = 0; names && i < names->len; i++) {
        g_autofree char *path = g_strdup_printf("%s/%s", ARCHIVE_KEYS, (char *)names->pdata[i]);
        g_autofree char *theirs =
            tier_read_all(compare->copy->tier, path, MINISIGN_TEXT_MAX_BYTES, NULL, NULL);
        g_autofree char *ours =
            tier_read_all(compare->tier, path, MINISIGN_TEXT_MAX_BYTES, NULL, NULL);
        if (!theirs || !minisign_public_parse(path, theirs, &key, NULL) ||
            g_strcmp0(theirs, ours) == 0)
            continue;
        if (!tier_write_all(compare->tier, path, theirs, strlen(theirs), error))
            return FALSE;
        g_ptr_array_add(report->done,
                        g_strdup_printf("%s: from %s", path, tier_name(compare->copy->tier)));
    }
    return names != NULL;
}

/* Replaces the log by the text of the copy's, which is checked once more. */
static gboolean
replace(const Compare *compare, const char *text, gsize size_bytes, ArchiveRepairReport *report,
        GError **error)
{
    const GArray *keys = compare->copy->keys;
    g_autoptr(Catalogue) checked =
        catalogue_parse(tier_name(compare->copy->tier), text, size_bytes, error);

    if (!checked || !catalogue_check_signatures(checked, (const MinisignPublic *)(void *)keys->data,
                                                keys->len, error))
        return FALSE;
    size_bytes -= catalogue_torn_bytes(checked);
    if (!copy_keys(compare, report, error) ||
        !tier_write_all(compare->tier, ARCHIVE_CATALOGUE, text, size_bytes, error))
        return FALSE;
    g_ptr_array_add(report->done,
                    g_strdup_printf("%s: %" G_GSIZE_FORMAT " bytes from %s", ARCHIVE_CATALOGUE,
                                    size_bytes, tier_name(compare->copy->tier)));
    if (compare->own > 0)
        g_ptr_array_add(report->done,
                        g_strdup_printf("%s: %u entries of checks, repairs and restores, which "
                                        "only it had, are gone",
                                        ARCHIVE_CATALOGUE, compare->own));
    return TRUE;
}

/* Does ours hold, but perhaps for the keys that lie beside it? */
static gboolean
holds(const Compare *compare, const char *text, gsize size_bytes)
{
    const GArray *keys = compare->copy->keys;
    g_autoptr(Catalogue) ours = catalogue_parse(ARCHIVE_CATALOGUE, text, size_bytes, NULL);

    return ours && catalogue_count(ours) > 0 &&
           catalogue_check_signatures(ours, (const MinisignPublic *)(void *)keys->data, keys->len,
                                      NULL);
}

static gboolean
repair(Compare *compare, ArchiveRepairReport *report, GError **error)
{
    gsize our_bytes = 0;
    gsize their_bytes = 0;
    const char *where = tier_name(compare->tier);
    g_autofree char *ours =
        tier_read_all(compare->tier, ARCHIVE_CATALOGUE, CATALOGUE_MAX_BYTES, &our_bytes, NULL);
    g_autofree char *theirs = tier_read_all(compare->copy->tier, ARCHIVE_CATALOGUE,
                                            CATALOGUE_MAX_BYTES, &their_bytes, error);

    if (!theirs)
        return FALSE;
    if (ours && holds(compare, ours, our_bytes))
        return copy_keys(compare, report, error);
    for (gsize i = 0; ours && i < our_bytes; i++)
        ours[i] = ours[i] ? ours[i] : '?'; /* a line with NUL in it is damaged anyway */
    g_auto(GStrv) our_lines = g_strsplit(ours ? ours : "", "\n", -1);
    g_auto(GStrv) their_lines = g_strsplit(theirs, "\n", -1);
    g_autoptr(GHashTable) lines = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; their_lines[i]; i++)
        if (*their_lines[i])
            g_hash_table_add(lines, their_lines[i]);
    compare->lines = lines;
    if (!compare_volumes(compare, error))
        return FALSE;
    compare_lines(compare, our_lines);
    if (compare->common + compare->matched == 0 && !compare->refusal)
        compare->refusal = "nothing here shows that the copy is one of this archive";
    if (compare->refusal)
        return refuse(where, compare->refusal, error);
    return replace(compare, theirs, their_bytes, report, error);
}

gboolean
archive_repair_catalogue(const char *where, const char *copy, const char *const *trust,
                         ArchiveRepairReport *report, GError **error)
{
    const ArchiveOpen how = {.where = copy, .trust = trust};
    g_autoptr(Tier) tier = tier_open(where, FALSE, error);
    g_autoptr(Archive) other = tier && tier_lock(tier, error) ? archive_open(&how, error) : NULL;
    Compare compare = {.tier = tier, .copy = other};

    return other && repair(&compare, report, error);
}
