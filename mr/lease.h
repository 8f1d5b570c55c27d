/* lease.h - what rank 0 hands out: a few items with their bytes, so that what it reads them from
 * may be a pipe and need not be on a shared disk.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_MR_LEASE_H
#define MILLRACE_MR_LEASE_H

#include <glib.h>

#define LEASE_ITEMS_MAX 512
#define LEASE_BYTES_MAX                                                                            \
    (1 << 20) /* no item is added beyond it, so a lease is this and one item at most */

/* One item: its number and what the job put into it. bytes: borrowed. */
typedef struct {
    guint64 ordinal;
    const guint8 *bytes;
    gsize size_bytes;
} LeaseItem;

/* How many items to lease to a rank that wants some, of remaining, with takers working side by
 * side: fewer and fewer toward the end, so that all finish together. */
guint lease_size(guint64 remaining, guint takers, guint wanted);

/* A lease begins with whether it is the last. */
GByteArray *lease_new(void);
void lease_add(GByteArray *lease, const LeaseItem *item);
void lease_set_last(GByteArray *lease);

/* Takes a lease apart. Items are borrowed from lease. Returns FALSE when it is malformed. */
gboolean lease_parse(const GByteArray *lease, gboolean *last, GArray *items);

#endif
