/* resize_source.c - rank 0's end of the manifest.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/resize_source.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/bytes.h"
#include "formats/durable.h"
#include "formats/error.h"
#include "formats/fingerprint.h"

enum { READ_BYTES = 256 << 10, SPOOL_SYNC_BYTES = 4 << 20 };

static const char spool_file[] = "manifest";

struct _ResizeSource {
    const char *name;
    ManifestKind kind;
    int fd;
    gboolean ended;
    ManifestIdentity identity;
    char *first_to; /* of the survey's first row */
    RowSpecs row_specs;
    gboolean any_to; /* does any row bring specs? */
    ManifestReader *reader;
    guint64 row_count;   /* read so far, or found by the survey */
    guint64 given_count; /* rows that next() went past */
    const RowStates *states;
    const Attempts *attempts; /* NULL: of no interest */
    GByteArray *item;
    guint8 *buffer;

    /* Of a pipe only. */
    int spool_fd;       /* -1: nothing is spooled */
    guint64 spool_size; /* bytes an earlier try has left; they must come again */
    guint64 spooled;    /* bytes that have come */
    guint64 spool_synced;
    GSourceFunc wake;
    gpointer wake_data;
    guint wake_source;
};

/* Reads a piece. Returns: its size; 0 at the end; -1 and error. */
static gssize
read_piece(ResizeSource *source, GError **error)
{
    ssize_t got = 0;

    do
        got = read(source->fd, source->buffer, READ_BYTES);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "reading %s", source->name);
    return got;
}

/* Looks whether rows want the same outputs. */
static void
compare_specs(ResizeSource *source, const ManifestRow *row)
{
    source->row_count++;
    source->any_to = source->any_to || *row->to;
    if (row->problem)
        return;
    if (!source->first_to)
        source->first_to = g_strdup(row->to);
    else if (strcmp(source->first_to, row->to) != 0)
        source->row_specs = ROW_SPECS_VARY;
}

/* Reads a file through once: finds errors before anything is begun, counts and identifies. */
static gboolean
survey(ResizeSource *source, GError **error)
{
    g_autoptr(ManifestReader) reader = manifest_reader_new(source->name, source->kind);
    g_autoptr(Fingerprint) fingerprint = fingerprint_new();
    gssize got = 1;

    while (got > 0) {
        ManifestRow row;
        int more = 0;
        got = read_piece(source, error);
        if (got < 0)
            return FALSE;
        fingerprint_add(fingerprint, source->buffer, (gsize)got);
        source->identity.size_bytes += (guint64)got;
        if (got > 0)
            manifest_reader_push(reader, source->buffer, (gsize)got);
        else
            manifest_reader_finish(reader);
        while ((more = manifest_reader_next(reader, &row, error)) > 0)
            compare_specs(source, &row);
        if (more < 0)
            return FALSE;
    }
    fingerprint_print(fingerprint, source->identity.fingerprint);
    if (lseek(source->fd, 0, SEEK_SET) == 0)
        return TRUE;
    return millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "rewinding %s", source->name);
}

static gboolean
open_file(ResizeSource *source, const char *path, GError **error)
{
    struct stat status;

    source->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (source->fd < 0 || fstat(source->fd, &status) != 0)
        return millrace_error_set_errno(error, MILLRACE_ERROR_NO_INPUT, errno, "%s", path);
    if (S_ISDIR(status.st_mode)) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT,
                    "%s is a folder: make a manifest of it with millrace manifest build %s", path,
                    path);
        return FALSE;
    }
    source->identity.is_pipe = !S_ISREG(status.st_mode);
    return source->identity.is_pipe || survey(source, error);
}

