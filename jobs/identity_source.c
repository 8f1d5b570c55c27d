/* identity_source.c - published identity, read from a folder or a URL.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/identity_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/durable.h"
#include "formats/note.h"
#include "jobs/identity_fetch.h"

/* A source that accepts and says nothing keeps the others from being asked. */
enum { PIECE_BYTES = 256 << 10, HEAD_TIMEOUT_S = 2, SNAPSHOT_TIMEOUT_S = 30 };

static gboolean
is_url(const char *source)
{
    return g_str_has_prefix(source, "http://") || g_str_has_prefix(source, "https://");
}

gboolean
identity_source_check(const char *source, GError **error)
{
    if (!strstr(source, "://") || is_url(source))
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                "%s: expected a folder, or http:// or https://", source);
    return FALSE;
}

/* (transfer full) */
static char *
join(const char *source, const char *name)
{
    gboolean slash = g_str_has_suffix(source, "/");

    return g_strconcat(source, slash ? "" : "/", name, NULL);
}

/* Appends a regular file to fd; a pipe would be waited for. */
static gboolean
copy_file(const char *path, guint64 max_bytes, int fd, GError **error)
{
    g_autofree guint8 *piece = g_malloc(PIECE_BYTES);
    guint64 offset = 0;
    struct stat status;
    gssize got = 0;

    int from_fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (from_fd < 0) {
        gboolean missing = errno == ENOENT || errno == ENOTDIR;
        return millrace_error_set_errno(error,
                                        missing ? MILLRACE_ERROR_NO_INPUT : MILLRACE_ERROR_IO,
                                        errno, "opening %s", path);
    }
    gboolean good = fstat(from_fd, &status) == 0 && S_ISREG(status.st_mode) &&
                    status.st_size >= 0 && (guint64)status.st_size <= max_bytes;
    if (!good)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                    "%s: expected a file of at most %" G_GUINT64_FORMAT " bytes", path, max_bytes);
    /* It may grow while it is read. */
    while (good && offset < max_bytes) {
        gsize wanted = (gsize)MIN(PIECE_BYTES, max_bytes - offset);
        got = durable_read_at(from_fd, path, offset, piece, wanted, error);
        good = got >= 0 && durable_write_all(fd, path, piece, (gsize)got, error);
        if (got <= 0)
            break;
        offset += (guint64)got;
    }
    close(from_fd);
    return good;
}

static gboolean
get(const char *source, const char *name, guint64 max_bytes, int fd, gint64 *age_s, GError **error)
{
    g_autofree char *where = join(source, name);
    guint timeout_s = strcmp(name, IDENTITY_HEAD_FILE) == 0 ? HEAD_TIMEOUT_S : SNAPSHOT_TIMEOUT_S;

    *age_s = -1;
    return is_url(source) ? identity_fetch(where, max_bytes, timeout_s, fd, age_s, error)
                          : copy_file(where, max_bytes, fd, error);
}

/* (transfer full) with a NUL behind it. */
static char *
get_text(const char *source, const char *name, gsize *size_bytes, gint64 *age_s, GError **error)
{
    char text[NOTE_MAX_BYTES + 1];
    int fd = memfd_create("head", MFD_CLOEXEC);

    if (fd < 0) {
        millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "memory for a head");
        return NULL;
    }
    gssize got = -1;
    if (get(source, name, NOTE_MAX_BYTES, fd, age_s, error))
        got = durable_read_at(fd, name, 0, text, NOTE_MAX_BYTES, error);
    close(fd);
    if (got < 0)
        return NULL;
    *size_bytes = (gsize)got;
    text[got] = '\0';
    return g_memdup2(text, (gsize)got + 1);
}

gboolean
identity_source_head(const char *source, const MinisignPublic *keys, guint key_count,
                     IdentityHead *head, char **text, gint64 *age_us, GError **error)
{
    gsize size_bytes = 0;
    gint64 age_s = 0;
    g_autofree char *name = join(source, IDENTITY_HEAD_FILE);
    g_autofree char *got = get_text(source, IDENTITY_HEAD_FILE, &size_bytes, &age_s, error);

    if (!got || !identity_head_open(name, got, size_bytes, keys, key_count, head, error))
        return FALSE;
    /* Whole seconds were cut off; two doors that ask each other would never grow older. */
    *age_us = (age_s + 1) * G_USEC_PER_SEC;
    *text = g_steal_pointer(&got);
    return TRUE;
}

gboolean
identity_copy_holds(int folder_fd, const IdentityHead *head)
{
    g_autofree char *name = identity_snapshot_name(head->digest);
    char digest[IDENTITY_DIGEST_CHARS + 1];
    int fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    struct stat status;

    if (fd < 0)
        return FALSE;
    gboolean holds = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
                     identity_file_digest(fd, name, digest, NULL) &&
                     strcmp(digest, head->digest) == 0;
    close(fd);
    return holds;
}

/* Is what was copied the snapshot that the head speaks of? Only then is it mapped. */
static gboolean
check_copy(const char *source, const IdentityHead *head, int fd, const char *path, GError **error)
{
    char digest[IDENTITY_DIGEST_CHARS + 1];

    if (!identity_file_digest(fd, path, digest, error))
        return FALSE;
    if (strcmp(digest, head->digest) != 0) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                    "%s: the snapshot is damaged: its digest is %s, not %s", source, digest,
                    head->digest);
        return FALSE;
    }
    g_autoptr(IdentitySnapshot) snapshot = identity_snapshot_open(path, error);
    if (!snapshot)
        return FALSE;
    if (identity_snapshot_count(snapshot) == head->count)
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                "%s: the snapshot has %" G_GUINT64_FORMAT " keys, its head says %" G_GUINT64_FORMAT,
                source, identity_snapshot_count(snapshot), head->count);
    return FALSE;
}

