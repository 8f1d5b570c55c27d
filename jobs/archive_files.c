/* archive_files.c - files that are restored: work folder → synced together → their names.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "formats/durable.h"

#define WORK_FOLDER ".millrace-restore.tmp"

/* The years 1 to 9999, as in the index. */
#define MTIME_MIN_S G_GINT64_CONSTANT(-62135596800)
#define MTIME_MAX_S G_GINT64_CONSTANT(253402300799)

enum {
    BATCH_FILES = 256, /* each is open until it is synced */
    BATCH_BYTES = 256 << 20,
    SYNC_EACH_MAX = 16, /* more are synced with the whole file system */
    ROOM_CHECK_BYTES = 1 << 20,
    PIECE_BYTES = 256 << 10,
    NAME_CHARS = 16
};

typedef struct {
    ArchiveFile file;
    gint64 mtime_s;
    guint number; /* its name in the work folder */
    int fd;
} Waiting;

struct _ArchiveFiles {
    char *folder;
    int root_fd;
    int work_fd;
    gboolean force;
    gboolean broken;
    ArchiveFileDone done;
    gpointer data;
    /* The folder that was used last. */
    char *dir;
    int dir_fd;
    gboolean dir_changed;
    /* The file that is being written; NULL. */
    Waiting *current;
    gboolean current_is_there;
    guint next_number;
    GPtrArray *batch; /* of Waiting */
    guint64 batch_bytes;
};

static void
work_name(guint number, char name[NAME_CHARS])
{
    g_snprintf(name, NAME_CHARS, "%u", number);
}

static void
waiting_free(gpointer data)
{
    Waiting *waiting = data;

    if (waiting->fd >= 0)
        close(waiting->fd);
    g_free(waiting->file.path);
    g_free(waiting->file.key);
    g_free(waiting);
}

/* A disk that fails spoils it all; a name that cannot be spoils one file. */
static gboolean
note_broken(ArchiveFiles *files, gboolean good, GError **error)
{
    if (!good && error && g_error_matches(*error, MILLRACE_ERROR, MILLRACE_ERROR_IO))
        files->broken = TRUE;
    return good;
}

