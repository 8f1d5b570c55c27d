/* bill_harvest.h - how much of what there should be is there: writers' seals against the sequences
 * that the segments hold. Rules: formats/README.md, "Bill run v1, harvest".
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_HARVEST_H
#define MILLRACE_JOBS_BILL_HARVEST_H

#include <glib.h>

#include "jobs/bill_inputs.h"

#define HARVEST_WHOLE 1000000 /* harvest is in millionths */

/* What is known of one writer that is expected. */
typedef struct {
    char *name;
    gboolean sealed;
    guint64 first; /* of the period: behind the last seal before it */
    guint64 through;
    guint64 present_count; /* distinct sequences; of an unsealed writer all from first on */
    guint64 lost_count;    /* declared, and not there */
    guint64 missing_count;
} BillWriter;

typedef struct {
    GPtrArray *writers; /* of BillWriter, by name */
    guint64 reflected;
    guint64 expected;
    guint64 harvest;
    gboolean preliminary;
} BillHarvest;

/* seen: a set of names of writers with events in the period.
 * Returns: (transfer full), or NULL and the error of a segment. */
BillHarvest *bill_harvest(const BillInputs *inputs, GHashTable *seen, GError **error);
void bill_harvest_free(BillHarvest *harvest);
/* Works out reflected, expected, harvest and preliminary from the writers. */
void bill_harvest_sum(BillHarvest *harvest, guint refused_count);
/* Is what the writers are said to have promised what the frozen seals say? */
gboolean bill_harvest_agrees(const BillHarvest *harvest, const FrozenInputs *frozen);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BillHarvest, bill_harvest_free)

#endif
