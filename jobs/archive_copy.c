/* archive_copy.c - push and pull.
 * A file is there when its size is right (with verify: its digest); since it gets its name only
 * whole and verified, a try that was killed leaves nothing to be taken back.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_copy.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/durable.h"
#include "jobs/archive_copy_internal.h"

static void tell(const Copying *copying, ArchiveCopyFact fact, const char *volume,
                 const char *format, ...) G_GNUC_PRINTF(4, 5);

static void
tell(const Copying *copying, ArchiveCopyFact fact, const char *volume, const char *format, ...)
{
    va_list arguments;

    if (!copying->config->tell)
        return;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    copying->config->tell(copying->config->tell_data, fact, volume, text);
}

static gboolean
go_on(const Copying *copying, GError **error)
{
    if (!copying->config->stop || !*copying->config->stop)
        return TRUE;
    g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_INTERRUPTED,
                        "interrupted; run again to go on");
    return FALSE;
}

/* What a file of a volume has to be. */
typedef struct {
    char *path;
    const char *sha256; /* borrowed from manifest or catalogue */
    gboolean sized;
    guint64 size_bytes; /* where sized */
} Expected;

static Expected
expect(const CatalogueVolume *volume, const VolumeManifest *manifest, VolumeFile file)
{
    Expected expected = {.path = volume_path(volume->name, file)};

    if (file == VOLUME_MANIFEST || file == VOLUME_MINISIG) {
        expected.sha256 = file == VOLUME_MANIFEST ? volume->manifest : volume->minisig;
    } else {
        expected.sha256 = manifest->sha256[file];
        expected.size_bytes = manifest->size_bytes[file];
        expected.sized = TRUE;
    }
    return expected;
}

/* Is it there? What cannot be read is not. The small files are read in any case. */
static gboolean
has_file(Tier *tier, const Expected *expected, gboolean verify)
{
    g_autoptr(TierFile) file = tier_file_open(tier, expected->path, NULL);
    char hex[SHA256_CHARS + 1];

    if (!file || (expected->sized && tier_file_size(file) != expected->size_bytes))
        return FALSE;
    if (!expected->sized && tier_file_size(file) > VOLUME_MANIFEST_MAX)
        return FALSE;
    if (expected->sized && !verify)
        return TRUE;
    return tier_file_sha256(file, hex, NULL) && strcmp(hex, expected->sha256) == 0;
}

/* A size that is wrong needs no reading. */
static gboolean
check_size(const Copying *copying, TierFile *file, const Expected *expected, GError **error)
{
    guint64 size_bytes = tier_file_size(file);

    if (expected->sized ? size_bytes == expected->size_bytes : size_bytes <= VOLUME_MANIFEST_MAX)
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                "%s/%s: it has %" G_GUINT64_FORMAT " bytes, not what the manifest says",
                tier_name(copying->from->tier), expected->path, size_bytes);
    return FALSE;
}

/* Returns FALSE with *damaged when it is the source's fault. */
static gboolean
copy_file(Copying *copying, const Expected *expected, gboolean *damaged, GError **error)
{
    g_autoptr(TierFile) file = tier_file_open(copying->from->tier, expected->path, error);

    if (!file || !check_size(copying, file, expected, error)) {
        *damaged = TRUE;
        return FALSE;
    }
    GError *reason = NULL;
    if (tier_copy(copying->to, expected->path, file, expected->sha256, &reason)) {
        copying->report->file_count++;
        copying->report->bytes += tier_file_size(file);
        return TRUE;
    }
    *damaged = g_error_matches(reason, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT);
    g_propagate_error(error, reason);
    return FALSE;
}

static gboolean
copy_files(Copying *copying, const CatalogueVolume *volume, gboolean *damaged, GError **error)
{
    g_auto(VolumeManifest) manifest = {0};

    if (!archive_manifest(copying->from, volume, &manifest, error)) {
        *damaged = TRUE;
        return FALSE;
    }
    for (VolumeFile i = VOLUME_TAR; i < VOLUME_FILES; i++) {
        Expected expected = expect(volume, &manifest, i);
        gboolean good = (i == VOLUME_PARITY && manifest.parity.parity == 0) ||
                        has_file(copying->to, &expected, copying->config->verify) ||
                        (go_on(copying, error) && copy_file(copying, &expected, damaged, error));
        g_free(expected.path);
        if (!good)
            return FALSE;
    }
    return TRUE;
}

static gboolean
copy_volume(Copying *copying, const CatalogueVolume *volume, GError **error)
{
    ArchiveCopyReport *report = copying->report;
    guint64 files_before = report->file_count;
    guint64 bytes_before = report->bytes;
    gboolean damaged = FALSE;
    GError *reason = NULL;

    if (copy_files(copying, volume, &damaged, &reason)) {
        report->volume_count++;
        if (report->file_count == files_before)
            return TRUE;
        report->copied_count++;
        tell(copying, ARCHIVE_COPY_COPIED, volume->name, "%" G_GUINT64_FORMAT,
             report->bytes - bytes_before);
        return TRUE;
    }
    if (!damaged) {
        g_propagate_error(error, reason);
        return FALSE;
    }
    report->damaged_count++;
    tell(copying, ARCHIVE_COPY_DAMAGED, volume->name, "%s", reason->message);
    g_error_free(reason);
    return TRUE;
}

