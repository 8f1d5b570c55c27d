/* archive_plan.h - where every byte of the volumes will come from, before the first is read:
 * members in order → volumes → frames. A function of names and sizes alone, so that every rank has
 * the same. SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_ARCHIVE_PLAN_H
#define MILLRACE_JOBS_ARCHIVE_PLAN_H

#include "jobs/archive_inputs.h"

/* A frame: bytes of the tar that members make, one behind the other. */
typedef struct {
    guint64 member_offset; /* where it begins: in the tar bytes (header, data, padding) of member */
    guint32 member;
    guint32 size_bytes; /* of members' bytes */
    gboolean ends;      /* the tar: TAR_END_BYTES of zeros follow */
} ArchiveFrame;

typedef struct {
    guint member_first;
    guint member_end;
    guint64 frame_first;
    guint64 frame_end;
} ArchiveVolume;

typedef struct {
    const ArchiveInputs *inputs;
    GArray *frames;  /* of ArchiveFrame */
    GArray *volumes; /* of ArchiveVolume */
    GArray *large;   /* of guint: members that lie in more than one frame */
} ArchivePlan;

/* volume_max_bytes: of tar, to a volume; a member that is larger has one for itself.
 * inputs: borrowed. (transfer full), or NULL and MILLRACE_ERROR_BAD_INPUT (a name that tar cannot
 * say). */
ArchivePlan *archive_plan_new(const ArchiveInputs *inputs, guint64 volume_max_bytes,
                              GError **error);
void archive_plan_free(ArchivePlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ArchivePlan, archive_plan_free)

/* The digest of a member that lies whole in a frame. */
typedef struct {
    guint32 member;
    char sha256[65];
} ArchiveDigest;

/* Makes the bytes of frame index from the files. tar: emptied first. digests: emptied first, then
 * one for each member that lies whole in it, in order. A file that has another size or time of
 * change than in inputs is MILLRACE_ERROR_INTERRUPTED: run again. Any thread. */
gboolean archive_frame_make(const ArchivePlan *plan, guint64 index, GByteArray *tar,
                            GArray *digests, GError **error);
/* The digest of member index, of any size. Any thread. */
gboolean archive_member_digest(const ArchivePlan *plan, guint index, char sha256[65],
                               GError **error);

#endif
