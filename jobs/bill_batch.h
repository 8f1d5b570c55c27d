/* bill_batch.h - some customers that are rated together, by one thread. A batch is used again and
 * again, so that what it has grown to is not taken from the system anew for each few customers.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_BATCH_H
#define MILLRACE_JOBS_BILL_BATCH_H

#include <glib.h>

#include "formats/statement_printer.h"
#include "jobs/bill_inputs.h"
#include "jobs/bill_rate.h"
#include "mr/gather.h"
#include "mr/reduce.h"

typedef struct _BillBatch BillBatch;

/* inputs and run: borrowed as long as the batch. */
BillBatch *bill_batch_new(const BillInputs *inputs, const StatementRun *run);
void bill_batch_free(BillBatch *batch);

/* Forgets the customers. */
void bill_batch_clear(BillBatch *batch);
/* Adds a record; those of a customer come one after the other, ascending by key. Returns FALSE when
 * the batch is full and the record is of a further customer. */
gboolean bill_batch_add(BillBatch *batch, const ReduceRecord *record);
/* Makes the statements. Returns FALSE and error. */
gboolean bill_batch_rate(BillBatch *batch, GError **error);

/* The next statement, as bill_rater_next() has it; borrowed until the batch is cleared. Returns
 * FALSE when there are no more. */
gboolean bill_batch_next(BillBatch *batch, GatherItem *item);
/* Of the statements in it. */
const BillTotals *bill_batch_totals(const BillBatch *batch);

#endif
