/* bill_ops.h - what each op did in a period: counts, and percentiles of CPU and wall time.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_OPS_H
#define MILLRACE_JOBS_BILL_OPS_H

#include <glib.h>

#include "formats/bytes.h"
#include "formats/histogram.h"

#define BILL_OPS_MAX 256 /* with more of them none has percentiles of its own */

typedef struct {
    char *op;
    guint64 ok_count;
    guint64 failed_count;
    Histogram *cpu_us;
    Histogram *wall_us;
} BillOp;
/* Adds events: the elements of both arrays at these indices. */
void bill_op_add(BillOp *op, gboolean ok, const gint64 *cpu_us, const gint64 *wall_us,
                 const guint32 *at, guint32 count);

typedef struct _BillOps BillOps;
BillOps *bill_ops_new(void);
void bill_ops_free(BillOps *ops);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BillOps, bill_ops_free)

/* The op of this name, made when it is new; NULL once there are too many. Borrowed from ops. */
BillOp *bill_ops_find(BillOps *ops, const char *name);
void bill_ops_merge(BillOps *into, const BillOps *from);
/* Appends all, and merges what was appended so. */
void bill_ops_put(const BillOps *ops, GByteArray *out);
gboolean bill_ops_get(BillOps *into, ByteReader *reader);

/* Appends the member "ops": an array of objects by name, or null when there are too many. */
void bill_ops_print(const BillOps *ops, GString *out);

#endif
