/* volume_verify.c - a volume against its manifest: index, frames, records, parity.
 * The index need not be in the tar's order, so its lines and those that the volume gives are
 * compared as sets, by sums of hashes: nothing is kept, whatever the number of records. (What is
 * compared is two halves of what one key signed; it is mistakes that are looked for.)
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/volume_verify.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "formats/fingerprint.h"
#include "jobs/volume_read.h"

enum {
    PIECE_BYTES = 1 << 20,
    /* A record's own header is not more; one that nearly fills its frame is not parsed alone. */
    HEADER_ROOM_BYTES = 64 << 10
};

/* A set of lines. */
typedef struct {
    guint64 count;
    guint64 sums[2];
} LineSet;

/* What the index tells of a frame, where only some are read. */
typedef struct {
    LineSet lines;
    gboolean begins; /* a record begins where it does */
} FrameLines;

typedef struct {
    const VolumeVerify *how;
    VolumeFindings *findings;
    VolumeTar *tar;     /* NULL where it cannot be read */
    guint8 *wanted;     /* frames to be read; NULL: all */
    FrameLines *frames; /* as wanted */
    gboolean index_read;
    LineSet expected; /* by the index */
    LineSet found;    /* in the volume */
    GString *line;
    /* Of the index: */
    Merkle tree;
    Sha256 *sha256;
    guint64 record_count;
    guint64 record_bytes;
} Verifying;

gboolean
verify_scope_parse(const char *text, VerifyScope *scope, GError **error)
{
    const char *slash = strchr(text, '/');
    gsize size = strlen(text);
    char *end = NULL;

    *scope = (VerifyScope){0};
    if (slash && size < sizeof scope->text && strspn(text, "0123456789/") == size &&
        g_ascii_isdigit(text[0]) && g_ascii_isdigit(slash[1])) {
        scope->part = g_ascii_strtoull(text, NULL, 10);
        scope->parts = g_ascii_strtoull(slash + 1, &end, 10);
        if (*end == '\0' && scope->part >= 1 && scope->part <= scope->parts &&
            scope->parts <= G_MAXUINT32) {
            g_snprintf(scope->text, sizeof scope->text, "%" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT,
                       scope->part, scope->parts);
            return TRUE;
        }
    }
    if (size >= 2 && size < sizeof scope->text && text[size - 1] == '%' &&
        strspn(text, "0123456789.") == size - 1) {
        scope->percent = g_ascii_strtod(text, &end);
        if (end == text + size - 1 && scope->percent > 0 && scope->percent <= 100) {
            g_strlcpy(scope->text, text, sizeof scope->text);
            scope->parts = 0;
            return TRUE;
        }
    }
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                "--sample=%s: expected N/T, as in 2/12 (the second of twelve parts), or P%%, as in "
                "5%%",
                text);
    *scope = (VerifyScope){0};
    return FALSE;
}

gboolean
verify_scope_is_whole(const VerifyScope *scope)
{
    return *scope->text == '\0';
}

const char *
verify_scope_name(const VerifyScope *scope)
{
    return verify_scope_is_whole(scope) ? "whole" : scope->text;
}

void
volume_findings_init(VolumeFindings *findings)
{
    *findings = (VolumeFindings){.texts = g_ptr_array_new_with_free_func(g_free)};
}

void
volume_findings_clear(VolumeFindings *findings)
{
    g_clear_pointer(&findings->texts, g_ptr_array_unref);
}

void
volume_findings_add(VolumeFindings *findings, VolumeFile file, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_ptr_array_add(findings->texts, g_strdup_vprintf(format, arguments));
    va_end(arguments);
    findings->damaged[file] = TRUE;
}

gboolean
volume_is_damage(const GError *error)
{
    return g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT) ||
           g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_IO) ||
           g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT) ||
           g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT);
}

/* Makes a finding of a failure that is one. TRUE then; else it is passed on. */
static gboolean
take_failure(Verifying *verifying, VolumeFile file, GError *failure, GError **error)
{
    if (!volume_is_damage(failure)) {
        g_propagate_error(error, failure);
        return FALSE;
    }
    /* Messages of frames have the name in front. */
    gboolean named = strstr(failure->message, verifying->how->manifest->volume) != NULL;
    volume_findings_add(verifying->findings, file, "%s%s%s%s",
                        named ? "" : verifying->how->manifest->volume,
                        named ? "" : volume_suffix(file), named ? "" : ": ", failure->message);
    g_error_free(failure);
    return TRUE;
}