/* Copies to a temporary name of its own: processes may share the folder. */
static gboolean
copy_to(const char *source, const IdentityHead *head, int folder_fd, const char *folder,
        const char *temporary, gboolean durable, GError **error)
{
    g_autofree char *name = identity_snapshot_name(head->digest);
    g_autofree char *path = g_build_filename(folder, temporary, NULL);
    gint64 age_s = 0;

    int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
    int fd = openat(folder_fd, temporary, flags, 0600);
    if (fd < 0)
        return millrace_error_set_errno(error, durable_creation_error(errno), errno, "creating %s",
                                        path);
    gboolean done =
        get(source, name, identity_snapshot_max_bytes(head->count), fd, &age_s, error) &&
        (!durable || durable_sync(fd, path, error)) && check_copy(source, head, fd, path, error);
    close(fd);
    if (done && renameat(folder_fd, temporary, folder_fd, name) != 0)
        done = millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "naming %s", name);
    if (!done)
        unlinkat(folder_fd, temporary, 0);
    return done && (!durable || durable_sync(folder_fd, folder, error));
}

gboolean
identity_source_copy(const char *source, const IdentityHead *head, int folder_fd,
                     const char *folder, gboolean durable, GError **error)
{
    static gint serial;

    if (identity_copy_holds(folder_fd, head))
        return TRUE;
    g_autofree char *temporary =
        g_strdup_printf(".snapshot-%d-%d.tmp", (int)getpid(), g_atomic_int_add(&serial, 1));
    unlinkat(folder_fd, temporary, 0); /* of an earlier process with this number */
    return copy_to(source, head, folder_fd, folder, temporary, durable, error);
}

int
identity_head_compare(const char *source, const IdentityHead *head, const IdentityHead *seen,
                      GError **error)
{
    if (head->epoch > seen->epoch)
        return 1;
    if (head->epoch == seen->epoch && strcmp(head->digest, seen->digest) == 0)
        return 0;
    if (head->epoch == seen->epoch)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_INVARIANT,
                    "%s: two heads of epoch %" G_GUINT64_FORMAT
                    " that name different snapshots: two publishers have the same key; publish "
                    "again with one of them",
                    source, head->epoch);
    else
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_INVARIANT,
                    "%s: epoch %" G_GUINT64_FORMAT " is older than %" G_GUINT64_FORMAT
                    ", which was seen before: refused",
                    source, head->epoch, seen->epoch);
    return -1;
}

typedef struct {
    char *name;
    gint64 changed_ns;
} Kept;

static void
clear_kept(gpointer kept)
{
    g_free(((Kept *)kept)->name);
}

static gint
compare_age(gconstpointer a, gconstpointer b)
{
    gint64 left = ((const Kept *)a)->changed_ns;
    gint64 right = ((const Kept *)b)->changed_ns;

    return (right > left) - (right < left);
}

void
identity_prune(const char *folder, int folder_fd, const char *current, guint keep_count,
               gboolean alone)
{
    gint64 old_ns = (g_get_real_time() - G_TIME_SPAN_HOUR) * 1000;
    g_autoptr(GArray) snapshots = g_array_new(FALSE, FALSE, sizeof(Kept));
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name = NULL;
    struct stat status;

    g_array_set_clear_func(snapshots, clear_kept);
    while (dir && (name = g_dir_read_name(dir))) {
        if (fstatat(folder_fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        gint64 changed_ns = status.st_mtim.tv_sec * 1000000000L + status.st_mtim.tv_nsec;
        if (*name == '.' && g_str_has_suffix(name, ".tmp") && (alone || changed_ns < old_ns))
            unlinkat(folder_fd, name, 0);
        if (!g_str_has_prefix(name, IDENTITY_NAME_PREFIX) || strcmp(name, current) == 0)
            continue;
        const Kept kept = {g_strdup(name), changed_ns};
        g_array_append_val(snapshots, kept);
    }
    g_array_sort(snapshots, compare_age);
    for (guint i = keep_count - 1; i < snapshots->len; i++)
        unlinkat(folder_fd, g_array_index(snapshots, Kept, i).name, 0);
}

/* What DEST has: its head, if it holds, is a limit even when its snapshot is gone. */
static void
read_dest(const char *dest, const MinisignPublic *keys, guint key_count, IdentityHead *seen)
{
    g_autofree char *text = NULL;
    gint64 age_us = 0;

    if (!identity_source_head(dest, keys, key_count, seen, &text, &age_us, NULL))
        *seen = (IdentityHead){0};
}

gboolean
identity_mirror(const char *source, const char *dest, const MinisignPublic *keys, guint key_count,
                IdentityHead *head, GError **error)
{
    g_autofree char *text = NULL;
    IdentityHead seen;
    gint64 age_us = 0;

    if (!identity_source_head(source, keys, key_count, head, &text, &age_us, error))
        return FALSE;
    read_dest(dest, keys, key_count, &seen);
    int order = identity_head_compare(source, head, &seen, error);
    if (order < 0)
        return FALSE;
    int folder_fd = durable_folder_open(dest, TRUE, error);
    if (folder_fd < 0)
        return FALSE;
    gboolean done = identity_source_copy(source, head, folder_fd, dest, TRUE, error) &&
                    (order == 0 ||
                     durable_write_file(folder_fd, IDENTITY_HEAD_FILE, text, strlen(text), error));
    if (done) {
        g_autofree char *name = identity_snapshot_name(head->digest);
        identity_prune(dest, folder_fd, name, IDENTITY_KEPT, FALSE);
    }
    close(folder_fd);
    return done;
}
