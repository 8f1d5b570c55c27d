/* bill_customers.h - the number of each event's customer. That is one lookup an event at least, so
 * customers whose names are a prefix and a number are found by that number, without their names.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_CUSTOMERS_H
#define MILLRACE_JOBS_BILL_CUSTOMERS_H

#include <glib.h>

#include "formats/segment.h"
#include "jobs/interner.h"

typedef struct _BillCustomers BillCustomers;

BillCustomers *bill_customers_new(void);
void bill_customers_free(BillCustomers *customers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BillCustomers, bill_customers_free)

/* Sets numbers to those of the block's subjects, event by event; SEGMENT_SUBJECT has been read. */
void bill_customers_number(BillCustomers *customers, SegmentBlock *block, guint32 *numbers);
const Interner *bill_customers_names(const BillCustomers *customers);
/* Bytes that it holds, for budgets. */
gsize bill_customers_size(const BillCustomers *customers);
/* Forgets all of them. */
void bill_customers_clear(BillCustomers *customers);

#endif
