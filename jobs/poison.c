/* poison.c - bodies that killed a worker. What was learnt here holds here even when the folder
 * cannot be written to; what others learnt is asked of the folder each time, which costs a lookup
 * of a name. Both are bounded: who can make new poison all day shall not fill a disk with it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/poison.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "formats/durable.h"

enum { KNOWN_MAX = 1 << 16, FILES_MAX = 1 << 17, WHY_MAX = 1000 };

struct _Poison {
    int dir_fd;
    GMutex writing;     /* held while a disk syncs */
    guint64 file_count; /* as far as we know */
    GMutex mutex;       /* of what is below */
    GHashTable *known;  /* set of digests in hexadecimal */
    GQueue order;       /* the same, oldest first; borrows */
};

Poison *
poison_open(const char *dir, GError **error)
{
    int dir_fd = durable_folder_open(dir, TRUE, error);
    g_autoptr(GPtrArray) names = dir_fd >= 0 ? durable_folder_list(dir_fd, "", error) : NULL;

    if (!names) {
        if (dir_fd >= 0)
            close(dir_fd);
        return NULL;
    }
    Poison *poison = g_new0(Poison, 1);
    poison->dir_fd = dir_fd;
    poison->file_count = names->len;
    poison->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_queue_init(&poison->order);
    g_mutex_init(&poison->writing);
    g_mutex_init(&poison->mutex);
    return poison;
}

void
poison_free(Poison *poison)
{
    if (!poison)
        return;
    close(poison->dir_fd);
    g_queue_clear(&poison->order);
    g_hash_table_unref(poison->known);
    g_mutex_clear(&poison->writing);
    g_mutex_clear(&poison->mutex);
    g_free(poison);
}

gboolean
poison_has(Poison *poison, const guint8 digest[SHA256_BYTES])
{
    char name[SHA256_CHARS + 1];

    sha256_print(digest, name);
    g_mutex_lock(&poison->mutex);
    gboolean known = g_hash_table_contains(poison->known, name);
    g_mutex_unlock(&poison->mutex);
    return known || faccessat(poison->dir_fd, name, F_OK, 0) == 0;
}

/* Locked. */
static void
remember(Poison *poison, const char *name)
{
    if (g_hash_table_contains(poison->known, name))
        return;
    if (poison->order.length >= KNOWN_MAX)
        g_hash_table_remove(poison->known, g_queue_pop_head(&poison->order));
    char *copy = g_strdup(name);
    g_hash_table_add(poison->known, copy);
    g_queue_push_tail(&poison->order, copy);
}

gboolean
poison_add(Poison *poison, const guint8 digest[SHA256_BYTES], const char *why, GError **error)
{
    char name[SHA256_CHARS + 1];
    g_autofree char *line = g_strdup_printf("%.*s\n", WHY_MAX, why);

    sha256_print(digest, name);
    g_strdelimit(line, "\r\n", ' ');
    line[strlen(line) - 1] = '\n';
    g_mutex_lock(&poison->mutex);
    remember(poison, name);
    g_mutex_unlock(&poison->mutex);
    g_mutex_lock(&poison->writing);
    gboolean written = faccessat(poison->dir_fd, name, F_OK, 0) == 0;
    gboolean room = written || poison->file_count < FILES_MAX;
    gboolean added =
        !written && room && durable_write_file(poison->dir_fd, name, line, strlen(line), error);
    poison->file_count += added;
    g_mutex_unlock(&poison->writing);
    if (!room)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_IO,
                    "%d digests of images that killed workers are kept already: look at the "
                    "newest, then remove the old",
                    FILES_MAX);
    return written || added;
}
