/* test_store_copy.c - a store gets what it lacks, and nothing that does not hold.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/store.h"

#include "tests/unit/scratch.h"

typedef struct {
    Scratch scratch;
    Store *store;
} Side;

static Side
side_new(void)
{
    Side side = {.scratch = scratch_new()};

    side.store = store_open(side.scratch.path, TRUE, NULL);
    cr_assert_not_null(side.store);
    return side;
}

static void
side_release(Side *side)
{
    store_free(side->store);
    scratch_release(&side->scratch);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Side, side_release)

/* Copies segments; expects so many files of so many bytes, and so many that do not hold. */
static void
expect_copy(const Side *from, const Side *to, guint64 count, guint64 size_bytes, guint bad_count)
{
    g_autoptr(GPtrArray) bad = g_ptr_array_new_with_free_func(g_free);
    guint64 copied_count = 0;
    guint64 copied_bytes = 0;

    cr_assert(store_copy(from->store, to->store, STORE_SEGMENTS, &copied_count, &copied_bytes, bad,
                         NULL));
    cr_expect_eq(copied_count, count);
    cr_expect_eq(copied_bytes, size_bytes);
    cr_expect_eq(bad->len, bad_count);
}

static void
put(const Side *side, const char *text)
{
    cr_assert(store_put(side->store, STORE_SEGMENTS, NULL, text, strlen(text), NULL, NULL));
}

static void
expect_same(const Side *left, const Side *right)
{
    g_autoptr(GPtrArray) names = store_list(left->store, STORE_SEGMENTS, NULL);
    g_autoptr(GPtrArray) others = store_list(right->store, STORE_SEGMENTS, NULL);

    cr_assert_eq(names->len, others->len);
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *text =
            store_read(right->store, STORE_SEGMENTS, names->pdata[i], NULL, NULL);
        cr_expect_not_null(text, "%s", (const char *)names->pdata[i]);
    }
}

Test(store_copy, two_stores_become_one_in_any_order)
{
    g_auto(Side) left = side_new();
    g_auto(Side) right = side_new();

    put(&left, "one");
    put(&left, "three");
    put(&right, "three");
    put(&right, "fifteen");
    expect_copy(&left, &right, 1, 3, 0);
    expect_copy(&left, &right, 0, 0, 0);
    expect_copy(&right, &left, 1, 7, 0);
    expect_same(&left, &right);
    expect_same(&right, &left);
}

Test(store_copy, what_does_not_hold_is_told_of_and_left_out)
{
    /* SHA-256 of "abc" */
    static const char name[] =
        "segments/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad.segment";
    g_auto(Side) from = side_new();
    g_auto(Side) to = side_new();

    put(&from, "one");
    scratch_put(&from.scratch, name, "abd", 3);
    expect_copy(&from, &to, 1, 3, 1);
    g_autofree char *copied = scratch_get(&to.scratch, name, NULL);
    cr_expect_null(copied);
    scratch_put(&from.scratch, name, "abc", 3);
    expect_copy(&from, &to, 1, 3, 0);
    expect_same(&from, &to);
}

Test(store_copy, what_was_cut_short_is_made_whole)
{
    static const char name[] =
        "segments/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad.segment";
    g_auto(Side) from = side_new();
    g_auto(Side) to = side_new();

    put(&from, "abc");
    scratch_put(&to.scratch, name, "ab", 2);
    expect_copy(&from, &to, 1, 3, 0);
    expect_same(&from, &to);
}

Test(store_copy, large_files_are_copied_in_pieces)
{
    g_auto(Side) from = side_new();
    g_auto(Side) to = side_new();
    g_autofree char *large = g_strnfill((3 << 20) + 7, 'x');

    put(&from, large);
    put(&from, "");
    expect_copy(&from, &to, 2, (3 << 20) + 7, 0);
    expect_same(&from, &to);
}
