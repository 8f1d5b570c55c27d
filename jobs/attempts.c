/* attempts.c - how often rows have killed their workers, kept across runs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/attempts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "formats/durable.h"
#include "formats/error.h"

static const char prefix[] = "attempts-";
enum { FILE_MAX_BYTES = 64 << 20 };

struct _Attempts {
    GHashTable *counts; /* row (gint64) -> deaths */
};

gboolean
attempts_note(int state_fd, const char *writer, guint64 row, GError **error)
{
    g_autofree char *name = g_strconcat(prefix, writer, NULL);
    char line[24];
    int size = g_snprintf(line, sizeof line, "%" G_GUINT64_FORMAT "\n", row);
    int fd = openat(state_fd, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0666);

    if (fd < 0)
        return millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "opening %s", name);
    gboolean good = durable_write_all(fd, name, line, (gsize)size, error) &&
                    durable_sync(fd, name, error) && durable_sync(state_fd, name, error);
    close(fd);
    return good;
}

/* Counts the whole lines of a file; a torn last one is a death that was not noted in time. */
static void
count_lines(Attempts *attempts, const RowStates *states, char *text)
{
    char *newline = NULL;

    for (char *line = text; (newline = strchr(line, '\n')); line = newline + 1) {
        gint64 row = (gint64)g_ascii_strtoull(line, NULL, 10);
        if (row < 1 || row_states_done(states, (guint64)row))
            continue;
        guint count = GPOINTER_TO_UINT(g_hash_table_lookup(attempts->counts, &row)) + 1;
        g_hash_table_insert(attempts->counts, g_memdup2(&row, sizeof row), GUINT_TO_POINTER(count));
    }
}

Attempts *
attempts_read(int state_fd, const RowStates *states, GError **error)
{
    g_autoptr(GPtrArray) names = durable_folder_list(state_fd, prefix, error);
    g_autoptr(Attempts) attempts = g_new0(Attempts, 1);

    attempts->counts = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    for (guint i = 0; names && i < names->len; i++) {
        g_autofree char *text =
            durable_read_file(state_fd, names->pdata[i], FILE_MAX_BYTES, NULL, error);
        if (!text)
            return NULL;
        count_lines(attempts, states, text);
    }
    return names ? g_steal_pointer(&attempts) : NULL;
}

void
attempts_free(Attempts *attempts)
{
    g_hash_table_unref(attempts->counts);
    g_free(attempts);
}

guint
attempts_of(const Attempts *attempts, guint64 row)
{
    gint64 key = (gint64)row;

    return GPOINTER_TO_UINT(g_hash_table_lookup(attempts->counts, &key));
}
