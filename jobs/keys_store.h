/* keys_store.h - the management plane of identity: customers and their keys in SQLite, of which
 * snapshots are published. Rare, consistent, on one machine; nothing that serves reads it.
 *
 *     STATE/identity/keys.sqlite      customers, keys (hashes only)
 *     STATE/identity/publisher.key    signs heads; publisher.pub checks them
 *     STATE/identity/published/       head, snapshot-DIGEST.lmdb: what doors and peers read
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_KEYS_STORE_H
#define MILLRACE_JOBS_KEYS_STORE_H

#include "formats/identity.h"

#define STATE_IDENTITY  "identity"
#define STATE_PUBLISHED "identity/published"

typedef struct _KeysStore KeysStore;

/* Makes STATE and what is in it: the store, the publisher's pair of keys, the door's pair (door.key
 * and door.pub, which sign receipts), and publishes epoch 1, without keys. Never replaces anything:
 * what a killed init left is completed; a STATE that is complete is MILLRACE_ERROR_CANT_CREATE. */
gboolean keys_state_init(const char *state, GError **error);

/* NULL and MILLRACE_ERROR_NO_INPUT when there is no STATE (it says how to make one). */
KeysStore *keys_store_open(const char *state, GError **error);
void keys_store_free(KeysStore *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KeysStore, keys_store_free)

/* What a new key is asked to be. expires_us: G_MAXINT64: never. */
typedef struct {
    const char *customer;
    const char *note; /* free text; may be NULL */
    guint32 scopes;
    guint32 rate_per_s;
    guint32 burst;
    guint64 daily_quota;
    gint64 expires_us;
} KeysWish;

/* Each is durable on return, and published: the epoch is one higher. */
gboolean keys_store_add(KeysStore *store, const KeysWish *wish, char key[API_KEY_CHARS + 1],
                        GError **error);
/* The id of a key's text, which is spelled as a key is. FALSE and error. */
gboolean keys_store_id(KeysStore *store, const char *key, char id[API_KEY_ID_CHARS + 1],
                       GError **error);
/* id: at least 4 of its characters, which one key alone begins with. A key that is revoked already
 * stays so. MILLRACE_ERROR_NO_INPUT when there is none. */
gboolean keys_store_revoke(KeysStore *store, const char *id, GError **error);
gboolean keys_store_revoke_customer(KeysStore *store, const char *customer, guint *count,
                                    GError **error);
/* A new key with the old one's rights; the old one expires after grace_us. */
gboolean keys_store_rotate(KeysStore *store, const char *id, gint64 grace_us,
                           char key[API_KEY_CHARS + 1], GError **error);
/* Publishes what is there, as a new epoch: also a sign of life. */
gboolean keys_store_publish(KeysStore *store, IdentityHead *head, GError **error);

/* One row of the list; strings are borrowed until the callback returns. */
typedef struct {
    const IdentityKey *key;
    const char *note;
    gint64 created_us;
    gint64 revoked_us; /* 0: it is not */
} KeysRow;
/* In the order of customers, then of creation. visit returns FALSE to stop. */
gboolean keys_store_list(KeysStore *store, const char *customer,
                         gboolean (*visit)(const KeysRow *row, gpointer data), gpointer data,
                         GError **error);

#endif
