/* durable.c - files that are whole or not there, folders that are never left.
 * The kernel promises a name only after the folder was synced, and bytes only after the file was;
 * so each function here does both, in that order, and reports the errors that show late (close,
 * fsync).
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/durable.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/error.h"

/* The kernel takes a large page of the page cache for a large write, a small one for a small write.
 * Small ones lie ready; large ones a virtual machine's host may have taken back, and it clears them
 * again page by page: 0.75 s for 192 MB in one write, 0.11 s in writes of this size. */
enum { WRITE_BYTES = 16 << 10, STREAM_BUFFER_BYTES = 256 << 10 };

struct _DurableStream {
    int dir_fd;
    int fd;
    char *name;
    char *temporary;
    GByteArray *buffer;
    gboolean direct;  /* O_DIRECT is set */
    gboolean written; /* anything, so that it has been tried */
};

MillraceErrorKind
durable_creation_error(int errnum)
{
    static const int disk[] = {ENOSPC, EDQUOT, EROFS, EIO, EMFILE, ENFILE, ENOMEM, ESTALE};

    for (guint i = 0; i < G_N_ELEMENTS(disk); i++)
        if (errnum == disk[i])
            return MILLRACE_ERROR_IO;
    return MILLRACE_ERROR_CANT_CREATE;
}

gboolean
durable_write_all(int fd, const char *name, const void *bytes, gsize size_bytes, GError **error)
{
    const guint8 *at = bytes;

    while (size_bytes > 0) {
        ssize_t written = write(fd, at, MIN(size_bytes, WRITE_BYTES));
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "writing %s", name);
        at += written;
        size_bytes -= (gsize)written;
    }
    return TRUE;
}

gboolean
durable_write_at(int fd, const char *name, guint64 offset, const void *bytes, gsize size_bytes,
                 GError **error)
{
    for (gsize done = 0; done < size_bytes;) {
        ssize_t written =
            pwrite(fd, (const guint8 *)bytes + done, size_bytes - done, (off_t)(offset + done));
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "writing %s", name);
        done += (gsize)written;
    }
    return TRUE;
}

gssize
durable_read_at(int fd, const char *name, guint64 offset, void *out, gsize size_bytes,
                GError **error)
{
    gsize done = 0;

    while (done < size_bytes) {
        ssize_t got = pread(fd, (guint8 *)out + done, size_bytes - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "reading %s", name);
            return -1;
        }
        if (got == 0)
            break;
        done += (gsize)got;
    }
    return (gssize)done;
}

gboolean
durable_sync(int fd, const char *name, GError **error)
{
    if (fsync(fd) == 0)
        return TRUE;
    return millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "syncing %s", name);
}

/* Opens parent_fd/name as a folder; makes it first where it is missing. */
static int
enter_folder(int parent_fd, const char *name, int extra_flags, GError **error)
{
    int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | extra_flags;
    int fd = openat(parent_fd, name, flags);

    if (fd < 0 && errno == ENOENT) {
        if (mkdirat(parent_fd, name, 0777) < 0 && errno != EEXIST)
            goto failed;
        if (!durable_sync(parent_fd, "the folder above", error))
            return -1;
        fd = openat(parent_fd, name, flags);
    }
    if (fd >= 0)
        return fd;
failed:
    millrace_error_set_errno(error, durable_creation_error(errno), errno, "creating folder %s",
                             name);
    return -1;
}

int
durable_folder_open(const char *path, gboolean create, GError **error)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0)
        return fd;
    if (errno != ENOENT || !create || *path == '\0') {
        millrace_error_set_errno(error,
                                 create ? durable_creation_error(errno) : MILLRACE_ERROR_NO_INPUT,
                                 errno, "opening folder %s", path);
        return -1;
    }
    /* g_path_get_dirname("a/") is "a", which would make a/a. */
    g_autofree char *trimmed = g_strdup(path);
    for (gsize size = strlen(trimmed); size > 1 && trimmed[size - 1] == '/'; size--)
        trimmed[size - 1] = '\0';
    g_autofree char *parent = g_path_get_dirname(trimmed);
    g_autofree char *name = g_path_get_basename(trimmed);
    int parent_fd = durable_folder_open(parent, TRUE, error);
    if (parent_fd < 0)
        return -1;
    fd = enter_folder(parent_fd, name, 0, error);
    close(parent_fd);
    if (fd < 0)
        g_prefix_error(error, "%s: ", path);
    return fd;
}

