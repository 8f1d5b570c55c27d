/* tier_dir.c - an archive in a directory. Files are opened beneath it only: a symlink in the place
 * of a folder or file is an error, not a way out.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/durable.h"
#include "jobs/tier_internal.h"

enum { COPY_BYTES = 1 << 20, LOCK_TRIES = 100, LOCK_WAIT_US = 100000 };

typedef struct {
    Tier base;
    int lock_fd;
} TierDir;

static const char *const folders[] = {"volumes", "keys"};

static void
dir_free(Tier *tier)
{
    TierDir *dir = (TierDir *)tier;

    if (dir->lock_fd >= 0)
        close(dir->lock_fd);
    close(tier->dir_fd);
    g_free(dir);
}

static Tier *
dir_open(const char *where, gboolean create, GError **error)
{
    int fd = durable_folder_open(where, create, error);

    if (fd < 0)
        return NULL;
    for (guint i = 0; create && i < G_N_ELEMENTS(folders); i++) {
        int folder_fd = durable_folder_beneath(fd, folders[i], error);
        if (folder_fd < 0) {
            g_prefix_error(error, "%s: ", where);
            close(fd);
            return NULL;
        }
        close(folder_fd);
    }
    TierDir *dir = g_new0(TierDir, 1);
    dir->base.dir_fd = fd;
    dir->lock_fd = -1;
    return &dir->base;
}

/* Opens the folder of a file; *base is the rest of its name. Returns a descriptor to close, or -1
 * with errno. */
static int
enter(const Tier *tier, const char *name, const char **base)
{
    const char *slash = strchr(name, '/');
    g_autofree char *folder = slash ? g_strndup(name, (gsize)(slash - name)) : g_strdup(".");

    *base = slash ? slash + 1 : name;
    return openat(tier->dir_fd, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static void
set_error(const Tier *tier, const char *name, const char *doing, GError **error)
{
    int errnum = errno;
    MillraceErrorKind kind = errnum == ENOENT ? MILLRACE_ERROR_NO_INPUT : MILLRACE_ERROR_IO;

    if (errnum == ELOOP)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_IO,
                    "%s/%s is a symlink, which an archive has none of", tier->name, name);
    else
        millrace_error_set_errno(error, kind, errnum, "%s %s/%s", doing, tier->name, name);
}

/* O_NONBLOCK: a FIFO in the place of a file must not make anyone wait. */
static TierFile *
dir_file_open(Tier *tier, const char *name, GError **error)
{
    const char *base = NULL;
    int folder_fd = enter(tier, name, &base);
    int fd = folder_fd >= 0
                 ? openat(folder_fd, base, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
                 : -1;
    struct stat status;

    if (fd < 0 || fstat(fd, &status) != 0) {
        set_error(tier, name, "opening", error);
    } else if (!S_ISREG(status.st_mode)) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_IO, "%s/%s is no regular file",
                    tier->name, name);
        close(fd);
        fd = -1;
    }
    if (folder_fd >= 0)
        close(folder_fd);
    if (fd < 0)
        return NULL;
    TierFile *file = g_new0(TierFile, 1);
    file->fd = fd;
    file->size_bytes = (guint64)status.st_size;
    return file;
}

static void
dir_file_close(TierFile *file)
{
    close(file->fd);
    g_free(file);
}

static gboolean
dir_file_read(TierFile *file, guint64 offset, void *out, gsize size_bytes, GError **error)
{
    gssize got = durable_read_at(file->fd, file->name, offset, out, size_bytes, error);

    if (got < 0)
        g_prefix_error(error, "%s: ", file->tier->name);
    else if ((gsize)got < size_bytes)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_IO, "%s/%s has become shorter meanwhile",
                    file->tier->name, file->name);
    return got == (gssize)size_bytes;
}

