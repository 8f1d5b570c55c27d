/* image_sandbox.c - what an image worker gives up before it meets the first image.
 * seccomp says which calls there are, Landlock says the same of files once more, in another part of
 * the kernel. An allow-list, since a decoder that was taken over would find the one call that a
 * deny-list forgot.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/image_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "formats/error.h"

enum { DESCRIPTORS_MAX = 64 };

static const int allowed[] = {
    /* descriptors one was given */
    SCMP_SYS(read),
    SCMP_SYS(pread64),
    SCMP_SYS(readv),
    SCMP_SYS(write),
    SCMP_SYS(pwrite64),
    SCMP_SYS(writev),
    SCMP_SYS(lseek),
    SCMP_SYS(fstat),
    SCMP_SYS(ftruncate),
    SCMP_SYS(close),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendmsg),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    /* memory */
    SCMP_SYS(brk),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(mprotect),
    SCMP_SYS(madvise),
    /* threads of one's own */
    SCMP_SYS(futex),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_setaffinity),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(gettid),
    SCMP_SYS(getpid),
    SCMP_SYS(sched_getparam),
    SCMP_SYS(sched_getscheduler),
    SCMP_SYS(membarrier),
    /* clocks and chance */
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(getrusage),
    SCMP_SYS(nanosleep),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(getrandom),
    SCMP_SYS(sysinfo),
    /* the end */
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};

/* Calls that are allowed for some arguments only. */
static int
add_conditional_rules(scmp_filter_ctx filter)
{
    const guint64 self = (guint64)getpid();
    const guint64 thread = CLONE_VM | CLONE_THREAD | CLONE_SIGHAND;
    const guint64 no_fd = 0xffffffff;
    int failed = 0;

    /* New memory may be executable, since ORC compiles its loops; a file's may not. */
    failed |=
        seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, SCMP_A4_32(SCMP_CMP_EQ, no_fd));
    /* Threads, never processes. clone3 hides its flags in memory, so the C library is told that
     * this kernel does not have it. */
    failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                               SCMP_A0(SCMP_CMP_MASKED_EQ, thread, thread));
    failed |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    /* abort() signals itself. */
    failed |=
        seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_EQ, self));
    /* Names of threads. */
    failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
                               SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
    failed |=
        seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1, SCMP_A1(SCMP_CMP_EQ, F_GETFL));
    /* fstat() of newer C libraries: a descriptor and an empty path. The path cannot be checked
     * here; a full one would tell that a file exists, and no more. */
    failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
                               SCMP_A3(SCMP_CMP_MASKED_EQ, 0x1000 /* AT_EMPTY_PATH */, 0x1000));
    return failed;
}

static gboolean
close_calls(GError **error)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int failed = filter ? 0 : -ENOMEM;

    for (guint i = 0; i < G_N_ELEMENTS(allowed) && !failed; i++)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
    if (!failed)
        failed = add_conditional_rules(filter);
    /* Threads that the libraries have started already are locked up too. */
    if (!failed)
        failed = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (!failed)
        failed = seccomp_load(filter);
    if (filter)
        seccomp_release(filter);
    return !failed || millrace_error_set_errno(error, MILLRACE_ERROR_BUG, -failed, "seccomp");
}

/* A ruleset that handles every access and allows none. A kernel without Landlock is no error:
 * seccomp alone holds. */
static gboolean
close_files(GError **error)
{
    struct landlock_ruleset_attr rules = {.handled_access_fs =
                                              (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1};
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    if (version < 1)
        return TRUE;
    int fd = (int)syscall(SYS_landlock_create_ruleset, &rules, sizeof rules, 0);
    long failed = fd < 0 ? -1 : syscall(SYS_landlock_restrict_self, fd, 0);
    int saved = errno;
    if (fd >= 0)
        close(fd);
    return failed == 0 || millrace_error_set_errno(error, MILLRACE_ERROR_BUG, saved, "Landlock");
}

static gboolean
set_limits(guint64 memory_max_bytes, GError **error)
{
    const struct {
        __rlimit_resource_t resource;
        rlim_t limit;
    } limits[] = {
        {RLIMIT_DATA, memory_max_bytes}, /* heap and private maps; libraries do not count */
        {RLIMIT_NOFILE, DESCRIPTORS_MAX},
        {RLIMIT_FSIZE, memory_max_bytes}, /* an output was in memory first */
        {RLIMIT_CORE, 0},
    };

    for (guint i = 0; i < G_N_ELEMENTS(limits); i++) {
        struct rlimit limit = {.rlim_cur = limits[i].limit, .rlim_max = limits[i].limit};
        if (setrlimit(limits[i].resource, &limit) != 0)
            return millrace_error_set_errno(error, MILLRACE_ERROR_BUG, errno, "setrlimit");
    }
    return TRUE;
}

gboolean
image_sandbox_enter(guint64 memory_max_bytes, gboolean *relaxed, GError **error)
{
#ifdef MILLRACE_SANITIZED
    *relaxed = TRUE;
    (void)close_calls;
    (void)close_files;
    (void)set_limits;
    (void)memory_max_bytes;
    (void)error;
    return TRUE;
#else
    *relaxed = FALSE;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return millrace_error_set_errno(error, MILLRACE_ERROR_BUG, errno, "no new privileges");
    return set_limits(memory_max_bytes, error) && close_files(error) && close_calls(error);
#endif
}
