/* archive_publish.c - finished volumes get their final names and are committed.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_publish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "formats/compress.h"
#include "formats/durable.h"
#include "formats/tar.h"
#include "formats/usage.h"

void
archive_done_clear(ArchiveDone *done)
{
    volume_manifest_clear(&done->manifest);
}

/* Gives a file of the work folder a second name in the archive; the work folder keeps it until
 * the commit, for another try. */
static gboolean
link_file(const Archive *archive, const Tier *work, const char *from, const char *to,
          GError **error)
{
    int work_fd = tier_dir_fd(work);
    int archive_fd = tier_dir_fd(archive->tier);
    g_autofree char *temporary = g_strdup_printf("%s/.link.%d", ARCHIVE_VOLUMES, (int)getpid());

    unlinkat(archive_fd, temporary, 0);
    if (linkat(work_fd, from, archive_fd, temporary, 0) == 0) {
        /* Where both are one file already, rename leaves both. */
        gboolean good = renameat(archive_fd, temporary, archive_fd, to) == 0;
        int errnum = errno;
        unlinkat(archive_fd, temporary, 0);
        return good || millrace_error_set_errno(error, durable_creation_error(errnum), errnum,
                                                "%s/%s", tier_name(archive->tier), to);
    }
    /* No hard links here. */
    if (renameat(work_fd, from, archive_fd, to) == 0)
        return TRUE;
    return millrace_error_set_errno(error, durable_creation_error(errno), errno, "%s/%s",
                                    tier_name(archive->tier), to);
}

static gboolean
copy_file(const Archive *archive, Tier *work, const char *from, const char *to, GError **error)
{
    g_autoptr(TierFile) file = tier_file_open(work, from, error);

    return file && tier_write_file(archive->tier, to, tier_file_fd(file), error);
}

static gboolean
put_file(const Archive *archive, Tier *work, const ArchiveDone *done, VolumeFile file,
         GError **error)
{
    g_autofree char *from = volume_path(done->stem, file);
    g_autofree char *to = volume_path(done->manifest.volume, file);

    return tier_dir_fd(archive->tier) >= 0 ? link_file(archive, work, from, to, error)
                                           : copy_file(archive, work, from, to, error);
}

static gboolean
put_files(const Archive *archive, Tier *work, const ArchiveDone *done, GError **error)
{
    for (VolumeFile i = VOLUME_TAR; i <= VOLUME_PARITY; i++)
        if ((i != VOLUME_PARITY || done->manifest.parity.parity > 0) &&
            !put_file(archive, work, done, i, error))
            return FALSE;
    return TRUE;
}

/* Signs the manifest and puts both where they belong. Fills in what the catalogue has of them. */
static gboolean
put_manifest(const Archive *archive, const ArchiveTerms *terms, const VolumeManifest *manifest,
             char manifest_sha256[SHA256_CHARS + 1], char minisig_sha256[SHA256_CHARS + 1],
             GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GString) comment = g_string_new(NULL);
    g_autofree char *manifest_path = volume_path(manifest->volume, VOLUME_MANIFEST);
    g_autofree char *minisig_path = volume_path(manifest->volume, VOLUME_MINISIG);

    volume_manifest_print(manifest, text);
    g_string_printf(comment, "millrace volume %s packed ", manifest->volume);
    usage_print_time(comment, manifest->packed_us);
    g_autofree char *minisig = minisign_sign(terms->secret, text->str, text->len, comment->str);
    sha256_hex(text->str, text->len, manifest_sha256);
    sha256_hex(minisig, strlen(minisig), minisig_sha256);
    return tier_write_all(archive->tier, manifest_path, text->str, text->len, error) &&
           tier_write_all(archive->tier, minisig_path, minisig, strlen(minisig), error);
}

/* Volumes being published. */
typedef struct {
    Archive *archive;
    Tier *work;
    const ArchiveTerms *terms;
    char previous[SHA256_CHARS + 1]; /* the manifest before */
    gboolean changed;                /* something was noted */
} Publishing;

