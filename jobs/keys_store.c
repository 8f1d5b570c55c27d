/* keys_store.c - customers and their keys in SQLite. A change is committed, then published; of a
 * key's text nothing is kept but its hash.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/keys_store.h"

#include <string.h>
#include <unistd.h>

#include "formats/durable.h"
#include "jobs/keys_store_internal.h"

#define NOT_PUBLISHED "revoked, but not published: run millrace keys publish: "

enum { PREFIX_MIN_CHARS = 4, NOTE_MAX_BYTES = 1000 };

static const SqliteSchema schema = {
    .what = "a store of keys",
    .application = 0x4d524b31, /* "MRK1" */
    .version = 1,
    .statement =
        "CREATE TABLE meta(one INTEGER PRIMARY KEY CHECK(one = 1), epoch INTEGER NOT NULL,"
        "  pepper BLOB NOT NULL) STRICT;"
        "CREATE TABLE key(hash BLOB PRIMARY KEY CHECK(length(hash) = 32), id TEXT NOT NULL UNIQUE,"
        "  customer TEXT NOT NULL, note TEXT NOT NULL, scopes INTEGER NOT NULL,"
        "  rate INTEGER NOT NULL, burst INTEGER NOT NULL, quota INTEGER NOT NULL,"
        "  created_us INTEGER NOT NULL, expires_us INTEGER NOT NULL,"
        "  lifetime_us INTEGER NOT NULL, revoked_us INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
        "CREATE INDEX key_of_customer ON key(customer, created_us, id);"};

/* A row of the table, as far as it is copied when a key is rotated. */
typedef struct {
    guint8 hash[API_KEY_HASH_BYTES];
    char *customer;
    char *note;
    KeysWish wish; /* borrows the strings */
    gint64 lifetime_us;
    gint64 revoked_us;
} OldKey;

static void
old_key_clear(OldKey *old)
{
    g_free(old->customer);
    g_free(old->note);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(OldKey, old_key_clear)

KeysStore *
keys_store_open_folder(const char *folder, gboolean create, GError **error)
{
    g_autofree char *path = g_build_filename(folder, STORE_NAME, NULL);
    g_autoptr(KeysStore) store = g_new0(KeysStore, 1);

    store->folder = g_strdup(folder);
    store->folder_fd = durable_folder_open(folder, FALSE, error);
    if (store->folder_fd < 0)
        return NULL;
    store->db = sqlite_open(path, &schema, create, error);
    return store->db ? g_steal_pointer(&store) : NULL;
}

KeysStore *
keys_store_open(const char *state, GError **error)
{
    g_autofree char *folder = g_build_filename(state, STATE_IDENTITY, NULL);
    g_autofree char *path = g_build_filename(folder, STORE_NAME, NULL);

    if (access(path, F_OK) == 0)
        return keys_store_open_folder(folder, FALSE, error);
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT,
                "%s: no state with keys is there: make one with millrace keys init %s", state,
                state);
    return NULL;
}

gboolean
keys_store_damaged(const KeysStore *store, GError **error)
{
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                "%s/%s: damaged: restore it from a copy", store->folder, STORE_NAME);
    return FALSE;
}

void
keys_store_free(KeysStore *store)
{
    if (!store)
        return;
    sqlite_close(store->db);
    if (store->folder_fd >= 0)
        close(store->folder_fd);
    g_free(store->folder);
    g_free(store);
}

/* A change that is made under the lock and within a transaction. */
typedef gboolean (*Change)(KeysStore *store, gpointer data, GError **error);

static gboolean
commit_change(KeysStore *store, Change change, gpointer data, guint64 *epoch, GError **error)
{
    if (!sqlite_begin(store->db, error))
        return FALSE;
    if ((!change || change(store, data, error)) && keys_store_next_epoch(store, epoch, error))
        return sqlite_commit(store->db, error);
    sqlite_rollback(store->db);
    return FALSE;
}

/* advice: what to do when the change is kept and could not be published. */
static gboolean
change_and_publish(KeysStore *store, Change change, gpointer data, const char *advice,
                   GError **error)
{
    IdentityHead head;
    guint64 epoch = 0;

    if (!keys_store_lock(store, error))
        return FALSE;
    gboolean done = commit_change(store, change, data, &epoch, error);
    if (done && !keys_store_publish_epoch(store, epoch, &head, error)) {
        g_prefix_error(error, "%s", advice);
        done = FALSE;
    }
    keys_store_unlock(store);
    return done;
}

