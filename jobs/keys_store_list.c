/* keys_store_list.c - all keys of a store, row by row.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/keys_store_internal.h"

gboolean
keys_store_list(KeysStore *store, const char *customer,
                gboolean (*visit)(const KeysRow *row, gpointer data), gpointer data, GError **error)
{
    g_autoptr(sqlite3_stmt) query = sqlite_prepare(
        store->db,
        "SELECT id, customer, scopes, rate, burst, quota, expires_us, note, created_us, revoked_us"
        " FROM key WHERE ?1 IS NULL OR customer = ?1 ORDER BY customer, created_us, id",
        error);
    int got = 0;

    if (!query)
        return FALSE;
    sqlite_bind_text(query, 1, customer);
    while ((got = sqlite_step(query, error)) > 0) {
        IdentityKey key = {.scopes = (guint32)sqlite3_column_int64(query, 2),
                           .rate_per_s = (guint32)sqlite3_column_int64(query, 3),
                           .burst = (guint32)sqlite3_column_int64(query, 4),
                           .daily_quota = (guint64)sqlite3_column_int64(query, 5),
                           .expires_us = sqlite3_column_int64(query, 6)};
        g_strlcpy(key.id, sqlite_text(query, 0), sizeof key.id);
        g_strlcpy(key.customer, sqlite_text(query, 1), sizeof key.customer);
        const KeysRow row = {.key = &key,
                             .note = sqlite_text(query, 7),
                             .created_us = sqlite3_column_int64(query, 8),
                             .revoked_us = sqlite3_column_int64(query, 9)};
        if (!visit(&row, data))
            return TRUE;
    }
    return got == 0;
}
