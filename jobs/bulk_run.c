/* bulk_run.c - millrace-resize run over one job: started in the job's folder, so that the names it
 * freezes are the same wherever the folder is mounted; watched, while the lease is renewed; ended
 * when the job is cancelled or another's.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bulk_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "formats/json.h"
#include "jobs/bulk_internal.h"
#include "jobs/bulk_progress.h"
#include "jobs/bulk_submit.h"
#include "jobs/hosts.h"

extern char **environ;

#define LOOK_EVERY_US (G_USEC_PER_SEC / 2) /* for a tombstone */
#define KILL_AFTER_US (10 * G_USEC_PER_SEC)
#define TELL_EVERY_US (2 * G_USEC_PER_SEC)
enum { POLL_MS = 100, SAID_MAX_BYTES = 4096, REASON_MAX_BYTES = 500 };

typedef struct {
    const BulkDrain *drain;
    BulkLease *lease;
    pid_t pid;
    int said_fd;   /* what it prints */
    GString *said; /* the end of it */
    gint64 look_us, tell_us, kill_us;
    BulkProgress *progress;
    gboolean asked_to_end;
    GError *lost; /* the lease */
} Run;

static void
add(GPtrArray *arguments, const char *option, const char *value)
{
    g_ptr_array_add(arguments, g_strdup(option));
    if (value)
        g_ptr_array_add(arguments, g_strdup(value));
}

/* A rank a host, whose workers are the node's cores. */
static gboolean
add_launcher(GPtrArray *arguments, const BulkDrain *drain, GError **error)
{
    g_autoptr(Hosts) hosts = hosts_read(drain->hostfile, error);

    if (!hosts)
        return FALSE;
    g_autofree char *ranks = g_strdup_printf("%u", MAX(hosts_count(hosts, TRUE), 1));
    add(arguments, drain->run_program, NULL);
    add(arguments, "-n", ranks);
    add(arguments, "--hostfile", drain->hostfile);
    add(arguments, "--", "resize");
    return TRUE;
}

static GPtrArray *
resize_arguments(const BulkJob *job, const BulkDrain *drain, GError **error)
{
    g_autoptr(GPtrArray) arguments = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *folder = job->has_inputs
                                  ? g_strdup(BULK_INPUTS)
                                  : bulk_sources_folder(drain->sources, job->customer, error);
    g_autofree char *workers = g_strdup_printf("%u", drain->worker_count);

    if (!folder || (drain->hostfile && !add_launcher(arguments, drain, error)))
        return NULL;
    if (!drain->hostfile)
        add(arguments, drain->resize_program, NULL);
    add(arguments, "--beneath", folder);
    add(arguments, "--customer", job->customer);
    add(arguments, "--job", job->id);
    add(arguments, "--writer", job->id);
    if (job->to)
        add(arguments, "--to", job->to);
    if (drain->worker_count > 0)
        add(arguments, "--workers", workers);
    add(arguments, "--progress", "never");
    add(arguments, "-o", BULK_WORK);
    add(arguments, BULK_MANIFEST, NULL);
    g_ptr_array_add(arguments, NULL);
    return g_steal_pointer(&arguments);
}

/* Starts it in a process group of its own, so that Ctrl-C comes to us alone. */
static gboolean
start(Run *run, BulkJobs *jobs, const BulkJob *job, GError **error)
{
    g_autoptr(GPtrArray) arguments = resize_arguments(job, run->drain, error);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    int said[2];

    if (!arguments)
        return FALSE;
    if (pipe2(said, O_CLOEXEC) != 0)
        return millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "making a pipe");
    g_autofree char *folder = bulk_job_path(jobs, job->id, ".");
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, said[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, said[1], STDERR_FILENO);
    posix_spawn_file_actions_addchdir_np(&actions, folder);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    int failed = posix_spawn(&run->pid, arguments->pdata[0], &actions, &attributes,
                             (char **)arguments->pdata, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    close(said[1]);
    run->said_fd = said[0];
    fcntl(run->said_fd, F_SETFL, O_NONBLOCK);
    return !failed || millrace_error_set_errno(error, MILLRACE_ERROR_UNAVAILABLE, failed, "%s",
                                               (const char *)arguments->pdata[0]);
}

