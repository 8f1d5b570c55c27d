/* price_find.c - an event's kind against a SKU's meter.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/price_find.h"

static gboolean
is_listed(const char *const *list, const char *text)
{
    return !list || g_strv_contains(list, text);
}

gboolean
price_matches(const PriceSku *sku, const char *type, const char *op, const char *format,
              const char *status)
{
    return is_listed(sku->types, type) && is_listed(sku->ops, op) &&
           is_listed(sku->formats, format) && is_listed(sku->statuses, status);
}
