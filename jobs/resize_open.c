/* resize_open.c - opening the source of a row. With --beneath, whoever wrote the manifest is not
 * trusted with the machine's files, so the kernel itself is told to resolve the name beneath one
 * folder: no "..", no absolute path, no symlink, no /proc, and no moment between a check and its
 * use.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/resize_open.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "formats/error.h"

/* The kernel gives up when a folder is renamed while it resolves a name in it. */
enum { RESOLVE_TRIES = 100 };

static int
open_beneath(int beneath_fd, const char *source, guint64 flags)
{
    const struct open_how how = {
        .flags = flags, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    int fd = -1;

    errno = EAGAIN;
    for (guint i = 0; fd < 0 && errno == EAGAIN && i < RESOLVE_TRIES; i++)
        fd = (int)syscall(SYS_openat2, beneath_fd, source, &how, sizeof how);
    return fd;
}

int
resize_beneath_open(const char *path, GError **error)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        millrace_error_set_errno(error, MILLRACE_ERROR_NO_INPUT, errno, "--beneath %s", path);
        return -1;
    }
    int probe = open_beneath(fd, ".", O_PATH | O_CLOEXEC);
    if (probe >= 0) {
        close(probe);
        return fd;
    }
    millrace_error_set_errno(error, MILLRACE_ERROR_UNAVAILABLE, errno,
                             "--beneath %s: it takes openat2(), as of Linux 5.6", path);
    close(fd);
    return -1;
}

static ResizeOpenFailure
failure_of(int errnum, gboolean beneath)
{
    ResizeOpenFailure failure = {
        .class = ROW_UNREADABLE, .reason = g_strerror(errnum), .errnum = errnum};

    if (errnum == ENOENT || errnum == ENOTDIR)
        failure.class = ROW_NOT_FOUND;
    else if (errnum == EIO || errnum == ESTALE)
        failure.class = ROW_IO;
    else if (beneath && errnum == EXDEV)
        failure.reason = "it leads out of the folder of --beneath";
    else if (beneath && errnum == ELOOP)
        failure.reason = "there is a symlink on the way, which --beneath does not follow";
    return failure;
}

int
resize_open(int beneath_fd, const char *source, guint64 *size_bytes, ResizeOpenFailure *failure)
{
    const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    gboolean beneath = beneath_fd >= 0;
    struct stat status;
    int fd = beneath ? open_beneath(beneath_fd, source, flags) : open(source, flags);

    if (fd < 0 || fstat(fd, &status) != 0) {
        *failure = failure_of(errno, beneath);
    } else if (!S_ISREG(status.st_mode)) {
        *failure = (ResizeOpenFailure){
            .class = ROW_UNREADABLE,
            .reason = S_ISDIR(status.st_mode) ? "it is a folder" : "it is not a regular file"};
    } else {
        *size_bytes = (guint64)status.st_size;
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}
