/* bill_folder.c - finds and opens runs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "formats/durable.h"
#include "formats/error.h"
#include "formats/json.h"
#include "formats/sha256.h"

enum { CLOSED_MAX_BYTES = 1 << 20 };

void
bill_folder_free(BillFolder *folder)
{
    if (folder->fd >= 0)
        close(folder->fd);
    g_clear_pointer(&folder->inputs, frozen_free);
    g_clear_pointer(&folder->book, pricebook_free);
    g_free(folder->path);
    g_free(folder->bills);
    g_free(folder->run);
    g_free(folder);
}

static gboolean
corrupt(const BillFolder *folder, const char *name, const char *why, GError **error)
{
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT, "%s/%s: %s", folder->path, name,
                why);
    return FALSE;
}

static gboolean
read_inputs(BillFolder *folder, GError **error)
{
    gsize size_bytes = 0;
    g_autofree char *text =
        durable_read_file(folder->fd, BILL_INPUTS, BILL_FILE_MAX_BYTES, &size_bytes, error);
    g_autofree char *name = g_strconcat(folder->path, "/" BILL_INPUTS, NULL);
    char run[FROZEN_RUN_CHARS + 1];

    folder->inputs = text ? frozen_parse(name, text, error) : NULL;
    if (!folder->inputs)
        return FALSE;
    frozen_run(folder->inputs, text, size_bytes, run);
    if (strcmp(run, folder->run) != 0)
        return corrupt(folder, BILL_INPUTS, "its digest is not the run's name", error);
    return TRUE;
}

static gboolean
read_prices(BillFolder *folder, GError **error)
{
    gsize size_bytes = 0;
    g_autofree char *text =
        durable_read_file(folder->fd, BILL_PRICES, PRICEBOOK_MAX_BYTES, &size_bytes, error);
    g_autofree char *name = g_strconcat(folder->path, "/" BILL_PRICES, NULL);
    char digest[SHA256_CHARS + 1];

    if (!text)
        return FALSE;
    sha256_hex(text, size_bytes, digest);
    if (strcmp(digest, folder->inputs->prices) != 0)
        return corrupt(folder, BILL_PRICES, "its digest is not that in " BILL_INPUTS, error);
    folder->book = pricebook_parse(name, text, size_bytes, error);
    return folder->book != NULL;
}

BillFolder *
bill_folder_open(const char *path, GError **error)
{
    g_autoptr(BillFolder) folder = g_new0(BillFolder, 1);
    g_autofree char *full = g_canonicalize_filename(path, NULL);

    folder->path = g_strdup(path);
    folder->bills = g_path_get_dirname(full);
    folder->run = g_path_get_basename(full);
    folder->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder->fd < 0) {
        millrace_error_set_errno(error, MILLRACE_ERROR_NO_INPUT, errno, "%s", path);
        return NULL;
    }
    if (!read_inputs(folder, error) || !read_prices(folder, error)) {
        g_prefix_error(error, "this is no bill run, or a damaged one: ");
        return NULL;
    }
    return g_steal_pointer(&folder);
}

char **
bill_folder_stores(const BillFolder *folder, GError **error)
{
    gsize size_bytes = 0;
    g_autofree char *text =
        durable_read_file(folder->fd, BILL_STORES, BILL_FILE_MAX_BYTES, &size_bytes, error);
    guint count = 0;

    if (!text) {
        g_prefix_error(error, "name the stores by --store: ");
        return NULL;
    }
    char **stores = g_strsplit(text, "\n", -1);
    while (stores[count] && *stores[count])
        count++;
    for (guint i = count; stores[i]; i++)
        g_clear_pointer(&stores[i], g_free);
    return stores;
}

GMappedFile *
bill_folder_map(const BillFolder *folder, const char *name, GError **error)
{
    int fd = openat(folder->fd, name, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        millrace_error_set_errno(error, MILLRACE_ERROR_NO_INPUT, errno, "%s/%s", folder->path,
                                 name);
        return NULL;
    }
    GMappedFile *file = g_mapped_file_new_from_fd(fd, TRUE, NULL); /* private: may be changed */
    int errnum = errno;
    close(fd);
    if (!file)
        millrace_error_set_errno(error, MILLRACE_ERROR_IO, errnum, "%s/%s", folder->path, name);
    return file;
}

/* The word about one period: its run, and (digest may be NULL) the SHA-256 of its proof. */
static char *
read_closed(int fd, const char *bills, const char *name, char **digest, GError **error)
{
    gsize size_bytes = 0;
    g_autofree char *text = durable_read_file(fd, name, CLOSED_MAX_BYTES, &size_bytes, error);
    g_autoptr(JsonObject) object = text ? json_object_parse(text, size_bytes, error) : NULL;
    const char *run = object ? json_object_string(object, "run", NULL) : NULL;

    if (run && strlen(run) == FROZEN_RUN_CHARS && !strchr(run, '/')) {
        if (digest)
            *digest = g_strdup(json_object_string(object, "proof_sha256", NULL));
        return g_strdup(run);
    }
    if (object)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                    "\"run\": expected a run's name");
    g_prefix_error(error, "%s/" BILL_CLOSED "/%s: ", bills, name);
    return NULL;
}

static char *
find_closed(const char *bills, const char *period, char **digest, GError **error)
{
    g_autofree char *folder = g_build_filename(bills, BILL_CLOSED, NULL);
    g_autofree char *name = g_strconcat(period, ".json", NULL);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char *run = NULL;

    if (fd < 0)
        return NULL;
    if (faccessat(fd, name, F_OK, 0) == 0)
        run = read_closed(fd, bills, name, digest, error);
    close(fd);
    return run;
}

char *
bill_closed_run(const char *bills, const char *period, GError **error)
{
    return find_closed(bills, period, NULL, error);
}

char *
bill_closed_digest(const BillFolder *folder)
{
    g_autofree char *digest = NULL;
    g_autofree char *run = find_closed(folder->bills, folder->inputs->period.name, &digest, NULL);

    return run && strcmp(run, folder->run) == 0 ? g_steal_pointer(&digest) : NULL;
}

static gboolean
open_closed(int fd, const char *bills, const char *name, GPtrArray *runs, GError **error)
{
    g_autofree char *run = read_closed(fd, bills, name, NULL, error);
    g_autofree char *path = run ? g_build_filename(bills, run, NULL) : NULL;
    BillFolder *folder = path ? bill_folder_open(path, error) : NULL;

    if (!folder)
        return FALSE;
    g_ptr_array_add(runs, folder);
    return TRUE;
}

GPtrArray *
bill_closed_runs(const char *bills, GError **error)
{
    g_autoptr(GPtrArray) runs = g_ptr_array_new_with_free_func((GDestroyNotify)bill_folder_free);
    g_autofree char *path = g_build_filename(bills, BILL_CLOSED, NULL);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT)
        return g_steal_pointer(&runs);
    if (fd < 0) {
        millrace_error_set_errno(error, durable_creation_error(errno), errno, "%s", path);
        return NULL;
    }
    g_autoptr(GPtrArray) names = durable_folder_list(fd, "", error);
    gboolean good = names != NULL;
    for (guint i = 0; good && i < names->len; i++)
        if (g_str_has_suffix(names->pdata[i], ".json"))
            good = open_closed(fd, bills, names->pdata[i], runs, error);
    close(fd);
    return good ? g_steal_pointer(&runs) : NULL;
}
