/* price_find.h - which SKUs meter an event, and which of their versions prices it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_PRICE_FIND_H
#define MILLRACE_FORMATS_PRICE_FIND_H

#include <glib.h>

#include "formats/pricebook.h"

/* Does the SKU meter events of this kind? */
gboolean price_matches(const PriceSku *sku, const char *type, const char *op, const char *format,
                       const char *status);

#define PRICE_FIND_FEW 4

/* The version in force at a time; versions are by from_us and do not overlap. Times of events come
 * in no order, so that among few of them counting is cheaper than a branch that nobody foresees.
 * Returns: its index, or -1 when there is none. */
static inline gint
price_find(const PriceVersion *versions, guint version_count, gint64 time_us)
{
    gint at = -1;

    if (version_count <= PRICE_FIND_FEW) {
        for (guint i = 0; i < version_count; i++)
            at += versions[i].from_us <= time_us;
    } else {
        at = (gint)version_count - 1;
        while (at >= 0 && versions[at].from_us > time_us)
            at--;
    }
    return at >= 0 && time_us < versions[at].to_us ? at : -1;
}

#endif
