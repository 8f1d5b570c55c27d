/* http_answer.c - from an answer to what the library sends.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/door/http_internal.h"

#define STREAM_BLOCK_BYTES (64 << 10)

void
http_answer_header(HttpAnswer *answer, const char *name, const char *format, ...)
{
    g_assert(answer->header_count < HTTP_ANSWER_HEADERS_MAX);
    char *value = answer->headers[answer->header_count].value;
    va_list arguments;
    va_start(arguments, format);
    if (strcmp(format, "%s") == 0)
        g_strlcpy(value, va_arg(arguments, const char *), sizeof(answer->headers[0].value));
    else
        vsnprintf(value, sizeof(answer->headers[0].value), format, arguments);
    va_end(arguments);
    answer->headers[answer->header_count].name = name;
    answer->header_count++;
}

typedef struct {
    gssize (*fill)(gpointer data, char *out, gsize capacity);
    void (*free)(gpointer data);
    gpointer data;
    guint64 *streamed_bytes;
} Stream;

static ssize_t
stream_fill(void *data, uint64_t position G_GNUC_UNUSED, char *out, size_t capacity)
{
    Stream *stream = data;
    gssize size = stream->fill(stream->data, out, capacity);

    *stream->streamed_bytes += (guint64)MAX(size, 0);
    return size > 0    ? size
           : size == 0 ? MHD_CONTENT_READER_END_OF_STREAM
                       : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void
stream_free(void *data)
{
    Stream *stream = data;

    if (stream->free)
        stream->free(stream->data);
    g_free(stream);
}

static struct MHD_Response *
stream_response(const HttpAnswer *answer, guint64 *streamed_bytes)
{
    Stream *stream = g_new(Stream, 1);

    *stream = (Stream){answer->stream, answer->stream_free, answer->stream_data, streamed_bytes};
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, STREAM_BLOCK_BYTES, stream_fill, stream, stream_free);
    if (!response)
        stream_free(stream);
    return response;
}

static struct MHD_Response *
body_response(const HttpAnswer *answer, guint64 *streamed_bytes)
{
    if (answer->stream)
        return stream_response(answer, streamed_bytes);
    if (answer->fd > 0) {
        struct MHD_Response *response =
            MHD_create_response_from_fd_at_offset64(answer->size_bytes, answer->fd, answer->offset);
        if (!response)
            close(answer->fd);
        return response;
    }
    /* The library takes a pointer to what it does not change. */
    return MHD_create_response_from_buffer(answer->size_bytes, (void *)(gintptr)answer->bytes,
                                           answer->is_static ? MHD_RESPMEM_PERSISTENT
                                                             : MHD_RESPMEM_MUST_COPY);
}

struct MHD_Response *
http_response_new(const HttpAnswer *answer, gboolean close, guint64 *streamed_bytes)
{
    struct MHD_Response *response = body_response(answer, streamed_bytes);

    if (!response)
        return NULL;
    if (answer->content_type)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->content_type);
    /* One with line ends in it is not taken by the library. */
    for (guint i = 0; i < answer->header_count; i++)
        MHD_add_response_header(response, answer->headers[i].name, answer->headers[i].value);
    if (close)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    return response;
}

GString *
http_answer_text(const HttpAnswer *answer)
{
    GString *text = g_string_new(NULL);

    g_string_append_printf(text, "HTTP/1.1 %u %s\r\nConnection: close\r\n", answer->status,
                           MHD_get_reason_phrase_for(answer->status));
    if (answer->content_type)
        g_string_append_printf(text, "Content-Type: %s\r\n", answer->content_type);
    for (guint i = 0; i < answer->header_count; i++)
        if (!strpbrk(answer->headers[i].value, "\r\n"))
            g_string_append_printf(text, "%s: %s\r\n", answer->headers[i].name,
                                   answer->headers[i].value);
    g_string_append_printf(text, "Content-Length: %" G_GSIZE_FORMAT "\r\n\r\n", answer->size_bytes);
    g_string_append_len(text, answer->bytes, (gssize)answer->size_bytes);
    return text;
}
