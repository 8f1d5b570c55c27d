/* test_bill_twins.c - whatever has a copy is found, and hardly anything else.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_twins.h"

#include <criterion/criterion.h>

#include "tests/unit/segment_fixture.h"

/* Adds count identities, the first range_bits bits of which are those of 5; every every-th one is
 * that of the event before it. */
static void
add_some(BillTwins *twins, guint32 count, guint range_bits, guint32 every)
{
    guint64 state = 1;
    guint64 identity = 0;

    bill_twins_begin(twins, count / 2, range_bits);
    for (guint32 i = 0; i < count; i++) {
        if (every == 0 || i % every != 0 || i == 0) {
            identity = fixture_random(&state) >> range_bits;
            if (range_bits > 0)
                identity |= G_GUINT64_CONSTANT(5) << (64 - range_bits);
        }
        bill_twins_add(twins, &identity, 1);
    }
}

Test(bill_twins, events_of_one_identity_are_all_found)
{
    static const guint32 counts[] = {2, 63, 64, 65, 1000, 50000};

    for (guint k = 0; k < G_N_ELEMENTS(counts); k++)
        for (guint range_bits = 0; range_bits <= 12; range_bits += 4) {
            g_autoptr(BillTwins) twins = bill_twins_new();
            add_some(twins, counts[k], range_bits, 1);
            cr_expect_eq(bill_twins_find(twins), counts[k]);
            for (guint32 i = 0; i < counts[k]; i++)
                cr_assert(bill_twins_has(twins, i));
        }
}

Test(bill_twins, both_of_a_pair_are_found_and_one_other_in_a_thousand_at_most)
{
    for (guint32 every = 2; every < 300; every += 48) {
        g_autoptr(BillTwins) twins = bill_twins_new();
        guint32 paired = 0;
        add_some(twins, 100000, 8, every);
        guint64 found = bill_twins_find(twins);
        for (guint32 i = 0; i < 100000; i++) {
            gboolean second = i > 0 && i % every == 0;
            gboolean first = i + 1 < 100000 && (i + 1) % every == 0;
            paired += first || second;
            cr_assert(!(first || second) || bill_twins_has(twins, i), "event %u", i);
        }
        cr_expect_geq(found, paired);
        cr_expect_leq(found, paired + 100);
    }
}

Test(bill_twins, without_copies_next_to_nothing_is_found)
{
    g_autoptr(BillTwins) twins = bill_twins_new();

    add_some(twins, 100000, 8, 0);
    cr_expect_leq(bill_twins_find(twins), 50);
}

Test(bill_twins, those_found_come_one_after_the_other)
{
    g_autoptr(BillTwins) twins = bill_twins_new();
    guint64 found = 0;

    add_some(twins, 5000, 4, 7);
    guint64 expected = bill_twins_find(twins);
    guint64 before = 0;
    for (guint64 i = bill_twins_next(twins, 0, 5000); i < 5000;
         i = bill_twins_next(twins, i + 1, 5000)) {
        cr_assert(bill_twins_has(twins, i));
        cr_assert(found == 0 || i > before);
        before = i;
        found++;
    }
    cr_expect_eq(found, expected);
    cr_expect_eq(bill_twins_next(twins, 1, 6), 6, "event 6 is the first one");
    cr_expect_eq(bill_twins_next(twins, 7, 7), 7);
}

Test(bill_twins, nothing_stays_from_one_range_to_the_next)
{
    g_autoptr(BillTwins) twins = bill_twins_new();

    add_some(twins, 3000, 0, 1);
    cr_expect_eq(bill_twins_find(twins), 3000);
    add_some(twins, 3000, 0, 0);
    cr_expect_leq(bill_twins_find(twins), 5);
    bill_twins_begin(twins, 0, 0);
    cr_expect_eq(bill_twins_count(twins), 0);
    cr_expect_eq(bill_twins_find(twins), 0);
}
