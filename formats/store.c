/* store.c - the batch store: files named by their digests, in a folder for each kind.
 * Temporary names are drawn at random rather than made of a process id, since processes of several
 * hosts may write to one store, and what two of them write under one name must never mix.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/durable.h"
#include "formats/sha256.h"
#include "formats/store_internal.h"

enum { FOLDER_ABSENT = -1, FOLDER_FAILED = -2 };
enum { READ_MAX_BYTES = 64 << 20, COMPARE_BYTES = 64 << 10, STALE_S = 3600 };

static const struct {
    const char *folder;
    const char *suffix;
} kinds[STORE_KINDS] = {[STORE_SEGMENTS] = {"segments", ".segment"},
                        [STORE_QUARANTINE] = {"quarantine", ".ndjson"},
                        [STORE_SEALS] = {"seals", ".json"},
                        [STORE_LOGS] = {"logs", ".json"}};

const char *
store_folder(StoreKind kind)
{
    g_assert((guint)kind < STORE_KINDS);
    return kinds[kind].folder;
}

const char *
store_suffix(StoreKind kind)
{
    g_assert((guint)kind < STORE_KINDS);
    return kinds[kind].suffix;
}

const char *
store_path(const Store *store)
{
    return store->path;
}

gboolean
store_is_name(const char *name)
{
    return strlen(name) == STORE_NAME_CHARS && strspn(name, "0123456789abcdef") == STORE_NAME_CHARS;
}

char *
store_file_path(const Store *store, StoreKind kind, const char *name)
{
    g_autofree char *file = g_strconcat(name, store_suffix(kind), NULL);

    return g_build_filename(store->path, store_folder(kind), file, NULL);
}

/* Opens the folder of a kind where it is, a link to another place too. One that cannot be opened is
 * not one that is empty. */
static int
open_folder(Store *store, StoreKind kind, GError **error)
{
    int fd = openat(store->root_fd, store_folder(kind), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0 || errno == ENOENT)
        return fd >= 0 ? fd : FOLDER_ABSENT;
    millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "%s/%s", store->path,
                             store_folder(kind));
    return FOLDER_FAILED;
}

int
store_folder_fd(Store *store, StoreKind kind, gboolean create, GError **error)
{
    g_mutex_lock(&store->lock);
    int fd = store->fds[kind];
    if (fd < 0)
        fd = open_folder(store, kind, error);
    if (fd == FOLDER_ABSENT && create) {
        fd = durable_folder_beneath(store->root_fd, store_folder(kind), error);
        if (fd < 0)
            g_prefix_error(error, "%s: ", store->path);
    }
    store->fds[kind] = fd;
    g_mutex_unlock(&store->lock);
    return fd;
}

/* Removes temporaries of processes that died. One that is being written is never that old. */
static void
sweep(int folder_fd)
{
    int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = fd >= 0 ? fdopendir(fd) : NULL;
    gint64 now_s = g_get_real_time() / G_USEC_PER_SEC;
    const struct dirent *entry = NULL;
    struct stat status;

    while (listing && (entry = readdir(listing)))
        if (entry->d_name[0] == '.' && g_str_has_suffix(entry->d_name, ".tmp") &&
            fstatat(folder_fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            status.st_mtime < now_s - STALE_S)
            unlinkat(folder_fd, entry->d_name, 0);
    if (listing)
        closedir(listing);
    else if (fd >= 0)
        close(fd);
}

static gboolean
open_folders(Store *store, gboolean create, GError **error)
{
    for (guint kind = 0; kind < STORE_KINDS; kind++) {
        int fd = store_folder_fd(store, kind, create, error);
        if (fd == FOLDER_FAILED || (fd < 0 && create))
            return FALSE;
        if (create)
            sweep(fd);
    }
    if (create || store->fds[STORE_SEGMENTS] >= 0 || store->fds[STORE_SEALS] >= 0)
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT,
                "%s: no batch store: it has no folder %s", store->path,
                store_folder(STORE_SEGMENTS));
    return FALSE;
}

