/* ingest_source.c - the bytes of a usage log.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/ingest_source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/compress.h"
#include "formats/error.h"

enum { SKIP_BYTES = 1 << 20 };

struct _IngestSource {
    int fd;
    char *name;     /* for messages */
    off_t begin;    /* where the log begins in the file; -1 = a pipe */
    gboolean ended; /* nothing is appended to it any more */
    /* What was read to tell what it is, and is still to be given out. */
    char head[ZSTD_HEAD_BYTES];
    gsize head_size_bytes;
    gsize head_used_bytes;
    ZstdReader *zstd; /* NULL = plain */
};

/* Reads until buffer is full or the file ends. */
static gssize
read_plain(IngestSource *source, char *buffer, gsize size_bytes, GError **error)
{
    gsize filled = 0;

    while (filled < size_bytes) {
        ssize_t got = read(source->fd, buffer + filled, size_bytes - filled);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            millrace_error_set_errno(error,
                                     errno == EISDIR ? MILLRACE_ERROR_NO_INPUT : MILLRACE_ERROR_IO,
                                     errno, "%s", source->name);
            return -1;
        }
        if (got == 0)
            break;
        filled += (gsize)got;
    }
    return (gssize)filled;
}

/* A descriptor of its own place in the file: standard input's belongs to others too. */
static int
open_log(const char *log)
{
    if (strcmp(log, "-") == 0)
        return fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
    return open(log, O_RDONLY | O_CLOEXEC | O_NOCTTY);
}

/* From its first bytes on. */
static gboolean
begin(IngestSource *source, GError **error)
{
    gssize got = read_plain(source, source->head, sizeof source->head, error);

    if (got < 0)
        return FALSE;
    source->head_size_bytes = (gsize)got;
    source->head_used_bytes = 0;
    g_clear_pointer(&source->zstd, zstd_reader_free);
    if (!zstd_is_head(source->head, source->head_size_bytes))
        return TRUE;
    source->zstd = zstd_reader_new(source->fd, source->name, source->head, source->head_size_bytes);
    source->head_used_bytes = source->head_size_bytes;
    return TRUE;
}

IngestSource *
ingest_source_open(const char *log, GError **error)
{
    gboolean is_stdin = strcmp(log, "-") == 0;
    int fd = open_log(log);
    struct stat status;

    if (fd < 0 || fstat(fd, &status) != 0) {
        millrace_error_set_errno(error, MILLRACE_ERROR_NO_INPUT, errno, "%s", log);
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    g_autoptr(IngestSource) source = g_new0(IngestSource, 1);
    source->fd = fd;
    source->name = g_strdup(is_stdin ? "standard input" : log);
    source->begin = S_ISREG(status.st_mode) ? lseek(fd, 0, SEEK_CUR) : -1;
    source->ended = is_stdin || !S_ISREG(status.st_mode);
    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return begin(source, error) ? g_steal_pointer(&source) : NULL;
}

void
ingest_source_free(IngestSource *source)
{
    if (!source)
        return;
    g_clear_pointer(&source->zstd, zstd_reader_free);
    close(source->fd);
    g_free(source->name);
    g_free(source);
}

/* Fewer bytes than were asked for are followed by the end, or by the damage that stopped them. */
static gssize
read_zstd(IngestSource *source, char *buffer, gsize size_bytes, GError **error)
{
    gssize got = zstd_reader_read(source->zstd, buffer, size_bytes, error);
    char behind = 0;

    if (got < 0 || (gsize)got == size_bytes)
        return got;
    return zstd_reader_read(source->zstd, &behind, 1, error) < 0 ? -1 : got;
}

gssize
ingest_source_read(IngestSource *source, char *buffer, gsize size_bytes, GError **error)
{
    gsize rest = source->head_size_bytes - source->head_used_bytes;

    if (source->zstd)
        return read_zstd(source, buffer, size_bytes, error);
    gsize first = MIN(rest, size_bytes);
    memcpy(buffer, source->head + source->head_used_bytes, first);
    source->head_used_bytes += first;
    gssize got = read_plain(source, buffer + first, size_bytes - first, error);
    return got < 0 ? -1 : (gssize)first + got;
}

gboolean
ingest_source_truncated(const IngestSource *source)
{
    return source->zstd && zstd_reader_truncated(source->zstd);
}

gboolean
ingest_source_ends(const IngestSource *source)
{
    return source->ended;
}

gboolean
ingest_source_can_seek(const IngestSource *source)
{
    return source->begin >= 0;
}

static gboolean
move(IngestSource *source, off_t to, GError **error)
{
    return lseek(source->fd, to, SEEK_SET) >= 0 ||
           millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "%s", source->name);
}

/* Reads on and forgets. Returns: how much there was, at most size_bytes; -1 and error. */
static gint64
skip(IngestSource *source, guint64 size_bytes, GError **error)
{
    g_autofree char *piece = g_malloc(SKIP_BYTES);
    guint64 skipped = 0;
    gssize got = 1;

    while (skipped < size_bytes && got > 0) {
        got = ingest_source_read(source, piece, MIN(SKIP_BYTES, size_bytes - skipped), error);
        skipped += got > 0 ? (guint64)got : 0;
    }
    return got < 0 ? -1 : (gint64)skipped;
}

gboolean
ingest_source_seek(IngestSource *source, guint64 position_bytes, GError **error)
{
    g_assert(source->begin >= 0);
    if (!source->zstd) {
        source->head_used_bytes = source->head_size_bytes;
        return move(source, source->begin + (off_t)position_bytes, error);
    }
    if (!move(source, source->begin, error) || !begin(source, error))
        return FALSE;
    gint64 skipped = skip(source, position_bytes, error);
    if (skipped < 0 || (guint64)skipped == position_bytes)
        return skipped >= 0;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_IO, "%s: became shorter while it was read",
                source->name);
    return FALSE;
}

gboolean
ingest_source_check(IngestSource *source, GError **error)
{
    off_t here = 0;

    if (!source->zstd || source->begin < 0)
        return TRUE;
    here = lseek(source->fd, 0, SEEK_CUR);
    ZstdReader *kept = g_steal_pointer(&source->zstd);
    gboolean good = move(source, source->begin, error) && begin(source, error) &&
                    skip(source, G_MAXUINT64, error) >= 0;
    g_clear_pointer(&source->zstd, zstd_reader_free);
    source->zstd = kept;
    return good && move(source, here, error);
}