gboolean
keys_store_publish(KeysStore *store, IdentityHead *head, GError **error)
{
    guint64 epoch = 0;

    if (!keys_store_lock(store, error))
        return FALSE;
    gboolean done = commit_change(store, NULL, NULL, &epoch, error) &&
                    keys_store_publish_epoch(store, epoch, head, error);
    keys_store_unlock(store);
    return done;
}

/* A key to be. */
typedef struct {
    const KeysWish *wish;
    gint64 now_us;
    gint64 lifetime_us; /* 0: for ever */
    char *key;
    guint8 hash[API_KEY_HASH_BYTES];
} NewKey;

static gboolean
read_pepper(KeysStore *store, guint8 pepper[API_KEY_PEPPER_BYTES], GError **error)
{
    g_autoptr(sqlite3_stmt) query = sqlite_prepare(store->db, "SELECT pepper FROM meta", error);
    int got = query ? sqlite_step(query, error) : -1;

    if (got == 1 && sqlite3_column_bytes(query, 0) == API_KEY_PEPPER_BYTES) {
        memcpy(pepper, sqlite3_column_blob(query, 0), API_KEY_PEPPER_BYTES);
        return TRUE;
    }
    if (got >= 0)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT,
                    "%s: what makes it was stopped: run millrace keys init again", store->folder);
    return FALSE;
}

static gboolean
insert_key(KeysStore *store, gpointer data, GError **error)
{
    NewKey *new = data;
    const KeysWish *wish = new->wish;
    guint8 pepper[API_KEY_PEPPER_BYTES];
    char id[API_KEY_ID_CHARS + 1];

    if (!read_pepper(store, pepper, error))
        return FALSE;
    g_autoptr(ApiKeyHasher) hasher = api_key_hasher_new(pepper);
    g_autoptr(sqlite3_stmt) insert =
        sqlite_prepare(store->db,
                       "INSERT INTO key(hash, id, customer, note, scopes, rate, burst, quota,"
                       " created_us, expires_us, lifetime_us, revoked_us)"
                       " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)"
                       " ON CONFLICT DO NOTHING",
                       error);
    if (!insert)
        return FALSE;
    sqlite_bind_text(insert, 3, wish->customer);
    sqlite_bind_text(insert, 4, wish->note ? wish->note : "");
    sqlite_bind_int(insert, 5, wish->scopes);
    sqlite_bind_int(insert, 6, wish->rate_per_s);
    sqlite_bind_int(insert, 7, wish->rate_per_s > 0 ? MAX(wish->burst, 1) : wish->burst);
    sqlite_bind_int(insert, 8, (gint64)wish->daily_quota);
    sqlite_bind_int(insert, 9, new->now_us);
    sqlite_bind_int(insert, 10, wish->expires_us);
    sqlite_bind_int(insert, 11, new->lifetime_us);
    /* Two keys of a million may begin their hashes alike; each has an id of its own. */
    do {
        api_key_draw(new->key);
        gboolean spelled = api_key_hash(hasher, new->key, API_KEY_CHARS, new->hash);
        g_assert(spelled);
        api_key_id(new->hash, id);
        sqlite_bind_bytes(insert, 1, new->hash, sizeof new->hash);
        sqlite_bind_text(insert, 2, id);
        if (!sqlite_finish(insert, error))
            return FALSE;
    } while (sqlite3_changes(store->db) == 0);
    return TRUE;
}

static gboolean
is_note(const char *note)
{
    if (strlen(note) > NOTE_MAX_BYTES || !g_utf8_validate(note, -1, NULL))
        return FALSE;
    for (const char *at = note; *at; at = g_utf8_next_char(at))
        if (g_unichar_iscntrl(g_utf8_get_char(at)))
            return FALSE;
    return TRUE;
}

static gboolean
check_wish(const KeysWish *wish, GError **error)
{
    if (!identity_customer_check(wish->customer, error))
        return FALSE;
    g_assert(wish->scopes != 0 && (wish->scopes & ~(guint32)SCOPE_ALL) == 0);
    if (!wish->note || is_note(wish->note))
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                "the note: expected UTF-8 without control characters, of at most %d bytes",
                NOTE_MAX_BYTES);
    return FALSE;
}

