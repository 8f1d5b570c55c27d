/* test_merkle.c - roots and paths against the test vectors of Certificate Transparency, and
 * against a plain recursion by the text of RFC 9162.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/merkle.h"

#include <string.h>

#include <criterion/criterion.h>

enum { LEAVES_MAX = 70 };

/* The leaves of Certificate Transparency's reference tests (merkle_tree_test.cc). */
static const struct {
    const char *data;
    gsize size_bytes;
} leaves[] = {
    {"", 0},
    {"\x00", 1},
    {"\x10", 1},
    {"\x20\x21", 2},
    {"\x30\x31", 2},
    {"\x40\x41\x42\x43", 4},
    {"\x50\x51\x52\x53\x54\x55\x56\x57", 8},
    {"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f", 16},
};

/* Their roots of the first 0, 1, ... 8 of them. */
static const char *const roots[] = {
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
};

static void
expect_hash(const guint8 hash[MERKLE_BYTES], const char *expected)
{
    char hex[2 * MERKLE_BYTES + 1];

    for (guint i = 0; i < MERKLE_BYTES; i++)
        g_snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    cr_expect_str_eq(hex, expected);
}

/* By GLib, and by the words of the RFC. */
static void
plain_hash(guint8 mark, const guint8 *a, gsize a_size, const guint8 *b, gsize b_size,
           guint8 hash[MERKLE_BYTES])
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    gsize size = MERKLE_BYTES;

    g_checksum_update(sum, &mark, 1);
    g_checksum_update(sum, a, (gssize)a_size);
    g_checksum_update(sum, b, (gssize)b_size);
    g_checksum_get_digest(sum, hash, &size);
}

static guint
plain_split(guint count)
{
    guint split = 1;

    while (split * 2 < count)
        split *= 2;
    return split;
}

static void
plain_root(const guint8 *hashes, guint count, guint8 root[MERKLE_BYTES])
{
    guint8 halves[2][MERKLE_BYTES];

    cr_assert_geq(count, 1);
    if (count == 1) {
        memcpy(root, hashes, MERKLE_BYTES);
        return;
    }
    guint split = plain_split(count);
    plain_root(hashes, split, halves[0]);
    plain_root(hashes + split * MERKLE_BYTES, count - split, halves[1]);
    plain_hash(1, halves[0], MERKLE_BYTES, halves[1], MERKLE_BYTES, root);
}

/* PATH(m, D) of 2.1.3.1. */
static guint
plain_path(const guint8 *hashes, guint count, guint index, guint8 path[][MERKLE_BYTES])
{
    if (count == 1)
        return 0;
    guint split = plain_split(count);
    gboolean right = index >= split;
    guint done = right
                     ? plain_path(hashes + split * MERKLE_BYTES, count - split, index - split, path)
                     : plain_path(hashes, split, index, path);
    if (right)
        plain_root(hashes, split, path[done]);
    else
        plain_root(hashes + split * MERKLE_BYTES, count - split, path[done]);
    return done + 1;
}

/* Hashes of leaves that are their numbers. */
static void
number_leaves(guint8 hashes[LEAVES_MAX * MERKLE_BYTES])
{
    for (gsize i = 0; i < LEAVES_MAX; i++) {
        guint8 number = (guint8)i;
        guint8 expected[MERKLE_BYTES];
        merkle_leaf(&number, 1, hashes + i * MERKLE_BYTES);
        plain_hash(0, &number, 1, NULL, 0, expected);
        cr_assert_arr_eq(hashes + i * MERKLE_BYTES, expected, MERKLE_BYTES);
    }
}

Test(merkle, roots_are_those_of_certificate_transparency)
{
    Merkle tree = {0};
    guint8 root[MERKLE_BYTES];

    for (guint i = 0; i <= G_N_ELEMENTS(leaves); i++) {
        merkle_root(&tree, root);
        expect_hash(root, roots[i]);
        cr_expect_eq(tree.count, i);
        if (i < G_N_ELEMENTS(leaves))
            merkle_add(&tree, leaves[i].data, leaves[i].size_bytes);
    }
}