static void
add_finding(Verifying *verifying, VolumeFile file, const char *what)
{
    volume_findings_add(verifying->findings, file, "%s%s: %s", verifying->how->manifest->volume,
                        volume_suffix(file), what);
}

/* Is the file there, and as long as it should be? Longer and shorter ones are read all the same. */
static gboolean
is_there(Verifying *verifying, VolumeFile file)
{
    const TierFile *there = verifying->how->files[file];
    guint64 expected = verifying->how->manifest->size_bytes[file];

    if (!there) {
        if (!verifying->findings->damaged[file]) {
            verifying->findings->missing[file] = TRUE;
            add_finding(verifying, file, "missing");
        }
        return FALSE;
    }
    if (tier_file_size(there) != expected)
        volume_findings_add(
            verifying->findings, file,
            "%s%s: it has %" G_GUINT64_FORMAT " bytes, and should have %" G_GUINT64_FORMAT,
            verifying->how->manifest->volume, volume_suffix(file), tier_file_size(there), expected);
    return TRUE;
}

static void
check_digest(Verifying *verifying, VolumeFile file, const char *sha256)
{
    const char *expected = verifying->how->manifest->sha256[file];

    if (strcmp(sha256, expected) != 0)
        volume_findings_add(
            verifying->findings, file, "%s%s: its SHA-256 is %s, but %s in the manifest",
            verifying->how->manifest->volume, volume_suffix(file), sha256, expected);
}

static void
set_add(LineSet *set, const char *line, gsize size_bytes)
{
    set->count++;
    for (guint i = 0; i < G_N_ELEMENTS(set->sums); i++)
        set->sums[i] += fingerprint_seeded(line, size_bytes, i);
}

static void
set_join(LineSet *set, const LineSet *other)
{
    set->count += other->count;
    for (guint i = 0; i < G_N_ELEMENTS(set->sums); i++)
        set->sums[i] += other->sums[i];
}

static gboolean
on_line(const VolumeRecord *record, const char *line, gsize size_bytes, gpointer data,
        GError **error G_GNUC_UNUSED)
{
    Verifying *verifying = data;

    merkle_add(&verifying->tree, line, size_bytes);
    sha256_add(verifying->sha256, line, size_bytes);
    sha256_add(verifying->sha256, "\n", 1);
    verifying->record_count++;
    verifying->record_bytes += record->size_bytes;
    if (!verifying->wanted) {
        set_add(&verifying->expected, line, size_bytes);
    } else if (record->frame < volume_tar_frame_count(verifying->tar)) {
        FrameLines *frame = &verifying->frames[record->frame];
        guint32 room = volume_tar_frame(verifying->tar, record->frame)->bytes;
        set_add(&frame->lines, line, size_bytes);
        if (record->offset == 0)
            frame->begins = room > HEADER_ROOM_BYTES
                                ? record->size_bytes <= room - HEADER_ROOM_BYTES
                                : record->size_bytes <= room / 2;
    }
    return TRUE;
}

static gboolean
check_index(Verifying *verifying, GError **error)
{
    const VolumeManifest *manifest = verifying->how->manifest;
    GError *failure = NULL;
    char sha256[SHA256_CHARS + 1];
    guint8 root[MERKLE_BYTES];

    if (!is_there(verifying, VOLUME_INDEX))
        return TRUE;
    if (!volume_index_each(verifying->how->files[VOLUME_INDEX], on_line, verifying, &failure))
        return take_failure(verifying, VOLUME_INDEX, failure, error);
    sha256_finish(verifying->sha256, sha256);
    merkle_root(&verifying->tree, root);
    verifying->index_read = TRUE;
    check_digest(verifying, VOLUME_INDEX, sha256);
    if (memcmp(root, manifest->root, sizeof root) != 0)
        add_finding(verifying, VOLUME_INDEX, "its Merkle root is not that of the manifest");
    if (verifying->record_count != manifest->record_count ||
        verifying->record_bytes != manifest->record_bytes)
        add_finding(verifying, VOLUME_INDEX, "its records are not those of the manifest");
    return TRUE;
}

/* Chooses the frames of the sample. */
static void
choose_frames(Verifying *verifying)
{
    const VerifyScope *scope = verifying->how->scope;
    guint64 count = volume_tar_frame_count(verifying->tar);
    guint64 left = (guint64)ceil((double)count * scope->percent / 100);

    verifying->wanted = g_malloc0(MAX(count, 1));
    verifying->frames = g_new0(FrameLines, MAX(count, 1));
    for (guint64 i = 0; i < count; i++) {
        gboolean chosen = scope->parts > 0 ? i % scope->parts == scope->part - 1
                                           : g_random_double() * (double)(count - i) < (double)left;
        if (!chosen)
            continue;
        verifying->wanted[i] = VOLUME_FRAME_READ;
        left -= left > 0;
    }
}

