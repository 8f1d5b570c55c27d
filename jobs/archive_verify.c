/* archive_verify.c - an archive's volumes against its catalogue. Checks take hours and the lock is
 * for writers, so nothing is locked meanwhile: results are noted now and then, each time in the
 * catalogue as it is by then.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_verify.h"

#include <string.h>

#include "formats/sha256.h"
#include "jobs/archive_tape.h"

enum { NOTE_EVERY_US = 60 * G_USEC_PER_SEC };

/* A result that is not in the catalogue yet. */
typedef struct {
    char volume[VOLUME_NAME_CHARS + 1];
    VerifyResult result;
} Note;

typedef struct {
    const ArchiveVerifyConfig *config;
    ArchiveVerifyReport *report;
    Archive *archive;
    GArray *notes; /* of Note */
    gint64 noted_us;
} Verify;

const char *
verify_result_name(VerifyResult result)
{
    static const char *const names[] = {"intact", "damaged", "missing", "recent"};

    g_assert((guint)result < G_N_ELEMENTS(names));
    return names[result];
}

VerifyResult
verify_result(const VolumeFindings *findings)
{
    if (findings->missing[VOLUME_TAR])
        return VERIFY_MISSING;
    return findings->texts->len > 0 ? VERIFY_DAMAGED : VERIFY_INTACT;
}

void
archive_verify_report_clear(ArchiveVerifyReport *report)
{
    g_clear_pointer(&report->keys, g_ptr_array_unref);
    g_clear_pointer(&report->uncommitted, g_ptr_array_unref);
    g_clear_pointer(&report->expired, g_ptr_array_unref);
    g_clear_pointer(&report->not_noted, g_free);
}

/* Checks one of the two small files by the catalogue's digest. FALSE when it is out of reach. */
static gboolean
check_small(Archive *archive, const CatalogueVolume *volume, VolumeFile file, const char *expected,
            VolumeFindings *findings, GError **error)
{
    g_autofree char *path = volume_path(volume->name, file);
    g_autoptr(GError) failure = NULL;
    gsize size_bytes = 0;
    char sha256[SHA256_CHARS + 1];
    g_autofree char *text =
        tier_read_all(archive->tier, path, VOLUME_MANIFEST_MAX, &size_bytes, &failure);

    if (!text && !volume_is_damage(failure)) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    findings->missing[file] = g_error_matches(failure, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT);
    if (text)
        sha256_hex(text, size_bytes, sha256);
    if (!text)
        volume_findings_add(findings, file, "%s%s: %s", volume->name, volume_suffix(file),
                            findings->missing[file] ? "missing" : failure->message);
    else if (strcmp(sha256, expected) != 0)
        volume_findings_add(findings, file, "%s%s: its SHA-256 is %s, but %s in the catalogue",
                            volume->name, volume_suffix(file), sha256, expected);
    return TRUE;
}

/* Opens what is there of the volume's large files. FALSE when they are out of reach. */
static gboolean
open_files(Archive *archive, const CatalogueVolume *volume, TierFile **files,
           VolumeFindings *findings, GError **error)
{
    for (VolumeFile file = VOLUME_TAR; file <= VOLUME_PARITY; file++) {
        g_autofree char *path = volume_path(volume->name, file);
        g_autoptr(GError) failure = NULL;
        files[file] = tier_file_open(archive->tier, path, &failure);
        if (files[file] || g_error_matches(failure, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT))
            continue;
        if (!volume_is_damage(failure)) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return FALSE;
        }
        volume_findings_add(findings, file, "%s%s: %s", volume->name, volume_suffix(file),
                            failure->message);
    }
    return TRUE;
}

/* Checks manifest and signature. *good: do they hold? */
static gboolean
check_manifest(Archive *archive, const CatalogueVolume *volume, VolumeManifest *manifest,
               VolumeFindings *findings, gboolean *good, GError **error)
{
    g_autoptr(GError) failure = NULL;

    *good = FALSE;
    if (!check_small(archive, volume, VOLUME_MANIFEST, volume->manifest, findings, error) ||
        !check_small(archive, volume, VOLUME_MINISIG, volume->minisig, findings, error))
        return FALSE;
    if (findings->damaged[VOLUME_MANIFEST] || findings->damaged[VOLUME_MINISIG])
        return TRUE;
    *good = archive_manifest(archive, volume, manifest, &failure);
    if (*good)
        return TRUE;
    if (!volume_is_damage(failure)) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    volume_findings_add(findings, VOLUME_MANIFEST, "%s", failure->message);
    return TRUE;
}

