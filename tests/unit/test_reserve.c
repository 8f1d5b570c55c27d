/* test_reserve.c - room for bodies: bounded together, and half of it for a customer.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/door/reserve.h"

#include <criterion/criterion.h>

Test(reserve, all_that_is_taken_stays_within_the_bound)
{
    g_autoptr(Reserve) reserve = reserve_new(100);

    cr_expect(reserve_take(reserve, "a", 50));
    cr_expect(reserve_take(reserve, "b", 40));
    cr_expect_not(reserve_take(reserve, "c", 11));
    cr_expect(reserve_take(reserve, "c", 0));
    reserve_give(reserve, "c", 0);
    cr_expect(reserve_take(reserve, "c", 10));
    reserve_give(reserve, "b", 40);
    cr_expect(reserve_take(reserve, "d", 40));
    reserve_give(reserve, "a", 50);
    reserve_give(reserve, "c", 10);
    reserve_give(reserve, "d", 40);
}

Test(reserve, a_customer_leaves_half_of_it_to_others)
{
    g_autoptr(Reserve) reserve = reserve_new(100);

    cr_expect(reserve_take(reserve, "a", 30));
    cr_expect_not(reserve_take(reserve, "a", 21), "60 would be left, but not to him");
    cr_expect(reserve_take(reserve, "a", 20));
    cr_expect_not(reserve_take(reserve, "a", 1));
    cr_expect(reserve_take(reserve, "b", 50));
    reserve_give(reserve, "a", 30);
    cr_expect(reserve_take(reserve, "a", 30));
    reserve_give(reserve, "a", 50);
    reserve_give(reserve, "b", 50);
}

Test(reserve, a_first_body_may_be_larger_than_that)
{
    g_autoptr(Reserve) reserve = reserve_new(100);

    cr_expect(reserve_take(reserve, "a", 1000), "or a small machine could take none");
    cr_expect_not(reserve_take(reserve, "b", 1));
    cr_expect_not(reserve_take(reserve, "a", 1));
    reserve_give(reserve, "a", 1000);
    cr_expect(reserve_take(reserve, "b", 10));
    cr_expect(reserve_take(reserve, "a", 90));
    cr_expect_not(reserve_take(reserve, "c", G_MAXUINT64), "no sum wraps");
    reserve_give(reserve, "a", 90);
    reserve_give(reserve, "b", 10);
}
