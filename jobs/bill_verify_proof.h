/* bill_verify_proof.h - holds proof.json against everything else in a run's folder.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_VERIFY_PROOF_H
#define MILLRACE_JOBS_BILL_VERIFY_PROOF_H

#include <glib.h>

#include "jobs/bill_folder.h"
#include "jobs/bill_proof.h"

/* Prints the proof again: from the folder's files where they tell, and from the proof's own words
 * where only the store could. The same bytes must come out, so that no number of it can be another
 * one unless all that follows from it are others too.
 * files: as they are now. totals: of the lines and statements as they are now; hash unused.
 * Returns: NULL, or (transfer full) a sentence on the first difference. */
char *bill_verify_proof(const BillFolder *folder, GMappedFile *proof, const BillFileDigest *files,
                        guint file_count, const BillTotals *totals, guint64 conflict_count);

#endif