int
durable_folder_beneath(int root_fd, const char *relative, GError **error)
{
    g_auto(GStrv) names = g_strsplit(relative, "/", -1);
    int fd = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    g_assert(*relative != '/');
    if (fd < 0)
        millrace_error_set_errno(error, durable_creation_error(errno), errno, "opening the folder");
    for (char **name = names; *name && fd >= 0; name++) {
        if (**name == '\0')
            continue;
        g_assert(strcmp(*name, "..") != 0);
        int next = enter_folder(fd, *name, O_NOFOLLOW, error);
        close(fd);
        fd = next;
    }
    return fd;
}

static gint
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *
durable_folder_list(int dir_fd, const char *prefix, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry = NULL;

    if (!listing) {
        millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "listing a folder");
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    /* The end of a folder and an error look the same but for errno. */
    for (errno = 0; (entry = readdir(listing)); errno = 0)
        if (entry->d_name[0] != '.' && g_str_has_prefix(entry->d_name, prefix))
            g_ptr_array_add(names, g_strdup(entry->d_name));
    int failed = errno;
    closedir(listing);
    if (failed) {
        millrace_error_set_errno(error, MILLRACE_ERROR_IO, failed, "listing a folder");
        return NULL;
    }
    g_ptr_array_sort(names, compare_names);
    return g_steal_pointer(&names);
}

char *
durable_read_file(int dir_fd, const char *name, gsize max_bytes, gsize *size_bytes, GError **error)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        millrace_error_set_errno(error,
                                 errno == ENOENT ? MILLRACE_ERROR_NO_INPUT : MILLRACE_ERROR_IO,
                                 errno, "opening %s", name);
        return NULL;
    }
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    guint8 piece[16384];
    ssize_t got = 0;
    while ((got = read(fd, piece, sizeof piece)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || bytes->len + (gsize)got > max_bytes)
            break;
        g_byte_array_append(bytes, piece, (guint)got);
    }
    int saved = got > 0 ? EFBIG : errno;
    close(fd);
    if (got != 0) {
        millrace_error_set_errno(error, MILLRACE_ERROR_IO, saved, "reading %s", name);
        return NULL;
    }
    if (size_bytes)
        *size_bytes = bytes->len;
    g_byte_array_append(bytes, (const guint8 *)"", 1);
    return (char *)g_byte_array_free(g_steal_pointer(&bytes), FALSE);
}

gboolean
durable_write_file(int dir_fd, const char *name, const void *bytes, gsize size_bytes,
                   GError **error)
{
    g_autoptr(DurableStream) stream = durable_stream_open(dir_fd, name, error);

    return stream && durable_stream_write(stream, bytes, size_bytes, error) &&
           durable_stream_close(g_steal_pointer(&stream), error);
}

PublishResult
durable_publish(int from_fd, const char *temporary, int to_fd, const char *name, GError **error)
{
    if (renameat2(from_fd, temporary, to_fd, name, RENAME_NOREPLACE) == 0)
        return PUBLISH_DONE;
    /* Network file systems may not know RENAME_NOREPLACE; a hard link refuses to replace as well.
     */
    if ((errno == EINVAL || errno == ENOSYS) && linkat(from_fd, temporary, to_fd, name, 0) == 0) {
        unlinkat(from_fd, temporary, 0);
        return PUBLISH_DONE;
    }
    if (errno == EEXIST)
        return PUBLISH_EXISTS;
    millrace_error_set_errno(error, durable_creation_error(errno), errno, "naming %s", name);
    return PUBLISH_FAILED;
}