ResizeSource *
resize_source_open(const ResizeConfig *config, GError **error)
{
    g_autoptr(ResizeSource) source = g_new0(ResizeSource, 1);

    source->fd = -1;
    source->spool_fd = -1;
    source->buffer = g_malloc(READ_BYTES);
    source->item = g_byte_array_new();
    source->name = config->manifest;
    source->kind = config->manifest_nul ? MANIFEST_LIST0 : MANIFEST_AUTO;
    if (strcmp(config->manifest, "-") == 0) {
        source->name = "standard input";
        source->fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
        source->identity.is_pipe = TRUE;
        if (source->fd < 0) {
            millrace_error_set_errno(error, MILLRACE_ERROR_NO_INPUT, errno, "standard input");
            return NULL;
        }
    } else if (!open_file(source, config->manifest, error)) {
        return NULL;
    }
    if (source->identity.is_pipe)
        source->row_specs = ROW_SPECS_UNKNOWN;
    if (!source->identity.is_pipe && source->row_count > 0 && !source->any_to && !config->to) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                    "%s does not say what to make of its images: give --to, as in --to 320x320",
                    source->name);
        return NULL;
    }
    source->reader = manifest_reader_new(source->name, source->kind);
    return g_steal_pointer(&source);
}

void
resize_source_free(ResizeSource *source)
{
    if (source->wake_source)
        g_source_remove(source->wake_source);
    if (source->fd >= 0)
        close(source->fd);
    if (source->spool_fd >= 0)
        close(source->spool_fd);
    g_clear_pointer(&source->reader, manifest_reader_free);
    g_byte_array_unref(source->item);
    g_free(source->first_to);
    g_free(source->buffer);
    g_free(source);
}

const ManifestIdentity *
resize_source_identity(const ResizeSource *source)
{
    return &source->identity;
}

RowSpecs
resize_source_row_specs(const ResizeSource *source)
{
    return source->row_specs;
}

guint64
resize_source_row_count(const ResizeSource *source)
{
    return source->identity.is_pipe && !source->ended ? 0 : source->row_count;
}

guint64
resize_source_rows_seen(const ResizeSource *source)
{
    return source->row_count;
}

gboolean
resize_source_ended(const ResizeSource *source)
{
    return source->ended || !source->identity.is_pipe;
}

guint64
resize_source_remaining(const ResizeSource *source)
{
    if (source->identity.is_pipe)
        return source->ended ? 1 : G_MAXUINT64;
    return source->row_count - source->given_count;
}

gboolean
resize_source_begin(ResizeSource *source, int state_fd, const RowStates *states,
                    const Attempts *attempts, GSourceFunc wake, gpointer wake_data, GError **error)
{
    struct stat status;

    source->states = states;
    source->attempts = attempts;
    source->wake = wake;
    source->wake_data = wake_data;
    if (!source->identity.is_pipe)
        return TRUE;
    source->spool_fd =
        openat(state_fd, spool_file, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (source->spool_fd < 0 || fstat(source->spool_fd, &status) != 0)
        return millrace_error_set_errno(error, durable_creation_error(errno), errno,
                                        "spooling the manifest");
    source->spool_size = (guint64)status.st_size;
    return TRUE;
}

void
resize_source_look(ResizeSource *source, const RowStates *states)
{
    source->states = states;
}

static gboolean
spool_differs(GError **error)
{
    g_set_error(
        error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
        "standard input does not begin with what this job read before: pipe in the same list "
        "in the same order (find … | sort), or choose another -o");
    return FALSE;
}

/* Compares a piece with what was spooled before, as far as that reaches, and appends the rest. */
static gboolean
spool(ResizeSource *source, const guint8 *bytes, gsize size, GError **error)
{
    if (source->spooled < source->spool_size) {
        gsize known = (gsize)MIN(size, source->spool_size - source->spooled);
        g_autofree guint8 *before = g_malloc(known);
        ssize_t got = pread(source->spool_fd, before, known, (off_t)source->spooled);
        if (got < 0)
            return millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "reading the spool");
        if ((gsize)got != known || memcmp(before, bytes, known) != 0)
            return spool_differs(error);
        source->spooled += known;
        bytes += known;
        size -= known;
    }
    if (!durable_write_all(source->spool_fd, "the manifest's spool", bytes, size, error))
        return FALSE;
    source->spooled += size;
    if (source->spooled - source->spool_synced < SPOOL_SYNC_BYTES)
        return TRUE;
    source->spool_synced = source->spooled;
    return durable_sync(source->spool_fd, "the manifest's spool", error);
}

