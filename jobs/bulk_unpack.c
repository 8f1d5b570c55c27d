/* bulk_unpack.c - an uploaded tar becomes plain files beneath a folder. A tar can say anything:
 * only regular files under relative names are taken, within limits that hold for what comes out of
 * it, however little went in. Names are walked component by component, and no symlink is ever made,
 * so none can be followed. SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bulk_unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/compress.h"
#include "formats/durable.h"
#include "formats/tar.h"
#include "formats/tar_gzip.h"
#include "jobs/bulk_internal.h"

enum {
    READ_BYTES = 64 << 10,
    DEPTH_MAX = 64, /* of folders in a name */
    NAME_MAX_BYTES = 255,
    PENDING_MAX = 64,
    PENDING_MAX_BYTES = 64 << 20,
    MEMBER_HEADERS_BYTES = 4096 /* what a member may take besides its data, on average */
};

/* The bytes of the tar, unpacked where they are compressed. */
typedef struct {
    int fd;
    guint64 offset;
    guint8 buffer[READ_BYTES];
    ZstdReader *zstd;
    GzipReader *gzip;
    guint64 left_bytes; /* that may still come out of it */
} Feed;

typedef struct {
    int stage_fd;
    int inputs_fd;
    const BulkLimits *limits;
    guint64 bytes;
    guint64 count;
    char *manifest;       /* its name, once it was seen */
    DurableStream *names; /* of the others */
    GHashTable *folders;  /* those that were made */
    char *folder;         /* the last one, and its descriptor */
    int folder_fd;
    int pending[PENDING_MAX]; /* written, and not synced yet */
    guint pending_count;
    guint64 pending_bytes;
} Unpack;

static gboolean
is_old_tar(const guint8 *head)
{
    guint64 told = 0;
    guint sum = 0;

    for (guint i = 0; i < TAR_BLOCK_BYTES; i++)
        sum += i >= 148 && i < 156 ? ' ' : head[i];
    g_autofree char *field = g_strndup((const char *)head + 148, 8);
    char *digits = field + strspn(field, " ");
    digits[strspn(digits, "01234567")] = '\0';
    return head[0] != '\0' && g_ascii_string_to_unsigned(digits, 8, 0, G_MAXUINT, &told, NULL) &&
           told == sum;
}

gboolean
bulk_is_tar(const guint8 *head, gsize size_bytes)
{
    G_STATIC_ASSERT(BULK_HEAD_BYTES == TAR_BLOCK_BYTES);
    return gzip_is_head(head, size_bytes) ||
           (size_bytes >= ZSTD_HEAD_BYTES && zstd_is_head(head, size_bytes)) ||
           (size_bytes >= BULK_HEAD_BYTES &&
            (memcmp(head + 257, "ustar", 5) == 0 || is_old_tar(head)));
}

static gboolean refuse(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static gboolean
refuse(GError **error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_autofree char *valid = g_utf8_make_valid(text, -1);

    g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT, valid);
    return FALSE;
}

static gssize
feed_raw(gpointer data, const void **bytes, GError **error)
{
    Feed *feed = data;
    gssize got =
        durable_read_at(feed->fd, "what was sent", feed->offset, feed->buffer, READ_BYTES, error);

    *bytes = feed->buffer;
    feed->offset += (guint64)MAX(got, 0);
    return got;
}

/* What comes out of few bytes may be many, so they are counted as they come. */
static gssize
feed_read(gpointer data, const void **bytes, GError **error)
{
    Feed *feed = data;
    gssize got = 0;

    *bytes = feed->buffer;
    if (feed->gzip)
        got = gzip_reader_read(feed->gzip, bytes, error);
    else if (feed->zstd)
        got = zstd_reader_read(feed->zstd, feed->buffer, READ_BYTES, error);
    else
        got = feed_raw(feed, bytes, error);
    if (got > 0 && (guint64)got > feed->left_bytes) {
        refuse(error, "the tar unpacks to more than may be sent at once: send it in parts");
        return -1;
    }
    feed->left_bytes -= (guint64)MAX(got, 0);
    return got;
}

static Feed *
feed_new(int fd, const BulkLimits *limits)
{
    Feed *feed = g_new0(Feed, 1);
    guint8 head[ZSTD_HEAD_BYTES] = {0};
    gssize got = durable_read_at(fd, "what was sent", 0, head, sizeof head, NULL);

    feed->fd = fd;
    feed->left_bytes = limits->bytes_max + limits->rows_max * MEMBER_HEADERS_BYTES + READ_BYTES;
    if (got > 0 && gzip_is_head(head, (gsize)got))
        feed->gzip = gzip_reader_new(feed_raw, feed);
    else if (got == ZSTD_HEAD_BYTES && zstd_is_head(head, sizeof head) &&
             lseek(fd, 0, SEEK_SET) == 0)
        feed->zstd = zstd_reader_new(fd, "what was sent", NULL, 0);
    return feed;
}

