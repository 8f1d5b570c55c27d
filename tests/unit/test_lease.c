/* test_lease.c - leases as bytes, and how large they are.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mr/lease.h"

#include <criterion/criterion.h>
#include <string.h>

static GArray *
items_new(void)
{
    return g_array_new(FALSE, FALSE, sizeof(LeaseItem));
}

static void
add(GByteArray *lease, guint64 ordinal, const char *bytes, gsize size_bytes)
{
    LeaseItem item = {.ordinal = ordinal, .bytes = (const guint8 *)bytes, .size_bytes = size_bytes};

    lease_add(lease, &item);
}

static void
expect_item(const GArray *items, guint index, guint64 ordinal, const char *bytes, gsize size_bytes)
{
    const LeaseItem *item = &g_array_index(items, LeaseItem, index);

    cr_expect_eq(item->ordinal, ordinal);
    cr_assert_eq(item->size_bytes, size_bytes);
    cr_expect(size_bytes == 0 || memcmp(item->bytes, bytes, size_bytes) == 0);
}

Test(lease, items_come_back_in_order)
{
    g_autoptr(GByteArray) lease = lease_new();
    g_autoptr(GArray) items = items_new();
    gboolean last = TRUE;

    add(lease, 1, "one", 3);
    add(lease, G_MAXUINT64, "a\0b", 3);
    add(lease, 3, NULL, 0);
    cr_assert(lease_parse(lease, &last, items));
    cr_expect_not(last);
    cr_assert_eq(items->len, 3);
    expect_item(items, 0, 1, "one", 3);
    expect_item(items, 1, G_MAXUINT64, "a\0b", 3);
    expect_item(items, 2, 3, "", 0);
}

Test(lease, a_lease_can_be_the_last_with_or_without_items)
{
    g_autoptr(GByteArray) empty = lease_new();
    g_autoptr(GByteArray) full = lease_new();
    g_autoptr(GArray) items = items_new();
    gboolean last = FALSE;

    lease_set_last(empty);
    cr_assert(lease_parse(empty, &last, items));
    cr_expect(last);
    cr_expect_eq(items->len, 0);
    add(full, 7, "seven", 5);
    lease_set_last(full);
    last = FALSE;
    cr_assert(lease_parse(full, &last, items));
    cr_expect(last);
    cr_assert_eq(items->len, 1);
    expect_item(items, 0, 7, "seven", 5);
}

Test(lease, a_lease_cut_within_an_item_is_malformed)
{
    g_autoptr(GByteArray) lease = lease_new();
    const gsize first_end = 1 + 8 + 4 + 3; /* the mark, the number, the size, the bytes */

    add(lease, 1, "one", 3);
    add(lease, 2, "two", 3);
    for (gsize size = 0; size < lease->len; size++) {
        g_autoptr(GByteArray) cut = g_byte_array_new_take(g_memdup2(lease->data, size), size);
        g_autoptr(GArray) items = items_new();
        gboolean last = FALSE;
        gboolean between = size == 1 || size == first_end;
        cr_expect_eq(lease_parse(cut, &last, items), between, "%zu bytes", size);
        cr_expect_eq(items->len, size >= first_end ? 1 : 0, "%zu bytes", size);
    }
}

Test(lease, all_get_a_quarter_of_their_share_of_what_is_left)
{
    cr_expect_eq(lease_size(1000, 1, 500), 250);
    cr_expect_eq(lease_size(1000, 5, 500), 50);
    cr_expect_eq(lease_size(1000, 5, 10), 10, "no more than wanted");
}

Test(lease, a_lease_has_at_least_one_item_and_at_most_what_is_wanted)
{
    cr_expect_eq(lease_size(0, 1, 32), 1);
    cr_expect_eq(lease_size(1, 1, 32), 1);
    cr_expect_eq(lease_size(3, 1000, 32), 1);
    cr_expect_eq(lease_size(G_MAXUINT64, 1, 32), 32, "nobody knows how many are left");
    cr_expect_eq(lease_size(G_MAXUINT64, 0, 1), 1);
    cr_expect_eq(lease_size(G_MAXUINT64, 1, G_MAXUINT), LEASE_ITEMS_MAX);
    cr_expect_eq(lease_size(G_MAXUINT64, G_MAXUINT, G_MAXUINT), LEASE_ITEMS_MAX);
}

Test(lease, leases_shrink_toward_the_end)
{
    guint64 remaining = 10000;
    guint before = G_MAXUINT;
    guint count = 0;

    while (remaining > 0) {
        guint size = lease_size(remaining, 8, 100);
        cr_assert_leq(size, before);
        cr_assert_leq(size, remaining);
        before = size;
        remaining -= size;
        count++;
    }
    cr_expect_eq(before, 1);
    cr_expect_lt(count, 400, "%u leases", count);
}