/* A key that was never handed out opens nothing to anybody; but it would be listed. */
static void
forget_key(KeysStore *store, const guint8 hash[API_KEY_HASH_BYTES])
{
    g_autoptr(sqlite3_stmt) statement =
        sqlite_prepare(store->db, "DELETE FROM key WHERE hash = ?", NULL);

    if (!statement)
        return;
    sqlite_bind_bytes(statement, 1, hash, API_KEY_HASH_BYTES);
    sqlite_finish(statement, NULL);
}

gboolean
keys_store_add(KeysStore *store, const KeysWish *wish, char key[API_KEY_CHARS + 1], GError **error)
{
    gint64 now_us = g_get_real_time();
    NewKey new = {.wish = wish, .now_us = now_us, .key = key};

    if (!check_wish(wish, error))
        return FALSE;
    if (wish->expires_us != G_MAXINT64)
        new.lifetime_us = MAX(wish->expires_us - now_us, 1);
    if (change_and_publish(store, insert_key, &new, "", error))
        return TRUE;
    forget_key(store, new.hash);
    return FALSE;
}

gboolean
keys_store_id(KeysStore *store, const char *key, char id[API_KEY_ID_CHARS + 1], GError **error)
{
    guint8 pepper[API_KEY_PEPPER_BYTES];
    guint8 hash[API_KEY_HASH_BYTES];

    if (!read_pepper(store, pepper, error))
        return FALSE;
    g_autoptr(ApiKeyHasher) hasher = api_key_hasher_new(pepper);
    gboolean spelled = api_key_hash(hasher, key, strlen(key), hash);
    g_assert(spelled);
    api_key_id(hash, id);
    return TRUE;
}

static gboolean
no_such_key(const char *id, GError **error)
{
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT,
                "no key has the id %s: see millrace keys list", id);
    return FALSE;
}

static gboolean
check_id(const char *id, GError **error)
{
    gsize chars = strlen(id);

    if (chars >= PREFIX_MIN_CHARS && chars <= API_KEY_ID_CHARS &&
        strspn(id, "0123456789abcdef") == chars)
        return TRUE;
    /* Who gives a key where an id is wanted must not see it again in a log. */
    if (g_str_has_prefix(id, API_KEY_PREFIX))
        g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                            "expected the id of a key, not the key itself: see millrace keys list");
    else
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                    "id \"%s\": expected 4 to %d digits of 0-9 and a-f, as millrace keys list "
                    "prints them",
                    id, API_KEY_ID_CHARS);
    return FALSE;
}

/* Finds the one key whose id begins so. */
static gboolean
find_key(KeysStore *store, const char *id, OldKey *old, GError **error)
{
    g_autoptr(sqlite3_stmt) query =
        sqlite_prepare(store->db,
                       "SELECT hash, customer, note, scopes, rate, burst, quota, expires_us,"
                       " lifetime_us, revoked_us FROM key WHERE id >= ?1 AND id < ?1 || 'g'",
                       error);
    if (!query)
        return FALSE;
    sqlite_bind_text(query, 1, id);
    int got = sqlite_step(query, error);
    if (got <= 0)
        return got == 0 ? no_such_key(id, error) : FALSE;
    if (sqlite3_column_bytes(query, 0) != API_KEY_HASH_BYTES)
        return keys_store_damaged(store, error);
    memcpy(old->hash, sqlite3_column_blob(query, 0), API_KEY_HASH_BYTES);
    old->customer = g_strdup(sqlite_text(query, 1));
    old->note = g_strdup(sqlite_text(query, 2));
    old->wish = (KeysWish){.customer = old->customer,
                           .note = old->note,
                           .scopes = (guint32)sqlite3_column_int64(query, 3),
                           .rate_per_s = (guint32)sqlite3_column_int64(query, 4),
                           .burst = (guint32)sqlite3_column_int64(query, 5),
                           .daily_quota = (guint64)sqlite3_column_int64(query, 6),
                           .expires_us = sqlite3_column_int64(query, 7)};
    old->lifetime_us = sqlite3_column_int64(query, 8);
    old->revoked_us = sqlite3_column_int64(query, 9);
    got = sqlite_step(query, error);
    if (got == 1)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                    "several keys have ids that begin with %s: give more of it", id);
    return got == 0;
}