/* Opens and locks the work folder. Returns: 1, 0 when it was removed under our hands; -1, error. */
static int
enter_work(ArchiveFiles *files, GError **error)
{
    struct stat opened;
    struct stat named;

    if (mkdirat(files->root_fd, WORK_FOLDER, 0700) != 0 && errno != EEXIST)
        goto failed;
    files->work_fd =
        openat(files->root_fd, WORK_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (files->work_fd < 0 && errno == ENOENT)
        return 0;
    if (files->work_fd < 0)
        goto failed;
    if (flock(files->work_fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_INTERRUPTED,
                    "%s: somebody else is restoring into it", files->folder);
        /* What lies in it is theirs. */
        close(files->work_fd);
        files->work_fd = -1;
        return -1;
    }
    if (fstat(files->work_fd, &opened) == 0 &&
        fstatat(files->root_fd, WORK_FOLDER, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
        opened.st_ino == named.st_ino && opened.st_dev == named.st_dev)
        return 1;
    close(files->work_fd);
    files->work_fd = -1;
    return 0;
failed:
    millrace_error_set_errno(error, durable_creation_error(errno), errno, "%s/" WORK_FOLDER,
                             files->folder);
    return -1;
}

/* What a restore that was killed has left. */
static gboolean
empty_work(ArchiveFiles *files, GError **error)
{
    g_autoptr(GPtrArray) names = durable_folder_list(files->work_fd, "", error);

    for (guint i = 0; names && i < names->len; i++)
        unlinkat(files->work_fd, names->pdata[i], 0);
    return names != NULL;
}

ArchiveFiles *
archive_files_open(const char *folder, gboolean force, ArchiveFileDone done, gpointer data,
                   GError **error)
{
    g_autoptr(ArchiveFiles) files = g_new0(ArchiveFiles, 1);
    int entered = 0;

    *files = (ArchiveFiles){.folder = g_strdup(folder),
                            .root_fd = -1,
                            .work_fd = -1,
                            .dir_fd = -1,
                            .force = force,
                            .done = done,
                            .data = data};
    files->batch = g_ptr_array_new_with_free_func(waiting_free);
    files->root_fd = durable_folder_open(folder, TRUE, error);
    if (files->root_fd < 0)
        return NULL;
    while (entered == 0)
        entered = enter_work(files, error);
    return entered > 0 && empty_work(files, error) ? g_steal_pointer(&files) : NULL;
}

void
archive_files_close(ArchiveFiles *files)
{
    archive_files_abandon(files);
    if (files->work_fd >= 0) {
        empty_work(files, NULL);
        unlinkat(files->root_fd, WORK_FOLDER, AT_REMOVEDIR);
        close(files->work_fd);
    }
    if (files->dir_fd >= 0)
        close(files->dir_fd);
    if (files->root_fd >= 0)
        close(files->root_fd);
    g_ptr_array_unref(files->batch);
    g_free(files->dir);
    g_free(files->folder);
    g_free(files);
}

gboolean
archive_files_broken(const ArchiveFiles *files)
{
    return files->broken;
}

/* Names that were given in the folder have to be synced before it is left. */
static gboolean
leave_dir(ArchiveFiles *files, GError **error)
{
    gboolean synced = !files->dir_changed || durable_sync(files->dir_fd, files->dir, error);

    files->dir_changed = FALSE;
    return note_broken(files, synced, error);
}

/* Makes the folder of path the one that is open; *name: what is behind it. */
static gboolean
enter_dir(ArchiveFiles *files, const char *path, const char **name, GError **error)
{
    const char *slash = strrchr(path, '/');
    g_autofree char *dir = g_strndup(path, slash ? (gsize)(slash - path) : 0);

    *name = slash ? slash + 1 : path;
    if (files->dir_fd >= 0 && strcmp(files->dir, dir) == 0)
        return TRUE;
    if (!leave_dir(files, error))
        return FALSE;
    if (files->dir_fd >= 0)
        close(files->dir_fd);
    files->dir_fd = durable_folder_beneath(files->root_fd, dir, error);
    g_free(files->dir);
    files->dir = g_steal_pointer(&dir);
    return note_broken(files, files->dir_fd >= 0, error);
}

/* Has dir_fd/name this digest? A symlink has none. */
static gboolean
has_digest(int dir_fd, const char *name, const char *sha256)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    g_autoptr(Sha256) digest = sha256_new();
    g_autofree guint8 *piece = g_malloc(PIECE_BYTES);
    char hex[SHA256_CHARS + 1];
    ssize_t got = 1;

    if (fd < 0)
        return FALSE;
    while (got > 0) {
        got = read(fd, piece, PIECE_BYTES);
        if (got < 0 && errno == EINTR)
            got = 1;
        else
            sha256_add(digest, piece, (gsize)MAX(got, 0));
    }
    close(fd);
    sha256_finish(digest, hex);
    return got == 0 && strcmp(hex, sha256) == 0;
}

/* Looks at what has the name already. Returns: 1 when it is the same file, 0 when the name can be
 * had, -1 and error. */
static int
look_at_name(const ArchiveFiles *files, const ArchiveFile *file, const char *name, GError **error)
{
    struct stat status;

    if (fstatat(files->dir_fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT)
            return 0;
        millrace_error_set_errno(error, durable_creation_error(errno), errno, "%s/%s",
                                 files->folder, file->path);
        return -1;
    }
    if (S_ISREG(status.st_mode) && (guint64)status.st_size == file->size_bytes &&
        has_digest(files->dir_fd, name, file->sha256))
        return 1;
    if (files->force && !S_ISDIR(status.st_mode))
        return 0;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CANT_CREATE, "%s/%s: %s", files->folder,
                file->path,
                S_ISDIR(status.st_mode)   ? "a folder is in the way"
                : S_ISREG(status.st_mode) ? "it is there with other bytes; --force replaces it"
                                          : "something else is in the way; --force replaces it");
    return -1;
}