/* What the index tells of the frames that can be parsed alone. */
static void
expect_sample(Verifying *verifying)
{
    for (guint64 i = 0; verifying->index_read && i < volume_tar_frame_count(verifying->tar); i++) {
        if (verifying->wanted[i] == VOLUME_FRAME_SKIP || !verifying->frames[i].begins)
            continue;
        verifying->wanted[i] = VOLUME_FRAME_PARSE;
        set_join(&verifying->expected, &verifying->frames[i].lines);
    }
}

static gboolean
on_record(const VolumeRecord *record, gpointer data, GError **error G_GNUC_UNUSED)
{
    Verifying *verifying = data;

    g_string_truncate(verifying->line, 0);
    volume_record_print(record, verifying->line);
    set_add(&verifying->found, verifying->line->str, verifying->line->len - 1);
    return TRUE;
}

static gboolean
open_tar(Verifying *verifying, GError **error)
{
    const VolumeManifest *manifest = verifying->how->manifest;
    GError *failure = NULL;

    verifying->findings->frame_count = manifest->frame_count;
    if (!is_there(verifying, VOLUME_TAR))
        return TRUE;
    g_autofree char *name = g_strconcat(manifest->volume, volume_suffix(VOLUME_TAR), NULL);
    verifying->tar = volume_tar_open(verifying->how->files[VOLUME_TAR], name, &failure);
    if (!verifying->tar)
        return take_failure(verifying, VOLUME_TAR, failure, error);
    if (volume_tar_frame_count(verifying->tar) != manifest->frame_count)
        add_finding(verifying, VOLUME_TAR, "it has not as many frames as the manifest says");
    if (!verify_scope_is_whole(verifying->how->scope))
        choose_frames(verifying);
    return TRUE;
}

static gboolean
check_tar(Verifying *verifying, GError **error)
{
    GError *failure = NULL;

    if (!verifying->tar)
        return TRUE;
    if (verifying->wanted)
        expect_sample(verifying);
    VolumeScan scan = {.threads = verifying->how->threads,
                       .on_record = on_record,
                       .data = verifying,
                       .wanted = verifying->wanted};
    gboolean good = volume_scan(verifying->tar, &scan, &failure);
    verifying->findings->frames_read = scan.frames_read;
    if (!good)
        return take_failure(verifying, VOLUME_TAR, failure, error);
    if (!verifying->wanted)
        check_digest(verifying, VOLUME_TAR, scan.sha256);
    if (verifying->index_read &&
        memcmp(&verifying->expected, &verifying->found, sizeof verifying->found) != 0)
        add_finding(verifying, verifying->findings->damaged[VOLUME_TAR] ? VOLUME_TAR : VOLUME_INDEX,
                    "the index does not tell what the volume holds");
    return TRUE;
}

static gboolean
check_parity_digest(Verifying *verifying, GError **error)
{
    TierFile *file = verifying->how->files[VOLUME_PARITY];
    g_autofree guint8 *piece = g_malloc(PIECE_BYTES);
    char sha256[SHA256_CHARS + 1];
    GError *failure = NULL;
    gssize got = 0;

    if (!is_there(verifying, VOLUME_PARITY))
        return TRUE;
    for (guint64 offset = 0; (got = tier_file_read(file, offset, piece, PIECE_BYTES, &failure)) > 0;
         offset += (guint64)got)
        sha256_add(verifying->sha256, piece, (gsize)got);
    sha256_finish(verifying->sha256, sha256);
    if (got < 0)
        return take_failure(verifying, VOLUME_PARITY, failure, error);
    check_digest(verifying, VOLUME_PARITY, sha256);
    return TRUE;
}

/* The two files of a comparison. */
typedef struct {
    TierFile *tar;
    TierFile *parity;
} Both;

static gssize
read_tar(gpointer data, guint64 offset, void *out, gsize size_bytes, GError **error)
{
    return tier_file_read(((const Both *)data)->tar, offset, out, size_bytes, error);
}

static gssize
read_parity(gpointer data, guint64 offset, void *out, gsize size_bytes, GError **error)
{
    return tier_file_read(((const Both *)data)->parity, offset, out, size_bytes, error);
}

