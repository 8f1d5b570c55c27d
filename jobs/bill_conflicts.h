/* bill_conflicts.h - collects the conflicts that a scan meets, beside the metering, and gives them
 * as lines of conflicts.ndjson, sorted.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_CONFLICTS_H
#define MILLRACE_JOBS_BILL_CONFLICTS_H

#include <glib.h>

#include "jobs/bill_meter.h"
#include "mr/gather.h"

typedef struct _BillConflicts BillConflicts;
/* meter: gets the events. segments: of BillSegment. Both borrowed. */
BillConflicts *bill_conflicts_new(Meter *meter, const GPtrArray *segments, guint thread_count);
void bill_conflicts_free(BillConflicts *conflicts);

/* The visitor's data is the BillConflicts; events are passed on to the meter. */
extern const ScanVisitor bill_conflicts_visitor;

/* After the scan: the next conflict of this rank by (source, id), as gather() wants it. */
int bill_conflicts_next(BillConflicts *conflicts, GatherItem *item);

#endif
