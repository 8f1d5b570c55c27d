/* bill_writers.h - the number of each event's writer; where it has none, that is its source.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_WRITERS_H
#define MILLRACE_JOBS_BILL_WRITERS_H

#include <glib.h>

#include "formats/segment.h"
#include "jobs/interner.h"

typedef struct _BillWriters BillWriters;

BillWriters *bill_writers_new(void);
void bill_writers_free(BillWriters *writers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BillWriters, bill_writers_free)

/* Sets numbers to those of the block's events. */
void bill_writers_number(BillWriters *writers, SegmentBlock *block, guint32 *numbers);
const Interner *bill_writers_names(const BillWriters *writers);

/* Notes that a writer was seen. */
void bill_writers_see(BillWriters *writers, guint32 number);
/* Adds those seen to names, a set that owns its texts. */
void bill_writers_seen(const BillWriters *writers, GHashTable *names);
/* Forgets who was seen, and the numbers where they have become many. */
void bill_writers_begin(BillWriters *writers);

#endif
