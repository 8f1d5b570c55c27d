/* reserve.c - room for bodies that are in hand, and who has how much of it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/door/reserve.h"

struct _Reserve {
    GMutex mutex;
    guint64 max_bytes;
    guint64 taken_bytes;
    GHashTable *customers; /* those who have some: to guint64 *, owned */
};

Reserve *
reserve_new(guint64 max_bytes)
{
    Reserve *reserve = g_new0(Reserve, 1);

    g_mutex_init(&reserve->mutex);
    reserve->max_bytes = max_bytes;
    reserve->customers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return reserve;
}

void
reserve_free(Reserve *reserve)
{
    g_assert(g_hash_table_size(reserve->customers) == 0);
    g_hash_table_unref(reserve->customers);
    g_mutex_clear(&reserve->mutex);
    g_free(reserve);
}

gboolean
reserve_take(Reserve *reserve, const char *customer, guint64 size_bytes)
{
    if (size_bytes == 0)
        return TRUE;
    g_mutex_lock(&reserve->mutex);
    guint64 *its = g_hash_table_lookup(reserve->customers, customer);
    gboolean fits =
        reserve->taken_bytes == 0 || (size_bytes <= reserve->max_bytes &&
                                      reserve->taken_bytes <= reserve->max_bytes - size_bytes);
    if (its)
        fits =
            fits && *its <= reserve->max_bytes / 2 && size_bytes <= reserve->max_bytes / 2 - *its;
    if (fits && !its) {
        its = g_new0(guint64, 1);
        g_hash_table_insert(reserve->customers, g_strdup(customer), its);
    }
    if (fits) {
        *its += size_bytes;
        reserve->taken_bytes += size_bytes;
    }
    g_mutex_unlock(&reserve->mutex);
    return fits;
}

void
reserve_give(Reserve *reserve, const char *customer, guint64 size_bytes)
{
    if (size_bytes == 0)
        return;
    g_mutex_lock(&reserve->mutex);
    guint64 *its = g_hash_table_lookup(reserve->customers, customer);
    g_assert(its && *its >= size_bytes && reserve->taken_bytes >= size_bytes);
    *its -= size_bytes;
    reserve->taken_bytes -= size_bytes;
    if (*its == 0)
        g_hash_table_remove(reserve->customers, customer);
    g_mutex_unlock(&reserve->mutex);
}