static void
feed_free(Feed *feed)
{
    g_clear_pointer(&feed->gzip, gzip_reader_free);
    g_clear_pointer(&feed->zstd, zstd_reader_free);
    g_free(feed);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Feed, feed_free)

/* (transfer full) the member's name without "." and doubled slashes, "" for the tar's own folder;
 * NULL and error. */
static char *
safe_name(const char *name, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(name, "/", -1);
    g_autoptr(GString) safe = g_string_new(NULL);
    guint depth = 0;

    if (*name == '/')
        return refuse(error, "member \"%s\": its name is absolute", name), NULL;
    for (char **part = parts; *part; part++) {
        if (**part == '\0' || strcmp(*part, ".") == 0)
            continue;
        if (strcmp(*part, "..") == 0)
            return refuse(error, "member \"%s\": its name has \"..\" in it", name), NULL;
        if (strlen(*part) > NAME_MAX_BYTES || ++depth > DEPTH_MAX)
            return refuse(error, "member \"%s\": its name is too long, or deeper than %d folders",
                          name, DEPTH_MAX),
                   NULL;
        g_string_append_printf(safe, "%s%s", safe->len > 0 ? "/" : "", *part);
    }
    return g_string_free(g_steal_pointer(&safe), FALSE);
}

static gboolean
is_manifest(const char *name)
{
    static const char *const names[] = {"manifest.csv",
                                        "manifest.tsv",
                                        "manifest.ndjson",
                                        "manifest.jsonl",
                                        "manifest.txt",
                                        "manifest.lst",
                                        NULL};

    return g_strv_contains(names, name);
}

/* Waits until what was written is on the disk: first all are sent on their way. */
static gboolean
sync_pending(Unpack *unpack, GError **error)
{
    gboolean synced = TRUE;

    for (guint i = 0; i < unpack->pending_count; i++)
        sync_file_range(unpack->pending[i], 0, 0, SYNC_FILE_RANGE_WRITE);
    for (guint i = 0; i < unpack->pending_count; i++) {
        synced = synced && durable_sync(unpack->pending[i], "a member", error);
        if (close(unpack->pending[i]) != 0 && synced)
            synced = millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "closing a member");
    }
    unpack->pending_count = 0;
    unpack->pending_bytes = 0;
    return synced;
}

static gboolean
fail_name(const char *name, int errnum, GError **error)
{
    if (errnum == EEXIST || errnum == ENOTDIR || errnum == EISDIR || errnum == ELOOP)
        return refuse(error, "member \"%s\": another member has that name already", name);
    return millrace_error_set_errno(error, MILLRACE_ERROR_IO, errnum, "unpacking \"%s\"", name);
}

/* Makes the folder of a member. They are synced at the end, each once. Returns: a descriptor that
 * stays open until the next folder, or -1 and error. */
