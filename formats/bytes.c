/* bytes.c - little-endian fields in byte arrays, read back with bounds checks.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/bytes.h"

#include <string.h>

void
bytes_put_u8(GByteArray *out, guint8 value)
{
    g_byte_array_append(out, &value, 1);
}

void
bytes_put_u32(GByteArray *out, guint32 value)
{
    guint32 little = GUINT32_TO_LE(value);
    g_byte_array_append(out, (const guint8 *)&little, sizeof little);
}

void
bytes_put_u64(GByteArray *out, guint64 value)
{
    guint64 little = GUINT64_TO_LE(value);
    g_byte_array_append(out, (const guint8 *)&little, sizeof little);
}

void
bytes_put_string(GByteArray *out, const char *text)
{
    gsize size = text ? strlen(text) : 0;

    g_assert(size < G_MAXUINT32);
    bytes_put_u32(out, (guint32)size);
    if (size > 0)
        bytes_put_blob(out, text, size);
    bytes_put_u8(out, 0);
}

void
bytes_put_blob(GByteArray *out, const void *data, gsize size_bytes)
{
    g_assert(size_bytes <= G_MAXUINT - out->len);
    g_byte_array_append(out, data, (guint)size_bytes);
}

ByteReader
byte_reader(const void *data, gsize size_bytes)
{
    const guint8 *bytes = data;
    return (ByteReader){.at = bytes, .end = bytes ? bytes + size_bytes : bytes, .ok = TRUE};
}

const guint8 *
bytes_get_blob(ByteReader *reader, gsize size_bytes)
{
    if (!reader->ok || (gsize)(reader->end - reader->at) < size_bytes) {
        reader->ok = FALSE;
        return NULL;
    }
    const guint8 *blob = reader->at;
    reader->at += size_bytes;
    return blob;
}

guint8
bytes_get_u8(ByteReader *reader)
{
    const guint8 *blob = bytes_get_blob(reader, 1);
    return blob ? *blob : 0;
}

guint32
bytes_get_u32(ByteReader *reader)
{
    guint32 value = 0;
    const guint8 *blob = bytes_get_blob(reader, sizeof value);
    if (blob)
        memcpy(&value, blob, sizeof value);
    return GUINT32_FROM_LE(value);
}

guint64
bytes_get_u64(ByteReader *reader)
{
    guint64 value = 0;
    const guint8 *blob = bytes_get_blob(reader, sizeof value);
    if (blob)
        memcpy(&value, blob, sizeof value);
    return GUINT64_FROM_LE(value);
}

const char *
bytes_get_string(ByteReader *reader)
{
    gsize size = bytes_get_u32(reader);
    const guint8 *blob = bytes_get_blob(reader, size + 1);

    if (!blob)
        return "";
    if (blob[size] != 0 || memchr(blob, 0, size)) {
        reader->ok = FALSE;
        return "";
    }
    return (const char *)blob;
}
