/* bill_twins.h - which events of a range may have copies. It is found out from identities alone,
 * before anything else of the events is read: of most there is one, and these count as they are,
 * without being kept or compared.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_TWINS_H
#define MILLRACE_JOBS_BILL_TWINS_H

#include <glib.h>

/* Bytes that one event takes at most, for budgets. */
#define BILL_TWINS_EVENT_BYTES 26

typedef struct _BillTwins BillTwins;

BillTwins *bill_twins_new(void);
void bill_twins_free(BillTwins *twins);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BillTwins, bill_twins_free)

/* Begins anew. expected_count: of events, to make room for. range_bits: as many high bits all
 * identities have in common. */
void bill_twins_begin(BillTwins *twins, guint64 expected_count, guint range_bits);
/* Adds events; they are known by their number from then on, from 0. */
void bill_twins_add(BillTwins *twins, const guint64 *identities, guint32 count);
guint64 bill_twins_count(const BillTwins *twins);
/* After the last one was added. Returns: how many may have copies. */
guint64 bill_twins_find(BillTwins *twins);

/* May this event have copies? TRUE of every event with the identity of another one, and of very few
 * others. */
gboolean bill_twins_has(const BillTwins *twins, guint64 event);
/* The first such event from one on, or end when there is none before that. */
guint64 bill_twins_next(const BillTwins *twins, guint64 from, guint64 end);
guint64 bill_twins_identity(const BillTwins *twins, guint64 event);

#endif
