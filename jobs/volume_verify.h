/* volume_verify.h - is a volume what its signed manifest says, to the last byte, or in a sample of
 * its frames? Only reads. SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_VOLUME_VERIFY_H
#define MILLRACE_JOBS_VOLUME_VERIFY_H

#include "formats/volume.h"
#include "jobs/tier.h"

/* How much of a volume is read. Plain data; zeroed: all of it. */
typedef struct {
    guint64 part; /* frames i with i mod parts = part - 1 ... */
    guint64 parts;
    double percent; /* ... or so many, drawn at random */
    char text[40];  /* as it was given; of all "" */
} VerifyScope;
/* Reads "2/12" or "5%". FALSE and MILLRACE_ERROR_USAGE. */
gboolean verify_scope_parse(const char *text, VerifyScope *scope, GError **error);
gboolean verify_scope_is_whole(const VerifyScope *scope);
/* "whole", or the sample: as the catalogue has it. */
const char *verify_scope_name(const VerifyScope *scope);

/* What was found. */
typedef struct {
    GPtrArray *texts; /* of char *: what is wrong; none when it is intact */
    gboolean damaged[VOLUME_FILES];
    gboolean missing[VOLUME_FILES]; /* damaged too */
    gboolean mendable; /* V.tar.zst is damaged, and parity can bring back all that is lost */
    guint64 frame_count;
    guint64 frames_read;
} VolumeFindings;
void volume_findings_init(VolumeFindings *findings);
void volume_findings_clear(VolumeFindings *findings);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VolumeFindings, volume_findings_clear)
void volume_findings_add(VolumeFindings *findings, VolumeFile file, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

typedef struct {
    const VolumeManifest *manifest;     /* whose signature has been checked */
    TierFile *files[VOLUME_PARITY + 1]; /* NULL: missing, or findings say why not */
    const VerifyScope *scope;
    guint threads;
} VolumeVerify;
/* Checks the index against manifest and Merkle root; every frame (or the sample's), every record
 * against the index, the file's digest; parity's digest, and that each of its blocks fits the
 * volume. FALSE only for what says nothing of the volume: a service that is out of reach.
 * findings: initialised by the caller. */
gboolean volume_verify(const VolumeVerify *how, VolumeFindings *findings, GError **error);

/* Compares a volume with its parity. *report holds when it returns TRUE; FALSE and
 * MILLRACE_ERROR_CORRUPT when parity has lost its headers or is another file's. tar: may be NULL.
 */
gboolean volume_check_parity(TierFile *tar, TierFile *parity, const VolumeManifest *manifest,
                             ParityReport *report, GError **error);

/* Does the failure tell that something stored is damaged (and not that it is out of reach)? */
gboolean volume_is_damage(const GError *error);

#endif
