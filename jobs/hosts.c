/* hosts.c - mpirun says that it has lost a host, but hardly ever which one, and not in its exit
 * code when a host was never there. So each is asked, in the way mpirun would reach it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/hosts.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "formats/durable.h"
#include "formats/error.h"

extern char **environ;

/* ASKED_MAX: at a time, so that a thousand hosts are not a thousand programs at once. */
enum { ASKED_MAX = 64, LOOK_INTERVAL_MS = 200 };

typedef struct {
    char *name; /* NULL: a line that is no host's */
    char *line;
    gboolean answering;
    /* While it is asked. */
    gboolean answers;
    pid_t pid; /* 0: it is not */
    gint64 until_us;
} Host;

struct _Hosts {
    GPtrArray *list; /* of Host */
};

static void
host_free(gpointer data)
{
    Host *host = data;

    g_free(host->name);
    g_free(host->line);
    g_free(host);
}

static Host *
host_new(const char *line)
{
    Host *host = g_new0(Host, 1);
    gsize size = strcspn(line, " \t\r#");

    host->line = g_strdup(line);
    /* "^name" takes a host out. */
    if (size > 0 && line[0] != '^')
        host->name = g_strndup(line, size);
    host->answering = TRUE;
    return host;
}

Hosts *
hosts_read(const char *path, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) failure = NULL;

    if (!g_file_get_contents(path, &text, NULL, &failure)) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT, "--hostfile %s: %s", path,
                    failure->message);
        return NULL;
    }
    Hosts *hosts = g_new0(Hosts, 1);
    hosts->list = g_ptr_array_new_with_free_func(host_free);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **at = lines; *at; at++)
        if (*g_strstrip(*at))
            g_ptr_array_add(hosts->list, host_new(*at));
    return hosts;
}

void
hosts_free(Hosts *hosts)
{
    g_ptr_array_unref(hosts->list);
    g_free(hosts);
}

static gboolean
same_address(const struct sockaddr *a, const struct sockaddr *b)
{
    if (!b || a->sa_family != b->sa_family)
        return FALSE;
    if (a->sa_family == AF_INET)
        return memcmp(&((const struct sockaddr_in *)(const void *)a)->sin_addr,
                      &((const struct sockaddr_in *)(const void *)b)->sin_addr,
                      sizeof(struct in_addr)) == 0;
    return a->sa_family == AF_INET6 &&
           memcmp(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
                  &((const struct sockaddr_in6 *)(const void *)b)->sin6_addr,
                  sizeof(struct in6_addr)) == 0;
}

/* Is one of the name's addresses one of this host's? flags: of getaddrinfo(). */
static gboolean
has_own_address(const char *name, int flags)
{
    const struct addrinfo hints = {.ai_flags = flags, .ai_socktype = SOCK_STREAM};
    struct addrinfo *addresses = NULL;
    struct ifaddrs *own = NULL;
    gboolean found = FALSE;

    if (getaddrinfo(name, NULL, &hints, &addresses) != 0)
        return FALSE;
    if (getifaddrs(&own) == 0) {
        for (const struct addrinfo *at = addresses; at; at = at->ai_next)
            for (const struct ifaddrs *interface = own; interface; interface = interface->ifa_next)
                found = found || same_address(at->ai_addr, interface->ifa_addr);
        freeifaddrs(own);
    }
    freeaddrinfo(addresses);
    return found;
}

/* The name without a user's before it. */
static const char *
host_part(const char *name)
{
    const char *at = strchr(name, '@');

    return at ? at + 1 : name;
}

/* Is this host meant? Says so only where nobody else has to be asked. */
static gboolean
is_plainly_here(const char *name)
{
    const char *host = host_part(name);

    return strcmp(host, "localhost") == 0 || strcmp(host, g_get_host_name()) == 0 ||
           has_own_address(host, AI_NUMERICHOST);
}

/* What ssh is to Open MPI, whether it was set in a file or in the environment: "ssh : rsh", and
 * the first that is there counts. (transfer full) */
static char *
read_agent_setting(void)
{
    static const char *const command[] = {"ompi_info", "--parsable", "--level", "9",
                                          "--param",   "plm",        "rsh",     NULL};
    static const char key[] = "mca:plm:rsh:param:plm_rsh_agent:value:";
    g_autofree char *text = NULL;

    if (g_spawn_sync(NULL, (char **)command, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL,
                     NULL, NULL, &text, NULL, NULL, NULL)) {
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        for (char **at = lines; *at; at++)
            if (g_str_has_prefix(*at, key))
                return g_strdup(g_strstrip(g_strdelimit(*at + strlen(key), "\"", ' ')));
    }
    return g_strdup("ssh");
}

