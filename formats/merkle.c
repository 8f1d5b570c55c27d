/* merkle.c - the Merkle tree of RFC 9162.
 * A tree that grows is kept as its perfect subtrees, largest first: their sizes are the bits of the
 * number of leaves.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/merkle.h"

#include <string.h>

#include "formats/sha256.h"

enum { LEAF_MARK = 0x00, NODE_MARK = 0x01 };

static void
from_hex(const char hex[SHA256_CHARS + 1], guint8 hash[MERKLE_BYTES])
{
    for (guint i = 0; i < MERKLE_BYTES; i++)
        hash[i] =
            (guint8)(g_ascii_xdigit_value(hex[2 * i]) << 4 | g_ascii_xdigit_value(hex[2 * i + 1]));
}

/* node: may be left or right. */
static void
hash_node(const guint8 left[MERKLE_BYTES], const guint8 right[MERKLE_BYTES],
          guint8 node[MERKLE_BYTES])
{
    guint8 bytes[1 + 2 * MERKLE_BYTES] = {NODE_MARK};
    char hex[SHA256_CHARS + 1];

    memcpy(bytes + 1, left, MERKLE_BYTES);
    memcpy(bytes + 1 + MERKLE_BYTES, right, MERKLE_BYTES);
    sha256_hex(bytes, sizeof bytes, hex);
    from_hex(hex, node);
}

void
merkle_leaf(const void *data, gsize size_bytes, guint8 leaf[MERKLE_BYTES])
{
    static const guint8 mark = LEAF_MARK;
    guint8 bytes[1024];
    char hex[SHA256_CHARS + 1];

    /* Most are lines: copying one is quicker than hashing it in two pieces. */
    if (size_bytes < sizeof bytes) {
        bytes[0] = LEAF_MARK;
        if (size_bytes > 0)
            memcpy(bytes + 1, data, size_bytes);
        sha256_hex(bytes, 1 + size_bytes, hex);
    } else {
        g_autoptr(Sha256) sha256 = sha256_new();
        sha256_add(sha256, &mark, 1);
        sha256_add(sha256, data, size_bytes);
        sha256_finish(sha256, hex);
    }
    from_hex(hex, leaf);
}

void
merkle_add_leaf(Merkle *tree, const guint8 leaf[MERKLE_BYTES])
{
    guint8 hash[MERKLE_BYTES];

    memcpy(hash, leaf, sizeof hash);
    /* Each low bit that is set is a peak that the new one makes twice as large. */
    for (guint64 bits = tree->count; bits & 1; bits >>= 1) {
        tree->peak_count--;
        hash_node(tree->peaks[tree->peak_count], hash, hash);
    }
    memcpy(tree->peaks[tree->peak_count++], hash, sizeof hash);
    tree->count++;
}

void
merkle_add(Merkle *tree, const void *data, gsize size_bytes)
{
    guint8 leaf[MERKLE_BYTES];

    merkle_leaf(data, size_bytes, leaf);
    merkle_add_leaf(tree, leaf);
}

void
merkle_root(const Merkle *tree, guint8 root[MERKLE_BYTES])
{
    if (tree->peak_count == 0) {
        char hex[SHA256_CHARS + 1];
        sha256_hex(NULL, 0, hex);
        from_hex(hex, root);
        return;
    }
    memcpy(root, tree->peaks[tree->peak_count - 1], MERKLE_BYTES);
    for (guint i = tree->peak_count - 1; i > 0; i--)
        hash_node(tree->peaks[i - 1], root, root);
}

/* The root over leaves, one behind the other. */
static void
root_of(const guint8 *leaves, guint64 count, guint8 root[MERKLE_BYTES])
{
    Merkle tree = {0};

    for (guint64 i = 0; i < count; i++)
        merkle_add_leaf(&tree, leaves + i * MERKLE_BYTES);
    merkle_root(&tree, root);
}

/* The largest power of two below count, which is at least 2. */
static guint64
split_of(guint64 count)
{
    return G_GUINT64_CONSTANT(1) << (63 - __builtin_clzll(count - 1));
}

guint
merkle_path(const guint8 *leaves, guint64 count, guint64 index,
            guint8 path[MERKLE_PATH_MAX][MERKLE_BYTES])
{
    guint path_count = 0;

    g_assert(index < count);
    /* From the root down; the path begins at the leaf. */
    while (count > 1) {
        guint64 split = split_of(count);
        g_assert(path_count < MERKLE_PATH_MAX);
        if (index < split) {
            root_of(leaves + split * MERKLE_BYTES, count - split, path[path_count++]);
            count = split;
        } else {
            root_of(leaves, split, path[path_count++]);
            leaves += split * MERKLE_BYTES;
            index -= split;
            count -= split;
        }
    }
    for (guint i = 0; i < path_count / 2; i++) {
        guint8 other[MERKLE_BYTES];
        memcpy(other, path[i], MERKLE_BYTES);
        memcpy(path[i], path[path_count - 1 - i], MERKLE_BYTES);
        memcpy(path[path_count - 1 - i], other, MERKLE_BYTES);
    }
    return path_count;
}

gboolean
merkle_climb(const guint8 leaf[MERKLE_BYTES], guint64 index, guint64 count,
             const guint8 (*path)[MERKLE_BYTES], guint path_count, guint8 root[MERKLE_BYTES])
{
    guint64 number = index;
    guint64 last = count - 1;

    if (index >= count)
        return FALSE;
    memcpy(root, leaf, MERKLE_BYTES);
    /* The names of RFC 9162 are fn and sn. */
    for (guint i = 0; i < path_count; i++) {
        if (last == 0)
            return FALSE;
        if (number % 2 == 1 || number == last) {
            hash_node(path[i], root, root);
            while (number % 2 == 0 && number != 0) {
                number >>= 1;
                last >>= 1;
            }
        } else {
            hash_node(root, path[i], root);
        }
        number >>= 1;
        last >>= 1;
    }
    return last == 0;
}
