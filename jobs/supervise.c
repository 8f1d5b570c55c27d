/* supervise.c - a verb under mpirun.
 * mpirun's own exit code says little: a rank that fails costs two seconds and a banner, SIGTERM
 * makes it 1, and a killed rank 137. So rank 0 leaves the verdict in the output folder with the
 * token it was given, and all exit with 0; a verdict with another token is that of an earlier run.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/supervise.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "formats/durable.h"
#include "formats/error.h"
#include "formats/json.h"
#include "jobs/hosts.h"

extern char **environ;

enum { VERDICT_MAX_BYTES = 1 << 16, BACKOFF_MAX_S = 60, NAMES_SHOWN_MAX = 8 };
/* Exit codes of mpirun. The third one would be that of SIGILL. */
enum { MPIRUN_HOST_LOST = 205, MPIRUN_SIGNAL_BASE = 128, MPIRUN_NO_PROGRAM = 132, SIGNAL_MAX = 64 };

/* A run of all its tries. */
typedef struct {
    const SuperviseConfig *config;
    char *folder;
    int input_fd;
    const sigset_t *signals;
    Hosts *hosts; /* NULL: there is no host file */
} Run;

/* How a try ended. */
typedef struct {
    gboolean over;  /* what follows is the last word */
    int exit_code;  /* of all */
    gboolean crash; /* by itself, so that hosts are not to blame */
    char *why;
} Try;

char *
supervise_folder(char **arguments)
{
    const char *folder = "millrace-out";

    for (char **at = arguments; *at && strcmp(*at, "--") != 0; at++) {
        gboolean separate = strcmp(*at, "-o") == 0 || strcmp(*at, "--output") == 0;
        if (separate && at[1])
            folder = *++at;
        else if (g_str_has_prefix(*at, "--output="))
            folder = *at + strlen("--output=");
        else if (g_str_has_prefix(*at, "-o") && (*at)[2])
            folder = *at + 2;
    }
    return g_strdup(folder);
}

/* mpirun's arguments. Ranks wait for their workers asleep, so they are bound to no core and may be
 * more than there are. A cut link is noticed after seconds instead of minutes. */
static GPtrArray *
mpirun_arguments(const SuperviseConfig *config, const char *hostfile)
{
    static const char *const always[] = {"--bind-to",
                                         "none",
                                         "--oversubscribe",
                                         "-x",
                                         "MILLRACE_RUN",
                                         "--mca",
                                         "oob_tcp_keepalive_time",
                                         "2",
                                         "--mca",
                                         "oob_tcp_keepalive_intvl",
                                         "1",
                                         "--mca",
                                         "oob_tcp_keepalive_probes",
                                         "3"};
    GPtrArray *arguments = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_add(arguments, g_strdup("mpirun"));
    if (geteuid() == 0)
        g_ptr_array_add(arguments, g_strdup("--allow-run-as-root"));
    for (guint i = 0; i < G_N_ELEMENTS(always); i++)
        g_ptr_array_add(arguments, g_strdup(always[i]));
    if (isatty(STDERR_FILENO)) {
        g_ptr_array_add(arguments, g_strdup("-x"));
        g_ptr_array_add(arguments, g_strdup("MILLRACE_ON_TERMINAL=1"));
    }
    if (hostfile) {
        g_ptr_array_add(arguments, g_strdup("--hostfile"));
        g_ptr_array_add(arguments, g_strdup(hostfile));
    }
    g_ptr_array_add(arguments, g_strdup("-n"));
    g_ptr_array_add(arguments, g_strdup_printf("%u", config->rank_count));
    g_ptr_array_add(arguments, g_strdup(config->program));
    for (char **at = config->arguments; *at; at++)
        g_ptr_array_add(arguments, g_strdup(*at));
    g_ptr_array_add(arguments, NULL);
    return arguments;
}

/* A pipe can be read once, but there may be several tries: what it brings is kept in a file without
 * a name. Returns: a descriptor, or -1 and error. */
