/* config_check.c - what can only be seen by looking: is all there that a door of this
 * configuration would need? Nothing is changed by it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "formats/durable.h"
#include "formats/identity.h"
#include "jobs/identity_source.h"
#include "jobs/queue.h"
#include "tools/door/config.h"
#include "tools/door/http.h"
#include "tools/door/keys_read.h"
#include "tools/door/privileges.h"
#include "tools/tool.h"

#define HEAD_MAX_BYTES (64 << 10)

static gboolean
check_state(const DoorConfig *config, GError **error)
{
    g_autofree char *identity = g_build_filename(config->state, "identity", NULL);

    if (g_file_test(identity, G_FILE_TEST_IS_DIR) && access(config->state, R_OK | W_OK | X_OK) == 0)
        return TRUE;
    if (errno == EACCES)
        return millrace_error_set_errno(error, MILLRACE_ERROR_NO_INPUT, errno, "--state=%s",
                                        config->state);
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT,
                "--state=%s: there is no state of millrace there; make it: millrace keys init %s",
                config->state, config->state);
    return FALSE;
}

/* Can what is to be written there be written, or be made where there is nothing yet? */
static gboolean
check_writable(const char *option, const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    gboolean is_there = access(path, F_OK) == 0;
    gboolean is_folder = g_file_test(path, G_FILE_TEST_IS_DIR);

    if (is_there ? access(path, is_folder ? R_OK | W_OK | X_OK : W_OK) == 0
                 : access(folder, W_OK | X_OK) == 0)
        return TRUE;
    return millrace_error_set_errno(error, MILLRACE_ERROR_CANT_CREATE, errno, "--%s: %s", option,
                                    is_there ? path : folder);
}

/* The folders that a door keeps in its state. */
static gboolean
check_stores(const DoorConfig *config, GError **error)
{
    static const char *const names[] = {"usage", "answers", "poison", "edge"};

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(config->state, names[i], NULL);
        if (!check_writable("state", path, error))
            return FALSE;
    }
    return check_writable("jobs", config->jobs, error);
}

static gboolean
check_access_log(const DoorConfig *config, GError **error)
{
    const char *path = config->access_log;

    if (strcmp(path, "-") == 0 || strcmp(path, "none") == 0)
        return TRUE;
    if (!g_file_test(path, G_FILE_TEST_IS_DIR))
        return check_writable("access-log", path, error);
    return millrace_error_set_errno(error, MILLRACE_ERROR_CANT_CREATE, EISDIR, "--access-log: %s",
                                    path);
}

/* The head in a folder of published keys, and the snapshot that it names; a URL is not asked. */
static gboolean
check_published(const char *where, const GArray *keys, GError **error)
{
    g_autofree char *path = g_build_filename(where, IDENTITY_HEAD_FILE, NULL);
    const MinisignPublic *trusted = &g_array_index(keys, MinisignPublic, 0);
    IdentityHead head;
    gsize size_bytes = 0;

    if (strstr(where, "://"))
        return TRUE;
    g_autofree char *text = durable_read_file(AT_FDCWD, path, HEAD_MAX_BYTES, &size_bytes, error);
    if (!text || !identity_head_open(path, text, size_bytes, trusted, keys->len, &head, error)) {
        g_prefix_error(error, "--identity=%s: ", where);
        return FALSE;
    }
    int folder_fd = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    gboolean holds = folder_fd >= 0 && identity_copy_holds(folder_fd, &head);
    if (folder_fd >= 0)
        close(folder_fd);
    if (!holds)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                    "--identity=%s: the snapshot that the head names is missing or damaged; "
                    "millrace keys publish makes it anew",
                    where);
    return holds;
}

static gboolean
check_identity(const DoorConfig *config, GError **error)
{
    g_autoptr(GArray) keys = keys_read_trusted(config, error);

    if (!keys)
        return FALSE;
    for (guint i = 0; config->identity[i]; i++)
        if (!check_published(config->identity[i], keys, error))
            return FALSE;
    g_autoptr(MinisignSecret) secret = keys_read_secret(config, error);
    return secret != NULL;
}

/* By hand the worker says what it is and ends; a broken one does not get as far. */
static gboolean
check_worker(GError **error)
{
    g_autofree char *program = tool_find_program("millrace-imageworker");
    char *argv[] = {program, NULL};
    g_autofree char *said = NULL;
    int status = 0;

    if (g_spawn_sync(NULL, argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL, &said, &status, NULL) &&
        WIFEXITED(status) && WEXITSTATUS(status) == EXIT_BAD_USAGE)
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_UNAVAILABLE,
                "%s: the image worker does not start (%s): install millrace anew", program,
                said && *said ? g_strchomp(said) : "no such program");
    return FALSE;
}

/* One that is in use may be so by the door that this one is to replace. */
static gboolean
check_address(const char *option, const char *address, GError **error)
{
    guint16 port = 0;
    g_autoptr(GError) own = NULL;

    if (!address)
        return TRUE;
    int fd = http_listen(address, &port, &own);
    if (fd >= 0) {
        close(fd);
        return TRUE;
    }
    if (g_error_matches(own, MILLRACE_ERROR, MILLRACE_ERROR_CANT_CREATE) &&
        strstr(own->message, g_strerror(EADDRINUSE))) {
        tool_log("notice: --%s=%s is in use; a second door cannot start there", option, address);
        return TRUE;
    }
    g_propagate_prefixed_error(error, g_steal_pointer(&own), "--%s: ", option);
    return FALSE;
}

static gboolean
check_queue(const DoorConfig *config, GError **error)
{
    static const char sqlite[] = "sqlite:";
    g_autoptr(Queue) queue = queue_open(config->queue, config->queue_length_max, error);

    if (!queue) {
        g_prefix_error(error, "--queue: ");
        return FALSE;
    }
    return !g_str_has_prefix(config->queue, sqlite) ||
           check_writable("queue", config->queue + strlen(sqlite), error);
}

static gboolean
check_sources(const DoorConfig *config, GError **error)
{
    if (!config->sources || g_file_test(config->sources, G_FILE_TEST_IS_DIR))
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT,
                "--sources=%s: there is no such folder", config->sources);
    return FALSE;
}

/* Addresses first, as a door does: a low port is taken before another user is become. All else is
 * looked at as who the door will be. */
gboolean
door_config_check(const DoorConfig *config, GError **error)
{
    return check_address("listen", config->listen, error) &&
           check_address("admin", config->admin, error) && privileges_drop(config->user, error) &&
           check_state(config, error) && check_stores(config, error) &&
           check_identity(config, error) && check_queue(config, error) &&
           check_sources(config, error) && check_access_log(config, error) && check_worker(error);
}
