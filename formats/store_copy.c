/* store_copy.c - one store gets what another has. A file is digested as it is copied, and has its
 * name only when the digest is that name; so what was damaged in one store never spreads, and a
 * copy that was cut short is gone on with by doing it again.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/durable.h"
#include "formats/sha256.h"
#include "formats/store_internal.h"

enum { PIECE_BYTES = 1 << 20 };

typedef enum { COPY_DONE, COPY_BAD, COPY_FAILED } CopyResult;

/* A source that cannot be read is told of like one that is damaged; a target that cannot be written
 * ends it all. *bad: (transfer full) what is wrong with the source. */
typedef struct {
    Store *to;
    StoreKind kind;
    const char *name;
    guint64 size_bytes;
    char *bad;
} Copy;

static CopyResult
copy_bytes(Copy *copy, int from_fd, const StoreTemporary *temporary, GError **error)
{
    g_autoptr(Sha256) sha256 = sha256_new();
    g_autofree guint8 *piece = g_malloc(PIECE_BYTES);
    char digest[SHA256_CHARS + 1];
    ssize_t got = 0;

    while ((got = read(from_fd, piece, PIECE_BYTES)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            copy->bad = g_strdup(g_strerror(errno));
            return COPY_BAD;
        }
        sha256_add(sha256, piece, (gsize)got);
        if (!durable_write_all(temporary->fd, temporary->path, piece, (gsize)got, error))
            return COPY_FAILED;
        copy->size_bytes += (guint64)got;
    }
    sha256_finish(sha256, digest);
    if (strcmp(digest, copy->name) == 0)
        return COPY_DONE;
    copy->bad = g_strdup("its bytes are not those that it is named by");
    return COPY_BAD;
}

/* damaged: the target has a file of this name that cannot be right. */
static CopyResult
copy_file(Copy *copy, int from_fd, gboolean damaged, gboolean *added, GError **error)
{
    StoreTemporary temporary;

    if (!store_temporary_open(&temporary, copy->to, copy->kind, copy->name, error))
        return COPY_FAILED;
    CopyResult result = copy_bytes(copy, from_fd, &temporary, error);
    if (result != COPY_DONE) {
        store_temporary_abandon(&temporary);
        return result;
    }
    return store_temporary_publish(&temporary, damaged, added, error) ? COPY_DONE : COPY_FAILED;
}

/* The size of a file, or -1 when there is none. */
static goffset
size_of(Store *store, StoreKind kind, const char *name)
{
    g_autofree char *path = store_file_path(store, kind, name);
    struct stat status;

    return stat(path, &status) == 0 ? status.st_size : -1;
}

/* Copies one file unless it is there. */
static CopyResult
copy_name(Copy *copy, Store *from, gboolean *added, GError **error)
{
    g_autofree char *path = store_file_path(from, copy->kind, copy->name);
    goffset there_bytes = size_of(copy->to, copy->kind, copy->name);
    struct stat status;

    *added = FALSE;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0) {
        copy->bad = g_strdup(g_strerror(errno));
        if (fd >= 0)
            close(fd);
        return COPY_BAD;
    }
    CopyResult result = COPY_DONE;
    if (there_bytes != status.st_size)
        result = copy_file(copy, fd, there_bytes >= 0, added, error);
    close(fd);
    return result;
}

gboolean
store_copy(Store *from, Store *to, StoreKind kind, guint64 *copied_count, guint64 *copied_bytes,
           GPtrArray *bad, GError **error)
{
    g_autoptr(GPtrArray) names = store_list(from, kind, error);

    if (!names)
        return FALSE;
    for (guint i = 0; i < names->len; i++) {
        Copy copy = {.to = to, .kind = kind, .name = names->pdata[i]};
        gboolean added = FALSE;
        CopyResult result = copy_name(&copy, from, &added, error);
        g_autofree char *reason = copy.bad;
        if (result == COPY_FAILED)
            return FALSE;
        if (result == COPY_BAD) {
            g_autofree char *path = store_file_path(from, kind, copy.name);
            g_ptr_array_add(bad, g_strdup_printf("%s: %s", path, reason));
            continue;
        }
        *copied_count += added;
        *copied_bytes += added ? copy.size_bytes : 0;
    }
    return TRUE;
}
