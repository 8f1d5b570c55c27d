/* bill_cells.h - the sums of customers, side by side in memory that is found fast: events come in
 * the order of their identities, so each is of another customer, and what it costs is to wait for
 * that customer's cells.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_CELLS_H
#define MILLRACE_JOBS_BILL_CELLS_H

#include <glib.h>

typedef struct {
    gint64 metered;
    gint64 event_count;
} BillCell;

typedef struct {
    BillCell *cells; /* they never move while there are any */
    gsize count;
    gsize room;
} BillCells;

/* memory_bytes: what they take at most, but for one customer with more cells than that. It is taken
 * from the system as it is used. */
void bill_cells_init(BillCells *cells, gsize memory_bytes);
void bill_cells_release(BillCells *cells);

/* May so many be added? When there are none they always may. */
gboolean bill_cells_has_room(const BillCells *cells, guint count);
/* Adds so many cells, all zero, for one customer: within one line of the cache if they fit.
 * Returns: the index of the first. */
guint32 bill_cells_add(BillCells *cells, guint count);
/* Forgets all of them. */
void bill_cells_clear(BillCells *cells);

#endif