static int
keep_input(char **arguments, GError **error)
{
    guint8 piece[65536];
    ssize_t got = 0;

    if (!g_strv_contains((const char *const *)arguments, "-"))
        return open("/dev/null", O_RDONLY | O_CLOEXEC);
    int fd = open(g_get_tmp_dir(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) {
        millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "keeping standard input in %s",
                                 g_get_tmp_dir());
        return -1;
    }
    while ((got = read(STDIN_FILENO, piece, sizeof piece)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "standard input");
        if (got < 0 || !durable_write_all(fd, g_get_tmp_dir(), piece, (gsize)got, error)) {
            close(fd);
            return -1;
        }
    }
    return fd;
}

/* Starts mpirun in a process group of its own, so that Ctrl-C comes to us alone.
 * hosts_fd: the host file to use, or -1 for the one that was given. */
static gboolean
start(const Run *run, const char *token, int hosts_fd, pid_t *pid, GError **error)
{
    g_autofree char *hosts = g_strdup_printf("/dev/fd/%d", hosts_fd);
    g_autoptr(GPtrArray) arguments =
        mpirun_arguments(run->config, hosts_fd >= 0 ? hosts : run->config->hostfile);
    g_auto(GStrv) environment = g_environ_setenv(g_get_environ(), "MILLRACE_RUN", token, TRUE);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;

    sigemptyset(&none);
    lseek(run->input_fd, 0, SEEK_SET);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, run->input_fd, STDIN_FILENO);
    if (hosts_fd >= 0)
        posix_spawn_file_actions_adddup2(&actions, hosts_fd, hosts_fd); /* is inherited then */
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    int failed =
        posix_spawnp(pid, "mpirun", &actions, &attributes, (char **)arguments->pdata, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return !failed || millrace_error_set_errno(error, MILLRACE_ERROR_UNAVAILABLE, failed,
                                               "mpirun (Debian: apt-get install openmpi-bin)");
}

/* Waits for mpirun. A first signal lets the ranks drain; a second SIGTERM or SIGINT ends them.
 * Returns: its wait status. */
static int
wait_for(pid_t pid, const sigset_t *signals, gboolean *drained)
{
    int status = 0;

    while (waitpid(pid, &status, WNOHANG) == 0) {
        int received = sigwaitinfo(signals, NULL);
        if (received == SIGCHLD || received < 0)
            continue;
        kill(pid, *drained && received != SIGUSR1 ? SIGTERM : SIGUSR1);
        *drained = TRUE;
    }
    return status;
}

/* The verdict of the try that was given token. Returns FALSE when it has left none. */
static gboolean
read_verdict(const char *folder, const char *token, int *exit_code)
{
    g_autofree char *state = g_build_filename(folder, ".millrace", NULL);
    int fd = durable_folder_open(state, FALSE, NULL);
    gsize size = 0;
    gint64 code = 0;

    if (fd < 0)
        return FALSE;
    g_autofree char *text = durable_read_file(fd, "verdict.json", VERDICT_MAX_BYTES, &size, NULL);
    close(fd);
    g_autoptr(JsonObject) verdict = text ? json_object_parse(text, size, NULL) : NULL;
    if (!verdict || g_strcmp0(json_object_string(verdict, "run", NULL), token) != 0 ||
        !json_object_int(verdict, "exit_code", &code))
        return FALSE;
    *exit_code = (int)code;
    return TRUE;
}

/* Adds to a try's verdict which hosts it went without. The verdict stands without it too, so an
 * error changes nothing. */
static void
add_hosts_lost(const Run *run, const char *token, int exit_code)
{
    g_auto(GStrv) lost = hosts_names(run->hosts, FALSE);
    g_autofree char *state = g_build_filename(run->folder, ".millrace", NULL);
    g_autoptr(GString) json = g_string_new(NULL);
    int fd = durable_folder_open(state, FALSE, NULL);

    json_open(json, NULL, '{');
    json_put_string(json, "run", token);
    json_put_int(json, "exit_code", exit_code);
    json_open(json, "hosts_lost", '[');
    for (char **at = lost; *at; at++)
        json_put_string(json, NULL, *at);
    g_string_append(json, "]}\n");
    if (fd < 0)
        return;
    durable_write_file(fd, "verdict.json", json->str, json->len, NULL);
    close(fd);
}

