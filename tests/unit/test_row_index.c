/* test_row_index.c - where records lie, over several windows of the index's file.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/row_index.h"

#include "tests/unit/scratch.h"

static void
expect_at(RowIndex *index, guint64 row, guint expected_ledger, guint64 expected_offset)
{
    guint ledger = G_MAXUINT;
    guint64 offset = G_MAXUINT64;

    cr_assert_eq(row_index_get(index, row, &ledger, &offset, NULL), 1, "row %u", (guint)row);
    cr_expect_eq(ledger, expected_ledger);
    cr_expect_eq(offset, expected_offset);
}

Test(row_index, a_row_that_was_not_set_is_not_found)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(RowIndex) index = row_index_new(scratch.fd, NULL);
    guint ledger = 0;
    guint64 offset = 0;

    cr_expect_eq(row_index_get(index, 1, &ledger, &offset, NULL), 0);
    cr_expect(row_index_set(index, 1, 0, 0, NULL));
    cr_expect_eq(row_index_get(index, 2, &ledger, &offset, NULL), 0);
    cr_expect_eq(row_index_get(index, 1000000, &ledger, &offset, NULL), 0);
    expect_at(index, 1, 0, 0);
}

Test(row_index, a_row_set_again_has_its_last_place)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(RowIndex) index = row_index_new(scratch.fd, NULL);

    cr_expect(row_index_set(index, 7, 3, 1000, NULL));
    cr_expect(row_index_set(index, 7, 4, 20, NULL));
    expect_at(index, 7, 4, 20);
}

Test(row_index, ledgers_and_offsets_may_be_as_high_as_promised)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(RowIndex) index = row_index_new(scratch.fd, NULL);

    cr_expect(row_index_set(index, 1, 16000000, 0, NULL));
    cr_expect(row_index_set(index, 2, 0, (1ULL << 40) - 1, NULL));
    cr_expect(row_index_set(index, 3, 16000000, (1ULL << 40) - 1, NULL));
    expect_at(index, 1, 16000000, 0);
    expect_at(index, 2, 0, (1ULL << 40) - 1);
    expect_at(index, 3, 16000000, (1ULL << 40) - 1);
}

Test(row_index, rows_of_many_windows_keep_their_places)
{
    /* A window is 2^17 rows: its edges, and rows to and fro over six of them. */
    static const guint64 edges[] = {131071, 131072, 131073, 262143, 262144, 786431, 786432};
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(RowIndex) index = row_index_new(scratch.fd, NULL);

    for (guint64 i = 0; i < 2000; i++)
        cr_assert(row_index_set(index, 1 + i * 104729 % 700001, (guint)i, i * 31, NULL));
    for (guint i = 0; i < G_N_ELEMENTS(edges); i++)
        cr_assert(row_index_set(index, edges[i], i, i + 1000000, NULL));
    for (guint64 i = 2000; i-- > 0;)
        expect_at(index, 1 + i * 104729 % 700001, (guint)i, i * 31);
    for (guint i = 0; i < G_N_ELEMENTS(edges); i++)
        expect_at(index, edges[i], i, i + 1000000);
}

Test(row_index, its_file_has_no_name)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(RowIndex) index = row_index_new(scratch.fd, NULL);

    cr_assert(row_index_set(index, 1, 1, 1, NULL));
    g_autofree char *names = scratch_list(&scratch);
    cr_expect_str_eq(names, "");
}

Test(row_index, a_symlink_in_its_place_is_refused)
{
    g_auto(Scratch) scratch = scratch_new();
    gsize size_bytes = 0;

    scratch_put(&scratch, "victim", "old", 3);
    cr_assert_eq(symlinkat("victim", scratch.fd, ".row-index.tmp"), 0);
    cr_expect_null(row_index_new(scratch.fd, NULL));
    g_autofree char *got = scratch_get(&scratch, "victim", &size_bytes);
    cr_expect_eq(size_bytes, 3);
}
