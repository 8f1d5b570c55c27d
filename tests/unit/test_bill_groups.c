/* test_bill_groups.c - every row is found with its class, once and in order.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_groups.h"

#include <criterion/criterion.h>

Test(bill_groups, rows_come_by_class_in_their_order)
{
    static const guint32 classes[] = {2, 0, 2, 9, 2, 0, 3};
    static const guint32 rows[] = {0, 1, 4, 5, 6, 2}; /* not 3, the only one of class 9 */
    BillGroups groups = {0};
    guint32 count = 0;

    bill_groups_sort(&groups, rows, G_N_ELEMENTS(rows), classes, 10);
    const guint32 *got = bill_groups_get(&groups, 0, &count);
    cr_assert_eq(count, 2);
    cr_expect(got[0] == 1 && got[1] == 5);
    got = bill_groups_get(&groups, 2, &count);
    cr_assert_eq(count, 3);
    cr_expect(got[0] == 0 && got[1] == 4 && got[2] == 2);
    got = bill_groups_get(&groups, 3, &count);
    cr_assert_eq(count, 1);
    cr_expect_eq(got[0], 6);
    for (guint32 class = 0; class < 10; class ++) {
        bill_groups_get(&groups, class, &count);
        cr_expect(count == 0 || class == 0 || class == 2 || class == 3, "class %u", class);
    }
    bill_groups_release(&groups);
}

Test(bill_groups, sorting_again_forgets_what_was_there)
{
    BillGroups groups = {0};
    guint32 count = 0;

    for (guint32 row_count = 1000; row_count > 0; row_count /= 10) {
        g_autofree guint32 *rows = g_new(guint32, row_count);
        g_autofree guint32 *classes = g_new(guint32, row_count);
        for (guint32 i = 0; i < row_count; i++) {
            rows[i] = i;
            classes[i] = i % 3;
        }
        bill_groups_sort(&groups, rows, row_count, classes, 3);
        for (guint32 class = 0; class < 3; class ++) {
            const guint32 *got = bill_groups_get(&groups, class, &count);
            cr_assert_eq(count, (row_count + 2 - class) / 3);
            for (guint32 i = 0; i < count; i++)
                cr_assert_eq(got[i], 3 * i + class);
        }
    }
    bill_groups_release(&groups);
}
