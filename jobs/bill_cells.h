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

/* All zero at first. */
typedef struct {
    BillCell *cells;
    gsize count;
    gsize room;
} BillCells;

/* Adds so many cells, all zero, for one customer: within one line of the cache if they fit. Cells
 * that are there may move.
 * Returns: the index of the first. */
gsize bill_cells_add(BillCells *cells, guint count);
/* Forgets all of them, and gives the memory back. */
void bill_cells_clear(BillCells *cells);

#endif