/* How much has been recorded so far: the size of all ledgers. */
static guint64
measure_progress(const char *folder)
{
    g_autofree char *state = g_build_filename(folder, ".millrace", NULL);
    DIR *listing = opendir(state);
    const struct dirent *entry = NULL;
    guint64 size = 0;

    while (listing && (entry = readdir(listing))) {
        struct stat status;
        if (g_str_has_prefix(entry->d_name, "ledger-") &&
            fstatat(dirfd(listing), entry->d_name, &status, 0) == 0)
            size += (guint64)status.st_size;
    }
    if (listing)
        closedir(listing);
    return size;
}

/* Is this a verb's own word, which trying again would not change? */
static gboolean
is_final(int status)
{
    if (!WIFEXITED(status))
        return FALSE;
    int code = WEXITSTATUS(status);
    return code == EXIT_ALL_DONE || (code >= EXIT_BAD_USAGE && code <= EXIT_INVARIANT);
}

/* Did mpirun or a rank die by itself? All else may be the fault of a host: 205 when one is lost,
 * but also 1, 255 or another code when one cannot be reached in the beginning, or its end is seen
 * by a rank or by what started the daemon there before it is seen by mpirun. */
static gboolean
is_crash(int status)
{
    if (WIFSIGNALED(status))
        return TRUE;
    int code = WEXITSTATUS(status);
    return code > MPIRUN_SIGNAL_BASE && code <= MPIRUN_SIGNAL_BASE + SIGNAL_MAX &&
           code != MPIRUN_NO_PROGRAM;
}

static char *
describe(int status)
{
    if (WIFSIGNALED(status))
        return g_strdup_printf("mpirun was killed by signal %d", WTERMSIG(status));
    int code = WEXITSTATUS(status);
    if (code == MPIRUN_HOST_LOST)
        return g_strdup_printf("mpirun lost a host (%d)", code);
    if (code == MPIRUN_NO_PROGRAM)
        return g_strdup_printf("mpirun could not start the program everywhere (%d)", code);
    if (is_crash(status))
        return g_strdup_printf("a rank was killed by signal %d", code - MPIRUN_SIGNAL_BASE);
    return g_strdup_printf("mpirun ended with %d", code);
}

/* Waits before try number failures + 1: 1 s, 2 s, 4 s and so on, with jitter. Returns FALSE when a
 * signal came instead. */
static gboolean
back_off(guint failures, const sigset_t *signals)
{
    gdouble seconds = MIN(1 << MIN(failures, 6), BACKOFF_MAX_S) * g_random_double_range(0.5, 1.0);
    struct timespec wait = {.tv_sec = (time_t)seconds,
                            .tv_nsec = (long)((seconds - (gdouble)(time_t)seconds) * 1e9)};
    int received = 0;

    do
        received = sigtimedwait(signals, NULL, &wait);
    while (received == SIGCHLD);
    return received < 0;
}

static void
try_clear(Try *try)
{
    g_free(try->why);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Try, try_clear)

static gboolean
has_lost_hosts(const Run *run)
{
    return run->hosts && hosts_count(run->hosts, FALSE) > 0;
}

/* Runs mpirun once. */
static gboolean
try_once(const Run *run, Try *try, GError **error)
{
    g_autofree char *token = g_uuid_string_random();
    gboolean drained = FALSE;
    int hosts_fd = -1;
    pid_t pid = 0;

    if (has_lost_hosts(run) && (hosts_fd = hosts_write(run->hosts, error)) < 0)
        return FALSE;
    gboolean started = start(run, token, hosts_fd, &pid, error);
    if (hosts_fd >= 0)
        close(hosts_fd);
    if (!started)
        return FALSE;
    int status = wait_for(pid, run->signals, &drained);
    if (read_verdict(run->folder, token, &try->exit_code)) {
        if (has_lost_hosts(run))
            add_hosts_lost(run, token, try->exit_code);
        try->over = TRUE;
        return TRUE;
    }
    try->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_INCOMPLETE;
    if (drained && !is_final(status))
        try->exit_code = EXIT_INCOMPLETE;
    try->over = is_final(status) || drained;
    try->crash = is_crash(status);
    try->why = describe(status);
    return TRUE;
}

