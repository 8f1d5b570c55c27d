/* fuzz_bulk_unpack.c - whatever is sent as a tar is unpacked or refused: nothing lies outside its
 * folder afterwards, nothing is there but plain files and folders, and no more than the limits let.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bulk_unpack.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes);

static guint64 unpacked_bytes;

static int
look_and_remove(const char *path, const struct stat *status, int type, struct FTW *where)
{
    g_assert_true(type == FTW_F || type == FTW_DP);
    /* Level 2 is what lies in inputs/; beside it are the manifest and the list of members. */
    if (type == FTW_F && where->level >= 2) {
        g_assert_true(S_ISREG(status->st_mode));
        unpacked_bytes += (guint64)status->st_size;
    }
    return remove(path);
}

int
LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes)
{
    static const BulkLimits limits = {.rows_max = 20, .bytes_max = 5000, .member_bytes_max = 3000};
    g_autofree char *outer = g_dir_make_tmp("millrace-fuzz-XXXXXX", NULL);
    g_autofree char *stage = g_build_filename(outer, "stage", NULL);
    g_autofree char *manifest = NULL;
    g_autoptr(GError) error = NULL;
    int fd = memfd_create("sent", MFD_CLOEXEC);

    g_assert_cmpint(write(fd, data, size_bytes), ==, (gssize)size_bytes);
    g_assert_cmpint(mkdir(stage, 0777), ==, 0);
    int stage_fd = open(stage, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    gboolean unpacked = bulk_unpack(fd, stage_fd, &limits, &manifest, &error);
    g_assert_true(unpacked == (error == NULL));
    g_assert_true(unpacked || !manifest);
    close(stage_fd);
    close(fd);
    unpacked_bytes = 0;
    nftw(stage, look_and_remove, 16, FTW_DEPTH | FTW_PHYS);
    g_assert_cmpuint(unpacked_bytes, <=, limits.bytes_max);
    /* Nothing else is in it. */
    g_assert_cmpint(rmdir(outer), ==, 0);
    return 0;
}