/* The words before a host's name. (transfer full) */
static GPtrArray *
find_agent(void)
{
    g_autofree char *setting = read_agent_setting();
    g_auto(GStrv) choices = g_strsplit(setting, ":", -1);
    GPtrArray *agent = g_ptr_array_new_with_free_func(g_free);

    for (char **at = choices; *at && agent->len == 0; at++) {
        g_auto(GStrv) words = NULL;
        if (!g_shell_parse_argv(*at, NULL, &words, NULL))
            continue;
        g_autofree char *path = g_find_program_in_path(words[0]);
        for (char **word = words; path && *word; word++)
            g_ptr_array_add(agent, g_strdup(*word));
    }
    if (agent->len == 0)
        g_ptr_array_add(agent, g_strdup("ssh"));
    g_autofree char *program = g_path_get_basename(agent->pdata[0]);
    if (strcmp(program, "ssh") == 0) {
        g_ptr_array_add(agent, g_strdup("-x"));
        g_ptr_array_add(agent, g_strdup("-oBatchMode=yes"));
        g_ptr_array_add(agent, g_strdup_printf("-oConnectTimeout=%d", HOSTS_TIMEOUT_S));
    }
    return agent;
}

/* Begins to ask a host. One that cannot be asked does not answer. */
static void
ask(Host *host, const GPtrArray *agent)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;

    sigemptyset(&none);
    for (guint i = 0; i < agent->len; i++)
        g_ptr_array_add(words, agent->pdata[i]);
    g_ptr_array_add(words, host->name);
    g_ptr_array_add(words, (gpointer) "true");
    g_ptr_array_add(words, NULL);
    posix_spawn_file_actions_init(&actions);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    host->until_us = g_get_monotonic_time() + HOSTS_TIMEOUT_S * G_USEC_PER_SEC;
    if (posix_spawnp(&host->pid, words->pdata[0], &actions, &attributes, (char **)words->pdata,
                     environ) != 0)
        host->pid = 0;
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
}

static void
give_up(Host *host)
{
    kill(-host->pid, SIGKILL);
    waitpid(host->pid, NULL, 0);
    host->pid = 0;
}

/* Has this host, which is asked, answered or had its time? */
static gboolean
is_settled(Host *host)
{
    int status = 0;

    if (waitpid(host->pid, &status, WNOHANG) == host->pid) {
        host->pid = 0;
        host->answers = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    } else if (g_get_monotonic_time() < host->until_us) {
        return FALSE;
    } else {
        give_up(host);
    }
    /* One that is this host under another name need not run an sshd. Name servers may be slow, so
     * they are asked last. */
    host->answers = host->answers || has_own_address(host_part(host->name), 0);
    return TRUE;
}

/* Asks more hosts while not too many are asked, and hears those that are. Returns: whether any is
 * still asked. */
static gboolean
turn(const Hosts *hosts, const GPtrArray *agent, guint *next, guint *asked)
{
    for (guint i = 0; i < *next; i++) {
        Host *host = g_ptr_array_index(hosts->list, i);
        if (host->pid && is_settled(host))
            (*asked)--;
    }
    for (; *next < hosts->list->len && *asked < ASKED_MAX; (*next)++) {
        Host *host = g_ptr_array_index(hosts->list, *next);
        host->answers = !host->name || is_plainly_here(host->name);
        if (!host->answers)
            ask(host, agent);
        *asked += host->pid != 0;
    }
    return *asked > 0;
}

gboolean
hosts_probe(Hosts *hosts, const sigset_t *signals)
{
    static const struct timespec interval = {.tv_nsec = LOOK_INTERVAL_MS * 1000000L};
    g_autoptr(GPtrArray) agent = find_agent();
    gboolean stopped = FALSE;
    guint next = 0;
    guint asked = 0;

    while (turn(hosts, agent, &next, &asked) && !stopped) {
        int received = sigtimedwait(signals, NULL, &interval);
        stopped = received > 0 && received != SIGCHLD;
    }
    for (guint i = 0; i < hosts->list->len; i++) {
        Host *host = g_ptr_array_index(hosts->list, i);
        if (host->pid)
            give_up(host);
        else if (!stopped)
            host->answering = host->answers;
    }
    return !stopped;
}

guint
hosts_count(const Hosts *hosts, gboolean answering)
{
    g_auto(GStrv) names = hosts_names(hosts, answering);

    return g_strv_length(names);
}

char **
hosts_names(const Hosts *hosts, gboolean answering)
{
    GPtrArray *names = g_ptr_array_new();

    for (guint i = 0; i < hosts->list->len; i++) {
        const Host *host = g_ptr_array_index(hosts->list, i);
        if (host->name && host->answering == answering)
            g_ptr_array_add(names, g_strdup(host->name));
    }
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(names, FALSE);
}

int
hosts_write(const Hosts *hosts, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < hosts->list->len; i++) {
        const Host *host = g_ptr_array_index(hosts->list, i);
        if (host->answering)
            g_string_append_printf(text, "%s\n", host->line);
    }
    int fd = memfd_create("hosts", MFD_CLOEXEC);
    if (fd < 0) {
        millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "the hosts that answer");
        return -1;
    }
    if (!durable_write_all(fd, "the hosts that answer", text->str, text->len, error)) {
        close(fd);
        return -1;
    }
    return fd;
}
