/* bill_conflicts.h - collects the conflicts that a scan meets, beside the metering, and gives those
 * that concern the bill as lines of conflicts.ndjson, sorted.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_CONFLICTS_H
#define MILLRACE_JOBS_BILL_CONFLICTS_H

#include <glib.h>

#include "jobs/bill_inputs.h"
#include "jobs/bill_meter.h"
#include "mr/gather.h"

typedef struct _BillConflicts BillConflicts;
/* meter: gets the events. Both borrowed. */
BillConflicts *bill_conflicts_new(Meter *meter, const BillInputs *inputs, guint thread_count);
void bill_conflicts_free(BillConflicts *conflicts);

/* The visitor's data is the BillConflicts; events are passed on to the meter. */
extern const ScanVisitor bill_conflicts_visitor;

/* After the scan: how many copies the conflicts have that concern this bill: one copy counts for
 * the period that is billed, or for one that is corrected and a copy was not known when that was
 * closed. Others have had their month. */
guint64 bill_conflicts_count(const BillConflicts *conflicts);
/* After the scan: the next conflict of this rank by (source, id), as gather() wants it. */
int bill_conflicts_next(BillConflicts *conflicts, GatherItem *item);

#endif
