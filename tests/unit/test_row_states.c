/* test_row_states.c - four bits a row, against an array of a byte a row.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/row_states.h"

#include <criterion/criterion.h>

Test(row_states, nothing_is_done_at_first)
{
    g_autoptr(RowStates) states = row_states_new();

    cr_expect_not(row_states_done(states, 1));
    cr_expect_not(row_states_done(states, G_MAXUINT64));
    cr_expect_eq(row_states_highest(states), 0);
    cr_expect_eq(row_states_count(states, ROW_OK), 0);
}

Test(row_states, neighbours_do_not_touch_each_other)
{
    g_autoptr(RowStates) states = row_states_new();

    for (guint64 row = 1; row <= 3; row++)
        cr_expect(row_states_note(states, row, row == 2 ? ROW_IO : ROW_OK));
    cr_expect_eq(row_states_class(states, 1), ROW_OK);
    cr_expect_eq(row_states_class(states, 2), ROW_IO);
    cr_expect_eq(row_states_class(states, 3), ROW_OK);
    cr_expect_not(row_states_done(states, 4));
    cr_expect_eq(row_states_highest(states), 3);
}

Test(row_states, an_ok_is_never_taken_back)
{
    g_autoptr(RowStates) states = row_states_new();

    cr_expect(row_states_note(states, 5, ROW_OK));
    cr_expect_not(row_states_note(states, 5, ROW_TIMEOUT));
    cr_expect_not(row_states_note(states, 5, ROW_OK), "it counted already");
    cr_expect_eq(row_states_class(states, 5), ROW_OK);
    cr_expect_eq(row_states_count(states, ROW_OK), 1);
    cr_expect_eq(row_states_count(states, ROW_TIMEOUT), 0);
}

Test(row_states, of_failures_the_last_one_counts_until_an_ok)
{
    g_autoptr(RowStates) states = row_states_new();

    cr_expect(row_states_note(states, 5, ROW_TIMEOUT));
    cr_expect(row_states_note(states, 5, ROW_CORRUPT));
    cr_expect_eq(row_states_class(states, 5), ROW_CORRUPT);
    cr_expect_eq(row_states_count(states, ROW_TIMEOUT), 0);
    cr_expect_eq(row_states_count(states, ROW_CORRUPT), 1);
    cr_expect(row_states_note(states, 5, ROW_OK));
    cr_expect_eq(row_states_class(states, 5), ROW_OK);
    cr_expect_eq(row_states_count(states, ROW_CORRUPT), 0);
}

Test(row_states, only_failures_of_the_mask_are_forgotten)
{
    g_autoptr(RowStates) states = row_states_new();

    row_states_note(states, 1, ROW_OK);
    row_states_note(states, 2, ROW_TIMEOUT);
    row_states_note(states, 3, ROW_NOT_FOUND);
    row_states_note(states, 4, ROW_IO);
    cr_expect_eq(row_states_forget_failed(states, 0), 0);
    cr_expect_eq(row_states_forget_failed(states, 1U << ROW_TIMEOUT | 1U << ROW_IO), 2);
    cr_expect(row_states_done(states, 1));
    cr_expect_not(row_states_done(states, 2));
    cr_expect(row_states_done(states, 3));
    cr_expect_not(row_states_done(states, 4));
    cr_expect_eq(row_states_count(states, ROW_TIMEOUT), 0);
    cr_expect_eq(row_states_forget_failed(states, ~0U), 1, "never the ok");
    cr_expect(row_states_done(states, 1));
    cr_expect_eq(row_states_highest(states), 4);
}

Test(row_states, it_agrees_with_a_plain_array)
{
    enum { ROWS = 50000, NOTES = 200000 };
    g_autoptr(RowStates) states = row_states_new();
    g_autofree guint8 *plain = g_new0(guint8, ROWS + 1);
    guint64 counts[ROW_CLASS_COUNT] = {0};
    guint32 random = 1;

    for (guint i = 0; i < NOTES; i++) {
        random = random * 1664525 + 1013904223;
        guint row = 1 + (random >> 8) % ROWS;
        guint class = (random >> 4) % ROW_CLASS_COUNT;
        row_states_note(states, row, (RowClass) class);
        if (plain[row] != ROW_OK + 1)
            plain[row] = (guint8)(class + 1);
    }
    for (guint row = 1; row <= ROWS; row++) {
        cr_assert_eq(row_states_done(states, row), plain[row] > 0);
        if (plain[row] == 0)
            continue;
        cr_assert_eq(row_states_class(states, row), plain[row] - 1);
        counts[plain[row] - 1]++;
    }
    for (guint i = 0; i < ROW_CLASS_COUNT; i++)
        cr_expect_eq(row_states_count(states, (RowClass)i), counts[i]);
}

Test(row_states, a_row_far_away_is_as_good_as_the_first)
{
    g_autoptr(RowStates) states = row_states_new();

    cr_expect(row_states_note(states, 100000000, ROW_TRUNCATED));
    cr_expect_eq(row_states_class(states, 100000000), ROW_TRUNCATED);
    cr_expect_not(row_states_done(states, 99999999));
    cr_expect_not(row_states_done(states, 100000001));
    cr_expect_eq(row_states_highest(states), 100000000);
}
