/* bill_ranges.c - threads take from a short line that the main thread fills from its leases; what
 * they have to say goes to the main thread, since it alone talks to other ranks.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_ranges.h"

#include "mr/foreach.h"

struct _BillRanges {
    Foreach *each;
    guint64 range_count;
    guint64 leased_count; /* rank 0 */
    guint thread_count;
    GMutex lock;
    GCond changed;
    GQueue line;    /* of guint64, ranges that wait for a thread; under lock */
    gboolean ended; /* none will come behind them; under lock */
};

static ForeachNext
next_range(gpointer job, LeaseItem *item, GError **error G_GNUC_UNUSED)
{
    BillRanges *ranges = job;

    if (ranges->leased_count == ranges->range_count)
        return FOREACH_END;
    *item = (LeaseItem){.ordinal = ranges->leased_count++, .bytes = (const guint8 *)""};
    return FOREACH_ITEM;
}

static guint64
remaining(gpointer job)
{
    const BillRanges *ranges = job;

    return ranges->range_count - ranges->leased_count;
}

/* Fills the line: as many as there are threads, so that none waits for the main thread. */
static void
fill_line(gpointer job)
{
    BillRanges *ranges = job;
    LeaseItem item;

    g_mutex_lock(&ranges->lock);
    while (ranges->line.length < ranges->thread_count && foreach_take(ranges->each, &item))
        g_queue_push_tail(&ranges->line, g_memdup2(&item.ordinal, sizeof item.ordinal));
    ranges->ended = foreach_exhausted(ranges->each);
    g_cond_broadcast(&ranges->changed);
    g_mutex_unlock(&ranges->lock);
}

BillRanges *
bill_ranges_new(Comm *comm, guint64 range_count, guint thread_count)
{
    static const ForeachJob shape = {next_range, remaining, fill_line};
    BillRanges *ranges = g_new0(BillRanges, 1);

    ranges->each = foreach_new(comm, &shape, ranges, thread_count);
    ranges->range_count = range_count;
    ranges->thread_count = thread_count;
    g_mutex_init(&ranges->lock);
    g_cond_init(&ranges->changed);
    g_queue_init(&ranges->line);
    return ranges;
}

void
bill_ranges_free(BillRanges *ranges)
{
    foreach_free(ranges->each);
    g_queue_clear_full(&ranges->line, g_free);
    g_mutex_clear(&ranges->lock);
    g_cond_clear(&ranges->changed);
    g_free(ranges);
}

gboolean
bill_ranges_run(BillRanges *ranges)
{
    foreach_run(ranges->each, NULL); /* next_range() has no errors */
    return !foreach_stopped(ranges->each);
}

gboolean
bill_ranges_take(BillRanges *ranges, guint64 *range)
{
    g_mutex_lock(&ranges->lock);
    while (ranges->line.length == 0 && !ranges->ended)
        g_cond_wait(&ranges->changed, &ranges->lock);
    g_autofree guint64 *taken = g_queue_pop_head(&ranges->line);
    g_mutex_unlock(&ranges->lock);
    if (taken)
        *range = *taken;
    return taken != NULL;
}

static gboolean
tell_done(gpointer data)
{
    BillRanges *ranges = data;

    foreach_done(ranges->each, 1, 0);
    fill_line(ranges);
    return G_SOURCE_REMOVE;
}

static gboolean
tell_stop(gpointer data)
{
    foreach_stop(((BillRanges *)data)->each);
    return G_SOURCE_REMOVE;
}

/* The main loop does not end before it has heard of every range, so nothing is called too late. */
void
bill_ranges_done(BillRanges *ranges)
{
    g_idle_add_full(G_PRIORITY_DEFAULT, tell_done, ranges, NULL);
}

void
bill_ranges_stop(BillRanges *ranges)
{
    g_idle_add_full(G_PRIORITY_DEFAULT, tell_stop, ranges, NULL);
}
