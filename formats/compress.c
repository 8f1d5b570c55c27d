/* compress.c - zstd behind one small interface; zstd.h is included here only.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/compress.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "formats/error.h"

struct _Compressor {
    ZSTD_CCtx *context;
};

struct _Decompressor {
    ZSTD_DCtx *context;
};

struct _ZstdReader {
    int fd;
    char *name;
    ZSTD_DCtx *context;
    guint8 *buffer;
    ZSTD_inBuffer input;
    gsize capacity;
    gboolean at_end;   /* of the file */
    gboolean in_frame; /* zstd waits for more */
    gboolean pending;  /* zstd may hold output that it has not given yet */
    GError *failure;   /* told after the bytes before it, and ever after */
};

Compressor *
compressor_new(int level)
{
    Compressor *compressor = g_new0(Compressor, 1);

    compressor->context = ZSTD_createCCtx();
    g_assert(compressor->context);
    gsize result = ZSTD_CCtx_setParameter(compressor->context, ZSTD_c_compressionLevel, level);
    g_assert(!ZSTD_isError(result));
    return compressor;
}

Compressor *
compressor_new_entropy(void)
{
    Compressor *compressor = compressor_new(1);

    /* How fast it walks past bytes that it knows nothing like; measured on planes of counts. */
    gsize result = ZSTD_CCtx_setParameter(compressor->context, ZSTD_c_targetLength, 64);
    g_assert(!ZSTD_isError(result));
    /* Who walks fast does without Huffman codes, unless told to: ZSTD_c_literalCompressionMode,
     * ZSTD_ps_enable. A library that does not know it makes larger frames, and that is all. */
    ZSTD_CCtx_setParameter(compressor->context, ZSTD_c_experimentalParam5, 1);
    return compressor;
}

Compressor *
compressor_new_lasting(int level)
{
    Compressor *compressor = compressor_new(level);

    gsize result = ZSTD_CCtx_setParameter(compressor->context, ZSTD_c_checksumFlag, 1);
    g_assert(!ZSTD_isError(result));
    return compressor;
}

void
compressor_free(Compressor *compressor)
{
    ZSTD_freeCCtx(compressor->context);
    g_free(compressor);
}

gsize
compressor_bound(gsize size_bytes)
{
    return ZSTD_compressBound(size_bytes);
}

gsize
compressor_block(Compressor *compressor, const void *bytes, gsize size_bytes, void *out,
                 gsize capacity_bytes)
{
    gsize size = ZSTD_compress2(compressor->context, out, capacity_bytes, bytes, size_bytes);
    return ZSTD_isError(size) ? 0 : size;
}

Decompressor *
decompressor_new(void)
{
    Decompressor *decompressor = g_new0(Decompressor, 1);

    decompressor->context = ZSTD_createDCtx();
    g_assert(decompressor->context);
    return decompressor;
}

void
decompressor_free(Decompressor *decompressor)
{
    ZSTD_freeDCtx(decompressor->context);
    g_free(decompressor);
}

gboolean
decompressor_block(Decompressor *decompressor, const void *frame, gsize frame_size_bytes, void *out,
                   gsize size_bytes)
{
    gsize size =
        ZSTD_decompressDCtx(decompressor->context, out, size_bytes, frame, frame_size_bytes);
    return size == size_bytes;
}

gsize
zstd_frame_size(const void *bytes, gsize size_bytes)
{
    gsize size = ZSTD_findFrameCompressedSize(bytes, size_bytes);

    return ZSTD_isError(size) ? 0 : size;
}

gboolean
zstd_is_data(const void *bytes, gsize size_bytes)
{
    guint32 magic = 0;

    if (size_bytes < sizeof magic)
        return FALSE;
    memcpy(&magic, bytes, sizeof magic);
    return GUINT32_FROM_LE(magic) == ZSTD_MAGICNUMBER;
}

const char *
zstd_version(void)
{
    return ZSTD_versionString();
}

gboolean
zstd_is_head(const void *bytes, gsize size_bytes)
{
    static const guint8 frame[] = {0x28, 0xb5, 0x2f, 0xfd};
    static const guint8 skippable[] = {0x2a, 0x4d, 0x18}; /* behind 50 to 5f */
    const guint8 *head = bytes;

    if (size_bytes < ZSTD_HEAD_BYTES)
        return FALSE;
    return memcmp(head, frame, sizeof frame) == 0 ||
           (head[0] >> 4 == 5 && memcmp(head + 1, skippable, sizeof skippable) == 0);
}

ZstdReader *
zstd_reader_new(int fd, const char *name, const void *head, gsize head_size_bytes)
{
    ZstdReader *reader = g_new0(ZstdReader, 1);

    reader->fd = fd;
    reader->name = g_strdup(name);
    reader->context = ZSTD_createDCtx();
    g_assert(reader->context);
    reader->capacity = MAX(ZSTD_DStreamInSize(), head_size_bytes);
    reader->buffer = g_malloc(reader->capacity);
    if (head_size_bytes > 0)
        memcpy(reader->buffer, head, head_size_bytes);
    reader->input = (ZSTD_inBuffer){.src = reader->buffer, .size = head_size_bytes};
    return reader;
}

void
zstd_reader_free(ZstdReader *reader)
{
    ZSTD_freeDCtx(reader->context);
    g_clear_error(&reader->failure);
    g_free(reader->buffer);
    g_free(reader->name);
    g_free(reader);
}

static void
refill(ZstdReader *reader)
{
    ssize_t got = 0;

    do {
        got = read(reader->fd, reader->buffer, reader->capacity);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        millrace_error_set_errno(&reader->failure, MILLRACE_ERROR_IO, errno, "reading %s",
                                 reader->name);
    reader->at_end = got <= 0;
    reader->input.size = got > 0 ? (gsize)got : 0;
    reader->input.pos = 0;
}

gssize
zstd_reader_read(ZstdReader *reader, void *out, gsize capacity_bytes, GError **error)
{
    ZSTD_outBuffer output = {.dst = out, .size = capacity_bytes};

    while (output.pos < output.size && !reader->failure) {
        if (reader->input.pos == reader->input.size && !reader->pending) {
            if (reader->at_end)
                break;
            refill(reader);
            continue;
        }
        gsize result = ZSTD_decompressStream(reader->context, &output, &reader->input);
        if (ZSTD_isError(result)) {
            g_set_error(&reader->failure, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                        "%s: not zstd, or damaged: %s", reader->name, ZSTD_getErrorName(result));
            break;
        }
        reader->in_frame = result != 0;
        reader->pending = result != 0 && output.pos == output.size;
    }
    if (output.pos > 0 || !reader->failure)
        return (gssize)output.pos;
    g_propagate_error(error, g_error_copy(reader->failure));
    return -1;
}

gboolean
zstd_reader_truncated(const ZstdReader *reader)
{
    return reader->in_frame;
}
