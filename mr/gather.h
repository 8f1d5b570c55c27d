/* gather.h - the last step of a job: what the ranks have made, each sorted by key, comes to rank 0
 * as one sequence sorted by key. Pieces of at most 256 KiB are asked for a few ahead, so rank 0
 * holds five of each rank, two where there are many, and an item.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_MR_GATHER_H
#define MILLRACE_MR_GATHER_H

#include <glib.h>

#include "mr/comm.h"

#define GATHER_PARTS_MAX 4

/* One item: its key, and a few texts that belong to it. */
typedef struct {
    const guint8 *key;
    gsize key_size_bytes;
    const char *parts[GATHER_PARTS_MAX]; /* bytes, not NUL-terminated */
    gsize part_size_bytes[GATHER_PARTS_MAX];
} GatherItem;

/* *Collective.* next: the rank's next item, ascending by key, bytes borrowed until the next call;
 * returns 1, 0 at the end, or -1 and an error. take: called on rank 0 for each item of all ranks,
 * in the order of keys; equal keys of different ranks by rank.
 * Returns FALSE on every rank when any next() or take() failed: there with its error, elsewhere
 * with MILLRACE_ERROR_INTERRUPTED. */
gboolean gather(Comm *comm, int (*next)(gpointer data, GatherItem *item, GError **error),
                gboolean (*take)(gpointer data, const GatherItem *item, GError **error),
                gpointer data, GError **error);

#endif
