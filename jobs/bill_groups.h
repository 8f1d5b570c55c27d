/* bill_groups.h - the rows of a block by their class: what a class decides is then decided once for
 * all of its rows, and not by a branch for each that nobody foresees.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_GROUPS_H
#define MILLRACE_JOBS_BILL_GROUPS_H

#include <glib.h>

typedef struct {
    guint32 *rows; /* by class, and within one as they came */
    gsize row_room;
    guint32 *ends; /* by class: where its rows end */
    gsize class_room;
} BillGroups;

/* A BillGroups that is all zero has none. */
void bill_groups_release(BillGroups *groups);

/* Sorts rows; what was there before is forgotten. classes: by row, below class_count. */
void bill_groups_sort(BillGroups *groups, const guint32 *rows, guint32 count,
                      const guint32 *classes, guint32 class_count);
/* The rows of a class; borrowed until the next sorting. */
const guint32 *bill_groups_get(const BillGroups *groups, guint32 class, guint32 *count);

#endif
