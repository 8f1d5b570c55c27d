/* privileges.c - what the system lets a door do, cut down to what it needs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/door/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A connection has its socket, the file of its body, that of its output, and may linger. */
#define DESCRIPTORS_EACH 3
/* Listening, epoll, logs, snapshots, folders, the queue, scrapes; a pair of sockets for each
 * worker, a few for the threads of bulk jobs. */
#define DESCRIPTORS_BASE   44
#define DESCRIPTORS_WORKER 2

static gboolean
become(const char *user, GError **error)
{
    const struct passwd *entry = getpwnam(user);

    if (!entry || geteuid() != 0) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                    entry ? "--user=%s: only root can become another user"
                          : "--user=%s: there is no such user",
                    user);
        return FALSE;
    }
    if (initgroups(user, entry->pw_gid) != 0 || setgid(entry->pw_gid) != 0 ||
        setuid(entry->pw_uid) != 0)
        return millrace_error_set_errno(error, MILLRACE_ERROR_UNAVAILABLE, errno, "--user=%s",
                                        user);
    return TRUE;
}

gboolean
privileges_drop(const char *user, GError **error)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[2] = {{0}, {0}};

    umask(077);
    if (user && !become(user, error))
        return FALSE;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall(SYS_capset, &header, none) != 0 ||
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return millrace_error_set_errno(error, MILLRACE_ERROR_UNAVAILABLE, errno,
                                        "giving up privileges");
    return TRUE;
}

guint
descriptors_provide(guint connections, guint wanted, guint workers)
{
    const rlim_t base = DESCRIPTORS_BASE + (rlim_t)workers * DESCRIPTORS_WORKER;
    rlim_t need = wanted > 0 ? wanted : base + (rlim_t)connections * DESCRIPTORS_EACH;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1;
    if (limit.rlim_cur < need) {
        limit.rlim_cur = MIN(need, limit.rlim_max);
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* what there is, is looked at below */
        if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
            return 1;
    }
    rlim_t fit = limit.rlim_cur > base ? (limit.rlim_cur - base) / DESCRIPTORS_EACH : 0;
    return (guint)CLAMP(fit, 1, connections);
}
