/* archive_restore_to.c - where records go: a folder, by archive_files.h, or a descriptor.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/durable.h"
#include "jobs/archive_restore_internal.h"

struct _RestoreTo {
    VolumeSink sink;
    RestoreDone done;
    gpointer data;
    /* The record that is being read. */
    guint volume;
    const char *volume_name;
    const VolumeRecord *record;
    /* Into a folder. */
    ArchiveFiles *files; /* NULL: to the descriptor */
    gboolean by_volume;
    /* To a descriptor. A record is held back until it is whole, while it is small. */
    int fd;
    GByteArray *held;
    gboolean flowing; /* it was not small */
    gboolean broken;
};

static void
file_done(const ArchiveFile *file, gboolean was_there, const GError *failure, gpointer data)
{
    RestoreTo *to = data;

    to->done(file->volume, file->key, file->size_bytes, was_there, failure, to->data);
}

static gboolean
file_begin(const TarMember *member, gpointer data, GError **error)
{
    RestoreTo *to = data;

    return archive_files_begin(to->files, to->by_volume ? to->volume_name : NULL, member,
                               to->record, to->volume, error);
}

static gboolean
file_write(const void *bytes, gsize size_bytes, gpointer data, GError **error)
{
    RestoreTo *to = data;

    return archive_files_write(to->files, bytes, size_bytes, error);
}

RestoreTo *
restore_to_folder(const ArchiveRestoreConfig *config, RestoreDone done, gpointer data,
                  GError **error)
{
    g_autoptr(RestoreTo) to = g_new0(RestoreTo, 1);

    *to = (RestoreTo){.sink = {.begin = file_begin, .on_bytes = file_write, .data = to},
                      .done = done,
                      .data = data,
                      .by_volume = config->by_volume,
                      .fd = -1};
    to->files = archive_files_open(config->folder, config->force, file_done, to, error);
    return to->files ? g_steal_pointer(&to) : NULL;
}

static gboolean
fd_write(RestoreTo *to, const void *bytes, gsize size_bytes, GError **error)
{
    gboolean written = durable_write_all(to->fd, "the output", bytes, size_bytes, error);

    to->broken |= !written;
    return written;
}

static gboolean
hold_or_write(const void *bytes, gsize size_bytes, gpointer data, GError **error)
{
    RestoreTo *to = data;

    if (!to->flowing && to->held->len + size_bytes <= VOLUME_FRAME_BYTES) {
        g_byte_array_append(to->held, bytes, (guint)size_bytes);
        return TRUE;
    }
    if (!to->flowing && !fd_write(to, to->held->data, to->held->len, error))
        return FALSE;
    to->flowing = TRUE;
    return fd_write(to, bytes, size_bytes, error);
}

RestoreTo *
restore_to_fd(int fd, RestoreDone done, gpointer data)
{
    RestoreTo *to = g_new0(RestoreTo, 1);

    *to = (RestoreTo){.sink = {.on_bytes = hold_or_write, .data = to},
                      .done = done,
                      .data = data,
                      .fd = fd,
                      .held = g_byte_array_new()};
    return to;
}

void
restore_to_free(RestoreTo *to)
{
    g_clear_pointer(&to->files, archive_files_close);
    g_clear_pointer(&to->held, g_byte_array_unref);
    g_free(to);
}

void
restore_to_begin(RestoreTo *to, guint volume, const char *volume_name, const VolumeRecord *record)
{
    to->volume = volume;
    to->volume_name = volume_name;
    to->record = record;
    to->flowing = FALSE;
    if (to->held)
        g_byte_array_set_size(to->held, 0);
}

const VolumeSink *
restore_to_sink(const RestoreTo *to)
{
    return &to->sink;
}

gboolean
restore_to_finish(RestoreTo *to, GError **error)
{
    if (to->files)
        return archive_files_finish(to->files, error);
    if (!to->flowing && !fd_write(to, to->held->data, to->held->len, error))
        return FALSE;
    to->done(to->volume, to->record->key, to->record->size_bytes, FALSE, NULL, to->data);
    return TRUE;
}

void
restore_to_abandon(RestoreTo *to)
{
    if (to->files)
        archive_files_abandon(to->files);
    /* Nobody can tell what follows from the half that was written. */
    to->broken |= to->flowing;
}

gboolean
restore_to_flush(RestoreTo *to, GError **error)
{
    return !to->files || archive_files_flush(to->files, error);
}

gboolean
restore_to_broken(const RestoreTo *to)
{
    return to->files ? archive_files_broken(to->files) : to->broken;
}
