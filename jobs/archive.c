/* archive.c - an archive that is open: its catalogue, the keys it is checked with, and the one way
 * to change it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive.h"

#include <fcntl.h>
#include <string.h>

#include "formats/durable.h"
#include "formats/usage.h"

static const char key_suffix[] = ".pub";

/* Reads a key's file, of either half. (transfer full) */
static char *
read_key_file(const char *path, gsize *size_bytes, GError **error)
{
    char *text = durable_read_file(AT_FDCWD, path, MINISIGN_TEXT_MAX_BYTES, size_bytes, error);

    if (!text || strlen(text) == *size_bytes)
        return text;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT, "%s: not a key of minisign", path);
    g_free(text);
    return NULL;
}

MinisignSecret *
archive_read_secret(const char *path, GError **error)
{
    gsize size_bytes = 0;
    char *text = read_key_file(path, &size_bytes, error);

    if (!text)
        return NULL;
    MinisignSecret *secret = minisign_secret_parse(path, text, error);
    explicit_bzero(text, size_bytes);
    g_free(text);
    return secret;
}

static gboolean
read_trusted(Archive *archive, const char *const *trust, GError **error)
{
    for (; trust && *trust; trust++) {
        gsize size_bytes = 0;
        MinisignPublic key;
        g_autofree char *text = read_key_file(*trust, &size_bytes, error);
        if (!text || !minisign_public_parse(*trust, text, &key, error))
            return FALSE;
        g_array_append_val(archive->trusted, key);
        g_array_append_val(archive->keys, key);
    }
    return TRUE;
}

/* keys/KEYID.pub. (transfer full) */
static char *
key_path(const MinisignPublic *key)
{
    char id[MINISIGN_ID_CHARS + 1];

    minisign_id(key, id);
    return g_strdup_printf("%s/%s%s", ARCHIVE_KEYS, id, key_suffix);
}

/* Is this a key under its own name? Other files in the folder mean nothing. */
static gboolean
read_key_here(Archive *archive, const char *name, MinisignPublic *key)
{
    g_autofree char *path = g_strdup_printf("%s/%s", ARCHIVE_KEYS, name);
    g_autofree char *text = tier_read_all(archive->tier, path, MINISIGN_TEXT_MAX_BYTES, NULL, NULL);

    if (!text || !minisign_public_parse(name, text, key, NULL))
        return FALSE;
    g_autofree char *expected = key_path(key);
    return strcmp(path, expected) == 0;
}

/* Reads the keys that lie in the archive. That they do says that it is whole, not whose it is. */
static gboolean
read_keys_here(Archive *archive, GError **error)
{
    g_autoptr(GPtrArray) names = tier_list(archive->tier, ARCHIVE_KEYS, error);
    MinisignPublic key;

    if (!names)
        return FALSE;
    for (guint i = 0; i < names->len && archive->keys->len < ARCHIVE_KEYS_MAX; i++)
        if (g_str_has_suffix(names->pdata[i], key_suffix) &&
            read_key_here(archive, names->pdata[i], &key))
            g_array_append_val(archive->keys, key);
    return TRUE;
}

static gboolean
is_no_archive(const Archive *archive, GError **error)
{
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT, "%s: no archive: it has no %s",
                tier_name(archive->tier), ARCHIVE_CATALOGUE);
    return FALSE;
}

static gboolean
is_archive(const Archive *archive, GError **error)
{
    g_autoptr(GError) missing = NULL;
    g_autoptr(TierFile) file = tier_file_open(archive->tier, ARCHIVE_CATALOGUE, &missing);

    return file || !g_error_matches(missing, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT) ||
           is_no_archive(archive, error);
}

static gboolean
read_catalogue(Archive *archive, gboolean create, GError **error)
{
    gsize size_bytes = 0;
    g_autoptr(GError) missing = NULL;
    g_autofree char *name = g_strdup_printf("%s/%s", tier_name(archive->tier), ARCHIVE_CATALOGUE);
    g_autofree char *text =
        tier_read_all(archive->tier, ARCHIVE_CATALOGUE, CATALOGUE_MAX_BYTES, &size_bytes, &missing);

    if (!text && !g_error_matches(missing, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT)) {
        g_propagate_error(error, g_steal_pointer(&missing));
        return FALSE;
    }
    if (!text && !create)
        return is_no_archive(archive, error);
    archive->unseen_catalogue = !text;
    if (!text) {
        archive->catalogue = catalogue_new();
        return TRUE;
    }
    archive->catalogue = catalogue_parse(name, text, size_bytes, error);
    return archive->catalogue != NULL;
}

