/* archive_find.c - the files under the paths that a pack is given. Nothing is left out silently:
 * what is no regular file, or cannot be read, ends the pack before it has begun.
 * SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/store.h"
#include "formats/tar.h"
#include "formats/volume.h"
#include "jobs/archive_inputs.h"

/* How a segment begins: formats/README.md, "Segment v1". */
static const char segment_magic[8] = "MRSEGMT1";

/* The years 1 to 9999, which the index can write. */
#define MTIME_MIN_S G_GINT64_CONSTANT(-62135596800)
#define MTIME_MAX_S G_GINT64_CONSTANT(253402300799)

enum { NEVER_MAX = 4 };

typedef struct {
    ArchiveInputs *inputs;
    GPtrArray *folders; /* paths of those still to be read; owned */
    struct stat never[NEVER_MAX];
    guint never_count;
} Find;

static gboolean
refuse(GError **error, const char *path, const char *why)
{
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT, "%s: %s", path, why);
    return FALSE;
}

static gboolean
cannot_read(GError **error, const char *path)
{
    return millrace_error_set_errno(
        error, errno == EIO ? MILLRACE_ERROR_IO : MILLRACE_ERROR_NO_INPUT, errno, "%s", path);
}

static gboolean
add_file(Find *find, const char *path, const struct stat *status, GError **error)
{
    g_autofree char *name = volume_member_name(path);
    ArchivePiece piece = {.path = path, .size_bytes = (guint64)status->st_size};
    ArchiveMember member = {.name = name,
                            .size_bytes = piece.size_bytes,
                            .mtime_s = status->st_mtim.tv_sec,
                            .changed_ns = (gint64)status->st_ctim.tv_sec * 1000000000 +
                                          status->st_ctim.tv_nsec,
                            .pieces = &piece,
                            .piece_count = 1};

    if (*name == '\0' || strlen(name) > TAR_NAME_MAX)
        return refuse(error, path, "a name that a tar cannot hold");
    if (member.mtime_s < MTIME_MIN_S || member.mtime_s > MTIME_MAX_S)
        return refuse(error, path, "its time is not within the years 1 to 9999: touch it");
    archive_inputs_add(find->inputs, &member);
    return TRUE;
}

/* Opens the file at name in dir_fd, whose path is for the archive. */
static gboolean
take_file(Find *find, int dir_fd, const char *name, const char *path, GError **error)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    char head[sizeof segment_magic];
    struct stat status;

    if (fd < 0)
        return cannot_read(error, path);
    gssize got = pread(fd, head, sizeof head, 0);
    gboolean good = got >= 0 && fstat(fd, &status) == 0;
    if (!good)
        cannot_read(error, path);
    close(fd);
    if (!good)
        return FALSE;
    if (!S_ISREG(status.st_mode))
        return refuse(error, path, "it has just been replaced by what is no file: pack again");
    gboolean is_segment =
        got == (gssize)sizeof head && memcmp(head, segment_magic, sizeof head) == 0;
    if (!is_segment && g_str_has_suffix(name, store_suffix(STORE_SEGMENTS)))
        return refuse(error, path,
                      "it is named as a segment and does not begin as one, so it is "
                      "damaged: look for another copy of it");
    if (!is_segment)
        return add_file(find, path, &status, error);
    g_ptr_array_add(find->inputs->segments, g_string_chunk_insert(find->inputs->strings, path));
    return TRUE;
}

static gboolean
is_never(const Find *find, const struct stat *status)
{
    for (guint i = 0; i < find->never_count; i++)
        if (find->never[i].st_dev == status->st_dev && find->never[i].st_ino == status->st_ino)
            return TRUE;
    return FALSE;
}

/* status: of name in dir_fd. */
static gboolean
take_entry(Find *find, int dir_fd, const char *name, const char *path, const struct stat *status,
           GError **error)
{
    mode_t mode = status->st_mode;

    if (is_never(find, status))
        return refuse(error, path,
                      "this is the archive itself, or its secret key, and does not go into it: "
                      "give what lies beside it");
    if (S_ISREG(mode))
        return take_file(find, dir_fd, name, path, error);
    if (S_ISDIR(mode)) {
        g_ptr_array_add(find->folders, g_strdup(path));
        return TRUE;
    }
    if (S_ISLNK(mode))
        return refuse(error, path,
                      "a symlink within a folder is not archived: give what it leads to as an "
                      "operand of its own, and take the link away");
    return refuse(error, path, "neither a file nor a folder, and nothing else is archived");
}