/* Keeps the end of what it says. */
static void
hear(Run *run)
{
    char piece[1024];
    ssize_t got = 0;

    while (run->said_fd >= 0 && (got = read(run->said_fd, piece, sizeof piece)) > 0) {
        g_string_append_len(run->said, piece, got);
        if (run->said->len > SAID_MAX_BYTES)
            g_string_erase(run->said, 0, (gssize)(run->said->len - SAID_MAX_BYTES));
    }
    if (got == 0 && run->said_fd >= 0) {
        close(run->said_fd);
        run->said_fd = -1;
    }
}

static void
ask_to_end(Run *run, gint64 now_us)
{
    if (!run->asked_to_end)
        kill(run->pid, SIGTERM);
    /* What was made is not wanted any more, so nobody waits for it for long. */
    if (run->lost && run->kill_us == 0)
        run->kill_us = now_us + KILL_AFTER_US;
    if (run->kill_us > 0 && now_us > run->kill_us)
        kill(-run->pid, SIGKILL);
    run->asked_to_end = TRUE;
}

static void
keep_lease(Run *run, gint64 now_us)
{
    g_autoptr(GError) error = NULL;

    /* Looking is renewing: nobody minds a lease that is fresher. */
    if (run->lost || now_us < run->look_us)
        return;
    run->look_us = now_us + MIN(LOOK_EVERY_US, run->drain->lease_us / 3);
    if (!bulk_lease_renew(run->lease, &error) &&
        g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_INTERRUPTED))
        run->lost = g_steal_pointer(&error);
}

static void
tell_progress(Run *run, gint64 now_us)
{
    if (run->lost || now_us < run->tell_us)
        return;
    bulk_progress_tell(run->progress);
    run->tell_us = now_us + MAX(TELL_EVERY_US, run->drain->lease_us / 3);
}

/* Returns: its wait status. */
static int
watch(Run *run)
{
    int status = 0;

    while (waitpid(run->pid, &status, WNOHANG) == 0) {
        struct pollfd ready = {.fd = run->said_fd, .events = POLLIN};
        gint64 now_us = g_get_monotonic_time();
        keep_lease(run, now_us);
        tell_progress(run, now_us);
        if (run->lost || g_atomic_int_get(run->drain->stop))
            ask_to_end(run, now_us);
        if (run->said_fd >= 0)
            poll(&ready, 1, POLL_MS);
        else
            g_usleep(POLL_MS * 1000);
        hear(run);
    }
    hear(run);
    return status;
}

/* (transfer full) the last line that it said. */
static char *
last_line(Run *run)
{
    char *text = g_strchomp(run->said->str);
    const char *line = strrchr(text, '\n');

    return g_utf8_make_valid(line ? line + 1 : text,
                             (gssize)strnlen(line ? line + 1 : text, REASON_MAX_BYTES));
}

/* What its exit code says is believed when it has left its word in the folder too. */
static BulkRan
judge(Run *run, BulkJobs *jobs, const char *id, int status, char **reason)
{
    gboolean reported = bulk_has(jobs, id, BULK_WORK "/.millrace/report.json");
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    g_autofree char *line = last_line(run);

    if (run->lost) {
        *reason = g_strdup(run->lost->message);
        return BULK_LOST;
    }
    if ((code == EXIT_ALL_DONE || code == EXIT_SOME_FAILED) && reported)
        return BULK_RAN;
    if (code >= 0)
        *reason = g_strdup_printf("resize ended with %d: %s", code, line);
    else
        *reason = g_strdup_printf("resize was killed by signal %d", WTERMSIG(status));
    return code == EXIT_INCOMPLETE ||
                   (run->asked_to_end && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM)
               ? BULK_STOPPED
               : BULK_FAILED;
}

BulkRan
bulk_run(BulkJobs *jobs, const BulkJob *job, BulkLease *lease, const BulkDrain *drain,
         char **reason)
{
    g_autoptr(GString) said = g_string_new(NULL);
    g_autoptr(BulkProgress) progress = bulk_progress_new(jobs, job->id);
    g_autoptr(GError) error = NULL;
    Run run = {.drain = drain, .lease = lease, .progress = progress, .said = said, .said_fd = -1};
    BulkRan ran = BULK_FAILED;

    *reason = NULL;
    if (start(&run, jobs, job, &error))
        ran = judge(&run, jobs, job->id, watch(&run), reason);
    else
        *reason = g_strdup(error ? error->message : "it cannot be started");
    if (run.said_fd >= 0)
        close(run.said_fd);
    g_clear_error(&run.lost);
    return ran;
}