Store *
store_open(const char *path, gboolean create, GError **error)
{
    int root_fd = durable_folder_open(path, create, error);

    if (root_fd < 0)
        return NULL;
    g_autoptr(Store) store = g_new0(Store, 1);
    store->path = g_strdup(path);
    store->root_fd = root_fd;
    for (guint kind = 0; kind < STORE_KINDS; kind++)
        store->fds[kind] = -1;
    g_mutex_init(&store->lock);
    return open_folders(store, create, error) ? g_steal_pointer(&store) : NULL;
}

void
store_free(Store *store)
{
    if (!store)
        return;
    for (guint kind = 0; kind < STORE_KINDS; kind++)
        if (store->fds[kind] >= 0)
            close(store->fds[kind]);
    close(store->root_fd);
    g_clear_pointer(&store->logs, g_hash_table_unref);
    g_mutex_clear(&store->lock);
    g_free(store->path);
    g_free(store);
}

gboolean
store_has(Store *store, StoreKind kind, const char *name)
{
    int fd = store_folder_fd(store, kind, FALSE, NULL);
    g_autofree char *file = g_strconcat(name, store_suffix(kind), NULL);
    struct stat status;

    return fd >= 0 && fstatat(fd, file, &status, 0) == 0 && S_ISREG(status.st_mode);
}

/* Does the file hold these bytes? *there: whether there is one at all. */
static gboolean
holds(int folder_fd, const char *file, const guint8 *bytes, gsize size_bytes, gboolean *there)
{
    int fd = openat(folder_fd, file, O_RDONLY | O_CLOEXEC);
    g_autofree guint8 *piece = g_malloc(COMPARE_BYTES);
    gsize same = 0;
    ssize_t got = 0;

    *there = fd >= 0 || errno != ENOENT;
    if (fd < 0)
        return FALSE;
    while ((got = read(fd, piece, COMPARE_BYTES)) > 0) {
        if ((gsize)got > size_bytes - same || memcmp(piece, bytes + same, (gsize)got) != 0)
            break;
        same += (gsize)got;
    }
    close(fd);
    return got == 0 && same == size_bytes;
}

gboolean
store_temporary_open(StoreTemporary *temporary, Store *store, StoreKind kind, const char *name,
                     GError **error)
{
    *temporary = (StoreTemporary){.fd = -1};
    temporary->folder_fd = store_folder_fd(store, kind, TRUE, error);
    if (temporary->folder_fd < 0)
        return FALSE;
    do {
        g_snprintf(temporary->temporary, sizeof temporary->temporary, ".%08x%08x.tmp",
                   g_random_int(), g_random_int());
        temporary->fd = openat(temporary->folder_fd, temporary->temporary,
                               O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    } while (temporary->fd < 0 && errno == EEXIST);
    int errnum = errno;
    temporary->path = store_file_path(store, kind, name);
    if (temporary->fd >= 0)
        return TRUE;
    millrace_error_set_errno(error, durable_creation_error(errnum), errnum, "creating %s",
                             temporary->path);
    g_clear_pointer(&temporary->path, g_free);
    return FALSE;
}

static void
release(StoreTemporary *temporary)
{
    if (temporary->fd >= 0)
        close(temporary->fd);
    g_clear_pointer(&temporary->path, g_free);
}

void
store_temporary_abandon(StoreTemporary *temporary)
{
    unlinkat(temporary->folder_fd, temporary->temporary, 0);
    release(temporary);
}

/* Gives the temporary its name. A file that has it has the same bytes, unless it is damaged. */
static gboolean
give_name(StoreTemporary *temporary, gboolean damaged, gboolean *added, GError **error)
{
    const char *file = strrchr(temporary->path, '/') + 1;
    int folder_fd = temporary->folder_fd;
    PublishResult result = durable_publish(folder_fd, temporary->temporary, folder_fd, file, error);

    *added = result == PUBLISH_DONE || damaged;
    if (result == PUBLISH_FAILED)
        return FALSE;
    if (result == PUBLISH_DONE || renameat(folder_fd, temporary->temporary, folder_fd, file) == 0)
        return durable_sync(folder_fd, temporary->path, error);
    return millrace_error_set_errno(error, durable_creation_error(errno), errno, "naming %s",
                                    temporary->path);
}

gboolean
store_temporary_publish(StoreTemporary *temporary, gboolean damaged, gboolean *added,
                        GError **error)
{
    gboolean good = durable_sync(temporary->fd, temporary->path, error);

    if (close(temporary->fd) != 0 && good)
        good = millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "closing %s",
                                        temporary->path);
    temporary->fd = -1;
    good = good && give_name(temporary, damaged, added, error);
    if (good)
        release(temporary);
    else
        store_temporary_abandon(temporary);
    return good;
}

