/* deal.h - the numbers 0 to count - 1, each dealt to one thread of one rank: each thread begins
 * with one, and gets another when it has done that, so that a slow host does fewer, and all end
 * together. For a few thousand pieces of work of some milliseconds and more, which need nothing but
 * their number.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_MR_DEAL_H
#define MILLRACE_MR_DEAL_H

#include <glib.h>

#include "mr/comm.h"

typedef struct _Deal Deal;

/* *Collective.* count: the same on every rank. thread_count: of this rank, at least 1.
 * comm: borrowed until deal_free(). */
Deal *deal_new(Comm *comm, guint count, guint thread_count);
/* After the threads have ended. */
void deal_free(Deal *deal);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Deal, deal_free)

/* *Collective*, in the thread that comm is of, beside the threads that take numbers. Returns when
 * deal_take() has told every thread of every rank that there are no more; the same on every rank:
 * FALSE when deal_fail() was called on one of them. */
gboolean deal_run(Deal *deal);

/* In each of thread_count threads, until it returns FALSE: waits for the next number. */
gboolean deal_take(Deal *deal, guint *number);
/* In such a thread: no rank shall take any more than it has. */
void deal_fail(Deal *deal);

#endif
