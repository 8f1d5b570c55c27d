/* resize_results.h - from the ledgers to results.ndjson, the totals, and the proof that they agree.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_RESIZE_RESULTS_H
#define MILLRACE_JOBS_RESIZE_RESULTS_H

#include "jobs/resize_folder.h"

/* Reads all ledgers and usage logs of the folder, writes results.ndjson (rows in order) and fills
 * the report's totals, percentiles and invariants. report->row_count: of the manifest, as far as it
 * was read. */
gboolean resize_results_write(const ResizeFolder *folder, const GPtrArray *ledgers,
                              ResizeReport *report, GError **error);

#endif