/* (transfer full) Some of the names, with commas between. */
static char *
join_names(char **names)
{
    GString *text = g_string_new(NULL);
    guint count = g_strv_length(names);

    for (guint i = 0; i < MIN(count, NAMES_SHOWN_MAX); i++)
        g_string_append_printf(text, "%s%s", i > 0 ? ", " : "", names[i]);
    if (count > NAMES_SHOWN_MAX)
        g_string_append_printf(text, " and %u more", count - NAMES_SHOWN_MAX);
    return g_string_free(text, FALSE);
}

/* (transfer full) What is known of the hosts now. */
static char *
describe_hosts(const Hosts *hosts, const char *why)
{
    g_auto(GStrv) lost = hosts_names(hosts, FALSE);
    g_auto(GStrv) left = hosts_names(hosts, TRUE);
    g_autofree char *lost_text = join_names(lost);
    g_autofree char *left_text = join_names(left);

    if (!lost[0])
        return g_strdup_printf("%s, but all hosts answer; trying again", why);
    if (!left[0])
        return g_strdup_printf("no host answers: %s; trying again", lost_text);
    return g_strdup_printf("%s lost: %s; going on with %s", lost[1] ? "hosts" : "host", lost_text,
                           left_text);
}

/* Looks for the hosts that answer, when a failure may be one of hosts, and tells what comes next.
 * Returns FALSE when a signal came instead. */
static gboolean
prepare_next(const Run *run, const Try *try)
{
    const char *why = try->why ? try->why : "no host answered";
    gboolean ask = run->hosts && !try->crash;

    if (ask && !hosts_probe(run->hosts, run->signals))
        return FALSE;
    g_autofree char *message =
        ask ? describe_hosts(run->hosts, why) : g_strconcat(why, "; trying again", NULL);
    run->config->notice(message);
    return TRUE;
}

static gboolean
run_tries(const Run *run, int *exit_code, GError **error)
{
    guint failures = 0;

    for (;;) {
        g_auto(Try) try = {0};
        guint64 before = measure_progress(run->folder);
        gboolean possible = !run->hosts || hosts_count(run->hosts, TRUE) > 0;
        if (possible && !try_once(run, &try, error))
            return FALSE;
        *exit_code = try.exit_code;
        if (try.over)
            return TRUE;
        failures = measure_progress(run->folder) > before ? 0 : failures + 1;
        if (failures > run->config->retries_max) {
            g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_INTERRUPTED,
                        "%s, the last %u times without progress: look at what it printed, then run "
                        "the same command again",
                        try.why ? try.why : "no host answers", failures);
            return FALSE;
        }
        if (!prepare_next(run, &try) || !back_off(failures, run->signals)) {
            *exit_code = EXIT_INCOMPLETE;
            return TRUE;
        }
    }
}

gboolean
supervise_run(const SuperviseConfig *config, int *exit_code, GError **error)
{
    static const int handled[] = {SIGCHLD, SIGTERM, SIGINT, SIGUSR1};
    sigset_t signals;
    sigset_t before;

    sigemptyset(&signals);
    for (guint i = 0; i < G_N_ELEMENTS(handled); i++)
        sigaddset(&signals, handled[i]);
    g_autoptr(Hosts) hosts = config->hostfile ? hosts_read(config->hostfile, error) : NULL;
    if (config->hostfile && !hosts)
        return FALSE;
    int input_fd = keep_input(config->arguments, error);
    if (input_fd < 0)
        return FALSE;
    g_autofree char *folder = supervise_folder(config->arguments);
    Run run = {.config = config,
               .folder = folder,
               .input_fd = input_fd,
               .signals = &signals,
               .hosts = hosts};
    sigprocmask(SIG_BLOCK, &signals, &before);
    gboolean good = run_tries(&run, exit_code, error);
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(input_fd);
    return good;
}
