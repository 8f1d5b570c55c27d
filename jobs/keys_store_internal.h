/* keys_store_internal.h - what the files of the store of keys share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_KEYS_STORE_INTERNAL_H
#define MILLRACE_JOBS_KEYS_STORE_INTERNAL_H

#include "jobs/keys_store.h"
#include "jobs/sqlite.h"

#define STORE_NAME     "keys.sqlite"
#define PUBLISHER_NAME "publisher"
#define PUBLISHED_NAME "published" /* in STATE/identity */

struct _KeysStore {
    char *folder; /* STATE/identity */
    int folder_fd;
    sqlite3 *db;
};

/* Opens what is in the folder. create: makes the database where there is none. */
KeysStore *keys_store_open_folder(const char *folder, gboolean create, GError **error);

/* Sets error for what the database cannot hold. Returns FALSE. */
gboolean keys_store_damaged(const KeysStore *store, GError **error);

/* One process at a time changes and publishes, else an older head could come behind a newer one.
 * MILLRACE_ERROR_UNAVAILABLE when another has it for a minute. */
gboolean keys_store_lock(KeysStore *store, GError **error);
void keys_store_unlock(KeysStore *store);

/* Within a transaction: counts the epoch up, beyond what was ever published. */
gboolean keys_store_next_epoch(KeysStore *store, guint64 *epoch, GError **error);
/* With that committed: makes the snapshot, signs the head, and gives both their names. */
gboolean keys_store_publish_epoch(KeysStore *store, guint64 epoch, IdentityHead *head,
                                  GError **error);

#endif
