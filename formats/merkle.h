/* merkle.h - the Merkle tree of RFC 9162, section 2.1: a leaf is SHA-256(00 || data), a node is
 * SHA-256(01 || left || right), a tree splits at the largest power of two below its size, no leaves
 * is SHA-256 of nothing. Any thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_MERKLE_H
#define MILLRACE_FORMATS_MERKLE_H

#include <glib.h>

#define MERKLE_BYTES    32
#define MERKLE_PATH_MAX 64

/* Takes leaves one by one and holds the log of their number. */
typedef struct {
    guint64 count;
    guint8 peaks[MERKLE_PATH_MAX][MERKLE_BYTES]; /* of perfect trees, largest first */
    guint peak_count;
} Merkle;

/* A zeroed Merkle is empty. data: a leaf's, not its hash. */
void merkle_add(Merkle *tree, const void *data, gsize size_bytes);
void merkle_add_leaf(Merkle *tree, const guint8 leaf[MERKLE_BYTES]);
void merkle_root(const Merkle *tree, guint8 root[MERKLE_BYTES]);

void merkle_leaf(const void *data, gsize size_bytes, guint8 leaf[MERKLE_BYTES]);

/* The audit path (2.1.3.1) of leaf index of count; leaves: their hashes, one behind the other.
 * Returns: how many hashes it wrote to path. */
guint merkle_path(const guint8 *leaves, guint64 count, guint64 index,
                  guint8 path[MERKLE_PATH_MAX][MERKLE_BYTES]);
/* The root that a leaf and its path lead to (2.1.3.2). Returns FALSE when the path has not the
 * length that index and count ask for. */
gboolean merkle_climb(const guint8 leaf[MERKLE_BYTES], guint64 index, guint64 count,
                      const guint8 (*path)[MERKLE_BYTES], guint path_count,
                      guint8 root[MERKLE_BYTES]);

#endif