static void
describe(const Publishing *publishing, ArchiveDone *done)
{
    const Archive *archive = publishing->archive;
    const ArchiveTerms *terms = publishing->terms;
    VolumeManifest *manifest = &done->manifest;
    gint64 latest_us =
        MAX(catalogue_latest_us(archive->catalogue, archive->now_us), done->newest_us);

    manifest->class = g_strdup(terms->class);
    manifest->level = terms->level;
    manifest->packed_us = archive->now_us;
    manifest->retain_until_us = duration_after(&terms->retain, latest_us);
    memcpy(manifest->previous, publishing->previous, sizeof manifest->previous);
    manifest->made_by =
        g_strdup_printf("millrace %s, zstd %s, libarchive %s, isa-l %s", MILLRACE_VERSION,
                        zstd_version(), tar_version(), parity_version());
}

/* The archive has the volume: its retention may grow, and nothing else. */
static void
extend(Publishing *publishing, const CatalogueVolume *volume, gint64 retain_until_us)
{
    CatalogueEntry entry = {
        .kind = CATALOGUE_EXTEND, .volume = volume->name, .retain_until_us = retain_until_us};

    if (retain_until_us <= volume->retain_until_us)
        return;
    archive_note(publishing->archive, &entry);
    publishing->changed = TRUE;
}

/* Does the archive's file hold these bytes? */
static gboolean
holds(const Archive *archive, const char *volume, VolumeFile file, const char *sha256)
{
    g_autofree char *path = volume_path(volume, file);
    g_autoptr(TierFile) opened = tier_file_open(archive->tier, path, NULL);
    char found[SHA256_CHARS + 1];

    return opened && tier_file_sha256(opened, found, NULL) && strcmp(found, sha256) == 0;
}

/* Who packs what the archive has may delete it next: so it is looked at, and what is damaged or
 * gone is replaced by what has just been made. */
static gboolean
check_there(Publishing *publishing, const ArchiveDone *done, const CatalogueVolume *there,
            GError **error)
{
    Archive *archive = publishing->archive;
    g_auto(VolumeManifest) stored = {0};
    g_autoptr(GError) failure = NULL;

    if (!archive_manifest(archive, there, &stored, &failure)) {
        g_set_error(error, MILLRACE_ERROR,
                    g_error_matches(failure, MILLRACE_ERROR, MILLRACE_ERROR_IO)
                        ? MILLRACE_ERROR_IO
                        : MILLRACE_ERROR_INVARIANT,
                    "%s is in the archive, but is damaged; repair it from a copy: %s", there->name,
                    failure->message);
        return FALSE;
    }
    for (VolumeFile i = VOLUME_TAR; i <= VOLUME_PARITY; i++) {
        if (stored.sha256[i][0] == '\0' || holds(archive, there->name, i, stored.sha256[i]))
            continue;
        if (strcmp(stored.sha256[i], done->manifest.sha256[i]) != 0) {
            g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_INVARIANT,
                        "%s%s is in the archive, but is damaged or gone: millrace archive repair",
                        there->name, volume_suffix(i));
            return FALSE;
        }
        CatalogueEntry entry = {.kind = CATALOGUE_REPAIR,
                                .volume = there->name,
                                .scope = volume_suffix(i),
                                .bytes = stored.size_bytes[i],
                                .note = "pack"};
        if (!put_file(archive, publishing->work, done, i, error))
            return FALSE;
        archive_note(archive, &entry);
        publishing->changed = TRUE;
    }
    return TRUE;
}

