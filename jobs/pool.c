/* pool.c - a rank's image workers: fed by descriptors, watched by deadlines, replaced when they
 * die. A worker is DEAD until it is given something to do, STARTING until it says that it is ready,
 * then it has a task or it has none. Its end is seen as the end of its socket, whatever it died of.
 * Tasks beyond those wait in one line for all workers: its first goes to whichever answers first.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "formats/error.h"

extern char **environ;

enum { START_DEADLINE_US = 60 * G_USEC_PER_SEC, END_GRACE_MS = 5000 };

/* One row, at a worker or waiting for one. */
typedef struct {
    GByteArray *request;
    int fds[OUTPUTS_PER_ROW_MAX + 1];
    guint fd_count;
    guint deaths;   /* of workers, those of earlier runs included */
    guint starts;   /* workers that died before they were ready for it */
    guint64 cpu_us; /* of attempts that failed */
    gint64 sent_us;
    PoolOwner owner;
} Task;

typedef enum { WORKER_DEAD, WORKER_STARTING, WORKER_READY } WorkerState;

typedef struct {
    Pool *pool;
    WorkerState state;
    pid_t pid;
    int socket_fd;
    guint socket_source;
    guint deadline_source;
    gboolean timed_out;
    guint64 cpu_clock_us; /* as of its last reply */
    Task *task;
} Worker;

struct _Pool {
    char *program;
    char **environment;
    gint64 deadline_us;
    guint worker_count;
    Worker *workers;
    GQueue waiting; /* of Task, at most worker_count; empty while a worker has none */
    GByteArray *message;
};

static void worker_feed(Worker *worker);

static void
task_free(Task *task)
{
    g_byte_array_unref(task->request);
    g_free(task);
}

/* Gives a worker without a task the first that waits. */
static void
worker_take_next(Worker *worker)
{
    worker->task = g_queue_pop_head(&worker->pool->waiting);
    if (worker->task)
        worker_feed(worker);
}

/* Hands the task back to its owner. What the owner does with it takes a while, so the worker is
 * given its next one first; but not after an error, when the owner may take back what waits. */
static void
worker_finish(Worker *worker, WorkerReply *reply, const GError *error)
{
    Task *task = g_steal_pointer(&worker->task);
    gint64 now_us = g_get_monotonic_time();

    if (!error)
        worker_take_next(worker);
    reply->cpu_us += task->cpu_us;
    task->owner.done(reply, (guint64)(task->sent_us ? now_us - task->sent_us : 0), error,
                     task->owner.data);
    task_free(task);
    if (error && !worker->task)
        worker_take_next(worker);
}

static void
clear_source(guint *source)
{
    if (*source)
        g_source_remove(*source);
    *source = 0;
}