/* (transfer full) */
static char *
find_actor(const char *actor)
{
    if (!actor)
        actor = g_getenv("MILLRACE_ACTOR");
    if (actor && *actor)
        return g_strdup(actor);
    return g_strdup_printf("%s@%s", g_get_user_name(), g_get_host_name());
}

Archive *
archive_open(const ArchiveOpen *how, GError **error)
{
    g_autoptr(Archive) archive = g_new0(Archive, 1);

    archive->trusted = g_array_new(FALSE, FALSE, sizeof(MinisignPublic));
    archive->keys = g_array_new(FALSE, FALSE, sizeof(MinisignPublic));
    archive->actor = find_actor(how->actor);
    archive->now_us = how->now_us ? how->now_us : g_get_real_time();
    if (!read_trusted(archive, how->trust, error))
        return NULL;
    archive->tier = tier_open(how->where, how->create, error);
    /* It is read before it is locked, too: what is no archive gets no lock. */
    if (!archive->tier || (how->write && !how->create && !is_archive(archive, error)) ||
        (how->write && !tier_lock(archive->tier, error)) ||
        !read_catalogue(archive, how->create, error))
        return NULL;
    if (archive->trusted->len == 0 && !read_keys_here(archive, error))
        return NULL;
    if (!catalogue_check_signatures(archive->catalogue, (MinisignPublic *)archive->keys->data,
                                    archive->keys->len, error))
        return NULL;
    return g_steal_pointer(&archive);
}

void
archive_close(Archive *archive)
{
    if (!archive)
        return;
    catalogue_free(archive->catalogue);
    if (archive->tier)
        tier_free(archive->tier);
    g_array_unref(archive->trusted);
    g_array_unref(archive->keys);
    g_free(archive->actor);
    g_free(archive);
}

void
archive_note(Archive *archive, CatalogueEntry *entry)
{
    entry->actor = archive->actor;
    entry->time_us = archive->now_us;
    catalogue_append(archive->catalogue, entry);
    entry->number = catalogue_count(archive->catalogue) - 1;
}

/* Whether what was noted can stand without a checkpoint. */
static gboolean
needs_key(const Catalogue *catalogue)
{
    for (guint64 i = catalogue_signed_count(catalogue); i < catalogue_count(catalogue); i++)
        if (catalogue_kind_needs_key(catalogue_entry(catalogue, i)->kind))
            return TRUE;
    return FALSE;
}

static gboolean
is_among(const GArray *keys, const MinisignPublic *key)
{
    for (guint i = 0; i < keys->len; i++)
        if (memcmp(&g_array_index(keys, MinisignPublic, i), key, sizeof *key) == 0)
            return TRUE;
    return FALSE;
}

/* Lays the public key beside what it checks, before anything is signed with it. */
static gboolean
put_key(Archive *archive, const MinisignPublic *key, GError **error)
{
    g_autofree char *path = key_path(key);
    g_autofree char *text = minisign_public_print(key);
    g_autofree char *there =
        tier_read_all(archive->tier, path, MINISIGN_TEXT_MAX_BYTES, NULL, NULL);
    MinisignPublic other;

    if (there && strcmp(there, text) == 0)
        return TRUE;
    if (there && minisign_public_parse(path, there, &other, NULL) &&
        memcmp(&other, key, sizeof other) != 0) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                    "%s/%s: another key of the same number signed here: make a new pair",
                    tier_name(archive->tier), path);
        return FALSE;
    }
    return tier_write_all(archive->tier, path, text, strlen(text), error);
}

/* The key must be one that this archive's readers go by. */
static gboolean
take_key(Archive *archive, const MinisignPublic *key, GError **error)
{
    if (archive->trusted->len > 0 && !is_among(archive->trusted, key)) {
        char id[MINISIGN_ID_CHARS + 1];
        minisign_id(key, id);
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                    "the key %s is none of those to be trusted", id);
        return FALSE;
    }
    if (!put_key(archive, key, error))
        return FALSE;
    if (!is_among(archive->keys, key))
        g_array_append_val(archive->keys, *key);
    return TRUE;
}