DurableStream *
durable_stream_open(int dir_fd, const char *name, GError **error)
{
    g_autofree char *temporary = g_strdup_printf(".%s.%d.tmp", name, (int)getpid());
    int fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);

    if (fd < 0) {
        millrace_error_set_errno(error, durable_creation_error(errno), errno, "creating %s", name);
        return NULL;
    }
    DurableStream *stream = g_new0(DurableStream, 1);
    stream->dir_fd = dir_fd;
    stream->fd = fd;
    stream->name = g_strdup(name);
    stream->temporary = g_steal_pointer(&temporary);
    stream->buffer = g_byte_array_sized_new(STREAM_BUFFER_BYTES);
    return stream;
}

/* Sets or clears O_DIRECT. Returns FALSE where the disk cannot. */
static gboolean
set_direct(DurableStream *stream, gboolean direct)
{
    int flags = fcntl(stream->fd, F_GETFL);

    if (flags < 0 || fcntl(stream->fd, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT) != 0)
        return FALSE;
    stream->direct = direct;
    return TRUE;
}

static gboolean
write_cached(DurableStream *stream, const void *bytes, gsize size_bytes, GError **error)
{
    if (stream->direct && !set_direct(stream, FALSE))
        return millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "writing %s",
                                        stream->name);
    stream->written = TRUE;
    return durable_write_all(stream->fd, stream->name, bytes, size_bytes, error);
}

gboolean
durable_stream_write_aligned(DurableStream *stream, const void *bytes, gsize size_bytes,
                             GError **error)
{
    ssize_t written = 0;

    g_assert((guintptr)bytes % DURABLE_ALIGN_BYTES == 0 && size_bytes % DURABLE_ALIGN_BYTES == 0);
    g_assert(stream->buffer->len == 0);
    if (!stream->written)
        set_direct(stream, TRUE);
    stream->written = TRUE;
    if (stream->direct)
        written = write(stream->fd, bytes, size_bytes);
    if (written == (ssize_t)size_bytes)
        return TRUE;
    /* A disk that wants other alignments, or has room for a part: what happens then is up to it. */
    written = MAX(written, 0);
    return write_cached(stream, (const guint8 *)bytes + written, size_bytes - (gsize)written,
                        error);
}

static gboolean
stream_flush(DurableStream *stream, GError **error)
{
    if (!write_cached(stream, stream->buffer->data, stream->buffer->len, error))
        return FALSE;
    g_byte_array_set_size(stream->buffer, 0);
    return TRUE;
}

gboolean
durable_stream_write(DurableStream *stream, const void *bytes, gsize size_bytes, GError **error)
{
    if (stream->buffer->len + size_bytes > STREAM_BUFFER_BYTES && !stream_flush(stream, error))
        return FALSE;
    if (size_bytes > STREAM_BUFFER_BYTES)
        return write_cached(stream, bytes, size_bytes, error);
    g_byte_array_append(stream->buffer, bytes, (guint)size_bytes);
    return TRUE;
}

static void
stream_free(DurableStream *stream)
{
    if (stream->fd >= 0)
        close(stream->fd);
    g_byte_array_unref(stream->buffer);
    g_free(stream->name);
    g_free(stream->temporary);
    g_free(stream);
}

void
durable_stream_abandon(DurableStream *stream)
{
    unlinkat(stream->dir_fd, stream->temporary, 0);
    stream_free(stream);
}

gboolean
durable_stream_close(DurableStream *stream, GError **error)
{
    gboolean whole = stream_flush(stream, error) && durable_sync(stream->fd, stream->name, error);
    int closed = close(stream->fd);

    stream->fd = -1;
    if (whole && closed != 0)
        whole =
            millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "closing %s", stream->name);
    if (whole && renameat(stream->dir_fd, stream->temporary, stream->dir_fd, stream->name) != 0)
        whole =
            millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "naming %s", stream->name);
    if (!whole) {
        durable_stream_abandon(stream);
        return FALSE;
    }
    whole = durable_sync(stream->dir_fd, "the folder", error);
    stream_free(stream);
    return whole;
}