static gboolean
revoke_key(KeysStore *store, gpointer data, GError **error)
{
    const char *id = data;
    g_auto(OldKey) old = {0};

    if (!find_key(store, id, &old, error))
        return FALSE;
    g_autoptr(sqlite3_stmt) update = sqlite_prepare(
        store->db, "UPDATE key SET revoked_us = ? WHERE hash = ? AND revoked_us = 0", error);
    if (!update)
        return FALSE;
    sqlite_bind_int(update, 1, g_get_real_time());
    sqlite_bind_bytes(update, 2, old.hash, sizeof old.hash);
    return sqlite_finish(update, error);
}

/* One that is revoked already is published again: the first time may have failed at that. */
gboolean
keys_store_revoke(KeysStore *store, const char *id, GError **error)
{
    return check_id(id, error) &&
           change_and_publish(store, revoke_key, (gpointer)id, NOT_PUBLISHED, error);
}

typedef struct {
    const char *customer;
    guint count;
} RevokeAll;

static gboolean
revoke_all(KeysStore *store, gpointer data, GError **error)
{
    RevokeAll *all = data;
    g_autoptr(sqlite3_stmt) query =
        sqlite_prepare(store->db, "SELECT 1 FROM key WHERE customer = ?", error);
    g_autoptr(sqlite3_stmt) update = NULL;

    if (!query)
        return FALSE;
    sqlite_bind_text(query, 1, all->customer);
    int got = sqlite_step(query, error);
    if (got == 0)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT,
                    "customer \"%s\" has no keys: see millrace keys list", all->customer);
    if (got != 1)
        return FALSE;
    update = sqlite_prepare(
        store->db, "UPDATE key SET revoked_us = ? WHERE customer = ? AND revoked_us = 0", error);
    if (!update)
        return FALSE;
    sqlite_bind_int(update, 1, g_get_real_time());
    sqlite_bind_text(update, 2, all->customer);
    if (!sqlite_finish(update, error))
        return FALSE;
    all->count = (guint)sqlite3_changes(store->db);
    return TRUE;
}

gboolean
keys_store_revoke_customer(KeysStore *store, const char *customer, guint *count, GError **error)
{
    RevokeAll all = {.customer = customer};

    if (!identity_customer_check(customer, error) ||
        !change_and_publish(store, revoke_all, &all, NOT_PUBLISHED, error))
        return FALSE;
    *count = all.count;
    return TRUE;
}

typedef struct {
    const char *id;
    gint64 grace_us;
    char *key;
} Rotation;

static gboolean
check_rotation(const Rotation *rotation, const OldKey *old, gint64 now_us, GError **error)
{
    const char *why = NULL;

    if (old->revoked_us != 0)
        why = "is revoked";
    else if (old->wish.expires_us <= now_us)
        why = "has expired";
    if (!why)
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT,
                "the key %s %s: make a new one with millrace keys add", rotation->id, why);
    return FALSE;
}

/* The new key lives as long as the old one was given to. */
static gboolean
rotate_key(KeysStore *store, gpointer data, GError **error)
{
    const Rotation *rotation = data;
    gint64 now_us = g_get_real_time();
    g_auto(OldKey) old = {0};

    if (!find_key(store, rotation->id, &old, error) ||
        !check_rotation(rotation, &old, now_us, error))
        return FALSE;
    g_autoptr(sqlite3_stmt) update = sqlite_prepare(
        store->db, "UPDATE key SET expires_us = min(expires_us, ?) WHERE hash = ?", error);
    if (!update)
        return FALSE;
    sqlite_bind_int(update, 1, now_us + rotation->grace_us);
    sqlite_bind_bytes(update, 2, old.hash, sizeof old.hash);
    if (!sqlite_finish(update, error))
        return FALSE;
    KeysWish wish = old.wish;
    wish.expires_us = old.lifetime_us > 0 ? now_us + old.lifetime_us : G_MAXINT64;
    NewKey new = {
        .wish = &wish, .now_us = now_us, .lifetime_us = old.lifetime_us, .key = rotation->key};
    return insert_key(store, &new, error);
}

gboolean
keys_store_rotate(KeysStore *store, const char *id, gint64 grace_us, char key[API_KEY_CHARS + 1],
                  GError **error)
{
    Rotation rotation = {id, grace_us, key};

    g_assert(grace_us >= 0 && grace_us < G_MAXINT64 / 2);
    return check_id(id, error) &&
           change_and_publish(
               store, rotate_key, &rotation,
               "nothing is published, and the new key is lost: run it again: ", error);
}
