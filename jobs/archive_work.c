/* archive_work.c - the folder in which a pack makes its volumes: PLACE/pack-HASH/{volumes,keys,
 * usage}. SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_work.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/durable.h"
#include "formats/sha256.h"

#define PREFIX "pack-"

enum { HASH_CHARS = 16 };

char *
archive_work_path(const Tier *tier, const char *scratch, const void *input, gsize size_bytes)
{
    char hash[SHA256_CHARS + 1];
    g_autofree char *place = scratch ? g_strdup(scratch)
                             : tier_dir_fd(tier) >= 0
                                 ? g_build_filename(tier_name(tier), ".tmp", NULL)
                                 : g_strdup(g_get_tmp_dir());

    sha256_hex(input, size_bytes, hash);
    hash[HASH_CHARS] = '\0';
    g_autofree char *name = g_strconcat(PREFIX, hash, NULL);
    return g_build_filename(place, name, NULL);
}

Tier *
archive_work_open(const char *path, GError **error)
{
    g_autoptr(Tier) work = tier_open(path, TRUE, error);
    struct stat status;

    if (!work)
        return NULL;
    if (fstat(tier_dir_fd(work), &status) != 0 || status.st_uid != geteuid()) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CANT_CREATE,
                    "%s: it is not yours; give another place by --scratch", path);
        return NULL;
    }
    int fd = durable_folder_beneath(tier_dir_fd(work), ARCHIVE_WORK_USAGE, error);
    if (fd < 0)
        return NULL;
    close(fd);
    return g_steal_pointer(&work);
}

static void
remove_folder(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name = NULL;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        unlink(file);
    }
    rmdir(path);
}

static void
remove_work(const char *path)
{
    static const char *const folders[] = {"volumes", "keys", ARCHIVE_WORK_USAGE};

    for (guint i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_autofree char *folder = g_build_filename(path, folders[i], NULL);
        remove_folder(folder);
    }
    remove_folder(path);
}

void
archive_work_remove(const char *path)
{
    remove_work(path);
}

void
archive_work_sweep(const char *path, gint64 idle_s)
{
    g_autofree char *place = g_path_get_dirname(path);
    g_autofree char *own = g_path_get_basename(path);
    g_autoptr(GDir) dir = g_dir_open(place, 0, NULL);
    gint64 old_s = g_get_real_time() / G_USEC_PER_SEC - idle_s;
    const char *name = NULL;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *other = g_build_filename(place, name, NULL);
        struct stat status;
        if (strcmp(name, own) != 0 && strlen(name) == strlen(PREFIX) + HASH_CHARS &&
            g_str_has_prefix(name, PREFIX) && lstat(other, &status) == 0 &&
            S_ISDIR(status.st_mode) && status.st_mtime <= old_s && status.st_uid == geteuid())
            remove_work(other);
    }
}

char *
archive_work_stream(const char *scratch, GError **error)
{
    g_autofree char *path =
        g_build_filename(scratch ? scratch : g_get_tmp_dir(), "millrace-stream-XXXXXX", NULL);

    if (!g_mkdtemp(path)) {
        millrace_error_set_errno(error, durable_creation_error(errno), errno, "%s", path);
        return NULL;
    }
    return g_steal_pointer(&path);
}

void
archive_work_stream_remove(const char *path)
{
    remove_work(path);
}
