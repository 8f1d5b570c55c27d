/* lease.c - what rank 0 hands out, as bytes, and how much of it at a time.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mr/lease.h"

#include "formats/bytes.h"

enum { TAIL_PARTS = 4 }; /* a lease is at most this part of a taker's share of what is left */

guint
lease_size(guint64 remaining, guint takers, guint wanted)
{
    guint64 share = remaining / ((guint64)MAX(takers, 1) * TAIL_PARTS);

    return (guint)CLAMP(share, 1, MIN(wanted, LEASE_ITEMS_MAX));
}

GByteArray *
lease_new(void)
{
    GByteArray *lease = g_byte_array_new();

    bytes_put_u8(lease, 0);
    return lease;
}

void
lease_set_last(GByteArray *lease)
{
    lease->data[0] = 1;
}

void
lease_add(GByteArray *lease, const LeaseItem *item)
{
    g_assert(item->size_bytes < G_MAXUINT32);
    bytes_put_u64(lease, item->ordinal);
    bytes_put_u32(lease, (guint32)item->size_bytes);
    bytes_put_blob(lease, item->bytes, item->size_bytes);
}

gboolean
lease_parse(const GByteArray *lease, gboolean *last, GArray *items)
{
    ByteReader reader = byte_reader(lease->data, lease->len);

    *last = bytes_get_u8(&reader) != 0;
    while (reader.ok && reader.at < reader.end) {
        LeaseItem item = {.ordinal = bytes_get_u64(&reader)};
        item.size_bytes = bytes_get_u32(&reader);
        item.bytes = bytes_get_blob(&reader, item.size_bytes);
        if (reader.ok)
            g_array_append_val(items, item);
    }
    return reader.ok;
}