static gboolean
read_folder(Find *find, const char *path, GError **error)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry = NULL;
    gboolean good = TRUE;

    if (!dir) {
        cannot_read(error, path);
        if (fd >= 0)
            close(fd);
        return FALSE;
    }
    for (errno = 0; good && (entry = readdir(dir)); errno = 0) {
        struct stat status;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        g_autofree char *inner =
            g_strdup_printf("%s%s%s", path, g_str_has_suffix(path, "/") ? "" : "/", entry->d_name);
        good = fstatat(fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0
                   ? take_entry(find, fd, entry->d_name, inner, &status, error)
                   : cannot_read(error, inner);
    }
    if (good && errno != 0)
        good = millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "%s", path);
    closedir(dir);
    return good;
}

static gboolean
find_under(Find *find, const char *operand, GError **error)
{
    struct stat status;

    if (stat(operand, &status) != 0)
        return cannot_read(error, *operand ? operand : "\"\"");
    gboolean good = take_entry(find, AT_FDCWD, operand, operand, &status, error);
    while (good && find->folders->len > 0) {
        g_autofree char *folder =
            g_ptr_array_steal_index_fast(find->folders, find->folders->len - 1);
        good = read_folder(find, folder, error);
    }
    return good;
}

static gboolean
find_listed(Find *find, const ArchiveOperands *operands, GError **error)
{
    char *line = NULL;
    size_t room = 0;
    gboolean good = TRUE;

    for (;;) {
        gssize size = getdelim(&line, &room, operands->list_end, operands->list);
        if (size < 0)
            break;
        if (line[size - 1] == operands->list_end)
            line[--size] = '\0';
        if (strlen(line) < (gsize)size)
            good = refuse(error, line, "a path in the list with a NUL in it: is it a list for -0?");
        else if (size > 0)
            good = find_under(find, line, error);
        if (!good)
            break;
    }
    if (good && ferror(operands->list))
        good = millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "the list of files");
    free(line);
    return good;
}

static const char *
file_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static int
compare_segments(gconstpointer a, gconstpointer b)
{
    const char *left = *(const char *const *)a;
    const char *right = *(const char *const *)b;
    int order = strcmp(file_name(left), file_name(right));

    return order != 0 ? order : strcmp(left, right);
}

/* Do two files hold the same bytes? -1 and error when they cannot be read. */
static int
compare_bytes(const char *a, const char *b, GError **error)
{
    GError *unread = NULL;
    g_autoptr(GMappedFile) left = g_mapped_file_new(a, FALSE, &unread);
    g_autoptr(GMappedFile) right = left ? g_mapped_file_new(b, FALSE, &unread) : NULL;

    if (!right) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT, "%s", unread->message);
        g_error_free(unread);
        return -1;
    }
    gsize size = g_mapped_file_get_length(left);
    return size == g_mapped_file_get_length(right) &&
           memcmp(g_mapped_file_get_contents(left), g_mapped_file_get_contents(right), size) == 0;
}

/* A segment is named by its bytes, and stores have copies of each other's. */
static gboolean
sort_segments(ArchiveInputs *inputs, GError **error)
{
    const char **paths = (const char **)inputs->segments->pdata;
    guint kept = 0;

    g_ptr_array_sort(inputs->segments, compare_segments);
    for (guint i = 0; i < inputs->segments->len; i++) {
        if (kept == 0 || strcmp(file_name(paths[kept - 1]), file_name(paths[i])) != 0) {
            paths[kept++] = paths[i];
            continue;
        }
        int same = compare_bytes(paths[kept - 1], paths[i], error);
        if (same == 0)
            g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                        "%s and %s are two segments of one name: one of them is damaged, or has "
                        "another's name",
                        paths[kept - 1], paths[i]);
        if (same <= 0)
            return FALSE;
    }
    g_ptr_array_set_size(inputs->segments, (int)kept);
    return TRUE;
}

ArchiveInputs *
archive_inputs_find(const ArchiveOperands *operands, GError **error)
{
    g_autoptr(ArchiveInputs) inputs = archive_inputs_new();
    g_autoptr(GPtrArray) folders = g_ptr_array_new_with_free_func(g_free);
    Find find = {.inputs = inputs, .folders = folders};

    for (const char *const *path = operands->never; path && *path; path++)
        if (find.never_count < NEVER_MAX && stat(*path, &find.never[find.never_count]) == 0)
            find.never_count++;
    for (guint i = 0; operands->operands[i]; i++) {
        const char *operand = operands->operands[i];
        gboolean good = strcmp(operand, "-") == 0 ? find_listed(&find, operands, error)
                                                  : find_under(&find, operand, error);
        if (!good)
            return NULL;
    }
    if (inputs->members->len + inputs->segments->len == 0) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT,
                    "there is no file under the paths given");
        return NULL;
    }
    if (!sort_segments(inputs, error) || !archive_inputs_sort(inputs, error))
        return NULL;
    return g_steal_pointer(&inputs);
}
