/* reduce_block.c - sorted keys have long beginnings in common, and most sums are small. Written
 * that way before zstd sees them, records are a third as large and packed three times as fast.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mr/reduce_block.h"

#include <string.h>

#include "formats/bytes.h"
#include "formats/fingerprint.h"

enum {
    NUMBER_MAX_BYTES = 10, /* a LEB128 number */
    RAW_AT = 8,            /* behind the checksum */
    FRAME_AT = 12,
    RAW_MAX_BYTES = REDUCE_BLOCK_MAX_BYTES + REDUCE_KEY_MAX_BYTES + 128,
    KEY_USUAL_BYTES = 64,
    LEVEL = 1
};

struct _ReduceBlockWriter {
    guint sum_count;
    Compressor *compressor;
    guint8 *raw;
    gsize size_bytes;
    gsize capacity_bytes;
    GByteArray *key; /* of the record before */
    guint turn;
};

ReduceBlockWriter *
reduce_block_writer_new(guint sum_count)
{
    ReduceBlockWriter *writer = g_new0(ReduceBlockWriter, 1);

    writer->sum_count = sum_count;
    writer->key = g_byte_array_sized_new(KEY_USUAL_BYTES);
    return writer;
}

void
reduce_block_writer_free(ReduceBlockWriter *writer)
{
    g_clear_pointer(&writer->compressor, compressor_free);
    g_byte_array_unref(writer->key);
    g_free(writer->raw);
    g_free(writer);
}

gsize
reduce_block_writer_size(const ReduceBlockWriter *writer)
{
    return writer->size_bytes;
}

static guint8 *
put_number(guint8 *at, guint64 number)
{
    for (; number >= 0x80; number >>= 7)
        *at++ = (guint8)(number | 0x80);
    *at++ = (guint8)number;
    return at;
}

static guint64
zigzag(gint64 value)
{
    return (guint64)value << 1 ^ (value < 0 ? G_MAXUINT64 : 0);
}

static gint64
unzigzag(guint64 number)
{
    return (gint64)(number >> 1 ^ (number & 1 ? G_MAXUINT64 : 0));
}

static gsize
shared_bytes(const guint8 *a, const guint8 *b, gsize count)
{
    gsize i = 0;

    while (i < count && a[i] == b[i])
        i++;
    return i;
}

void
reduce_block_writer_add(ReduceBlockWriter *writer, const ReduceSource *source)
{
    gsize key_size = source->key_size_bytes;
    gsize size_max = (3 + (gsize)writer->sum_count) * NUMBER_MAX_BYTES + key_size;

    g_assert(writer->size_bytes <= REDUCE_BLOCK_MAX_BYTES && source->turn >= writer->turn);
    if (writer->capacity_bytes - writer->size_bytes < size_max) {
        writer->capacity_bytes = (writer->capacity_bytes + size_max) * 2;
        writer->raw = g_realloc(writer->raw, writer->capacity_bytes);
    }
    gsize shared = shared_bytes(source->key, writer->key->data, MIN(key_size, writer->key->len));
    guint8 *at = writer->raw + writer->size_bytes;
    at = put_number(at, source->turn - writer->turn);
    at = put_number(at, shared);
    at = put_number(at, key_size - shared);
    if (key_size > shared)
        memcpy(at, source->key + shared, key_size - shared);
    at += key_size - shared;
    for (guint i = 0; i < writer->sum_count; i++)
        at = put_number(at, zigzag(source->sums[i]));
    writer->size_bytes = (gsize)(at - writer->raw);
    writer->turn = source->turn;
    g_byte_array_set_size(writer->key, (guint)shared);
    if (key_size > shared)
        g_byte_array_append(writer->key, source->key + shared, (guint)(key_size - shared));
}

/* What a block's first bytes should be. */
static guint64
checksum(const guint8 *bytes, gsize size_bytes, guint32 number)
{
    return fingerprint_seeded(bytes + RAW_AT, size_bytes - RAW_AT, number);
}

GByteArray *
reduce_block_writer_pack(ReduceBlockWriter *writer, guint32 number)
{
    GByteArray *block = g_byte_array_new();
    gsize bound = compressor_bound(writer->size_bytes);

    g_assert(writer->size_bytes > 0 && writer->size_bytes <= RAW_MAX_BYTES);
    if (!writer->compressor)
        writer->compressor = compressor_new(LEVEL);
    g_byte_array_set_size(block, (guint)(FRAME_AT + bound));
    gsize frame_size = compressor_block(writer->compressor, writer->raw, writer->size_bytes,
                                        block->data + FRAME_AT, bound);
    g_assert(frame_size > 0);
    g_byte_array_set_size(block, (guint)(FRAME_AT + frame_size));
    guint32 raw_size = GUINT32_TO_LE((guint32)writer->size_bytes);
    memcpy(block->data + RAW_AT, &raw_size, sizeof raw_size);
    guint64 sum = GUINT64_TO_LE(checksum(block->data, block->len, number));
    memcpy(block->data, &sum, sizeof sum);
    writer->size_bytes = 0;
    writer->turn = 0;
    g_byte_array_set_size(writer->key, 0);
    /* What the bound left over goes back, to the byte: a block may be kept for long. */
    guint size = block->len;
    return g_byte_array_new_take(g_realloc(g_byte_array_free(block, FALSE), size), size);
}