static gboolean
on_readable(gint fd G_GNUC_UNUSED, GIOCondition condition G_GNUC_UNUSED, gpointer data)
{
    ResizeSource *source = data;

    source->wake_source = 0;
    source->wake(source->wake_data);
    return G_SOURCE_REMOVE;
}

/* Would reading block now? Then somebody is told when it does not any more. */
static gboolean
must_wait(ResizeSource *source)
{
    struct pollfd ready = {.fd = source->fd, .events = POLLIN};

    if (source->spool_fd < 0 || poll(&ready, 1, 0) != 0)
        return FALSE;
    if (!source->wake_source)
        source->wake_source = g_unix_fd_add(source->fd, G_IO_IN | G_IO_HUP, on_readable, source);
    return TRUE;
}

static gboolean
take_end(ResizeSource *source, GError **error)
{
    manifest_reader_finish(source->reader);
    source->ended = TRUE;
    if (source->spool_fd < 0)
        return TRUE;
    if (source->spooled < source->spool_size)
        return spool_differs(error);
    return durable_sync(source->spool_fd, "the manifest's spool", error);
}

/* Reads on. Returns: FOREACH_ITEM when the reader has new bytes or the end; LATER or ERROR. */
static ForeachNext
read_on(ResizeSource *source, GError **error)
{
    if (must_wait(source))
        return FOREACH_LATER;
    gssize got = read_piece(source, error);
    if (got < 0)
        return FOREACH_ERROR;
    if (got == 0)
        return take_end(source, error) ? FOREACH_ITEM : FOREACH_ERROR;
    if (source->spool_fd >= 0 && !spool(source, source->buffer, (gsize)got, error))
        return FOREACH_ERROR;
    manifest_reader_push(source->reader, source->buffer, (gsize)got);
    return FOREACH_ITEM;
}

ForeachNext
resize_source_next(ResizeSource *source, LeaseItem *item, GError **error)
{
    for (;;) {
        ManifestRow row;
        int found = manifest_reader_next(source->reader, &row, error);
        if (found < 0)
            return FOREACH_ERROR;
        if (found == 0 && source->ended)
            return FOREACH_END;
        if (found == 0) {
            ForeachNext more = read_on(source, error);
            if (more != FOREACH_ITEM)
                return more;
            continue;
        }
        source->given_count = row.ordinal;
        if (source->identity.is_pipe)
            source->row_count = row.ordinal;
        if (row_states_done(source->states, row.ordinal))
            continue;
        g_byte_array_set_size(source->item, 0);
        resize_item_encode(source->item, &row,
                           source->attempts ? attempts_of(source->attempts, row.ordinal) : 0);
        *item = (LeaseItem){row.ordinal, source->item->data, source->item->len};
        return FOREACH_ITEM;
    }
}

void
resize_item_encode(GByteArray *out, const ManifestRow *row, guint deaths)
{
    bytes_put_u64(out, row->line);
    bytes_put_string(out, row->source);
    bytes_put_string(out, row->customer);
    bytes_put_string(out, row->request);
    bytes_put_string(out, row->to);
    bytes_put_string(out, row->problem);
    bytes_put_u32(out, deaths);
}

gboolean
resize_item_decode(const LeaseItem *item, ManifestRow *row, guint *deaths)
{
    ByteReader reader = byte_reader(item->bytes, item->size_bytes);

    row->ordinal = item->ordinal;
    row->line = bytes_get_u64(&reader);
    row->source = bytes_get_string(&reader);
    row->customer = bytes_get_string(&reader);
    row->request = bytes_get_string(&reader);
    row->to = bytes_get_string(&reader);
    row->problem = bytes_get_string(&reader);
    *deaths = bytes_get_u32(&reader);
    if (*row->problem == '\0')
        row->problem = NULL;
    return reader.ok && reader.at == reader.end;
}