static gboolean
publish_volume(Publishing *publishing, ArchiveDone *done, GError **error)
{
    Archive *archive = publishing->archive;
    VolumeManifest *manifest = &done->manifest;
    char minisig_sha256[SHA256_CHARS + 1];

    describe(publishing, done);
    const CatalogueVolume *there = catalogue_volume(archive->catalogue, manifest->volume);
    if (there && !there->expired) {
        done->existed = TRUE;
        if (!check_there(publishing, done, there, error))
            return FALSE;
        extend(publishing, there, manifest->retain_until_us);
        return TRUE;
    }
    if (!put_files(archive, publishing->work, done, error) ||
        !put_manifest(archive, publishing->terms, manifest, publishing->previous, minisig_sha256,
                      error))
        return FALSE;
    CatalogueEntry entry = {.kind = CATALOGUE_PACK,
                            .volume = manifest->volume,
                            .class = manifest->class,
                            .manifest = publishing->previous,
                            .minisig = minisig_sha256,
                            .retain_until_us = manifest->retain_until_us,
                            .record_count = manifest->record_count,
                            .bytes = manifest->size_bytes[VOLUME_TAR]};
    archive_note(archive, &entry);
    publishing->changed = TRUE;
    return TRUE;
}

/* Is name a manifest's, of a volume that is not being published? */
static gboolean
is_foreign(const char *name, const GArray *volumes)
{
    const char *suffix = volume_suffix(VOLUME_MANIFEST);

    if (!g_str_has_suffix(name, suffix))
        return FALSE;
    for (guint i = 0; i < volumes->len; i++) {
        const char *own = g_array_index(volumes, ArchiveDone, i).manifest.volume;
        if (g_str_has_prefix(name, own))
            return FALSE;
    }
    return TRUE;
}

/* A first pack that was killed may have left its own volumes without a log. Those of others had
 * one, and a new one in its place would hide that it is lost. */
static gboolean
check_log_is_not_lost(const Archive *archive, const GArray *volumes, GError **error)
{
    if (!archive->unseen_catalogue)
        return TRUE;
    g_autoptr(GPtrArray) names = tier_list(archive->tier, ARCHIVE_VOLUMES, error);
    for (guint i = 0; names && i < names->len; i++) {
        if (!is_foreign(names->pdata[i], volumes))
            continue;
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                    "%s has volumes and no %s, which tells of them: bring it back from a copy, or "
                    "pack to another place",
                    tier_name(archive->tier), ARCHIVE_CATALOGUE);
        return FALSE;
    }
    return names != NULL;
}

/* A key that never signed here is more often a wrong one than a new one, and who trusts the other
 * could not read on. */
static gboolean
check_key(const Archive *archive, const ArchiveTerms *terms, GError **error)
{
    const MinisignPublic *key = minisign_public(terms->secret);
    char id[MINISIGN_ID_CHARS + 1];

    if (catalogue_signed_count(archive->catalogue) == 0 || terms->new_key)
        return TRUE;
    for (guint i = 0; i < archive->keys->len; i++)
        if (memcmp(&g_array_index(archive->keys, MinisignPublic, i), key, sizeof *key) == 0)
            return TRUE;
    minisign_id(key, id);
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                "the key %s has signed nothing in %s: give the one that did, or --new-key when "
                "this one shall sign from now on",
                id, tier_name(archive->tier));
    return FALSE;
}

static gboolean
sync_volumes(const Archive *archive, GError **error)
{
    if (tier_dir_fd(archive->tier) < 0)
        return TRUE;
    int fd =
        openat(tier_dir_fd(archive->tier), ARCHIVE_VOLUMES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "%s/%s",
                                        tier_name(archive->tier), ARCHIVE_VOLUMES);
    gboolean good = durable_sync(fd, ARCHIVE_VOLUMES, error);
    close(fd);
    return good;
}

gboolean
archive_publish(Archive *archive, Tier *work, const ArchiveTerms *terms, GArray *volumes,
                GError **error)
{
    Publishing publishing = {.archive = archive, .work = work, .terms = terms};

    if (!check_log_is_not_lost(archive, volumes, error) || !check_key(archive, terms, error))
        return FALSE;
    g_strlcpy(publishing.previous, catalogue_last_manifest(archive->catalogue),
              sizeof publishing.previous);
    for (guint i = 0; i < volumes->len; i++)
        if (!publish_volume(&publishing, &g_array_index(volumes, ArchiveDone, i), error))
            return FALSE;
    if (!publishing.changed)
        return TRUE;
    return sync_volumes(archive, error) && archive_commit(archive, terms->secret, error);
}
