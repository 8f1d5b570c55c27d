/* bill_verify.h - computes a run's arithmetic again, from its own files alone.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_VERIFY_H
#define MILLRACE_JOBS_BILL_VERIFY_H

#include <glib.h>

#include "jobs/bill_folder.h"

/* Checks: digests and sizes of the files against proof.json; both sides of every invariant; every
 * usage, discount and true-up line by rating what its customer metered anew; lines against
 * statements, statements against totals, focus.csv against both; then every byte of proof.json
 * against what all that gives. Appends findings, a sentence each, to be freed.
 * Returns FALSE and error when files cannot be read at all. */
gboolean bill_verify(const BillFolder *folder, GPtrArray *findings, GError **error);

#endif