/* Volumes that are to be there: those of the catalogue that will be the target's. One that expired
 * there is not brought back by a source that has not heard of it. */
static gboolean
copy_volumes(Copying *copying, GError **error)
{
    const GPtrArray *volumes = catalogue_volumes(copying->final);

    for (guint i = 0; i < volumes->len; i++) {
        const CatalogueVolume *volume = volumes->pdata[i];
        const CatalogueVolume *there = catalogue_volume(copying->from->catalogue, volume->name);
        if (volume->expired || !there || there->expired)
            continue;
        if (!copy_volume(copying, volume, error))
            return FALSE;
    }
    return TRUE;
}

/* Has the target all files of a volume that the stream did not have? */
static gboolean
is_whole(const Copying *copying, const CatalogueVolume *volume)
{
    g_auto(VolumeManifest) manifest = {0};
    gboolean whole = TRUE;
    g_autofree char *path = volume_path(volume->name, VOLUME_MANIFEST);
    gsize size_bytes = 0;
    g_autofree char *text =
        tier_read_all(copying->to, path, VOLUME_MANIFEST_MAX, &size_bytes, NULL);

    if (!text || !volume_manifest_parse(path, text, size_bytes, &manifest, NULL))
        return FALSE;
    for (VolumeFile i = VOLUME_FILES; whole && i-- > VOLUME_TAR;) {
        Expected expected = expect(volume, &manifest, i);
        whole = (i == VOLUME_PARITY && manifest.parity.parity == 0) ||
                has_file(copying->to, &expected, copying->config->verify);
        g_free(expected.path);
    }
    return whole;
}

/* Volumes as they come in the stream, then those that did not. */
static gboolean
copy_stream(Copying *copying, GError **error)
{
    const GPtrArray *volumes = catalogue_volumes(copying->final);
    const CatalogueVolume *volume = NULL;
    int got = 0;

    while ((got = archive_tape_next(copying->tape, &volume, error)) > 0) {
        const CatalogueVolume *wanted = catalogue_volume(copying->final, volume->name);
        if (wanted && !wanted->expired && !copy_volume(copying, wanted, error))
            return FALSE;
    }
    for (guint i = 0; got == 0 && i < volumes->len; i++) {
        volume = volumes->pdata[i];
        const CatalogueVolume *there = catalogue_volume(copying->from->catalogue, volume->name);
        if (volume->expired || !there || there->expired ||
            archive_tape_has_seen(copying->tape, volume->name))
            continue;
        if (is_whole(copying, volume)) {
            copying->report->volume_count++;
            continue;
        }
        copying->report->damaged_count++;
        tell(copying, ARCHIVE_COPY_DAMAGED, volume->name, "it is not in the stream");
    }
    return got == 0;
}

static gboolean
copy_key(const Copying *copying, const char *name, GError **error)
{
    g_autofree char *path = g_strdup_printf("%s/%s", ARCHIVE_KEYS, name);
    gsize size_bytes = 0;
    MinisignPublic key;
    MinisignPublic other;
    char id[MINISIGN_ID_CHARS + 1];

    g_autofree char *text =
        tier_read_all(copying->from->tier, path, MINISIGN_TEXT_MAX_BYTES, &size_bytes, NULL);
    if (!text || !minisign_public_parse(path, text, &key, NULL))
        return TRUE; /* no key, so nothing of an archive */
    minisign_id(&key, id);
    if (!g_str_has_prefix(name, id) || strcmp(name + strlen(id), ".pub") != 0)
        return TRUE;
    g_autofree char *there = tier_read_all(copying->to, path, MINISIGN_TEXT_MAX_BYTES, NULL, NULL);
    if (there && strcmp(there, text) == 0)
        return TRUE;
    if (there && minisign_public_parse(path, there, &other, NULL) &&
        memcmp(&other, &key, sizeof key) != 0) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                    "%s/%s: another key than the one of this number in %s", tier_name(copying->to),
                    path, tier_name(copying->from->tier));
        return FALSE;
    }
    return tier_write_all(copying->to, path, text, size_bytes, error);
}

static gboolean
copy_keys(const Copying *copying, GError **error)
{
    g_autoptr(GPtrArray) names = tier_list(copying->from->tier, ARCHIVE_KEYS, error);

    if (!names)
        return FALSE;
    for (guint i = 0; i < MIN(names->len, ARCHIVE_KEYS_MAX); i++)
        if (!copy_key(copying, names->pdata[i], error))
            return FALSE;
    return TRUE;
}