/* What a writer that was killed left behind. Only its own kind of names is touched. */
static void
remove_leftovers(const Tier *tier, const char *folder)
{
    int fd = openat(tier->dir_fd, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
    g_autoptr(GDir) listing = fd >= 0 ? g_dir_open(path, 0, NULL) : NULL;
    const char *name = NULL;

    while (listing && (name = g_dir_read_name(listing)))
        if (*name == '.' && g_str_has_suffix(name, ".tmp") && strcmp(name, ".tmp") != 0)
            unlinkat(fd, name, 0);
    if (fd >= 0)
        close(fd);
}

static gboolean
dir_lock(Tier *tier, GError **error)
{
    TierDir *dir = (TierDir *)tier;

    if (dir->lock_fd >= 0)
        return TRUE;
    int fd = openat(tier->dir_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0)
        return millrace_error_set_errno(error, durable_creation_error(errno), errno,
                                        "locking %s for writing", tier->name);
    int locked = -1;
    for (guint tries = 0; tries < LOCK_TRIES; tries++) {
        locked = flock(fd, LOCK_EX | LOCK_NB);
        if (locked == 0 || (errno != EWOULDBLOCK && errno != EINTR))
            break;
        g_usleep(LOCK_WAIT_US);
    }
    if (locked != 0) {
        gboolean busy = errno == EWOULDBLOCK || errno == EINTR;
        millrace_error_set_errno(
            error, busy ? MILLRACE_ERROR_INTERRUPTED : MILLRACE_ERROR_IO, errno,
            busy ? "%s: another process writes to it; try again later" : "locking %s for writing",
            tier->name);
        close(fd);
        return FALSE;
    }
    dir->lock_fd = fd;
    remove_leftovers(tier, ".");
    for (guint i = 0; i < G_N_ELEMENTS(folders); i++)
        remove_leftovers(tier, folders[i]);
    return TRUE;
}

static gboolean
copy_source(const TierSource *source, int fd, const char *name, GError **error)
{
    g_autofree char *piece = g_malloc(COPY_BYTES);

    for (guint64 offset = 0; offset < source->size_bytes;) {
        gsize piece_bytes = (gsize)MIN(source->size_bytes - offset, COPY_BYTES);
        if (!tier_source_read(source, name, offset, piece, piece_bytes, error) ||
            !durable_write_all(fd, name, piece, piece_bytes, error))
            return FALSE;
        offset += piece_bytes;
    }
    return TRUE;
}

/* Writes and reads back. The pages are dropped in between, so that the disk has to tell what it
 * has. */
static gboolean
fill(Tier *tier, const char *name, int fd, const TierSource *source, GError **error)
{
    TierFile written = {
        .tier = tier, .name = (char *)name, .size_bytes = source->size_bytes, .fd = fd};

    if (!copy_source(source, fd, name, error) || !durable_sync(fd, name, error))
        return FALSE;
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    return tier_source_check(source, &written, error);
}

static gboolean
dir_write(Tier *tier, const char *name, const TierSource *source, GError **error)
{
    const char *base = NULL;
    int folder_fd = enter(tier, name, &base);
    if (folder_fd < 0) {
        set_error(tier, name, "creating", error);
        return FALSE;
    }
    g_autofree char *temporary = g_strdup_printf(".%s.%d.tmp", base, (int)getpid());
    int fd =
        openat(folder_fd, temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    gboolean whole = fd >= 0;
    if (!whole)
        millrace_error_set_errno(error, durable_creation_error(errno), errno, "creating %s/%s",
                                 tier->name, name);
    whole = whole && fill(tier, name, fd, source, error);
    if (fd >= 0 && close(fd) != 0 && whole)
        whole = millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "closing %s", name);
    if (whole && renameat(folder_fd, temporary, folder_fd, base) != 0)
        whole = millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "naming %s/%s",
                                         tier->name, name);
    if (!whole && fd >= 0)
        unlinkat(folder_fd, temporary, 0);
    whole = whole && durable_sync(folder_fd, "the folder", error);
    close(folder_fd);
    return whole;
}

static gboolean
append_to(int fd, const char *name, guint64 keep_bytes, const void *bytes, gsize size_bytes,
          GError **error)
{
    struct stat status;

    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) ||
        (guint64)status.st_size < keep_bytes) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_IO, "%s is not what was read before",
                    name);
        return FALSE;
    }
    if (ftruncate(fd, (off_t)keep_bytes) != 0 || lseek(fd, 0, SEEK_END) < 0)
        return millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "appending to %s", name);
    return durable_write_all(fd, name, bytes, size_bytes, error) && durable_sync(fd, name, error);
}

static gboolean
dir_append(Tier *tier, const char *name, guint64 keep_bytes, const void *bytes, gsize size_bytes,
           GError **error)
{
    const char *base = NULL;
    int folder_fd = enter(tier, name, &base);
    if (folder_fd < 0) {
        set_error(tier, name, "opening", error);
        return FALSE;
    }
    int flags = O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    int fd = openat(folder_fd, base, flags);
    gboolean made = fd < 0 && errno == ENOENT && keep_bytes == 0;
    if (made)
        fd = openat(folder_fd, base, flags | O_CREAT | O_EXCL, 0666);
    if (fd < 0)
        set_error(tier, name, "opening", error);
    gboolean good = fd >= 0 && append_to(fd, name, keep_bytes, bytes, size_bytes, error);
    if (fd >= 0 && close(fd) != 0 && good)
        good = millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "closing %s", name);
    if (good && made)
        good = durable_sync(folder_fd, "the folder", error);
    close(folder_fd);
    return good;
}

static GPtrArray *
dir_list(Tier *tier, const char *folder, GError **error)
{
    int fd = openat(tier->dir_fd, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT)
        return g_ptr_array_new_with_free_func(g_free);
    if (fd < 0) {
        set_error(tier, folder, "listing", error);
        return NULL;
    }
    GPtrArray *names = durable_folder_list(fd, "", error);
    close(fd);
    return names;
}

static gboolean
dir_remove(Tier *tier, const char *name, GError **error)
{
    const char *base = NULL;
    int folder_fd = enter(tier, name, &base);
    gboolean gone = folder_fd < 0 && errno == ENOENT;

    if (folder_fd >= 0) {
        gone = unlinkat(folder_fd, base, 0) == 0 || errno == ENOENT;
        if (!gone)
            set_error(tier, name, "removing", error);
        gone = gone && durable_sync(folder_fd, "the folder", error);
        close(folder_fd);
    } else if (!gone) {
        set_error(tier, name, "removing", error);
    }
    return gone;
}

const TierKind tier_dir_kind = {
    .open = dir_open,
    .free = dir_free,
    .lock = dir_lock,
    .file_open = dir_file_open,
    .file_close = dir_file_close,
    .file_read = dir_file_read,
    .write = dir_write,
    .append = dir_append,
    .list = dir_list,
    .remove = dir_remove,
};