/* A worker without a row ends when its socket does; one that has been taken over might not. */
static void
await_end(const Worker *worker)
{
    for (guint waited_ms = 0; waited_ms < END_GRACE_MS; waited_ms++) {
        siginfo_t ended = {0};
        if (waitid(P_PID, (id_t)worker->pid, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 ||
            ended.si_pid != 0)
            return;
        g_usleep(1000);
    }
    kill(worker->pid, SIGKILL);
}

/* Ends a worker and waits for its end, which is near. Returns: the CPU time since its last reply.
 */
static guint64
worker_bury(Worker *worker, int *status)
{
    struct rusage usage = {0};

    clear_source(&worker->socket_source);
    clear_source(&worker->deadline_source);
    close(worker->socket_fd);
    if (worker->timed_out)
        kill(worker->pid, SIGKILL);
    else
        await_end(worker);
    while (wait4(worker->pid, status, 0, &usage) < 0 && errno == EINTR)
        continue;
    worker->state = WORKER_DEAD;
    guint64 used_us = (guint64)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * G_USEC_PER_SEC +
                      (guint64)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    return used_us > worker->cpu_clock_us ? used_us - worker->cpu_clock_us : 0;
}

/* What is said of a row whose worker died of it. Returns FALSE when it should be tried again. */
static gboolean
describe_death(const Worker *worker, gboolean timed_out, int status, WorkerReply *reply)
{
    const Task *task = worker->task;

    if (timed_out || (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)) {
        reply->class = ROW_TIMEOUT;
        g_snprintf(reply->message, sizeof reply->message, "not done within %.3g s",
                   (double)worker->pool->deadline_us / G_USEC_PER_SEC);
        return TRUE;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == WORKER_EXIT_NO_MEMORY) {
        reply->class = ROW_OUT_OF_MEMORY;
        g_strlcpy(reply->message, "it needs more memory than a worker may have",
                  sizeof reply->message);
        return TRUE;
    }
    if (task->deaths < POOL_ATTEMPTS_MAX)
        return FALSE;
    reply->class = ROW_WORKER_CRASH;
    if (WIFSIGNALED(status))
        g_snprintf(reply->message, sizeof reply->message,
                   "signal %d (%s) killed %u workers on this image", WTERMSIG(status),
                   g_strsignal(WTERMSIG(status)), task->deaths);
    else
        g_snprintf(reply->message, sizeof reply->message, "%u workers exited with %d on this image",
                   task->deaths, WEXITSTATUS(status));
    return TRUE;
}

/* A worker that dies while it starts may have been killed by somebody; several have a reason. */
static void
worker_did_not_start(Worker *worker, int status)
{
    WorkerReply reply = {0};

    if (++worker->task->starts < POOL_ATTEMPTS_MAX) {
        worker_feed(worker);
        return;
    }
    g_autoptr(GError) error =
        g_error_new(MILLRACE_ERROR, MILLRACE_ERROR_UNAVAILABLE, "%s does not start (%s %d)",
                    worker->pool->program, WIFSIGNALED(status) ? "signal" : "exit code",
                    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    worker_finish(worker, &reply, error);
}

/* The end of a worker's socket. Its row is tried again on a fresh worker, unless it was too slow or
 * has killed enough of them. */
static void
worker_died(Worker *worker)
{
    gboolean was_ready = worker->state == WORKER_READY;
    gboolean timed_out = worker->timed_out;
    int status = 0;
    /* It may have closed its socket and live on; one that is dying keeps its own status. */
    kill(worker->pid, SIGKILL);
    guint64 cpu_us = worker_bury(worker, &status);
    WorkerReply reply = {0};

    if (!worker->task)
        return;
    if (!was_ready) {
        worker_did_not_start(worker, status);
        return;
    }
    worker->task->cpu_us += cpu_us;
    worker->task->deaths++;
    g_autoptr(GError) error = NULL;
    PoolOwner *owner = &worker->task->owner;
    if (describe_death(worker, timed_out, status, &reply))
        worker_finish(worker, &reply, NULL);
    else if (owner->died && !owner->died(owner->data, &error))
        worker_finish(worker, &reply, error);
    else
        worker_feed(worker);
}

static gboolean
on_deadline(gpointer data)
{
    Worker *worker = data;

    worker->deadline_source = 0;
    worker->timed_out = TRUE;
    worker_died(worker);
    return G_SOURCE_REMOVE;
}

/* The deadline's second guard: should this rank be stopped itself, the kernel still ends a worker
 * that burns CPU time beyond it. */
static void
limit_cpu(const Worker *worker)
{
    guint64 end_us = worker->cpu_clock_us + (guint64)worker->pool->deadline_us;
    struct rlimit limit = {.rlim_cur = end_us / G_USEC_PER_SEC + 2, .rlim_max = RLIM_INFINITY};

    prlimit(worker->pid, RLIMIT_CPU, &limit, NULL);
}

static void
worker_send(Worker *worker)
{
    Task *task = worker->task;

    task->sent_us = task->sent_us ? task->sent_us : g_get_monotonic_time();
    worker->deadline_source =
        g_timeout_add((guint)(worker->pool->deadline_us / 1000), on_deadline, worker);
    limit_cpu(worker);
    /* A failure to send is a worker that is gone, which its socket will tell. */
    worker_wire_send(worker->socket_fd, task->request, task->fds, task->fd_count);
}

/* A worker has read hostile bytes, and what it says is checked. */
static gboolean
reply_holds(const Task *task, const GByteArray *message, WorkerReply *reply)
{
    const PoolOwner *owner = &task->owner;

    if (!worker_reply_decode(message->data, message->len, reply))
        return FALSE;
    if (reply->class != ROW_OK)
        return TRUE;
    return reply->output_count + 1 == task->fd_count &&
           (!owner->holds || owner->holds(reply, owner->data));
}

static void
worker_answered(Worker *worker, const GByteArray *message)
{
    WorkerReply reply;

    if (!reply_holds(worker->task, message, &reply)) {
        memset(&reply, 0, sizeof reply);
        reply.class = ROW_WORKER_CRASH;
        g_strlcpy(reply.message, "the worker answered with nonsense", sizeof reply.message);
        worker->timed_out = TRUE; /* so that it is killed */
        int status = 0;
        reply.cpu_us = worker_bury(worker, &status);
    }
    worker->cpu_clock_us = reply.cpu_clock_us;
    clear_source(&worker->deadline_source);
    worker_finish(worker, &reply, NULL);
}

static gboolean
on_socket(gint fd, GIOCondition condition G_GNUC_UNUSED, gpointer data)
{
    Worker *worker = data;
    GByteArray *message = worker->pool->message;
    guint fd_count = 0;
    int got = worker_wire_receive(fd, message, NULL, 0, &fd_count);

    if (got < 0 && errno == EAGAIN)
        return G_SOURCE_CONTINUE;
    if (got <= 0) {
        worker_died(worker);
    } else if (worker->state == WORKER_STARTING) {
        clear_source(&worker->deadline_source);
        worker->state = WORKER_READY;
        if (worker->task)
            worker_send(worker);
    } else if (worker->task) {
        worker_answered(worker, message);
    }
    return G_SOURCE_CONTINUE; /* where the worker was buried, its source is gone already */
}

/* Starts the program with its socket as descriptor 3 and none of ours. It gets a process group of
 * its own, so that Ctrl-C reaches the rank, which lets images in hand be finished. */
static int
spawn(Pool *pool, int socket_fd, pid_t *pid)
{
    char *argv[] = {pool->program, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;

    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&actions, socket_fd, WORKER_SOCKET_FD);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&actions, WORKER_SOCKET_FD + 1);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    int failed = posix_spawn(pid, pool->program, &actions, &attributes, argv, pool->environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

/* Watches the worker's socket. on_socket() never runs the main loop; were GLib not told so, it
 * would take the socket out of its poll for every call, with four system calls a row. */
static guint
watch(Worker *worker)
{
    g_autoptr(GSource) source = g_unix_fd_source_new(worker->socket_fd, G_IO_IN | G_IO_HUP);

    g_source_set_callback(source, G_SOURCE_FUNC(on_socket), worker, NULL);
    g_source_set_can_recurse(source, TRUE);
    return g_source_attach(source, NULL);
}

static gboolean
worker_start(Worker *worker, GError **error)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return millrace_error_set_errno(error, MILLRACE_ERROR_UNAVAILABLE, errno, "socketpair");
    int failed = spawn(worker->pool, ends[1], &worker->pid);
    close(ends[1]);
    if (failed) {
        close(ends[0]);
        return millrace_error_set_errno(error, MILLRACE_ERROR_UNAVAILABLE, failed, "starting %s",
                                        worker->pool->program);
    }
    worker->socket_fd = ends[0];
    g_unix_set_fd_nonblocking(worker->socket_fd, TRUE, NULL);
    worker->state = WORKER_STARTING;
    worker->timed_out = FALSE;
    worker->cpu_clock_us = 0;
    worker->socket_source = watch(worker);
    worker->deadline_source = g_timeout_add(START_DEADLINE_US / 1000, on_deadline, worker);
    return TRUE;
}

static gboolean
on_start_failed(gpointer data)
{
    Worker *worker = data;
    g_autoptr(GError) error = NULL;
    WorkerReply reply = {0};

    worker->deadline_source = 0;
    if (!worker_start(worker, &error))
        worker_finish(worker, &reply, error);
    return G_SOURCE_REMOVE;
}

/* Gives a worker its task, now or when it has started. */
static void
worker_feed(Worker *worker)
{
    if (worker->state == WORKER_READY)
        worker_send(worker);
    else if (worker->state == WORKER_DEAD && !worker_start(worker, NULL))
        worker->deadline_source =
            g_idle_add_full(G_PRIORITY_DEFAULT, on_start_failed, worker, NULL);
}

/* The environment of a worker: one thread, and few heaps, against fragmentation. */
static char **
worker_environment(void)
{
    char **environment = g_get_environ();

    environment = g_environ_setenv(environment, "MALLOC_ARENA_MAX", "2", FALSE);
    return g_environ_setenv(environment, "VIPS_CONCURRENCY", "1", TRUE);
}

Pool *
pool_new(const char *worker_program, guint worker_count, gint64 deadline_us)
{
    Pool *pool = g_new0(Pool, 1);

    pool->program = g_strdup(worker_program);
    pool->environment = worker_environment();
    pool->deadline_us = deadline_us;
    pool->worker_count = worker_count;
    pool->workers = g_new0(Worker, worker_count);
    g_queue_init(&pool->waiting);
    pool->message = g_byte_array_new();
    for (guint i = 0; i < worker_count; i++)
        pool->workers[i].pool = pool;
    return pool;
}

void
pool_set_deadline(Pool *pool, gint64 deadline_us)
{
    pool->deadline_us = deadline_us;
}

void
pool_free(Pool *pool)
{
    for (guint i = 0; i < pool->worker_count; i++) {
        Worker *worker = &pool->workers[i];
        int status = 0;
        worker->timed_out =
            worker->task != NULL; /* an idle one ends by itself, a busy one is ended */
        if (worker->state == WORKER_DEAD)
            clear_source(&worker->deadline_source);
        else
            worker_bury(worker, &status);
        g_clear_pointer(&worker->task, task_free);
    }
    g_queue_clear_full(&pool->waiting, (GDestroyNotify)task_free);
    g_byte_array_unref(pool->message);
    g_strfreev(pool->environment);
    g_free(pool->program);
    g_free(pool->workers);
    g_free(pool);
}

guint
pool_free_count(const Pool *pool)
{
    guint count = pool->worker_count - pool->waiting.length;

    for (guint i = 0; i < pool->worker_count; i++)
        count += pool->workers[i].task == NULL;
    return count;
}

/* A free worker, one that is running already if there is one. */
static Worker *
find_free(Pool *pool)
{
    Worker *found = NULL;

    for (guint i = 0; i < pool->worker_count; i++) {
        Worker *worker = &pool->workers[i];
        if (!worker->task && (!found || worker->state > found->state))
            found = worker;
    }
    return found;
}

void
pool_submit(Pool *pool, const WorkerRequest *request, const int *fds, const PoolOwner *owner)
{
    Worker *worker = find_free(pool);
    Task *task = g_new0(Task, 1);

    g_assert(pool_free_count(pool) > 0);
    task->request = g_byte_array_new();
    worker_request_encode(task->request, request);
    task->fd_count = request->spec_count + 1;
    memcpy(task->fds, fds, sizeof(int) * task->fd_count);
    task->owner = *owner;
    task->deaths = owner->deaths;
    if (worker) {
        worker->task = task;
        worker_feed(worker);
    } else {
        g_queue_push_tail(&pool->waiting, task);
    }
}

gpointer
pool_take_back(Pool *pool)
{
    Task *task = g_queue_pop_tail(&pool->waiting);
    gpointer data = task ? task->owner.data : NULL;

    g_clear_pointer(&task, task_free);
    return data;
}