/* A record whose size is absurd shall not fill the disk before that shows. */
static gboolean
check_room(ArchiveFiles *files, const ArchiveFile *file, GError **error)
{
    struct statvfs status;

    if (file->size_bytes < ROOM_CHECK_BYTES || fstatvfs(files->root_fd, &status) != 0)
        return TRUE;
    guint64 free_bytes = (guint64)status.f_bavail * status.f_frsize;
    if (file->size_bytes <= free_bytes)
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CANT_CREATE,
                "%s/%s: it has %" G_GUINT64_FORMAT " bytes, and %" G_GUINT64_FORMAT " are free",
                files->folder, file->path, file->size_bytes, free_bytes);
    return FALSE;
}

/* Names in a volume that was packed by us are clean; others are not made so, but refused. */
static gboolean
check_name(const char *name, GError **error)
{
    g_autofree char *clean = volume_member_name(name);
    gsize first = strcspn(name, "/");

    if (*name != '\0' && strcmp(clean, name) == 0 &&
        (first != strlen(WORK_FOLDER) || strncmp(name, WORK_FOLDER, first) != 0))
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                "a name that may lead elsewhere, so it is not restored");
    return FALSE;
}

gboolean
archive_files_begin(ArchiveFiles *files, const char *prefix, const TarMember *member,
                    const VolumeRecord *record, guint volume, GError **error)
{
    char work[NAME_CHARS];
    const char *name = NULL;

    g_assert(!files->current);
    if (!check_name(member->name, error))
        return FALSE;
    Waiting *waiting = g_new0(Waiting, 1);
    files->current = waiting;
    waiting->fd = -1;
    waiting->number = files->next_number++;
    waiting->mtime_s = CLAMP(member->mtime_s, MTIME_MIN_S, MTIME_MAX_S);
    waiting->file = (ArchiveFile){
        .key = g_strdup(record->key), .volume = volume, .size_bytes = record->size_bytes};
    waiting->file.path =
        prefix ? g_build_filename(prefix, member->name, NULL) : g_strdup(member->name);
    g_strlcpy(waiting->file.sha256, record->sha256, sizeof waiting->file.sha256);
    if (!enter_dir(files, waiting->file.path, &name, error))
        return FALSE;
    int there = look_at_name(files, &waiting->file, name, error);
    files->current_is_there = there == 1;
    if (there != 0)
        return note_broken(files, there > 0, error);
    if (!check_room(files, &waiting->file, error))
        return FALSE;
    work_name(waiting->number, work);
    waiting->fd =
        openat(files->work_fd, work, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (waiting->fd >= 0)
        return TRUE;
    millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "%s/" WORK_FOLDER "/%s",
                             files->folder, work);
    return note_broken(files, FALSE, error);
}

gboolean
archive_files_write(ArchiveFiles *files, const void *bytes, gsize size_bytes, GError **error)
{
    /* What is there already is read all the same, to be checked. */
    if (files->current_is_there)
        return TRUE;
    return note_broken(
        files,
        durable_write_all(files->current->fd, files->current->file.path, bytes, size_bytes, error),
        error);
}

void
archive_files_abandon(ArchiveFiles *files)
{
    char work[NAME_CHARS];

    if (!files->current)
        return;
    work_name(files->current->number, work);
    if (files->current->fd >= 0)
        unlinkat(files->work_fd, work, 0);
    g_clear_pointer(&files->current, waiting_free);
    files->current_is_there = FALSE;
}