gboolean
store_put(Store *store, StoreKind kind, const char *digest, const void *bytes, gsize size_bytes,
          gboolean *added, GError **error)
{
    char name[SHA256_CHARS + 1];
    gboolean damaged = FALSE;
    gboolean is_new = FALSE;
    StoreTemporary temporary;

    if (digest)
        g_strlcpy(name, digest, sizeof name);
    else
        sha256_hex(bytes, size_bytes, name);
    g_assert(store_is_name(name));
    int fd = store_folder_fd(store, kind, TRUE, error);
    if (fd < 0)
        return FALSE;
    g_autofree char *file = g_strconcat(name, store_suffix(kind), NULL);
    if (holds(fd, file, bytes, size_bytes, &damaged)) {
        if (added)
            *added = FALSE;
        /* Who gave it its name may not have come to this yet. */
        return durable_sync(fd, file, error);
    }
    if (!store_temporary_open(&temporary, store, kind, name, error))
        return FALSE;
    if (!durable_write_all(temporary.fd, temporary.path, bytes, size_bytes, error)) {
        store_temporary_abandon(&temporary);
        return FALSE;
    }
    gboolean good = store_temporary_publish(&temporary, damaged, &is_new, error);
    if (added)
        *added = is_new;
    return good;
}

GPtrArray *
store_list(Store *store, StoreKind kind, GError **error)
{
    int fd = store_folder_fd(store, kind, FALSE, error);

    if (fd < 0)
        return fd == FOLDER_ABSENT ? g_ptr_array_new_with_free_func(g_free) : NULL;
    GPtrArray *names = durable_folder_list(fd, "", error);
    if (!names) {
        g_prefix_error(error, "%s/%s: ", store->path, store_folder(kind));
        return NULL;
    }
    for (guint i = names->len; i-- > 0;) {
        char *name = names->pdata[i];
        gboolean ours = g_str_has_suffix(name, store_suffix(kind));
        if (ours)
            name[strlen(name) - strlen(store_suffix(kind))] = '\0';
        if (!ours || !store_is_name(name))
            g_ptr_array_remove_index(names, i);
    }
    return names;
}

char *
store_read(Store *store, StoreKind kind, const char *name, gsize *size_bytes, GError **error)
{
    char digest[SHA256_CHARS + 1];
    g_autofree char *path = store_file_path(store, kind, name);
    g_autofree char *file = g_path_get_basename(path);
    int fd = store_folder_fd(store, kind, FALSE, error);
    gsize size = 0;

    if (fd == FOLDER_ABSENT)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT, "%s: not there", path);
    if (fd < 0)
        return NULL;
    g_autofree char *bytes = durable_read_file(fd, file, READ_MAX_BYTES, &size, error);
    if (!bytes) {
        g_prefix_error(error, "%s: ", path);
        return NULL;
    }
    sha256_hex(bytes, size, digest);
    if (strcmp(digest, name) != 0) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                    "%s: its bytes are not those that it is named by: fetch it from another copy "
                    "of the store, or remove it",
                    path);
        return NULL;
    }
    if (size_bytes)
        *size_bytes = size;
    return g_steal_pointer(&bytes);
}
