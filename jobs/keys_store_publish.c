/* keys_store_publish.c - what is in the store becomes a snapshot and a head that names it. Each
 * step leaves what was published before whole; whatever a killed process has left undone, the next
 * one does: it publishes all that is committed, under a higher epoch.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "formats/durable.h"
#include "formats/note.h"
#include "jobs/identity_source.h"
#include "jobs/key_pair.h"
#include "jobs/keys_store_internal.h"

#define TEMPORARY ".snapshot.tmp"

enum { LOCK_WAIT_S = 60, LOCK_PAUSE_MS = 20 };

gboolean
keys_store_lock(KeysStore *store, GError **error)
{
    gint64 until_us = g_get_monotonic_time() + (gint64)LOCK_WAIT_S * G_USEC_PER_SEC;

    while (flock(store->folder_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "locking %s",
                                            store->folder);
        if (g_get_monotonic_time() > until_us) {
            g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_UNAVAILABLE,
                        "%s: another process has been changing keys for a minute: try again",
                        store->folder);
            return FALSE;
        }
        g_usleep(LOCK_PAUSE_MS * 1000L);
    }
    return TRUE;
}

void
keys_store_unlock(KeysStore *store)
{
    flock(store->folder_fd, LOCK_UN);
}

/* What is published now; epoch 0 when nothing is, or nothing that holds. */
static void
read_published(KeysStore *store, int published_fd, IdentityHead *head)
{
    gsize size_bytes = 0;
    g_autoptr(MinisignSecret) secret = key_pair_read(store->folder_fd, PUBLISHER_NAME, NULL);
    g_autofree char *text =
        durable_read_file(published_fd, IDENTITY_HEAD_FILE, NOTE_MAX_BYTES, &size_bytes, NULL);

    if (!secret || !text ||
        !identity_head_open(IDENTITY_HEAD_FILE, text, size_bytes, minisign_public(secret), 1, head,
                            NULL))
        *head = (IdentityHead){.digest = "none"};
}

static int
open_published(KeysStore *store, GError **error)
{
    return durable_folder_beneath(store->folder_fd, PUBLISHED_NAME, error);
}

gboolean
keys_store_next_epoch(KeysStore *store, guint64 *epoch, GError **error)
{
    IdentityHead published;
    int published_fd = open_published(store, error);

    if (published_fd < 0)
        return FALSE;
    read_published(store, published_fd, &published);
    close(published_fd);
    /* A store that was restored from a copy knows less than what doors have seen. */
    g_autoptr(sqlite3_stmt) update = sqlite_prepare(
        store->db, "UPDATE meta SET epoch = max(epoch, ?) + 1 RETURNING epoch", error);
    if (!update)
        return FALSE;
    sqlite_bind_int(update, 1, (gint64)published.epoch);
    int got = sqlite_step(update, error);
    if (got == 1) {
        *epoch = (guint64)sqlite3_column_int64(update, 0);
        return sqlite_finish(update, error);
    }
    if (got == 0)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT,
                    "%s: what makes it was stopped: run millrace keys init again", store->folder);
    return FALSE;
}

/* (transfer full) an empty builder with the store's pepper. */
static IdentityBuilder *
new_builder(KeysStore *store, const char *path, guint64 count, GError **error)
{
    g_autoptr(sqlite3_stmt) query = sqlite_prepare(store->db, "SELECT pepper FROM meta", error);

    if (!query || sqlite_step(query, error) != 1)
        return NULL;
    const void *pepper = sqlite3_column_blob(query, 0);
    if (sqlite3_column_bytes(query, 0) != API_KEY_PEPPER_BYTES) {
        keys_store_damaged(store, error);
        return NULL;
    }
    return identity_builder_new(path, pepper, count, error);
}

static gboolean
count_keys(KeysStore *store, guint64 *count, GError **error)
{
    g_autoptr(sqlite3_stmt) query =
        sqlite_prepare(store->db, "SELECT count(*) FROM key WHERE revoked_us = 0", error);

    if (!query || sqlite_step(query, error) != 1)
        return FALSE;
    *count = (guint64)sqlite3_column_int64(query, 0);
    if (*count <= IDENTITY_COUNT_MAX)
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                "%s: more than %d keys: revoke those that nobody uses", store->folder,
                IDENTITY_COUNT_MAX);
    return FALSE;
}

