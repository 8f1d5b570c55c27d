/* torture.c - programs of ours on a disk that fails. The linker's --wrap leads the calls below
 * here. Those on regular files and folders are counted, and as the environment says, one of them
 * fails:
 *
 *     MILLRACE_TORTURE_AT=N:MODE    the N-th fails, in one of the modes below
 *     MILLRACE_TORTURE_LOG=FILE     a line for each call: N, MODE or -, the call, r or w, a path
 *
 * A close that fails has closed, as on Linux. What libraries and workers do is left alone.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

typedef struct {
    const char *name;
    int errnum; /* 0: the call does not fail */
    int signal; /* ends the program instead of the call */
    gboolean is_cut;
    gboolean is_lasting;
} Mode;

static const Mode modes[] = {
    {.name = "eio", .errnum = EIO},
    {.name = "enospc", .errnum = ENOSPC},
    {.name = "short", .is_cut = TRUE}, /* a write writes half */
    {.name = "kill", .signal = SIGKILL},
    {.name = "broken", .errnum = EIO, .is_lasting = TRUE}, /* so does every call after it */
    {.name = "full", .errnum = ENOSPC, .is_cut = TRUE, .is_lasting = TRUE},
};

typedef enum { FATE_PASS, FATE_FAIL, FATE_CUT } Fate;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static const Mode *mode;
static guint64 at;
static guint64 call_count;
static int log_fd = -1;

__attribute__((constructor)) static void
read_environment(void)
{
    const char *wish = getenv("MILLRACE_TORTURE_AT");
    const char *log = getenv("MILLRACE_TORTURE_LOG");
    char *end = NULL;

    if (log)
        log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (!wish || !*wish)
        return;
    at = strtoull(wish, &end, 10);
    for (guint i = 0; *end == ':' && i < G_N_ELEMENTS(modes); i++)
        if (strcmp(end + 1, modes[i].name) == 0)
            mode = &modes[i];
    if (at == 0 || !mode)
        abort();
}

/* Counts and logs one call. */
static gboolean
is_struck(const char *call, int fd, const char *name)
{
    char link[PATH_MAX] = "";
    char path[32];
    int flags = fcntl(fd, F_GETFL);

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (readlink(path, link, sizeof link - 1) < 0)
        link[0] = '\0';
    pthread_mutex_lock(&mutex);
    guint64 number = ++call_count;
    gboolean struck = mode && (number == at || (mode->is_lasting && number > at));
    if (log_fd >= 0)
        dprintf(log_fd, "%" G_GUINT64_FORMAT " %s %s %s %s%s%s\n", number,
                struck ? mode->name : "-", call, (flags & O_ACCMODE) == O_RDONLY ? "r" : "w", link,
                name ? "/" : "", name ? name : "");
    pthread_mutex_unlock(&mutex);
    return struck;
}

/* What becomes of a call on fd, or on a name in the folder fd; errno is set where it fails. */
static Fate
fate_of(const char *call, int fd, const char *name)
{
    struct stat status;
    int saved = errno;
    gboolean counts =
        fstat(fd, &status) == 0 && (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode));
    gboolean struck = counts && is_struck(call, fd, name);

    errno = saved;
    if (!struck)
        return FATE_PASS;
    if (mode->signal)
        raise(mode->signal);
    if (mode->is_cut && strcmp(call, "write") == 0 && call_count == at)
        return FATE_CUT;
    if (mode->errnum == 0)
        return FATE_PASS;
    errno = mode->errnum;
    return FATE_FAIL;
}

ssize_t __real_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);
ssize_t
__wrap_write(int fd, const void *bytes, size_t size)
{
    Fate fate = size > 0 ? fate_of("write", fd, NULL) : FATE_PASS;

    if (fate == FATE_FAIL)
        return -1;
    return __real_write(fd, bytes, fate == FATE_CUT ? (size + 1) / 2 : size);
}

int __real_close(int fd);
int __wrap_close(int fd);
int
__wrap_close(int fd)
{
    Fate fate = fate_of("close", fd, NULL);
    int failed = errno;
    int closed = __real_close(fd);

    if (fate != FATE_FAIL)
        return closed;
    errno = failed;
    return -1;
}

int __real_openat(int dir_fd, const char *name, int flags, ...);
int __wrap_openat(int dir_fd, const char *name, int flags, ...);
int
__wrap_openat(int dir_fd, const char *name, int flags, ...)
{
    va_list arguments;

    va_start(arguments, flags);
    mode_t bits = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    if (flags & O_CREAT && fate_of("openat", dir_fd, name) == FATE_FAIL)
        return -1;
    return __real_openat(dir_fd, name, flags, bits);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int
__wrap_fsync(int fd)
{
    return fate_of("fsync", fd, NULL) == FATE_FAIL ? -1 : __real_fsync(fd);
}

int __real_posix_fallocate(int fd, off_t begin, off_t size);
int __wrap_posix_fallocate(int fd, off_t begin, off_t size);
int
__wrap_posix_fallocate(int fd, off_t begin, off_t size)
{
    return fate_of("posix_fallocate", fd, NULL) == FATE_FAIL
               ? errno
               : __real_posix_fallocate(fd, begin, size);
}

int __real_mkdirat(int dir_fd, const char *name, mode_t bits);
int __wrap_mkdirat(int dir_fd, const char *name, mode_t bits);
int
__wrap_mkdirat(int dir_fd, const char *name, mode_t bits)
{
    return fate_of("mkdirat", dir_fd, name) == FATE_FAIL ? -1 : __real_mkdirat(dir_fd, name, bits);
}

int __real_unlinkat(int dir_fd, const char *name, int flags);
int __wrap_unlinkat(int dir_fd, const char *name, int flags);
int
__wrap_unlinkat(int dir_fd, const char *name, int flags)
{
    return fate_of("unlinkat", dir_fd, name) == FATE_FAIL ? -1
                                                          : __real_unlinkat(dir_fd, name, flags);
}

int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);
int
__wrap_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    return fate_of("renameat", to_fd, to) == FATE_FAIL ? -1
                                                       : __real_renameat(from_fd, from, to_fd, to);
}

int __real_renameat2(int from_fd, const char *from, int to_fd, const char *to, guint flags);
int __wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to, guint flags);
int
__wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to, guint flags)
{
    return fate_of("renameat2", to_fd, to) == FATE_FAIL
               ? -1
               : __real_renameat2(from_fd, from, to_fd, to, flags);
}
