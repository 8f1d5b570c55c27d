/* test_price_find.c - which events a SKU meters, and by which version.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/price_find.h"

#include <criterion/criterion.h>

Test(price_find, a_version_is_in_force_from_its_first_to_before_its_last_microsecond)
{
    static const PriceVersion versions[] = {
        {.from_us = 100, .to_us = 200},
        {.from_us = 200, .to_us = 300},
        {.from_us = 400, .to_us = G_MAXINT64},
    };
    static const struct {
        gint64 time_us;
        gint expected;
    } cases[] = {
        {G_MININT64, -1},
        {-1, -1},
        {99, -1},
        {100, 0},
        {199, 0},
        {200, 1},
        {299, 1},
        {300, -1},
        {399, -1},
        {400, 2},
        {G_MAXINT64 - 1, 2},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
        cr_expect_eq(price_find(versions, G_N_ELEMENTS(versions), cases[i].time_us),
                     cases[i].expected, "at %d", (gint)cases[i].time_us);
    cr_expect_eq(price_find(versions, 0, 150), -1, "without versions there is none");
    cr_expect_eq(price_find(versions, 1, 250), -1);
}

Test(price_find, a_list_that_is_there_must_hold_the_name)
{
    static const char *const ok[] = {"ok", NULL};
    static const char *const ops[] = {"resize", "crop", NULL};
    static const char *const none[] = {NULL};
    static const char *const empty[] = {"", NULL};
    const PriceSku any = {0};
    const PriceSku good = {.statuses = ok, .ops = ops};
    const PriceSku never = {.types = none};
    const PriceSku unnamed = {.formats = empty};

    cr_expect(price_matches(&any, "t", "", "", ""));
    cr_expect(price_matches(&good, "t", "resize", "jpeg", "ok"));
    cr_expect(price_matches(&good, "", "crop", "", "ok"));
    cr_expect_not(price_matches(&good, "t", "resize", "jpeg", "timeout"));
    cr_expect_not(price_matches(&good, "t", "Resize", "jpeg", "ok"), "names are compared exactly");
    cr_expect_not(price_matches(&good, "t", "resize ", "jpeg", "ok"));
    cr_expect_not(price_matches(&good, "t", "", "jpeg", "ok"));
    cr_expect_not(price_matches(&never, "t", "", "", ""), "an empty list holds nothing");
    cr_expect(price_matches(&unnamed, "t", "", "", ""));
    cr_expect_not(price_matches(&unnamed, "t", "", "jpeg", ""));
}
