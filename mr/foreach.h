/* foreach.h - the for-each shape: rank 0 has the items, every rank pulls leases of them and works.
 * It runs in GLib's default main context, beside whatever descriptors and timers the job has there;
 * their priority must be G_PRIORITY_DEFAULT, since those below it never get their turn.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_MR_FOREACH_H
#define MILLRACE_MR_FOREACH_H

#include <glib.h>

#include "mr/comm.h"
#include "mr/lease.h"

typedef enum {
    FOREACH_ITEM,  /* *item is filled */
    FOREACH_LATER, /* none at the moment: foreach_wake() will be called */
    FOREACH_END,   /* no more */
    FOREACH_ERROR
} ForeachNext;

/* What has been done, over all ranks (rank 0) or by this one. */
typedef struct {
    guint64 done_count; /* failed ones included */
    guint64 failed_count;
} ForeachCounts;

typedef struct {
    /* Rank 0: the next item; its bytes are borrowed until the next call. */
    ForeachNext (*next)(gpointer job, LeaseItem *item, GError **error);
    /* Rank 0: how many items are left, as far as is known; G_MAXUINT64 when it is not. */
    guint64 (*remaining)(gpointer job);
    /* Every rank: items lie ready for foreach_take(); or none will come any more. */
    void (*ready)(gpointer job);
} ForeachJob;

typedef struct _Foreach Foreach;

/* comm, data: borrowed until foreach_free(). shape: copied. worker_count: how many items this rank
 * works on side by side; a rank with none leases nothing. */
Foreach *foreach_new(Comm *comm, const ForeachJob *shape, gpointer data, guint worker_count);
void foreach_free(Foreach *each);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Foreach, foreach_free)

/* *Collective.* Works until every item leased has been reported done on every rank.
 * Returns FALSE and rank 0's error from next(); elsewhere TRUE. */
gboolean foreach_run(Foreach *each, GError **error);

/* Takes an item this rank has leased. item's bytes: borrowed until the next call of foreach_take()
 * or the main loop's next turn. Returns: whether there was one. */
gboolean foreach_take(Foreach *each, LeaseItem *item);
/* Reports items taken as done. */
void foreach_done(Foreach *each, guint64 done_count, guint64 failed_count);
/* Reports items taken as not begun: they count as if they had not been taken, and nobody else gets
 * them. */
void foreach_give_back(Foreach *each, guint64 count);
/* Has this rank taken all it will ever get? */
gboolean foreach_exhausted(const Foreach *each);

/* Rank 0: next() may have something now. */
void foreach_wake(Foreach *each);
/* Hands out nothing more, on any rank; what was taken is finished. */
void foreach_stop(Foreach *each);
gboolean foreach_stopped(const Foreach *each);

/* Rank 0: the sum over all ranks, as of their last messages. */
ForeachCounts foreach_counts(const Foreach *each);

#endif
