/* manifest_build.c - the walk that finds images, and the manifest rows it writes as it goes.
 * Folders are opened by path one at a time, so that a deep tree costs no descriptors.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/manifest_build.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/error.h"
#include "formats/manifest.h"
#include "formats/outspec.h"

typedef struct {
    FILE *out;
    GString *row;    /* owns; reused */
    GString *suffix; /* owns; what every row ends in */
    GString *path;   /* owns; the folder that is walked */
    guint64 row_count;
} Builder;

typedef enum { ENTRY_OTHER, ENTRY_IMAGE, ENTRY_FOLDER } EntryKind;

static gboolean
is_image_name(const char *name)
{
    const char *dot = strrchr(name, '.');
    for (int format = IMAGE_FORMAT_INPUT + 1; dot != NULL && format < IMAGE_FORMAT_COUNT; format++)
        if (image_format_has_extension((ImageFormat)format, dot + 1))
            return TRUE;
    return FALSE;
}

/* What an entry is. A link whose file is gone counts as an image: it was asked for, so the run
 * should report it; links to folders, pipes and devices are nothing of ours. */
static EntryKind
entry_kind(int folder_fd, const struct dirent *entry)
{
    struct stat status;
    gboolean image = is_image_name(entry->d_name);

    if (entry->d_type == DT_DIR)
        return ENTRY_FOLDER;
    if (entry->d_type == DT_REG)
        return image ? ENTRY_IMAGE : ENTRY_OTHER;
    if (entry->d_type == DT_UNKNOWN) { /* a file system that does not say */
        if (fstatat(folder_fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0)
            return ENTRY_OTHER;
        if (S_ISDIR(status.st_mode))
            return ENTRY_FOLDER;
    }
    if (!image)
        return ENTRY_OTHER;
    if (fstatat(folder_fd, entry->d_name, &status, 0) != 0)
        return ENTRY_IMAGE;
    return S_ISREG(status.st_mode) ? ENTRY_IMAGE : ENTRY_OTHER;
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static gboolean
fail_folder(const char *path, int errnum, GError **error)
{
    return millrace_error_set_errno(error, MILLRACE_ERROR_NO_INPUT, errnum,
                                    "%s: cannot read folder", path);
}

/* Adds the folder's images to names, and its folders with a '/' behind, which sorts them where
 * their files' paths belong. */
static gboolean
read_entries(DIR *folder, GPtrArray *names)
{
    const struct dirent *entry;

    errno = 0;
    while ((entry = readdir(folder)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            EntryKind kind = entry_kind(dirfd(folder), entry);
            if (kind != ENTRY_OTHER)
                g_ptr_array_add(names,
                                g_strconcat(entry->d_name, kind == ENTRY_FOLDER ? "/" : "", NULL));
        }
        errno = 0;
    }
    return errno == 0;
}

/* Lists one folder, sorted. Returns: (transfer full), or NULL and error. */
static GPtrArray *
list_folder(const char *path, int open_flags, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | open_flags);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;

    if (folder == NULL) {
        fail_folder(path, errno, error);
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    gboolean complete = read_entries(folder, names);
    int errnum = errno;
    closedir(folder);
    if (!complete) {
        fail_folder(path, errnum, error);
        return NULL;
    }
    g_ptr_array_sort(names, compare_names);
    return g_steal_pointer(&names);
}

static gboolean
write_text(Builder *builder, const GString *text, GError **error)
{
    if (fwrite(text->str, 1, text->len, builder->out) == text->len)
        return TRUE;
    return millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "writing the manifest");
}

static gboolean
write_row(Builder *builder, const char *source, GError **error)
{
    g_string_truncate(builder->row, 0);
    manifest_put_csv_field(builder->row, source);
    g_string_append_len(builder->row, builder->suffix->str, (gssize)builder->suffix->len);
    builder->row_count++;
    return write_text(builder, builder->row, error);
}

/* Walks the folder builder->path, which is "" (the working directory) or ends in '/'. */
static gboolean
walk(Builder *builder, int open_flags, GError **error)
{
    gsize path_bytes = builder->path->len;
    const char *path = path_bytes > 0 ? builder->path->str : ".";
    g_autoptr(GPtrArray) names = list_folder(path, open_flags, error);
    gboolean good = names != NULL;

    for (guint i = 0; good && i < names->len; i++) {
        g_string_append(builder->path, names->pdata[i]);
        if (g_str_has_suffix(builder->path->str, "/"))
            good = walk(builder, O_NOFOLLOW, error);
        else
            good = write_row(builder, builder->path->str, error);
        g_string_truncate(builder->path, path_bytes);
    }
    return good;
}

static gboolean
add_operand(Builder *builder, const char *operand, GError **error)
{
    if (!g_file_test(operand, G_FILE_TEST_IS_DIR))
        return write_row(builder, operand, error);

    gsize length = strlen(operand);
    while (length > 1 && operand[length - 1] == '/')
        length--;
    g_string_truncate(builder->path, 0);
    /* The working directory goes without saying: "a.jpg", not "./a.jpg". */
    if (length > 1 || *operand != '.')
        g_string_append_len(builder->path, operand, (gssize)length);
    if (length > 1 || *operand != '.')
        g_string_append(builder->path, operand[length - 1] == '/' ? "" : "/");
    return walk(builder, 0, error);
}

static gboolean
check_operands(const char *const *operands, GError **error)
{
    for (; *operands != NULL; operands++) {
        struct stat status;
        if (stat(*operands, &status) != 0)
            return millrace_error_set_errno(error, MILLRACE_ERROR_NO_INPUT, errno, "%s", *operands);
    }
    return TRUE;
}

/* Writes the header and prepares what every row ends in. */
static gboolean
begin(Builder *builder, const ManifestBuildConfig *config, GError **error)
{
    g_string_assign(builder->row, "source");
    if (config->customer != NULL) {
        g_string_append(builder->row, ",customer");
        g_string_append_c(builder->suffix, ',');
        manifest_put_csv_field(builder->suffix, config->customer);
    }
    if (config->to != NULL) {
        g_string_append(builder->row, ",to");
        g_string_append_c(builder->suffix, ',');
        manifest_put_csv_field(builder->suffix, config->to);
    }
    g_string_append_c(builder->row, '\n');
    g_string_append_c(builder->suffix, '\n');
    return write_text(builder, builder->row, error);
}

gboolean
manifest_build(const ManifestBuildConfig *config, FILE *out, guint64 *row_count, GError **error)
{
    g_autoptr(GString) row = g_string_new(NULL);
    g_autoptr(GString) suffix = g_string_new(NULL);
    g_autoptr(GString) path = g_string_new(NULL);
    Builder builder = {.out = out, .row = row, .suffix = suffix, .path = path};

    gboolean good = check_operands(config->operands, error) && begin(&builder, config, error);
    for (guint i = 0; good && config->operands[i] != NULL; i++)
        good = add_operand(&builder, config->operands[i], error);
    *row_count = builder.row_count;
    return good;
}
