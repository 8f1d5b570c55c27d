/* archive_repair.c - a volume's files, repaired one after the other: those that are needed for the
 * next ones first. Each is made again in a scratch file; only when its digest is right does the
 * tier write it over what was there. SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_repair.h"

#include <string.h>
#include <unistd.h>

#include "formats/sha256.h"
#include "jobs/archive_remake.h"
#include "jobs/volume_verify.h"

enum { PIECE_BYTES = 1 << 20 };

/* A volume being repaired. */
typedef struct {
    Archive *archive;
    VolumeManifest manifest;
    Remake remake;
    GArray *entries; /* of CatalogueEntry, to be noted */
    GPtrArray *strings;
    ArchiveRepairReport *report;
} Mend;

/* One way to make a file again. */
typedef struct {
    const char *by;
    gboolean (*make)(Remake *remake, VolumeFile file, int fd, GError **error);
} Means;

void
archive_repair_report_init(ArchiveRepairReport *report)
{
    report->done = g_ptr_array_new_with_free_func(g_free);
    report->left = g_ptr_array_new_with_free_func(g_free);
}

void
archive_repair_report_clear(ArchiveRepairReport *report)
{
    g_clear_pointer(&report->done, g_ptr_array_unref);
    g_clear_pointer(&report->left, g_ptr_array_unref);
}

/* Has the file the size and digest of the manifest? Returns 1, 0, -1 when it is out of reach. */
static int
is_right(const Mend *mend, VolumeFile file, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autoptr(TierFile) there = remake_open(&mend->remake, mend->archive->tier, file, &failure);
    g_autoptr(Sha256) sha256 = sha256_new();
    g_autofree guint8 *piece = g_malloc(PIECE_BYTES);
    char hex[SHA256_CHARS + 1];
    gssize got = 0;

    if (there && tier_file_size(there) != mend->manifest.size_bytes[file])
        return 0;
    for (guint64 offset = 0;
         there && (got = tier_file_read(there, offset, piece, PIECE_BYTES, &failure)) > 0;
         offset += (guint64)got)
        sha256_add(sha256, piece, (gsize)got);
    if (!failure) {
        sha256_finish(sha256, hex);
        return strcmp(hex, mend->manifest.sha256[file]) == 0;
    }
    if (volume_is_damage(failure))
        return 0;
    g_propagate_error(error, g_steal_pointer(&failure));
    return -1;
}

/* Remembers what was repaired, for the catalogue and the report. note: borrowed. */
static void
remember(Mend *mend, VolumeFile file, guint64 bytes, const char *note)
{
    char *name = g_strconcat(mend->remake.name, volume_suffix(file), NULL);
    CatalogueEntry entry = {.kind = CATALOGUE_REPAIR,
                            .volume = mend->remake.name,
                            .scope = name,
                            .bytes = bytes,
                            .note = note};

    g_ptr_array_add(mend->strings, name);
    g_array_append_val(mend->entries, entry);
    g_ptr_array_add(mend->report->done,
                    g_strdup_printf("%s: %" G_GUINT64_FORMAT " bytes from %s", name, bytes, note));
}

/* Tries one way. Returns 1, 0 when it gives nothing (reasons has why), -1 and error. */
static int
try_means(Mend *mend, const Means *means, VolumeFile file, GString *reasons, GError **error)
{
    g_autofree char *path = volume_path(mend->remake.name, file);
    g_autoptr(GError) failure = NULL;
    int fd = remake_scratch(mend->archive->tier, error);
    int tried = 0;

    if (fd < 0)
        return -1;
    if (!means->make(&mend->remake, file, fd, &failure) ||
        !remake_is_right(&mend->remake, file, fd, &failure))
        g_string_append_printf(reasons, "; %s: %s", means->by,
                               failure ? failure->message : "it cannot be read");
    else
        tried = tier_write_file(mend->archive->tier, path, fd, error) ? 1 : -1;
    close(fd);
    if (tried > 0)
        remember(mend, file, mend->remake.mended_bytes,
                 means->make == remake_by_copy ? tier_name(mend->remake.copy) : means->by);
    return tried;
}

/* Repairs one of the large files. *right: it holds now. */
static gboolean
mend_file(Mend *mend, VolumeFile file, gboolean *right, GError **error)
{
    const Means means[] = {file == VOLUME_TAR ? (Means){"parity", remake_by_parity}
                                              : (Means){"volume", remake_by_volume},
                           {"copy", remake_by_copy}};
    g_autoptr(GString) reasons = g_string_new(NULL);
    int done = is_right(mend, file, error);

    for (guint i = 0; done == 0 && i < G_N_ELEMENTS(means); i++)
        done = try_means(mend, &means[i], file, reasons, error);
    *right = done > 0;
    if (done == 0)
        g_ptr_array_add(mend->report->left,
                        g_strdup_printf("%s%s: cannot be repaired%s", mend->remake.name,
                                        volume_suffix(file), reasons->str));
    return done >= 0;
}

