/* test_bill_cells.c - cells are zero at first, keep what they hold, and lie where they are found.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_cells.h"

#include <criterion/criterion.h>

enum { LINE_BYTES = 64 };

Test(bill_cells, cells_are_zero_and_keep_what_they_hold_as_more_are_added)
{
    enum { CUSTOMERS = 200000 };
    g_autofree guint32 *first = g_new(guint32, CUSTOMERS);
    BillCells cells;

    bill_cells_init(&cells, 64 << 20);
    for (gint64 i = 0; i < CUSTOMERS; i++) {
        guint count = (guint)(i % 7);
        cr_assert(bill_cells_has_room(&cells, count));
        first[i] = bill_cells_add(&cells, count);
        for (guint k = 0; k < count; k++) {
            BillCell *cell = &cells.cells[first[i] + k];
            cr_assert_eq(cell->metered, 0);
            cr_assert_eq(cell->event_count, 0);
            *cell = (BillCell){i, k};
        }
    }
    for (gint64 i = 0; i < CUSTOMERS; i++)
        for (guint k = 0; k < i % 7; k++) {
            cr_assert_eq(cells.cells[first[i] + k].metered, i);
            cr_assert_eq(cells.cells[first[i] + k].event_count, k);
        }
    bill_cells_clear(&cells);
    cr_expect_eq(cells.count, 0);
    cr_expect_eq(bill_cells_add(&cells, 1), 0);
    cr_expect_eq(cells.cells[0].metered, 0);
    bill_cells_release(&cells);
}

Test(bill_cells, the_few_cells_of_a_customer_lie_in_one_line_of_the_cache)
{
    for (guint count = 1; count <= LINE_BYTES / sizeof(BillCell); count++) {
        BillCells cells;
        bill_cells_init(&cells, 1 << 20);
        for (guint i = 0; i < 1000; i++) {
            guint32 first = bill_cells_add(&cells, count);
            guintptr begin = (guintptr)&cells.cells[first];
            guintptr last = (guintptr)&cells.cells[first + count] - 1;
            cr_assert_eq(begin / LINE_BYTES, last / LINE_BYTES);
        }
        bill_cells_release(&cells);
    }
}

Test(bill_cells, they_take_no_more_memory_than_they_may_but_for_one_customer_with_more)
{
    enum { MEMORY_BYTES = 8192, CELLS = MEMORY_BYTES / sizeof(BillCell) };
    BillCells cells;
    guint added = 0;

    bill_cells_init(&cells, MEMORY_BYTES);
    for (; bill_cells_has_room(&cells, 4); added += 4)
        bill_cells_add(&cells, 4);
    cr_expect_eq(added, CELLS);
    cr_expect_not(bill_cells_has_room(&cells, CELLS + 1));
    bill_cells_clear(&cells);
    cr_assert(bill_cells_has_room(&cells, 3 * CELLS));
    cr_expect_eq(bill_cells_add(&cells, 3 * CELLS), 0);
    cr_expect_eq(cells.cells[3 * CELLS - 1].event_count, 0);
    cr_expect_not(bill_cells_has_room(&cells, 1));
    bill_cells_release(&cells);
}
