/* bill_sums.h - what every rank has counted, summed over the ranks.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_SUMS_H
#define MILLRACE_JOBS_BILL_SUMS_H

#include <glib.h>

#include "jobs/bill_proof.h"

/* *Collective.* Fills in what the proof says of events. */
void bill_sum_counts(Comm *comm, const PriceBook *book, const ScanCounts *counts,
                     const Meter *meter, BillProof *proof);
/* *Collective.* */
void bill_sum_totals(Comm *comm, const PriceBook *book, const BillTotals *totals, BillTotals *sum);
/* *Collective.* On rank 0 adds what all ranks have to writers (a set that owns its texts) and ops.
 */
gboolean bill_sum_shares(Comm *comm, const Meter *meter, GHashTable *writers, BillOps *ops,
                         GError **error);
/* *Collective.* Names of the closed periods that events have moved out of, see meter_moved(). The
 * same on every rank. (transfer full) */
GPtrArray *bill_sum_moved(Comm *comm, const BillInputs *inputs, const Meter *meter);

#endif