/* Reads a small file and compares it with the catalogue's digest. (transfer full), or NULL; error
 * only when the place is out of reach. */
static char *
read_small(const Mend *mend, Tier *tier, VolumeFile file, const char *sha256, gsize *size_bytes,
           GError **error)
{
    g_autofree char *path = volume_path(mend->remake.name, file);
    g_autoptr(GError) failure = NULL;
    char hex[SHA256_CHARS + 1];
    g_autofree char *text = tier_read_all(tier, path, VOLUME_MANIFEST_MAX, size_bytes, &failure);

    if (!text && !volume_is_damage(failure))
        g_propagate_error(error, g_steal_pointer(&failure));
    if (!text)
        return NULL;
    sha256_hex(text, *size_bytes, hex);
    return strcmp(hex, sha256) == 0 ? g_steal_pointer(&text) : NULL;
}

/* Manifest and signature cannot be made of anything: a copy has them, or nobody. */
static gboolean
mend_small(Mend *mend, VolumeFile file, const char *sha256, GError **error)
{
    g_autofree char *path = volume_path(mend->remake.name, file);
    GError *failure = NULL;
    gsize size_bytes = 0;
    g_autofree char *there =
        read_small(mend, mend->archive->tier, file, sha256, &size_bytes, &failure);

    if (failure)
        g_propagate_error(error, failure);
    if (there || failure)
        return there != NULL;
    g_autofree char *text =
        mend->remake.copy ? read_small(mend, mend->remake.copy, file, sha256, &size_bytes, &failure)
                          : NULL;
    if (!text) {
        g_ptr_array_add(mend->report->left,
                        g_strdup_printf("%s%s: cannot be repaired; copy: %s", mend->remake.name,
                                        volume_suffix(file),
                                        failure             ? failure->message
                                        : mend->remake.copy ? "it has none that holds"
                                                            : "no other archive was given"));
        g_clear_error(&failure);
        return TRUE;
    }
    if (!tier_write_all(mend->archive->tier, path, text, size_bytes, error))
        return FALSE;
    remember(mend, file, size_bytes, tier_name(mend->remake.copy));
    return TRUE;
}

static gboolean
mend_volume(Mend *mend, const CatalogueVolume *volume, GError **error)
{
    g_autoptr(GError) failure = NULL;
    gboolean right = FALSE;

    if (!mend_small(mend, VOLUME_MANIFEST, volume->manifest, error) ||
        !mend_small(mend, VOLUME_MINISIG, volume->minisig, error))
        return FALSE;
    if (mend->report->left->len > 0)
        return TRUE;
    if (!archive_manifest(mend->archive, volume, &mend->manifest, &failure)) {
        if (!volume_is_damage(failure)) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return FALSE;
        }
        g_ptr_array_add(mend->report->left, g_strdup(failure->message));
        return TRUE;
    }
    return mend_file(mend, VOLUME_TAR, &mend->remake.tar_right, error) &&
           mend_file(mend, VOLUME_INDEX, &right, error) &&
           (mend->manifest.parity.data == 0 || mend_file(mend, VOLUME_PARITY, &right, error));
}

gboolean
archive_repair_volume(Archive *archive, const char *volume, Tier *copy, guint threads,
                      ArchiveRepairReport *report, GError **error)
{
    const CatalogueVolume *known = catalogue_volume(archive->catalogue, volume);
    Mend mend = {.archive = archive,
                 .remake = {.tier = archive->tier, .copy = copy, .threads = threads},
                 .report = report};

    if (!known || known->expired) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT, "%s: %s", volume,
                    known ? "it has expired" : "the archive has no such volume");
        return FALSE;
    }
    mend.remake.manifest = &mend.manifest;
    g_strlcpy(mend.remake.name, volume, sizeof mend.remake.name);
    mend.entries = g_array_new(FALSE, FALSE, sizeof(CatalogueEntry));
    mend.strings = g_ptr_array_new_with_free_func(g_free);
    gboolean good = mend_volume(&mend, known, error);
    for (guint i = 0; i < mend.entries->len; i++)
        archive_note(archive, &g_array_index(mend.entries, CatalogueEntry, i));
    /* What was repaired is told of even when the rest failed. */
    good = archive_commit(archive, NULL, good ? error : NULL) && good;
    g_array_unref(mend.entries);
    g_ptr_array_unref(mend.strings);
    volume_manifest_clear(&mend.manifest);
    return good;
}