static int
enter(Unpack *unpack, const char *folder, const char *name, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(folder, "/", -1);
    g_autoptr(GString) path = g_string_new(NULL);

    if (unpack->folder && strcmp(unpack->folder, folder) == 0)
        return unpack->folder_fd;
    int fd = openat(unpack->inputs_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (char **part = parts; fd >= 0 && *part && **part; part++) {
        g_string_append_printf(path, "%s%s", path->len > 0 ? "/" : "", *part);
        gboolean made = mkdirat(fd, *part, 0777) == 0;
        int next = made || errno == EEXIST
                       ? openat(fd, *part, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
                       : -1;
        int failed = errno;
        close(fd);
        errno = failed;
        fd = next;
        if (made)
            g_hash_table_add(unpack->folders, g_strdup(path->str));
    }
    if (fd < 0) {
        fail_name(name, errno, error);
        return -1;
    }
    if (unpack->folder)
        close(unpack->folder_fd);
    g_free(unpack->folder);
    unpack->folder = g_strdup(folder);
    unpack->folder_fd = fd;
    return fd;
}

/* Writes the member's data to fd, which is then left to be synced. */
static gboolean
copy_data(Unpack *unpack, TarReader *reader, int fd, const char *name, GError **error)
{
    const void *bytes = NULL;
    gssize got = 0;

    unpack->pending[unpack->pending_count++] = fd;
    while ((got = tar_reader_data(reader, &bytes, error)) > 0) {
        if (!durable_write_all(fd, name, bytes, (gsize)got, error))
            return FALSE;
        unpack->pending_bytes += (guint64)got;
    }
    if (got == 0 &&
        (unpack->pending_count == PENDING_MAX || unpack->pending_bytes >= PENDING_MAX_BYTES))
        return sync_pending(unpack, error);
    return got == 0;
}

static gboolean
unpack_file(Unpack *unpack, TarReader *reader, const char *name, GError **error)
{
    gboolean manifest = !unpack->manifest && is_manifest(name);
    const char *slash = strrchr(name, '/');
    g_autofree char *folder = g_strndup(name, slash ? (gsize)(slash - name) : 0);
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
    int folder_fd = manifest ? unpack->stage_fd : enter(unpack, folder, name, error);

    if (folder_fd < 0)
        return FALSE;
    int fd = manifest ? openat(folder_fd, "sent", flags, 0666)
                      : openat(folder_fd, slash ? slash + 1 : name, flags, 0666);
    if (fd < 0)
        return fail_name(name, errno, error);
    if (manifest)
        unpack->manifest = g_strdup(name);
    return copy_data(unpack, reader, fd, name, error) &&
           (manifest || durable_stream_write(unpack->names, name, strlen(name) + 1, error));
}

static gboolean
unpack_member(Unpack *unpack, TarReader *reader, const TarMember *member, GError **error)
{
    const BulkLimits *limits = unpack->limits;
    g_autofree char *name = safe_name(member->name, error);

    if (!name)
        return FALSE;
    if (++unpack->count > limits->rows_max + 1)
        return refuse(error, "more than %" G_GUINT64_FORMAT " members: send them in parts",
                      limits->rows_max);
    if (strcmp(member->what, "folder") == 0)
        return TRUE;
    if (!member->is_file || *name == '\0')
        return refuse(error, "member \"%s\": it is a %s, and only files are taken", member->name,
                      member->what);
    if (member->size_bytes > limits->member_bytes_max)
        return refuse(error,
                      "member \"%s\": %" G_GUINT64_FORMAT " bytes, more than %" G_GUINT64_FORMAT,
                      name, member->size_bytes, limits->member_bytes_max);
    if (member->size_bytes > limits->bytes_max - unpack->bytes)
        return refuse(error,
                      "member \"%s\": with it there are more than %" G_GUINT64_FORMAT
                      " bytes: send them in parts",
                      name, limits->bytes_max);
    unpack->bytes += member->size_bytes;
    return unpack_file(unpack, reader, name, error);
}

/* Folders know their new names for good only after they were synced. */
static gboolean
sync_folders(Unpack *unpack, GError **error)
{
    GHashTableIter iter;
    gpointer folder = NULL;
    gboolean synced = durable_sync(unpack->inputs_fd, BULK_INPUTS, error);

    g_hash_table_iter_init(&iter, unpack->folders);
    while (synced && g_hash_table_iter_next(&iter, &folder, NULL)) {
        int fd = openat(unpack->inputs_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        synced = fd >= 0 ? durable_sync(fd, folder, error) : fail_name(folder, errno, error);
        if (fd >= 0)
            close(fd);
    }
    return synced;
}

static gboolean
unpack_all(Unpack *unpack, Feed *feed, GError **error)
{
    g_autoptr(TarReader) reader = tar_reader_new(feed_read, feed);
    g_autoptr(GError) failure = NULL;
    TarMember member;

    while (tar_reader_next(reader, &member, &failure) > 0)
        if (!unpack_member(unpack, reader, &member, &failure))
            break;
    if (!failure && sync_pending(unpack, &failure) && sync_folders(unpack, &failure))
        return TRUE;
    /* To who sent it, it is not our file that is damaged. */
    if (g_error_matches(failure, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT))
        failure->code = MILLRACE_ERROR_BAD_INPUT;
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
}

gboolean
bulk_unpack(int fd, int stage_fd, const BulkLimits *limits, char **manifest, GError **error)
{
    g_autoptr(Feed) feed = feed_new(fd, limits);
    Unpack unpack = {.stage_fd = stage_fd,
                     .limits = limits,
                     .inputs_fd = durable_folder_beneath(stage_fd, BULK_INPUTS, error)};

    if (unpack.inputs_fd < 0)
        return FALSE;
    unpack.names = durable_stream_open(stage_fd, BULK_MEMBERS, error);
    unpack.folders = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    gboolean unpacked = unpack.names && unpack_all(&unpack, feed, error);
    if (unpacked)
        unpacked = durable_stream_close(g_steal_pointer(&unpack.names), error);
    g_clear_pointer(&unpack.names, durable_stream_abandon);
    for (guint i = 0; i < unpack.pending_count; i++)
        close(unpack.pending[i]);
    if (unpack.folder)
        close(unpack.folder_fd);
    g_free(unpack.folder);
    g_hash_table_unref(unpack.folders);
    close(unpack.inputs_fd);
    *manifest = g_steal_pointer(&unpack.manifest);
    if (!unpacked)
        g_clear_pointer(manifest, g_free);
    return unpacked;
}
