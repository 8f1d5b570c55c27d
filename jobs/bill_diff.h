/* bill_diff.h - two runs beside each other: the same month under another price book, with late
 * events, or before and after a change of the code. SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_DIFF_H
#define MILLRACE_JOBS_BILL_DIFF_H

#include <glib.h>

typedef struct {
    guint64 customer_count; /* that differ */
    __int128 from_nano;     /* what all customers pay */
    __int128 to_nano;
} BillDifference;

/* Appends CSV: customer,sku,metered_from,metered_to,amount_from,amount_to,difference: a row for
 * each SKU (or class of line) of a customer that differs, and one with the sku "payable" for what
 * the customer pays in all, if that differs. Customers by their bytes; SKUs by theirs, payable
 * last. Returns FALSE and the error of a run. */
gboolean bill_diff(const char *from, const char *to, GString *out, BillDifference *difference,
                   GError **error);

#endif