gboolean
volume_check_parity(TierFile *tar, TierFile *parity, const VolumeManifest *manifest,
                    ParityReport *report, GError **error)
{
    Both both = {tar, parity};
    ParityFiles files = {.read_file = read_tar,
                         .read_parity = read_parity,
                         .file_bytes = tar ? tier_file_size(tar) : 0,
                         .parity_bytes = tier_file_size(parity),
                         .data = &both};

    if (!parity_check(&files, report, error))
        return FALSE;
    if (report->file_bytes == manifest->size_bytes[VOLUME_TAR] &&
        report->shape.data == manifest->parity.data &&
        report->shape.parity == manifest->parity.parity)
        return TRUE;
    g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                        "it is the parity of another file");
    return FALSE;
}

/* Says what parity can do for a damaged volume; or that it does not fit an intact one. */
static void
tell_parity(Verifying *verifying, const ParityReport *report)
{
    const char *volume = verifying->how->manifest->volume;
    VolumeFindings *findings = verifying->findings;
    guint64 size_bytes =
        verifying->how->files[VOLUME_TAR] ? tier_file_size(verifying->how->files[VOLUME_TAR]) : 0;

    if (!findings->damaged[VOLUME_TAR] && !findings->damaged[VOLUME_PARITY]) {
        if (report->data_damaged + report->parity_damaged > 0)
            add_finding(verifying, VOLUME_PARITY, "it does not fit the volume");
        return;
    }
    if (!findings->damaged[VOLUME_TAR])
        return;
    findings->mendable =
        report->stripes_beyond == 0 &&
        (report->data_damaged + report->stripes_unproven > 0 || size_bytes != report->file_bytes);
    g_autoptr(GString) text = g_string_new(NULL);
    g_string_printf(text,
                    "%s%s: %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                    " blocks of %" G_GUINT64_FORMAT " bytes are damaged, and %" G_GUINT64_FORMAT
                    " of %" G_GUINT64_FORMAT " parts of its parity",
                    volume, volume_suffix(VOLUME_TAR), report->data_damaged, report->data_count,
                    report->block_bytes, report->parity_damaged, report->parity_count);
    if (report->stripes_beyond > 0)
        g_string_append_printf(text,
                               ": %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                               " stripes are beyond repair by parity",
                               report->stripes_beyond, report->stripe_count);
    else if (report->stripes_unproven > 0)
        g_string_append_printf(
            text,
            ": parity may bring them back; it has lost all hashes of %" G_GUINT64_FORMAT
            " of %" G_GUINT64_FORMAT " stripes",
            report->stripes_unproven, report->stripe_count);
    else if (findings->mendable)
        g_string_append(text, ": parity can bring them back");
    g_ptr_array_add(findings->texts, g_string_free(g_steal_pointer(&text), FALSE));
}

/* Reads the volume once more, block by block. For a sample that is not worth it. */
static gboolean
check_parity_blocks(Verifying *verifying, GError **error)
{
    const VolumeVerify *how = verifying->how;
    ParityReport report;
    GError *failure = NULL;

    if (!how->files[VOLUME_PARITY] ||
        (verifying->wanted && !verifying->findings->damaged[VOLUME_TAR]))
        return TRUE;
    if (!volume_check_parity(how->files[VOLUME_TAR], how->files[VOLUME_PARITY], how->manifest,
                             &report, &failure))
        return take_failure(verifying, VOLUME_PARITY, failure, error);
    tell_parity(verifying, &report);
    return TRUE;
}

gboolean
volume_verify(const VolumeVerify *how, VolumeFindings *findings, GError **error)
{
    Verifying verifying = {.how = how, .findings = findings};
    gboolean has_parity = how->manifest->parity.data > 0;

    verifying.line = g_string_new(NULL);
    verifying.sha256 = sha256_new();
    gboolean good = open_tar(&verifying, error) && check_index(&verifying, error) &&
                    check_tar(&verifying, error);
    if (good && has_parity && verify_scope_is_whole(how->scope)) {
        sha256_free(verifying.sha256); /* an index that could not be read left its bytes in it */
        verifying.sha256 = sha256_new();
        good = check_parity_digest(&verifying, error);
    }
    good = good && (!has_parity || check_parity_blocks(&verifying, error));
    g_clear_pointer(&verifying.tar, volume_tar_free);
    g_free(verifying.wanted);
    g_free(verifying.frames);
    g_string_free(verifying.line, TRUE);
    sha256_free(verifying.sha256);
    return good;
}
