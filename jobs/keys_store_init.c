/* keys_store_init.c - makes a state. Each step finds what an earlier try has made, and the head of
 * the first epoch is the last of them: a state with a head is complete.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/durable.h"
#include "jobs/key_pair.h"
#include "jobs/keys_store_internal.h"

#define DOOR_NAME "door"

/* A folder for its owner alone, and durable. One that is there already keeps its modes, unless it
 * is empty. */
static int
open_private(const char *path, GError **error)
{
    int fd = durable_folder_open(path, TRUE, error);
    if (fd < 0)
        return -1;
    g_autoptr(GPtrArray) names = durable_folder_list(fd, "", error);
    gboolean ready = names != NULL;
    if (ready && names->len == 0 && fchmod(fd, 0700) != 0)
        ready = millrace_error_set_errno(error, durable_creation_error(errno), errno,
                                         "making %s private", path);
    if (ready)
        return fd;
    close(fd);
    return -1;
}

/* The pepper is drawn once: a store with another one would know none of its keys. */
static gboolean
ensure_meta(KeysStore *store, GError **error)
{
    guint8 pepper[API_KEY_PEPPER_BYTES];

    if (getrandom(pepper, sizeof pepper, 0) != sizeof pepper)
        return millrace_error_set_errno(error, MILLRACE_ERROR_UNAVAILABLE, errno,
                                        "drawing random numbers");
    g_autoptr(sqlite3_stmt) insert =
        sqlite_prepare(store->db,
                       "INSERT INTO meta(one, epoch, pepper) VALUES(1, 0, ?)"
                       " ON CONFLICT DO NOTHING",
                       error);
    if (!insert)
        return FALSE;
    sqlite_bind_bytes(insert, 1, pepper, sizeof pepper);
    return sqlite_finish(insert, error);
}

static gboolean
publish_first(const char *folder, GError **error)
{
    IdentityHead head;
    g_autoptr(KeysStore) store = keys_store_open_folder(folder, TRUE, error);

    return store && ensure_meta(store, error) && keys_store_publish(store, &head, error);
}

static gboolean
make_all(int state_fd, int identity_fd, const char *folder, gboolean *made, GError **error)
{
    g_autofree char *head = g_build_filename(folder, PUBLISHED_NAME, IDENTITY_HEAD_FILE, NULL);
    gboolean pair_made[2] = {FALSE};

    if (!key_pair_ensure(state_fd, DOOR_NAME, &pair_made[0], error) ||
        !key_pair_ensure(identity_fd, PUBLISHER_NAME, &pair_made[1], error))
        return FALSE;
    *made = pair_made[0] || pair_made[1];
    if (access(head, F_OK) == 0)
        return TRUE;
    *made = TRUE;
    return publish_first(folder, error);
}

gboolean
keys_state_init(const char *state, GError **error)
{
    g_autofree char *folder = g_build_filename(state, STATE_IDENTITY, NULL);
    gboolean made = FALSE;
    int identity_fd = -1;

    int state_fd = open_private(state, error);
    if (state_fd < 0)
        return FALSE;
    identity_fd = open_private(folder, error);
    gboolean done = identity_fd >= 0 && make_all(state_fd, identity_fd, folder, &made, error);
    if (identity_fd >= 0)
        close(identity_fd);
    close(state_fd);
    if (!done || made)
        return done;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CANT_CREATE,
                "%s has keys already: add to them with millrace keys add, or give another folder",
                state);
    return FALSE;
}
