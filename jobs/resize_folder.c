/* resize_folder.c - a job's folder: lock, ledgers, left-overs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/resize_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "formats/durable.h"
#include "formats/error.h"
#include "formats/json.h"
#include "jobs/resize_name.h"

enum { LOCK_WAIT_US = 10 * G_USEC_PER_SEC, LOCK_RETRY_US = 50000 };

static const char ledger_prefix[] = "ledger-";

gboolean
resize_folder_open(ResizeFolder *folder, const char *path, gboolean create, GError **error)
{
    *folder = (ResizeFolder){.output_fd = -1, .state_fd = -1, .tmp_fd = -1, .lock_fd = -1};
    folder->output_fd = durable_folder_open(path, create, error);
    if (folder->output_fd < 0)
        return FALSE;
    if (!create) {
        folder->state_fd = openat(folder->output_fd, STATE_FOLDER,
                                  O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        return folder->state_fd >= 0 || millrace_error_set_errno(error, MILLRACE_ERROR_NO_INPUT,
                                                                 errno, "%s/" STATE_FOLDER, path);
    }
    folder->state_fd = durable_folder_beneath(folder->output_fd, STATE_FOLDER, error);
    if (folder->state_fd >= 0)
        folder->tmp_fd = durable_folder_beneath(folder->state_fd, "tmp", error);
    if (folder->tmp_fd < 0) {
        g_prefix_error(error, "%s: ", path);
        resize_folder_close(folder);
        return FALSE;
    }
    folder->lock_fd =
        openat(folder->state_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (folder->lock_fd >= 0)
        return TRUE;
    millrace_error_set_errno(error, durable_creation_error(errno), errno,
                             "%s/" STATE_FOLDER "/lock", path);
    resize_folder_close(folder);
    return FALSE;
}

static void
close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void
resize_folder_close(ResizeFolder *folder)
{
    close_fd(&folder->lock_fd);
    close_fd(&folder->tmp_fd);
    close_fd(&folder->state_fd);
    close_fd(&folder->output_fd);
}

/* Locks of open file descriptions, since those of processes are dropped when any descriptor of the
 * file is closed, and flock() cannot turn into a shared lock without letting go. */
static int
try_lock(const ResizeFolder *folder, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET};

    return fcntl(folder->lock_fd, F_OFD_SETLK, &lock) == 0 ? 0 : errno;
}

gboolean
resize_folder_lock(ResizeFolder *folder, GError **error)
{
    gint64 give_up_us = g_get_monotonic_time() + LOCK_WAIT_US;
    int failed = 0;

    while ((failed = try_lock(folder, F_WRLCK)) == EAGAIN || failed == EACCES) {
        if (g_get_monotonic_time() > give_up_us) {
            g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_INTERRUPTED,
                        "another run is at work in this folder: wait for it, or choose another -o");
            return FALSE;
        }
        g_usleep(LOCK_RETRY_US);
    }
    if (!failed)
        return TRUE;
    return millrace_error_set_errno(error, MILLRACE_ERROR_CANT_CREATE, failed,
                                    "locking the folder");
}

gboolean
resize_folder_lock_shared(ResizeFolder *folder, GError **error)
{
    int failed = try_lock(folder, F_RDLCK);

    return !failed || millrace_error_set_errno(error, MILLRACE_ERROR_CANT_CREATE, failed,
                                               "sharing the lock of the folder");
}

const char *
resize_folder_ledger_writer(const char *ledger)
{
    return ledger + strlen(ledger_prefix);
}

/* The TRY of a writer NODE-RANK-TRY. */
static guint
ledger_try(const char *ledger)
{
    const char *dash = strrchr(ledger, '-');

    return dash ? (guint)g_ascii_strtoull(dash + 1, NULL, 10) : 0;
}

static gint
compare_ledgers(gconstpointer a, gconstpointer b)
{
    const char *left = *(const char *const *)a;
    const char *right = *(const char *const *)b;
    guint left_try = ledger_try(left);
    guint right_try = ledger_try(right);

    if (left_try != right_try)
        return left_try < right_try ? -1 : 1;
    return strcmp(left, right);
}

GPtrArray *
resize_folder_ledgers(const ResizeFolder *folder, GError **error)
{
    GPtrArray *names = durable_folder_list(folder->state_fd, ledger_prefix, error);

    if (names)
        g_ptr_array_sort(names, compare_ledgers);
    return names;
}

guint
resize_folder_next_try(const GPtrArray *ledgers)
{
    guint highest = 0;

    for (guint i = 0; i < ledgers->len; i++)
        highest = MAX(highest, ledger_try(ledgers->pdata[i]));
    return highest + 1;
}

gboolean
resize_folder_tell(const ResizeFolder *folder, const char *run_token, int exit_code)
{
    g_autoptr(GString) json = g_string_new(NULL);

    json_open(json, NULL, '{');
    json_put_string(json, "run", run_token);
    json_put_int(json, "exit_code", exit_code);
    g_string_append(json, "}\n");
    return durable_write_file(folder->state_fd, "verdict.json", json->str, json->len, NULL);
}

gboolean
resize_folder_sweep(const ResizeFolder *folder, GError **error)
{
    g_autoptr(GPtrArray) names = durable_folder_list(folder->tmp_fd, "", error);

    for (guint i = 0; names && i < names->len; i++)
        if (unlinkat(folder->tmp_fd, names->pdata[i], 0) != 0)
            return millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno,
                                            "sweeping " STATE_FOLDER "/tmp");
    return names != NULL;
}