gboolean
archive_verify_volume(Archive *archive, const CatalogueVolume *volume, const VerifyScope *scope,
                      guint threads, VolumeManifest *manifest, VolumeFindings *findings,
                      GError **error)
{
    TierFile *files[VOLUME_PARITY + 1] = {NULL};
    gboolean known = FALSE;

    gboolean good = check_manifest(archive, volume, manifest, findings, &known, error) &&
                    open_files(archive, volume, files, findings, error);
    if (good && known) {
        VolumeVerify how = {.manifest = manifest, .scope = scope, .threads = threads};
        memcpy(how.files, files, sizeof files);
        good = volume_verify(&how, findings, error);
    } else if (good) {
        /* Nothing says what the others should be, but that they should be there. */
        findings->missing[VOLUME_TAR] = !files[VOLUME_TAR] && !findings->damaged[VOLUME_TAR];
        g_ptr_array_add(
            findings->texts,
            g_strdup_printf("%s: its other files cannot be checked without these", volume->name));
    }
    for (guint i = 0; i < G_N_ELEMENTS(files); i++)
        if (files[i])
            tier_file_close(files[i]);
    return good;
}

/* Writes the results that are due to the catalogue as it is now. That it cannot be written says
 * nothing of the volumes. */
static void
write_notes(Verify *verify)
{
    ArchiveOpen how = verify->config->open;
    g_autoptr(GError) error = NULL;

    verify->noted_us = g_get_monotonic_time();
    if (verify->notes->len == 0 || verify->report->not_noted)
        return;
    if (!how.where) {
        verify->report->not_noted = g_strdup("a stream cannot be written");
        return;
    }
    how.write = TRUE;
    g_autoptr(Archive) archive = archive_open(&how, &error);
    for (guint i = 0; archive && i < verify->notes->len; i++) {
        const Note *note = &g_array_index(verify->notes, Note, i);
        const CatalogueVolume *volume = catalogue_volume(archive->catalogue, note->volume);
        CatalogueEntry entry = {.kind = CATALOGUE_CHECK,
                                .volume = note->volume,
                                .result = verify_result_name(note->result),
                                .scope = verify_scope_name(&verify->config->scope)};
        if (!volume || volume->expired)
            continue;
        archive_note(archive, &entry);
    }
    if (archive && archive_commit(archive, NULL, &error)) {
        verify->report->noted += verify->notes->len;
        g_array_set_size(verify->notes, 0);
    } else {
        verify->report->not_noted = g_strdup(error->message);
    }
}

/* Files are removed when a volume expires, which may have been meanwhile. */
static gboolean
has_expired(const Verify *verify, const char *name)
{
    g_autoptr(Archive) archive =
        verify->config->open.where ? archive_open(&verify->config->open, NULL) : NULL;
    const CatalogueVolume *volume = archive ? catalogue_volume(archive->catalogue, name) : NULL;

    return volume && volume->expired;
}

static gboolean
verify_one(Verify *verify, const CatalogueVolume *volume, GError **error)
{
    const ArchiveVerifyConfig *config = verify->config;
    g_auto(VolumeFindings) findings = {0};
    g_auto(VolumeManifest) manifest = {0};
    ArchiveVerified verified = {.volume = volume, .findings = &findings};
    Note note = {.result = VERIFY_YOUNG};

    volume_findings_init(&findings);
    if (config->max_age_us > 0 && g_strcmp0(volume->check_result, "intact") == 0 &&
        volume->checked_us > verify->archive->now_us - config->max_age_us) {
        verified.result = VERIFY_YOUNG;
    } else {
        if (!archive_verify_volume(verify->archive, volume, &config->scope, config->threads,
                                   &manifest, &findings, error))
            return FALSE;
        verified.result = verify_result(&findings);
        if (verified.result != VERIFY_INTACT && has_expired(verify, volume->name))
            return TRUE;
        verify->report->frame_count += findings.frame_count;
        verify->report->frames_read += findings.frames_read;
        note.result = verified.result;
        g_strlcpy(note.volume, volume->name, sizeof note.volume);
        if (config->note)
            g_array_append_val(verify->notes, note);
    }
    verify->report->count[verified.result]++;
    config->on_verified(&verified, config->data);
    if (g_get_monotonic_time() - verify->noted_us >= NOTE_EVERY_US)
        write_notes(verify);
    return TRUE;
}

/* Which of the volume's files is this? VOLUME_FILES when it is none. */
static VolumeFile
file_of(const char *name, char volume[VOLUME_NAME_CHARS + 1])
{
    g_strlcpy(volume, name, VOLUME_NAME_CHARS + 1);
    if (!volume_is_name(volume))
        return VOLUME_FILES;
    for (VolumeFile file = 0; file < VOLUME_FILES; file++)
        if (strcmp(name + VOLUME_NAME_CHARS, volume_suffix(file)) == 0)
            return file;
    return VOLUME_FILES;
}

/* Files are there before their pack is committed, so the catalogue is read again behind them. */
static gboolean
find_strays(Verify *verify, GError **error)
{
    g_autoptr(GPtrArray) names = tier_list(verify->archive->tier, ARCHIVE_VOLUMES, error);
    g_autoptr(Archive) now = names ? archive_open(&verify->config->open, error) : NULL;
    char name[VOLUME_NAME_CHARS + 1];

    if (!now)
        return FALSE;
    for (guint i = 0; i < names->len; i++) {
        gboolean ours = file_of(names->pdata[i], name) != VOLUME_FILES;
        const CatalogueVolume *volume = ours ? catalogue_volume(now->catalogue, name) : NULL;
        if (!volume)
            g_ptr_array_add(verify->report->uncommitted, g_strdup(names->pdata[i]));
        else if (volume->expired)
            g_ptr_array_add(verify->report->expired, g_strdup(names->pdata[i]));
    }
    return TRUE;
}