Test(merkle, a_path_is_that_of_certificate_transparency)
{
    guint8 hashes[G_N_ELEMENTS(leaves) * MERKLE_BYTES];
    guint8 path[MERKLE_PATH_MAX][MERKLE_BYTES];

    for (guint i = 0; i < G_N_ELEMENTS(leaves); i++)
        merkle_leaf(leaves[i].data, leaves[i].size_bytes, hashes + (gsize)i * MERKLE_BYTES);
    /* Of the sixth leaf of eight, and of the second of five. */
    cr_assert_eq(merkle_path(hashes, 8, 5, path), 3);
    expect_hash(path[0], "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b");
    expect_hash(path[1], "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0");
    expect_hash(path[2], "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7");
    cr_assert_eq(merkle_path(hashes, 5, 1, path), 3);
    expect_hash(path[0], "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    expect_hash(path[1], "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e");
    expect_hash(path[2], "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b");
}

Test(merkle, roots_and_paths_of_all_sizes_are_those_of_the_definition)
{
    guint8 hashes[LEAVES_MAX * MERKLE_BYTES];
    guint8 path[MERKLE_PATH_MAX][MERKLE_BYTES];
    guint8 expected_path[MERKLE_PATH_MAX][MERKLE_BYTES];
    guint8 root[MERKLE_BYTES];
    guint8 climbed[MERKLE_BYTES];
    Merkle tree = {0};

    number_leaves(hashes);
    for (guint count = 1; count <= LEAVES_MAX; count++) {
        guint8 expected[MERKLE_BYTES];
        merkle_add_leaf(&tree, hashes + (gsize)(count - 1) * MERKLE_BYTES);
        merkle_root(&tree, root);
        plain_root(hashes, count, expected);
        cr_assert_arr_eq(root, expected, MERKLE_BYTES);
        for (guint i = 0; i < count; i++) {
            guint path_count = merkle_path(hashes, count, i, path);
            cr_assert_eq(path_count, plain_path(hashes, count, i, expected_path));
            cr_assert_arr_eq(path, expected_path, (gsize)path_count * MERKLE_BYTES);
            cr_assert(merkle_climb(hashes + (gsize)i * MERKLE_BYTES, i, count,
                                   (const guint8(*)[MERKLE_BYTES])path, path_count, climbed));
            cr_assert_arr_eq(climbed, expected, MERKLE_BYTES, "leaf %u of %u", i, count);
        }
    }
}

Test(merkle, a_path_leads_from_no_other_leaf_place_or_length_to_the_root)
{
    guint8 hashes[LEAVES_MAX * MERKLE_BYTES];
    guint8 path[MERKLE_PATH_MAX][MERKLE_BYTES];
    guint8 root[MERKLE_BYTES];
    guint8 climbed[MERKLE_BYTES];
    const guint8(*steps)[MERKLE_BYTES] = (const guint8(*)[MERKLE_BYTES])path;

    number_leaves(hashes);
    for (guint count = 1; count <= 20; count++) {
        plain_root(hashes, count, root);
        for (guint i = 0; i < count; i++) {
            const guint8 *leaf = hashes + (gsize)i * MERKLE_BYTES;
            guint path_count = merkle_path(hashes, count, i, path);
            cr_expect_not(merkle_climb(leaf, i, count, steps, path_count + 1, climbed));
            if (path_count > 0)
                cr_expect_not(merkle_climb(leaf, i, count, steps, path_count - 1, climbed));
            cr_expect_not(merkle_climb(leaf, count, count, steps, path_count, climbed));
            for (guint j = 0; j < count; j++)
                cr_expect((i == j) == (merkle_climb(leaf, j, count, steps, path_count, climbed) &&
                                       memcmp(climbed, root, MERKLE_BYTES) == 0));
            for (guint step = 0; step < path_count; step++) {
                path[step][7] ^= 1;
                cr_expect(merkle_climb(leaf, i, count, steps, path_count, climbed));
                cr_expect_arr_neq(climbed, root, MERKLE_BYTES);
                path[step][7] ^= 1;
            }
        }
    }
    cr_expect_not(merkle_climb(hashes, 0, 0, steps, 0, climbed));
    cr_expect_not(merkle_climb(hashes, 0, G_MAXUINT64, steps, MERKLE_PATH_MAX - 1, climbed));
}

Test(merkle, a_leaf_of_any_size_is_hashed_whole)
{
    static guint8 data[5000];
    guint8 leaf[MERKLE_BYTES];
    guint8 expected[MERKLE_BYTES];

    for (gsize i = 0; i < sizeof data; i++)
        data[i] = (guint8)(i * 7);
    for (gsize size = 1000; size < sizeof data; size += size < 1030 ? 1 : 600) {
        merkle_leaf(data, size, leaf);
        plain_hash(0, data, size, NULL, 0, expected);
        cr_expect_arr_eq(leaf, expected, MERKLE_BYTES);
    }
}
