/* test_image_sandbox.c - what a locked-up worker can do still, tried from inside. Each test locks a
 * child of its own up and reads from its exit code what was refused.
 * SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jobs/image.h"
#include "jobs/image_sandbox.h"

enum { REFUSED = 0, GRANTED = 1, NOT_LOCKED = 2, RELAXED = 3 };

/* Runs attempt() in a child that is locked up. Returns: what it returned, or minus the signal it
 * died of. */
static int
inside(int (*attempt)(void))
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        gboolean relaxed = FALSE;
        if (!image_sandbox_enter(1ULL << 30, &relaxed, NULL))
            _exit(NOT_LOCKED);
        _exit(relaxed ? RELAXED : attempt());
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

#ifdef MILLRACE_SANITIZED
#define expect_inside(attempt, expected) cr_assert_eq(inside(attempt), RELAXED)
#else
#define expect_inside(attempt, expected) cr_assert_eq(inside(attempt), expected)
#endif

static int
refused(long result)
{
    return result == -1 && errno == EPERM ? REFUSED : GRANTED;
}

static int
open_a_file(void)
{
    return refused(open("/etc/passwd", O_RDONLY)) ||
           refused(open("/tmp", O_TMPFILE | O_RDWR, 0600)) ||
           refused(creat("/tmp/millrace-escaped", 0600));
}

Test(image_sandbox, opening_files_is_refused)
{
    expect_inside(open_a_file, REFUSED);
}

static int
open_a_socket(void)
{
    int pair[2];

    return refused(socket(AF_INET, SOCK_STREAM, 0)) || refused(socket(AF_UNIX, SOCK_STREAM, 0)) ||
           refused(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
}

Test(image_sandbox, sockets_are_refused)
{
    expect_inside(open_a_socket, REFUSED);
}

static int
start_a_program(void)
{
    char *argv[] = {"/bin/true", NULL};

    return refused(execve(argv[0], argv, argv + 1)) || refused(syscall(SYS_fork)) ||
           refused(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
}

Test(image_sandbox, programs_and_processes_are_refused)
{
    expect_inside(start_a_program, REFUSED);
}

static int
touch_others(void)
{
    return refused(ptrace(PTRACE_ATTACH, getppid(), 0, 0)) || refused(kill(getppid(), 0)) ||
           refused(syscall(SYS_tgkill, 1, 1, 0)) ||
           refused(syscall(SYS_process_vm_readv, 1, 0, 0, 0, 0, 0));
}

Test(image_sandbox, tracing_and_signalling_others_is_refused)
{
    expect_inside(touch_others, REFUSED);
}

static int
loosen_limits(void)
{
    return refused(syscall(SYS_setrlimit, 0, 0)) || refused(syscall(SYS_unlink, "/tmp/x")) ||
           refused(syscall(SYS_chdir, "/")) || refused(syscall(SYS_setuid, 0)) ||
           refused(syscall(SYS_mount, 0, 0, 0, 0, 0)) || refused(syscall(SYS_bpf, 0, 0, 0));
}

Test(image_sandbox, what_else_is_not_listed_is_refused)
{
    expect_inside(loosen_limits, REFUSED);
}

static int descriptor = -1;

static int
map_a_file_to_run_it(void)
{
    void *mapped = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, descriptor, 0);

    return mapped == MAP_FAILED && errno == EPERM ? REFUSED : GRANTED;
}

Test(image_sandbox, files_cannot_be_mapped_as_code)
{
    descriptor = open("/proc/self/exe", O_RDONLY);
    cr_assert_geq(descriptor, 0);
    expect_inside(map_a_file_to_run_it, REFUSED);
}

static void *
raise_flag(void *flag)
{
    *(int *)flag = 1;
    return NULL;
}

static int
do_the_work(void)
{
    pthread_t thread;
    int flag = 0;
    guint8 byte = 0;

    if (pthread_create(&thread, NULL, raise_flag, &flag) != 0 || pthread_join(thread, NULL) != 0)
        return REFUSED;
    void *code =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    gboolean good = code != MAP_FAILED && pread(descriptor, &byte, 1, 0) == 1 && flag == 1;
    return good ? GRANTED : REFUSED;
}

Test(image_sandbox, threads_memory_and_given_descriptors_still_work)
{
    descriptor = open("/proc/self/exe", O_RDONLY);
    expect_inside(do_the_work, GRANTED);
}

static int
take_memory(void)
{
    return malloc(2ULL << 30) == NULL ? REFUSED : GRANTED;
}

Test(image_sandbox, memory_beyond_the_limit_is_refused)
{
    expect_inside(take_memory, REFUSED);
}

static int
abort_oneself(void)
{
    abort();
}

Test(image_sandbox, abort_still_ends_the_process)
{
    expect_inside(abort_oneself, -SIGABRT);
}
