/* bytes.h - little-endian fields appended to a GByteArray and read back with bounds checks.
 * Used by the ledger, leases and the worker's messages. Strings are u32 length, bytes, NUL, so that
 * a reader can borrow them from the buffer as C strings.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_BYTES_H
#define MILLRACE_FORMATS_BYTES_H

#include <glib.h>

void bytes_put_u8(GByteArray *out, guint8 value);
void bytes_put_u32(GByteArray *out, guint32 value);
void bytes_put_u64(GByteArray *out, guint64 value);
/* text: may be NULL, which reads back as "". */
void bytes_put_string(GByteArray *out, const char *text);
void bytes_put_blob(GByteArray *out, const void *data, gsize size_bytes);

/* A cursor over borrowed bytes. After the first read beyond the end, or of a malformed string, ok
 * is FALSE for good and every read gives 0, "" or NULL; so a caller checks once, at the end. */
typedef struct {
    const guint8 *at;
    const guint8 *end;
    gboolean ok;
} ByteReader;

ByteReader byte_reader(const void *data, gsize size_bytes);
guint8 bytes_get_u8(ByteReader *reader);
guint32 bytes_get_u32(ByteReader *reader);
guint64 bytes_get_u64(ByteReader *reader);
/* Returns: a string borrowed from the reader's bytes, never NULL, without NUL inside. */
const char *bytes_get_string(ByteReader *reader);
/* Returns: size_bytes bytes borrowed from the reader's bytes, or NULL. */
const guint8 *bytes_get_blob(ByteReader *reader, gsize size_bytes);

#endif