/* Removes what is left of expired volumes, whoever left it. */
static gboolean
remove_expired(const Copying *copying, GError **error)
{
    g_autoptr(GPtrArray) names = tier_list(copying->to, ARCHIVE_VOLUMES, error);
    g_autofree char *last = NULL;

    if (!names)
        return FALSE;
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *name = g_strndup(names->pdata[i], VOLUME_NAME_CHARS);
        const CatalogueVolume *volume = catalogue_volume(copying->final, name);
        if (!volume || !volume->expired)
            continue;
        g_autofree char *path = g_strdup_printf("%s/%s", ARCHIVE_VOLUMES, (char *)names->pdata[i]);
        if (!tier_remove(copying->to, path, error))
            return FALSE;
        if (last && strcmp(last, name) == 0)
            continue;
        copying->report->removed_count++;
        tell(copying, ARCHIVE_COPY_REMOVED, name, "it has expired");
        g_free(last);
        last = g_steal_pointer(&name);
    }
    return TRUE;
}

static gboolean
is_same_place(const Tier *from, const Tier *to)
{
    struct stat left;
    struct stat right;

    if (tier_dir_fd(from) < 0 || tier_dir_fd(to) < 0)
        return strcmp(tier_name(from), tier_name(to)) == 0;
    return fstat(tier_dir_fd(from), &left) == 0 && fstat(tier_dir_fd(to), &right) == 0 &&
           left.st_dev == right.st_dev && left.st_ino == right.st_ino;
}

static gboolean
open_target(Copying *copying, GError **error)
{
    copying->to = tier_open(copying->config->to, TRUE, error);
    return copying->to && tier_lock(copying->to, error);
}

static gboolean
open_place(Copying *copying, GError **error)
{
    const ArchiveOpen how = {.where = copying->config->from, .trust = copying->config->trust};

    copying->from = archive_open(&how, error);
    if (!copying->from || !open_target(copying, error))
        return FALSE;
    if (!is_same_place(copying->from->tier, copying->to))
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE, "%s and %s are the same archive",
                copying->config->from, copying->config->to);
    return FALSE;
}

/* Opens the folder for what is not whole yet, in the archive where that has folders. (transfer
 * full), or NULL and error. */
static char *
find_scratch(const Copying *copying, GError **error)
{
    if (copying->config->scratch)
        return g_strdup(copying->config->scratch);
    if (tier_dir_fd(copying->to) < 0)
        return g_strdup(g_get_tmp_dir());
    int fd = durable_folder_beneath(tier_dir_fd(copying->to), ".tmp", error);
    if (fd < 0)
        return NULL;
    close(fd);
    char *scratch = g_build_filename(copying->config->to, ".tmp", NULL);
    archive_tape_sweep(scratch);
    return scratch;
}

static gboolean
open_stream(Copying *copying, GError **error)
{
    g_autofree char *scratch = open_target(copying, error) ? find_scratch(copying, error) : NULL;

    if (scratch)
        copying->tape =
            archive_tape_open(copying->config->from_fd, scratch, copying->config->trust, error);
    if (copying->tape)
        copying->from = archive_tape_archive(copying->tape);
    return copying->tape != NULL;
}

/* The remarks that the comparison of the catalogues led to. */
static void
remark(const Copying *copying)
{
    if (copying->ahead_count > 0)
        tell(copying, ARCHIVE_COPY_REMARK, NULL,
             "%s is ahead of %s by %" G_GUINT64_FORMAT " entries, so its catalogue stays",
             tier_name(copying->to), copying->config->from, copying->ahead_count);
    if (copying->kept_count > 0)
        tell(copying, ARCHIVE_COPY_REMARK, NULL,
             "%" G_GUINT64_FORMAT " entries of %s itself (checks, repairs, restores) come behind",
             copying->kept_count, tier_name(copying->to));
    if (copying->replaced)
        tell(copying, ARCHIVE_COPY_REMARK, NULL, "%s/%s is damaged and is written anew",
             tier_name(copying->to), ARCHIVE_CATALOGUE);
}

static gboolean
run(Copying *copying, GError **error)
{
    gboolean is_stream = strcmp(copying->config->from, "-") == 0;

    if (!(is_stream ? open_stream(copying, error) : open_place(copying, error)) ||
        !archive_copy_relate(copying, error))
        return FALSE;
    remark(copying);
    if (!(is_stream ? copy_stream(copying, error) : copy_volumes(copying, error)) ||
        !copy_keys(copying, error) || !go_on(copying, error) ||
        !archive_copy_commit(copying, error) || !remove_expired(copying, error))
        return FALSE;
    if (!copying->parted)
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_INTERRUPTED,
                "%s has entries of its own, and %s is ahead of it: pull first",
                copying->config->from, tier_name(copying->to));
    return FALSE;
}

gboolean
archive_copy(const ArchiveCopyConfig *config, ArchiveCopyReport *report, GError **error)
{
    Copying copying = {.config = config, .report = report};

    *report = (ArchiveCopyReport){0};
    gboolean good = run(&copying, error);
    archive_copy_clear(&copying);
    return good;
}
