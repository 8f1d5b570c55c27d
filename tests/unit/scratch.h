/* scratch.h - a folder of its own for a test, gone afterwards, and what lies in it as text.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TESTS_SCRATCH_H
#define MILLRACE_TESTS_SCRATCH_H

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <glib.h>

#pragma GCC diagnostic ignored "-Wunused-function"

typedef struct {
    char *path;
    int fd;
} Scratch;

static Scratch
scratch_new(void)
{
    Scratch scratch = {.path = g_dir_make_tmp("millrace-XXXXXX", NULL)};

    cr_assert_not_null(scratch.path);
    scratch.fd = open(scratch.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_assert_geq(scratch.fd, 0);
    return scratch;
}

static int
scratch_remove_entry(const char *path, const struct stat *status G_GNUC_UNUSED,
                     int type G_GNUC_UNUSED, struct FTW *where G_GNUC_UNUSED)
{
    return remove(path);
}

static void
scratch_release(Scratch *scratch)
{
    close(scratch->fd);
    nftw(scratch->path, scratch_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    g_free(scratch->path);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Scratch, scratch_release)

/* Writes with GLib, not with the code under test. */
static void
scratch_put(const Scratch *scratch, const char *name, const void *bytes, gsize size_bytes)
{
    g_autofree char *path = g_build_filename(scratch->path, name, NULL);

    cr_assert(g_file_set_contents(path, bytes, (gssize)size_bytes, NULL), "%s", path);
}

/* Returns: (transfer full) the bytes of a file, or NULL when there is none. */
static char *
scratch_get(const Scratch *scratch, const char *name, gsize *size_bytes)
{
    g_autofree char *path = g_build_filename(scratch->path, name, NULL);
    char *bytes = NULL;

    return g_file_get_contents(path, &bytes, size_bytes, NULL) ? bytes : NULL;
}

static gint
scratch_compare(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Returns: (transfer full) the names in the folder, sorted, with a space between. */
static char *
scratch_list(const Scratch *scratch)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) dir = g_dir_open(scratch->path, 0, NULL);
    const char *name = NULL;

    while ((name = g_dir_read_name(dir)))
        g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, scratch_compare);
    g_ptr_array_add(names, NULL);
    return g_strjoinv(" ", (char **)names->pdata);
}

#endif
