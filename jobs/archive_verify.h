/* archive_verify.h - the volumes of an archive, checked one after the other.
 *
 *     catalogue → each live volume → manifest and signature → volume_verify.h
 *               → a check entry in the catalogue, where that can be written
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_ARCHIVE_VERIFY_H
#define MILLRACE_JOBS_ARCHIVE_VERIFY_H

#include "jobs/archive.h"
#include "jobs/volume_verify.h"

typedef enum {
    VERIFY_INTACT,
    VERIFY_DAMAGED,
    VERIFY_MISSING, /* V.tar.zst is not there */
    VERIFY_YOUNG    /* passed over: its last whole check is recent enough */
} VerifyResult;
/* "intact", "damaged", "missing", "recent". */
const char *verify_result_name(VerifyResult result);
VerifyResult verify_result(const VolumeFindings *findings);

/* Checks one volume: its small files against the catalogue, then by volume_verify(). manifest:
 * cleared by the caller; holds what there was when findings do not damage it. */
gboolean archive_verify_volume(Archive *archive, const CatalogueVolume *volume,
                               const VerifyScope *scope, guint threads, VolumeManifest *manifest,
                               VolumeFindings *findings, GError **error);

/* What is told of a volume as soon as it is known. */
typedef struct {
    const CatalogueVolume *volume;
    VerifyResult result;
    const VolumeFindings *findings;
} ArchiveVerified;
typedef void (*ArchiveOnVerified)(const ArchiveVerified *verified, gpointer data);

typedef struct {
    ArchiveOpen open; /* for reading; where is NULL: a stream ... */
    int stream_fd;
    const char *scratch; /* ... for whose volumes there must be room here, one at a time */
    VerifyScope scope;
    gint64 max_age_us; /* volumes whose last whole check is younger are passed over; 0: none */
    gboolean note;     /* in the catalogue; a stream has none that could be written */
    guint threads;
    ArchiveOnVerified on_verified;
    gpointer data;
} ArchiveVerifyConfig;

typedef struct {
    gboolean trusted; /* the signatures are by keys that were given */
    guint64 count[VERIFY_YOUNG + 1];
    guint64 frame_count; /* of all volumes that were looked at */
    guint64 frames_read;
    guint64 torn_bytes;     /* at the catalogue's end, which the next writer cuts off */
    GPtrArray *keys;        /* of char *: what is wrong with keys/ */
    GPtrArray *uncommitted; /* of char *: files of volumes that no pack tells of */
    GPtrArray *expired;     /* of char *: files of volumes that have expired */
    guint64 noted;
    char *not_noted; /* why the rest was not, or NULL */
} ArchiveVerifyReport;
void archive_verify_report_clear(ArchiveVerifyReport *report);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ArchiveVerifyReport, archive_verify_report_clear)

/* Verifies an archive. report: filled in as far as it came. FALSE when the archive cannot be
 * opened: MILLRACE_ERROR_CORRUPT, when its catalogue does not hold. */
gboolean archive_verify(const ArchiveVerifyConfig *config, ArchiveVerifyReport *report,
                        GError **error);

#endif
