/* bulk_unpack.h - an uploaded tar becomes plain files beneath a folder.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BULK_UNPACK_H
#define MILLRACE_JOBS_BULK_UNPACK_H

#include "jobs/bulk_submit.h"

#define BULK_MEMBERS "members" /* names of what was unpacked, each with a NUL behind it */

/* Do the first bytes begin a tar, or one that is compressed? They are what pread() gives of
 * BULK_HEAD_BYTES. */
#define BULK_HEAD_BYTES 512
gboolean bulk_is_tar(const guint8 *head, gsize size_bytes);

/* Unpacks the tar in fd beneath stage_fd/inputs, durably; its manifest to stage_fd/sent, and
 * what else there is into stage_fd/members. *manifest: (out) (transfer full) the manifest's name,
 * or NULL. FALSE and MILLRACE_ERROR_BAD_INPUT that names the member, MILLRACE_ERROR_IO. */
gboolean bulk_unpack(int fd, int stage_fd, const BulkLimits *limits, char **manifest,
                     GError **error);

#endif
