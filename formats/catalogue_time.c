/* catalogue_time.c - how much time has passed for sure. Steps from entry to entry cover parts of
 * the time line, and what is covered counts once: a clock that swings back and forth adds nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/catalogue_internal.h"

/* More separate parts than that come of no clock that is merely wrong; further ones do not count.
 */
enum { PARTS_MAX = 4096 };

typedef struct {
    gint64 from_us;
    gint64 to_us;
} Part;

/* Is the time from one moment to the next one that can be believed? */
static gboolean
is_step(gint64 from_us, gint64 to_us)
{
    return to_us > from_us && to_us - from_us <= CATALOGUE_STEP_MAX_US;
}

/* How much of a step lies in no part. */
static gint64
uncovered_us(const GArray *parts, gint64 from_us, gint64 to_us)
{
    gint64 rest_us = to_us - from_us;

    for (guint i = 0; i < parts->len; i++) {
        const Part *part = &g_array_index(parts, Part, i);
        rest_us -= MAX(MIN(to_us, part->to_us) - MAX(from_us, part->from_us), 0);
    }
    return rest_us;
}

/* Makes the step and all parts that it touches one part. */
static void
cover(GArray *parts, gint64 from_us, gint64 to_us)
{
    Part joined = {from_us, to_us};

    for (guint i = parts->len; i-- > 0;) {
        const Part part = g_array_index(parts, Part, i);
        if (part.to_us < from_us || part.from_us > to_us)
            continue;
        joined.from_us = MIN(joined.from_us, part.from_us);
        joined.to_us = MAX(joined.to_us, part.to_us);
        g_array_remove_index_fast(parts, i);
    }
    g_array_append_val(parts, joined);
}

void
catalogue_fold_time(Catalogue *catalogue, const CatalogueEntry *entry)
{
    gint64 now_us = entry->time_us;

    if (entry->number == 0) {
        catalogue->vouched_us = now_us;
        catalogue->latest_us = now_us;
    } else if (is_step(catalogue->last_us, now_us) && catalogue->covered->len < PARTS_MAX) {
        gint64 new_us = uncovered_us(catalogue->covered, catalogue->last_us, now_us);
        catalogue->vouched_us = MIN(catalogue->vouched_us + new_us, CATALOGUE_TIME_MAX_US);
        cover(catalogue->covered, catalogue->last_us, now_us);
    }
    catalogue->latest_us = MAX(catalogue->latest_us, now_us);
    catalogue->last_us = now_us;
}

GArray *
catalogue_parts_new(void)
{
    return g_array_new(FALSE, FALSE, sizeof(Part));
}

gint64
catalogue_vouched_us(const Catalogue *catalogue, gint64 now_us)
{
    gint64 vouched_us = now_us;

    if (catalogue->state.count > 0) {
        vouched_us = catalogue->vouched_us;
        if (is_step(catalogue->last_us, now_us))
            vouched_us += uncovered_us(catalogue->covered, catalogue->last_us, now_us);
    }
    return MIN(vouched_us, CATALOGUE_TIME_MAX_US);
}

gint64
catalogue_latest_us(const Catalogue *catalogue, gint64 now_us)
{
    gint64 latest_us = now_us;

    if (catalogue->state.count > 0)
        latest_us = MAX(now_us, catalogue->latest_us);
    return MIN(latest_us, CATALOGUE_TIME_MAX_US);
}