gboolean
archive_commit(Archive *archive, const MinisignSecret *secret, GError **error)
{
    Catalogue *catalogue = archive->catalogue;
    guint64 keep_bytes = 0;
    gsize size_bytes = 0;

    g_assert(secret || !needs_key(catalogue));
    if (secret && catalogue_count(catalogue) > 0) {
        if (!take_key(archive, minisign_public(secret), error))
            return FALSE;
        catalogue_sign(catalogue, secret);
    }
    const char *pending = catalogue_pending(catalogue, &keep_bytes, &size_bytes);
    if (size_bytes == 0)
        return TRUE;
    if (!tier_append(archive->tier, ARCHIVE_CATALOGUE, keep_bytes, pending, size_bytes, error))
        return FALSE;
    catalogue_written(catalogue);
    return TRUE;
}

/* Reads a small file of the volume, which has to be what the catalogue says. (transfer full) */
static char *
read_known(Archive *archive, const CatalogueVolume *volume, VolumeFile file, const char *sha256,
           gsize *size_bytes, GError **error)
{
    char hex[SHA256_CHARS + 1];
    g_autofree char *path = volume_path(volume->name, file);
    g_autofree char *text =
        tier_read_all(archive->tier, path, VOLUME_MANIFEST_MAX, size_bytes, error);

    if (!text)
        return NULL;
    sha256_hex(text, *size_bytes, hex);
    if (strcmp(hex, sha256) == 0 && strlen(text) == *size_bytes)
        return g_steal_pointer(&text);
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                "%s/%s: its SHA-256 is %s, but %s in the catalogue", tier_name(archive->tier), path,
                hex, sha256);
    return NULL;
}

/* Is text a signature of the manifest by one of the keys? */
static gboolean
check_signature(const Archive *archive, const char *manifest, gsize size_bytes, const char *text,
                char **comment, GError **error)
{
    g_autoptr(GString) ids = g_string_new(NULL);

    for (guint i = 0; i < archive->keys->len; i++) {
        const MinisignPublic *key = &g_array_index(archive->keys, MinisignPublic, i);
        char id[MINISIGN_ID_CHARS + 1];
        if (minisign_verify(key, manifest, size_bytes, text, TRUE, comment, NULL))
            return TRUE;
        minisign_id(key, id);
        g_string_append_printf(ids, "%s%s", i > 0 ? ", " : "", id);
    }
    if (archive->keys->len == 1)
        return minisign_verify(&g_array_index(archive->keys, MinisignPublic, 0), manifest,
                               size_bytes, text, TRUE, comment, error);
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                "not a signature of this manifest by any of the keys: %s",
                ids->len > 0 ? ids->str : "there are none");
    return FALSE;
}

/* Does the manifest say what the catalogue and the signature's comment do? */
static gboolean
agrees(const VolumeManifest *manifest, const CatalogueVolume *volume, const char *comment)
{
    g_autoptr(GString) expected = g_string_new(NULL);

    g_string_printf(expected, "millrace volume %s packed ", manifest->volume);
    usage_print_time(expected, manifest->packed_us);
    return strcmp(comment, expected->str) == 0 && strcmp(manifest->volume, volume->name) == 0 &&
           strcmp(manifest->class, volume->class) == 0 &&
           manifest->retain_until_us <= volume->retain_until_us &&
           manifest->record_count == volume->record_count &&
           manifest->size_bytes[VOLUME_TAR] == volume->bytes;
}

gboolean
archive_manifest(Archive *archive, const CatalogueVolume *volume, VolumeManifest *manifest,
                 GError **error)
{
    gsize size_bytes = 0;
    gsize minisig_bytes = 0;
    g_autofree char *path = volume_path(volume->name, VOLUME_MANIFEST);
    g_autofree char *name = g_strdup_printf("%s/%s", tier_name(archive->tier), path);
    g_autofree char *comment = NULL;

    g_autofree char *text =
        read_known(archive, volume, VOLUME_MANIFEST, volume->manifest, &size_bytes, error);
    if (!text)
        return FALSE;
    g_autofree char *minisig =
        read_known(archive, volume, VOLUME_MINISIG, volume->minisig, &minisig_bytes, error);
    if (!minisig)
        return FALSE;
    if (!check_signature(archive, text, size_bytes, minisig, &comment, error)) {
        g_prefix_error(error, "%s: ", name);
        return FALSE;
    }
    if (!volume_manifest_parse(name, text, size_bytes, manifest, error))
        return FALSE;
    if (agrees(manifest, volume, comment))
        return TRUE;
    volume_manifest_clear(manifest);
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                "%s: the manifest, its signature's comment and the catalogue disagree", name);
    return FALSE;
}