gboolean
archive_files_finish(ArchiveFiles *files, GError **error)
{
    Waiting *waiting = files->current;
    const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = waiting->mtime_s}};

    if (files->current_is_there) {
        files->done(&waiting->file, TRUE, NULL, files->data);
        archive_files_abandon(files);
        return TRUE;
    }
    if (futimens(waiting->fd, times) != 0) {
        millrace_error_set_errno(error, durable_creation_error(errno), errno,
                                 "%s/%s: setting its time", files->folder, waiting->file.path);
        return note_broken(files, FALSE, error);
    }
    files->current = NULL;
    files->batch_bytes += waiting->file.size_bytes;
    g_ptr_array_add(files->batch, waiting);
    if (files->batch->len < BATCH_FILES && files->batch_bytes < BATCH_BYTES)
        return TRUE;
    return archive_files_flush(files, error);
}

static gboolean
sync_batch(ArchiveFiles *files, GError **error)
{
    gboolean each = files->batch->len <= SYNC_EACH_MAX;

    if (!each && syncfs(files->root_fd) != 0)
        return millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "syncing %s",
                                        files->folder);
    for (guint i = 0; i < files->batch->len; i++) {
        Waiting *waiting = files->batch->pdata[i];
        if (each && !durable_sync(waiting->fd, waiting->file.path, error))
            return FALSE;
        int closed = close(waiting->fd);
        waiting->fd = -1;
        if (closed != 0)
            return millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "closing %s/%s",
                                            files->folder, waiting->file.path);
    }
    return TRUE;
}

/* Gives a file its name. FALSE and error, which is the file's or, when files are broken, of all. */
static gboolean
publish(ArchiveFiles *files, const Waiting *waiting, gboolean *was_there, GError **error)
{
    const char *name = NULL;
    char work[NAME_CHARS];
    PublishResult result = PUBLISH_DONE;

    work_name(waiting->number, work);
    *was_there = FALSE;
    if (!enter_dir(files, waiting->file.path, &name, error))
        return FALSE;
    if (!files->force) {
        result = durable_publish(files->work_fd, work, files->dir_fd, name, error);
    } else if (renameat(files->work_fd, work, files->dir_fd, name) != 0) {
        millrace_error_set_errno(error, durable_creation_error(errno), errno, "%s/%s",
                                 files->folder, waiting->file.path);
        result = PUBLISH_FAILED;
    }
    if (result == PUBLISH_EXISTS) {
        /* It came since we looked: another volume's copy of the same record, mostly. */
        int there = look_at_name(files, &waiting->file, name, error);
        *was_there = there == 1;
        if (there == 0)
            g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CANT_CREATE,
                        "%s/%s: somebody else works in the folder", files->folder,
                        waiting->file.path);
        return note_broken(files, there == 1, error);
    }
    files->dir_changed |= result == PUBLISH_DONE;
    return note_broken(files, result == PUBLISH_DONE, error);
}

/* Names that were given are told of only when they are durable. */
typedef struct {
    gboolean was_there;
    GError *failure;
} Outcome;

static gboolean
publish_batch(ArchiveFiles *files, Outcome *outcomes, GError **error)
{
    for (guint i = 0; i < files->batch->len; i++) {
        Outcome *outcome = &outcomes[i];
        publish(files, files->batch->pdata[i], &outcome->was_there, &outcome->failure);
        if (files->broken) {
            g_propagate_error(error, g_error_copy(outcome->failure));
            return FALSE;
        }
    }
    return leave_dir(files, error);
}

gboolean
archive_files_flush(ArchiveFiles *files, GError **error)
{
    guint count = files->batch->len;
    g_autofree Outcome *outcomes = g_new0(Outcome, count);
    gboolean good = sync_batch(files, error);

    files->broken |= !good;
    good = good && publish_batch(files, outcomes, error);
    for (guint i = 0; i < count; i++) {
        const Waiting *waiting = files->batch->pdata[i];
        char work[NAME_CHARS];
        work_name(waiting->number, work);
        if (good)
            files->done(&waiting->file, outcomes[i].was_there, outcomes[i].failure, files->data);
        if (!good || outcomes[i].was_there || outcomes[i].failure)
            unlinkat(files->work_fd, work, 0);
        g_clear_error(&outcomes[i].failure);
    }
    g_ptr_array_set_size(files->batch, 0);
    files->batch_bytes = 0;
    return good;
}
