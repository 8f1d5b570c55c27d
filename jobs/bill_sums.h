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

#endif
