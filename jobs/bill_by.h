/* bill_by.h - usage of a period added up by whatever it is asked for: customer, op, hour. The
 * events that count are those of the bill, each once. SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_BY_H
#define MILLRACE_JOBS_BILL_BY_H

#include <glib.h>

#include "formats/period.h"
#include "mr/comm.h"

#define BILL_BY_MAX 8

typedef enum {
    BY_CUSTOMER,
    BY_SOURCE,
    BY_WRITER,
    BY_TYPE,
    BY_OP,
    BY_FORMAT,
    BY_STATUS,
    BY_DAY, /* 2026-11-22 */
    BY_HOUR /* 2026-11-22T10:00:00Z */
} BillColumn;

/* Reads "customer,op,hour". Returns: how many columns, or -1 and MILLRACE_ERROR_USAGE. */
int bill_by_parse(const char *text, BillColumn columns[BILL_BY_MAX], GError **error);

typedef struct {
    const GPtrArray *paths; /* of the segments */
    Period period;
    BillColumn columns[BILL_BY_MAX];
    guint column_count;
    guint thread_count;
    guint64 memory_bytes;
    const char *scratch;
} BillByConfig;

/* *Collective.* write: called on rank 0 with CSV, the header first, rows sorted by the columns'
 * bytes. Returns FALSE on every rank and error. */
gboolean bill_by(Comm *comm, const BillByConfig *config, void (*write)(const char *, gsize),
                 GError **error);

#endif
