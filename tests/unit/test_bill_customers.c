/* test_bill_customers.c - a customer has one number, however the segments spell the name.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_customers.h"

#include <criterion/criterion.h>

#include "tests/unit/segment_fixture.h"

enum { COUNT = 1000 };

typedef char *(*NameFunc)(guint i);

static char *
padded(guint i)
{
    return g_strdup_printf("c%06u", i * 37 % COUNT);
}

static char *
padded_backwards(guint i)
{
    return padded(COUNT - 1 - i);
}

static char *
large(guint i)
{
    return g_strdup_printf("c%u", 1000000 + i * 7919); /* some below 2^20, most above */
}

static char *
repeated(guint i)
{
    return g_strdup_printf("c%06u", i % 11);
}

static char *
named(guint i)
{
    return i % 3 == 0 ? padded(i) : g_strdup_printf("customer %u of many", i);
}

/* Numbers a block whose i-th event is of customer name(i), and looks whether they are of the names.
 */
static void
expect_numbers(BillCustomers *customers, NameFunc name)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(SegmentBuilder) builder = segment_builder_new();
    g_autoptr(SegmentBlock) block = segment_block_new();
    const Interner *names = bill_customers_names(customers);
    guint32 numbers[COUNT];
    MadeEvent made;

    for (guint i = 0; i < COUNT; i++) {
        g_autofree char *customer = name(i);
        fixture_event(&made, i);
        made.event.subject = customer;
        segment_builder_add(builder, &made.event, fixture_identity(&made.event));
    }
    g_autoptr(SegmentReader) reader = fixture_reopen(&scratch, builder);
    cr_assert(segment_block_read(block, reader, 0, 1u << SEGMENT_SUBJECT, NULL));
    cr_assert_eq(segment_block_count(block), COUNT);
    bill_customers_number(customers, block, numbers);
    for (guint i = 0; i < COUNT; i++) {
        g_autofree char *customer = name(i);
        cr_assert_lt(numbers[i], interner_count(names));
        cr_assert_str_eq(interner_text(names, numbers[i]), customer);
    }
}

Test(bill_customers, a_customer_has_one_number_in_all_blocks)
{
    static const NameFunc all[] = {padded, padded_backwards, large, repeated, named, padded, large};
    g_autoptr(BillCustomers) customers = bill_customers_new();
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint k = 0; k < G_N_ELEMENTS(all); k++) {
        expect_numbers(customers, all[k]);
        for (guint i = 0; i < COUNT; i++)
            g_hash_table_add(names, all[k](i));
        cr_expect_eq(interner_count(bill_customers_names(customers)), g_hash_table_size(names));
    }
}

Test(bill_customers, numbers_begin_anew_when_they_are_forgotten)
{
    g_autoptr(BillCustomers) customers = bill_customers_new();

    expect_numbers(customers, padded);
    gsize size = bill_customers_size(customers);
    bill_customers_clear(customers);
    cr_expect_lt(bill_customers_size(customers), size);
    cr_expect_eq(interner_count(bill_customers_names(customers)), 0);
    expect_numbers(customers, padded_backwards);
    cr_expect_eq(interner_count(bill_customers_names(customers)), COUNT);
}