/* Expired keys are in it, too: whether a key is expired is said by the clock of who asks. */
static gboolean
add_keys(KeysStore *store, IdentityBuilder *builder, GError **error)
{
    g_autoptr(sqlite3_stmt) query =
        sqlite_prepare(store->db,
                       "SELECT hash, customer, scopes, rate, burst, quota, expires_us FROM key"
                       " WHERE revoked_us = 0 ORDER BY hash",
                       error);
    int got = query ? 0 : -1;

    while (got >= 0 && (got = sqlite_step(query, error)) > 0) {
        IdentityKey key = {.scopes = (guint32)sqlite3_column_int64(query, 2),
                           .rate_per_s = (guint32)sqlite3_column_int64(query, 3),
                           .burst = (guint32)sqlite3_column_int64(query, 4),
                           .daily_quota = (guint64)sqlite3_column_int64(query, 5),
                           .expires_us = sqlite3_column_int64(query, 6)};
        g_strlcpy(key.customer, sqlite_text(query, 1), sizeof key.customer);
        if (sqlite3_column_bytes(query, 0) != API_KEY_HASH_BYTES ||
            !identity_customer_check(key.customer, NULL))
            return keys_store_damaged(store, error);
        if (!identity_builder_add(builder, sqlite3_column_blob(query, 0), &key, error))
            return FALSE;
    }
    return got == 0;
}

/* Under a read transaction, so that the count is of what is read. */
static gboolean
build(KeysStore *store, const char *path, IdentityHead *head, GError **error)
{
    if (!count_keys(store, &head->count, error))
        return FALSE;
    g_autoptr(IdentityBuilder) builder = new_builder(store, path, head->count, error);
    return builder && add_keys(store, builder, error) &&
           identity_builder_close(g_steal_pointer(&builder), head->digest, error);
}

/* Gives the snapshot its name, then writes the head that names it. */
static gboolean
name_both(KeysStore *store, int published_fd, const IdentityHead *head, GError **error)
{
    g_autofree char *name = identity_snapshot_name(head->digest);
    g_autoptr(MinisignSecret) secret = key_pair_read(store->folder_fd, PUBLISHER_NAME, error);

    if (!secret)
        return FALSE;
    if (renameat(published_fd, TEMPORARY, published_fd, name) != 0)
        return millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "naming %s", name);
    g_autofree char *text = identity_head_sign(head, secret);
    return durable_sync(published_fd, "the folder", error) &&
           durable_write_file(published_fd, IDENTITY_HEAD_FILE, text, strlen(text), error);
}

static gboolean
publish_to(KeysStore *store, int published_fd, IdentityHead *head, GError **error)
{
    g_autofree char *folder = g_build_filename(store->folder, PUBLISHED_NAME, NULL);
    g_autofree char *path = g_build_filename(folder, TEMPORARY, NULL);

    if (unlinkat(published_fd, TEMPORARY, 0) != 0 && errno != ENOENT)
        return millrace_error_set_errno(error, durable_creation_error(errno), errno, "removing %s",
                                        path);
    if (!sqlite_run(store->db, "BEGIN", error))
        return FALSE;
    gboolean built = build(store, path, head, error);
    sqlite_rollback(store->db); /* it was for reading alone */
    if (!built || !name_both(store, published_fd, head, error)) {
        unlinkat(published_fd, TEMPORARY, 0);
        return FALSE;
    }
    g_autofree char *name = identity_snapshot_name(head->digest);
    identity_prune(folder, published_fd, name, IDENTITY_KEPT, TRUE); /* the lock is ours */
    return TRUE;
}

gboolean
keys_store_publish_epoch(KeysStore *store, guint64 epoch, IdentityHead *head, GError **error)
{
    IdentityHead before;
    int published_fd = open_published(store, error);

    if (published_fd < 0)
        return FALSE;
    read_published(store, published_fd, &before);
    *head = (IdentityHead){.epoch = epoch, .created_us = g_get_real_time()};
    g_strlcpy(head->parent, before.digest, sizeof head->parent);
    gboolean done = publish_to(store, published_fd, head, error);
    close(published_fd);
    return done;
}