static gboolean
corrupt(GError **error)
{
    g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                        "a block of records changed on its way, in memory, in scratch or between "
                        "ranks; run again, and if it stays, look at this host's memory and disk");
    return FALSE;
}

gboolean
reduce_block_check(const guint8 *bytes, gsize size_bytes, guint32 number, GError **error)
{
    ByteReader reader = byte_reader(bytes, size_bytes);
    guint64 sum = bytes_get_u64(&reader);

    if (size_bytes < FRAME_AT || sum != checksum(bytes, size_bytes, number))
        return corrupt(error);
    return TRUE;
}

struct _ReduceBlockReader {
    guint sum_count;
    Decompressor *decompressor;
    guint8 *raw;
    gsize capacity_bytes;
    const guint8 *at; /* in raw */
    const guint8 *end;
    GByteArray *key;
    guint64 turn;
    gint64 sums[REDUCE_SUMS_MAX];
};

ReduceBlockReader *
reduce_block_reader_new(guint sum_count, Decompressor *decompressor)
{
    ReduceBlockReader *reader = g_new0(ReduceBlockReader, 1);

    reader->sum_count = sum_count;
    reader->decompressor = decompressor;
    reader->key = g_byte_array_sized_new(KEY_USUAL_BYTES);
    return reader;
}

void
reduce_block_reader_free(ReduceBlockReader *reader)
{
    g_free(reader->raw);
    g_byte_array_unref(reader->key);
    g_free(reader);
}

gboolean
reduce_block_reader_open(ReduceBlockReader *reader, const guint8 *bytes, gsize size_bytes,
                         guint32 number, GError **error)
{
    if (!reduce_block_check(bytes, size_bytes, number, error))
        return FALSE;
    ByteReader header = byte_reader(bytes + RAW_AT, FRAME_AT - RAW_AT);
    guint32 raw_size = bytes_get_u32(&header);
    if (raw_size == 0 || raw_size > RAW_MAX_BYTES)
        return corrupt(error);
    if (raw_size > reader->capacity_bytes) {
        /* Not by doubling: there is a reader for each run and each rank, within the budget. */
        reader->raw = g_realloc(reader->raw, raw_size);
        reader->capacity_bytes = raw_size;
    }
    if (!decompressor_block(reader->decompressor, bytes + FRAME_AT, size_bytes - FRAME_AT,
                            reader->raw, raw_size))
        return corrupt(error);
    reader->at = reader->raw;
    reader->end = reader->at + raw_size;
    reader->turn = 0;
    g_byte_array_set_size(reader->key, 0);
    return TRUE;
}

static gboolean
get_number(ReduceBlockReader *reader, guint64 *number)
{
    *number = 0;
    for (guint shift = 0; shift < 64 && reader->at < reader->end; shift += 7) {
        guint8 byte = *reader->at++;
        *number |= (guint64)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return TRUE;
    }
    return FALSE;
}

/* The key before gives its first bytes, the rest is here. */
static gboolean
get_key(ReduceBlockReader *reader)
{
    guint64 shared = 0;
    guint64 rest = 0;

    if (!get_number(reader, &shared) || !get_number(reader, &rest) || shared > reader->key->len ||
        rest > (guint64)(reader->end - reader->at) || shared + rest > REDUCE_KEY_MAX_BYTES)
        return FALSE;
    g_byte_array_set_size(reader->key, (guint)(shared + rest));
    if (rest > 0)
        memcpy(reader->key->data + shared, reader->at, rest);
    reader->at += rest;
    return TRUE;
}

static gboolean
get_record(ReduceBlockReader *reader)
{
    guint64 turn = 0;
    guint64 number = 0;

    if (!get_number(reader, &turn) || turn >= REDUCE_TURNS_MAX - reader->turn || !get_key(reader))
        return FALSE;
    reader->turn += turn;
    for (guint i = 0; i < reader->sum_count; i++) {
        if (!get_number(reader, &number))
            return FALSE;
        reader->sums[i] = unzigzag(number);
    }
    return TRUE;
}

int
reduce_block_reader_next(ReduceBlockReader *reader, ReduceSource *source, GError **error)
{
    if (reader->at == reader->end)
        return 0;
    if (!get_record(reader)) {
        corrupt(error);
        return -1;
    }
    source->turn = (guint)reader->turn;
    source->key = reader->key->data;
    source->key_size_bytes = reader->key->len;
    source->sums = reader->sums;
    return 1;
}
