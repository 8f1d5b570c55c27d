/* bulk_tar.c - a job's outputs as one tar, made while it is sent: a member at a time, in the order
 * of results.ndjson, in constant memory however many there are. What is not as the results say
 * breaks the connection, so that no client takes a part for the whole.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "formats/json.h"
#include "formats/tar.h"
#include "jobs/resize_open.h"
#include "tools/door/bulk_internal.h"

enum { LINE_MAX_BYTES = 4 << 20 };

typedef struct {
    FILE *results; /* owns, as all below */
    int folder_fd;
    gint64 mtime_s;
    char *line;
    gsize line_capacity;
    JsonObject *row; /* the line at hand */
    JsonList *outputs;
    gsize next_output;
    char *last; /* the path sent last: rows alike have one file */
    int fd;     /* of the member at hand; -1: none */
    guint64 offset, size_bytes;
    GByteArray *pending; /* headers and padding that are to be sent */
    gsize pending_at;
    gboolean ended;
} TarStream;

static void
row_clear(TarStream *stream)
{
    g_clear_pointer(&stream->outputs, json_list_free);
    g_clear_pointer(&stream->row, json_object_free);
    stream->next_output = 0;
}

static void
stream_free(gpointer data)
{
    TarStream *stream = data;

    row_clear(stream);
    if (stream->fd >= 0)
        close(stream->fd);
    if (stream->folder_fd >= 0)
        close(stream->folder_fd);
    if (stream->results)
        fclose(stream->results);
    g_byte_array_unref(stream->pending);
    g_free(stream->last);
    free(stream->line);
    g_free(stream);
}

/* The next row. Returns 1, 0 at the end, -1 when the results cannot be read. */
static int
next_row(TarStream *stream)
{
    row_clear(stream);
    ssize_t size = getline(&stream->line, &stream->line_capacity, stream->results);
    if (size < 0)
        return feof(stream->results) ? 0 : -1;
    if (size > LINE_MAX_BYTES)
        return -1;
    stream->row = json_object_parse(stream->line, (gsize)size, NULL);
    stream->outputs = stream->row ? json_object_list(stream->row, "outputs") : NULL;
    return stream->outputs ? 1 : -1;
}

/* Opens a file by its path in the results, where a name that is no UTF-8 is percent-encoded.
 * name: (out) (transfer full) its own. */
static int
open_output(TarStream *stream, const char *path, guint64 *size_bytes, char **name)
{
    ResizeOpenFailure failure;
    int fd = resize_open(stream->folder_fd, path, size_bytes, &failure);

    *name = fd >= 0 ? g_strdup(path) : g_uri_unescape_string(path, NULL);
    if (fd < 0 && *name)
        fd = resize_open(stream->folder_fd, *name, size_bytes, &failure);
    return fd;
}

static gboolean
begin_member(TarStream *stream, const JsonObject *output)
{
    const char *path = json_object_string(output, "path", NULL);
    gint64 told_bytes = -1;
    g_autofree char *name = NULL;

    if (!path || !json_object_int(output, "bytes", &told_bytes))
        return FALSE;
    if (g_strcmp0(path, stream->last) == 0)
        return TRUE;
    g_free(stream->last);
    stream->last = g_strdup(path);
    stream->offset = 0;
    stream->fd = open_output(stream, path, &stream->size_bytes, &name);
    return stream->fd >= 0 && stream->size_bytes == (guint64)told_bytes &&
           tar_header(name, stream->size_bytes, stream->mtime_s, stream->pending, NULL);
}

/* Makes something to be sent: the next member, or the tar's end. FALSE: it cannot be gone on. */
static gboolean
advance(TarStream *stream)
{
    int more = 1;

    while (more > 0 &&
           (!stream->outputs || stream->next_output == json_list_length(stream->outputs)))
        more = next_row(stream);
    if (more == 0) {
        static const guint8 zeros[TAR_END_BYTES];
        g_byte_array_append(stream->pending, zeros, sizeof zeros);
        stream->ended = TRUE;
    }
    if (more <= 0)
        return more == 0;
    g_autoptr(JsonObject) output = json_list_object(stream->outputs, stream->next_output++);
    return output && begin_member(stream, output);
}

static gsize
send_pending(TarStream *stream, char *out, gsize capacity)
{
    gsize size = MIN(capacity, stream->pending->len - stream->pending_at);

    memcpy(out, stream->pending->data + stream->pending_at, size);
    stream->pending_at += size;
    if (stream->pending_at == stream->pending->len) {
        g_byte_array_set_size(stream->pending, 0);
        stream->pending_at = 0;
    }
    return size;
}

/* Sends of the member at hand, and its padding at its end. */
static gssize
send_member(TarStream *stream, char *out, gsize capacity)
{
    static const guint8 zeros[TAR_BLOCK_BYTES];
    gsize wanted = (gsize)MIN(capacity, stream->size_bytes - stream->offset);
    ssize_t got = wanted ? pread(stream->fd, out, wanted, (off_t)stream->offset) : 0;

    if (wanted > 0 && got <= 0)
        return got < 0 && errno == EINTR ? 0 : -1;
    stream->offset += (guint64)got;
    if (stream->offset == stream->size_bytes) {
        close(stream->fd);
        stream->fd = -1;
        g_byte_array_append(stream->pending, zeros, tar_padding(stream->size_bytes));
    }
    return got;
}

static gssize
stream_read(gpointer data, char *out, gsize capacity)
{
    TarStream *stream = data;
    gsize filled = 0;

    while (filled < capacity) {
        gssize got = 0;
        if (stream->pending->len > 0)
            got = (gssize)send_pending(stream, out + filled, capacity - filled);
        else if (stream->fd >= 0)
            got = send_member(stream, out + filled, capacity - filled);
        else if (stream->ended)
            break;
        else if (!advance(stream))
            got = -1;
        if (got < 0)
            return -1;
        filled += (gsize)got;
    }
    return (gssize)filled;
}

gboolean
bulk_tar_answer(DoorExchange *exchange, const char *results, gint64 mtime_s, GError **error)
{
    g_autofree char *path = g_build_filename(results, ".millrace", "results.ndjson", NULL);
    TarStream *stream = g_new0(TarStream, 1);
    HttpAnswer answer = {.status = 200,
                         .content_type = "application/x-tar",
                         .stream = stream_read,
                         .stream_free = stream_free,
                         .stream_data = stream};

    stream->fd = -1;
    stream->mtime_s = mtime_s;
    stream->pending = g_byte_array_new();
    stream->folder_fd = resize_beneath_open(results, error);
    stream->results = stream->folder_fd >= 0 ? fopen(path, "re") : NULL;
    if (!stream->results) {
        if (stream->folder_fd >= 0)
            millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "%s", path);
        stream_free(stream);
        return FALSE;
    }
    http_answer_header(&answer, "Content-Disposition", "attachment; filename=\"outputs.tar\"");
    door_answer(exchange, OUTCOME_SERVED, &answer);
    return TRUE;
}
