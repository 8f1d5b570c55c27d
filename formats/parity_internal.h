/* parity_internal.h - where everything lies in a parity file, for its two halves: making
 * (parity.c), and checking and repairing (parity_repair.c).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_PARITY_INTERNAL_H
#define MILLRACE_FORMATS_PARITY_INTERNAL_H

#include <glib.h>

#include "formats/parity.h"

enum {
    PARITY_HEADER_BYTES = 128,
    PARITY_HASH_BYTES = 16,
    PARITY_SHARDS_MAX = PARITY_DATA_MAX + PARITY_PARITY_MAX,
    PARITY_BLOCK_MIN_BYTES = 4096,
    PARITY_BLOCK_MAX_BYTES = 65536,
    PARITY_BATCH_BYTES = 8 << 20 /* of stripes side by side, read in longer pieces */
};
/* So that no product of these numbers is too large for 64 bits. */
#define PARITY_FILE_MAX_BYTES (G_GUINT64_CONSTANT(1) << 50)

typedef struct {
    guint data;   /* k */
    guint parity; /* m */
    guint shards; /* k + m */
    guint block_bytes;
    guint64 file_bytes;
    guint64 block_count;  /* of the file */
    guint64 stripe_count; /* S */
    gsize head_bytes;     /* of a unit: what is before its shard */
    gsize unit_bytes;
    guint run; /* stripes in a batch */
} ParityLayout;

/* shape and file_bytes: within bounds. */
ParityLayout parity_layout(const ParityShape *shape, guint64 file_bytes);
guint64 parity_layout_bytes(const ParityLayout *layout);

void parity_header_print(const ParityLayout *layout, guint8 header[PARITY_HEADER_BYTES]);
/* FALSE when it does not hold, or tells of what cannot be. */
gboolean parity_header_parse(const guint8 header[PARITY_HEADER_BYTES], ParityLayout *layout);

guint64 parity_block_offset(const ParityLayout *layout, guint shard, guint64 stripe);
/* How many of the file's bytes are in this block: 0 for those beyond its end. */
guint parity_block_stored(const ParityLayout *layout, guint shard, guint64 stripe);
guint64 parity_unit_offset(const ParityLayout *layout, guint unit, guint64 stripe);

void parity_hash(const void *bytes, gsize size_bytes, guint8 hash[PARITY_HASH_BYTES]);
/* Fills in the head of a unit. hashes: of all shards, one behind the other. */
void parity_unit_head(const ParityLayout *layout, const guint8 *hashes, guint64 stripe, guint unit,
                      guint8 *head);

/* The matrix, shards x data, and ISA-L's tables of its lower part. (transfer full) */
guint8 *parity_matrix(const ParityLayout *layout);
guint8 *parity_encode_tables(const ParityLayout *layout, guint8 *matrix);

#endif
