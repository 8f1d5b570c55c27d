/* archive_prove.h - the proof of one record: that these bytes are among those that were packed and
 * signed, for somebody who has the record, the proof and the public key, and nothing else.
 * Bytes: formats/README.md, "Proof of a record"; examples/check-proof.py checks it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_ARCHIVE_PROVE_H
#define MILLRACE_JOBS_ARCHIVE_PROVE_H

#include "jobs/archive_select.h"

/* Appends the proof, LF included. record: KEY, or VOLUME:KEY where volumes have other bytes for it.
 * Volumes that cannot be searched are told to on_bad. FALSE and MILLRACE_ERROR_NO_INPUT (no such
 * record), MILLRACE_ERROR_BAD_INPUT (several), MILLRACE_ERROR_CORRUPT (index, manifest or signature
 * do not hold), MILLRACE_ERROR_IO. */
gboolean archive_prove(Archive *archive, const char *record, ArchiveOnBad on_bad, gpointer data,
                       GString *out, GError **error);

#endif