/* A key under its own name that is trusted by its number must be that one. */
static gboolean
is_key(const Verify *verify, const char *name, const char *text)
{
    MinisignPublic key;
    char id[MINISIGN_ID_CHARS + 1];

    if (!minisign_public_parse(name, text, &key, NULL))
        return FALSE;
    minisign_id(&key, id);
    for (guint i = 0; i < verify->archive->trusted->len; i++) {
        const MinisignPublic *trusted = &g_array_index(verify->archive->trusted, MinisignPublic, i);
        if (memcmp(trusted->number, key.number, sizeof key.number) == 0 &&
            memcmp(trusted, &key, sizeof key) != 0)
            return FALSE;
    }
    return g_str_has_prefix(name, id) && strcmp(name + MINISIGN_ID_CHARS, ".pub") == 0;
}

static gboolean
check_keys(Verify *verify, GError **error)
{
    g_autoptr(GPtrArray) names = tier_list(verify->archive->tier, ARCHIVE_KEYS, error);

    if (!names)
        return FALSE;
    for (guint i = 0; i < names->len; i++) {
        const char *name = names->pdata[i];
        g_autofree char *path = g_strdup_printf("%s/%s", ARCHIVE_KEYS, name);
        g_autofree char *text =
            tier_read_all(verify->archive->tier, path, MINISIGN_TEXT_MAX_BYTES, NULL, NULL);
        if (g_str_has_suffix(name, ".pub") && (!text || !is_key(verify, name, text)))
            g_ptr_array_add(verify->report->keys, g_strdup(path));
    }
    return TRUE;
}

static gboolean
verify_all(Verify *verify, GError **error)
{
    const GPtrArray *volumes = catalogue_volumes(verify->archive->catalogue);

    for (guint i = 0; i < volumes->len; i++) {
        const CatalogueVolume *volume = volumes->pdata[i];
        if (!volume->expired && !verify_one(verify, volume, error))
            return FALSE;
    }
    return find_strays(verify, error) && check_keys(verify, error);
}

/* A volume of the stream's catalogue that the stream has not. */
static void
tell_absent(Verify *verify, const CatalogueVolume *volume)
{
    g_auto(VolumeFindings) findings = {0};
    const ArchiveVerified verified = {
        .volume = volume, .result = VERIFY_MISSING, .findings = &findings};

    volume_findings_init(&findings);
    volume_findings_add(&findings, VOLUME_TAR, "%s: not in the stream", volume->name);
    verify->report->count[VERIFY_MISSING]++;
    verify->config->on_verified(&verified, verify->config->data);
}

static gboolean
verify_stream(Verify *verify, ArchiveTape *tape, GError **error)
{
    const CatalogueVolume *volume = NULL;
    int more = 0;

    while ((more = archive_tape_next(tape, &volume, error)) > 0)
        if (!verify_one(verify, volume, error))
            return FALSE;
    const GPtrArray *volumes = catalogue_volumes(verify->archive->catalogue);
    for (guint i = 0; more == 0 && i < volumes->len; i++) {
        volume = volumes->pdata[i];
        if (!volume->expired && !archive_tape_has_seen(tape, volume->name))
            tell_absent(verify, volume);
    }
    return more == 0 && check_keys(verify, error);
}

gboolean
archive_verify(const ArchiveVerifyConfig *config, ArchiveVerifyReport *report, GError **error)
{
    const ArchiveOpen *open = &config->open;
    Verify verify = {.config = config, .report = report, .noted_us = g_get_monotonic_time()};
    g_autoptr(ArchiveTape) tape = NULL;
    g_autoptr(Archive) archive = NULL;

    *report = (ArchiveVerifyReport){.keys = g_ptr_array_new_with_free_func(g_free),
                                    .uncommitted = g_ptr_array_new_with_free_func(g_free),
                                    .expired = g_ptr_array_new_with_free_func(g_free)};
    if (open->where)
        archive = archive_open(open, error);
    else
        tape = archive_tape_open(config->stream_fd, config->scratch, open->trust, error);
    if (!archive && !tape)
        return FALSE;
    verify.archive = tape ? archive_tape_archive(tape) : archive;
    report->trusted = verify.archive->trusted->len > 0;
    report->torn_bytes = catalogue_torn_bytes(verify.archive->catalogue);
    verify.notes = g_array_new(FALSE, FALSE, sizeof(Note));
    gboolean good = tape ? verify_stream(&verify, tape, error) : verify_all(&verify, error);
    write_notes(&verify);
    g_array_unref(verify.notes);
    return good;
}
