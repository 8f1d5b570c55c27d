/* test_gather.c - gathering on one rank alone. Several ranks are for tests/mpi.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mr/gather.h"

#include <criterion/criterion.h>
#include <string.h>

#include "formats/error.h"

typedef struct {
    guint count;
    guint next_error_at; /* 0 = never, else before the item of this number, from 1 */
    guint take_error_at;
    guint given;
    guint taken;
    char key[32];
} Items;

static int
next_item(gpointer data, GatherItem *item, GError **error)
{
    Items *items = data;

    if (items->given + 1 == items->next_error_at) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_IO, "the disk is gone");
        return -1;
    }
    if (items->given == items->count)
        return 0;
    g_snprintf(items->key, sizeof items->key, "item %05u", items->given++);
    *item = (GatherItem){.key = (const guint8 *)items->key,
                         .key_size_bytes = strlen(items->key),
                         .parts = {"one", "", NULL, items->key},
                         .part_size_bytes = {3, 0, 0, 4}};
    return 1;
}

static gboolean
take_item(gpointer data, const GatherItem *item, GError **error)
{
    Items *items = data;
    g_autofree char *key = g_strdup_printf("item %05u", items->taken++);

    cr_expect_eq(item->key_size_bytes, strlen(key));
    cr_expect(memcmp(item->key, key, item->key_size_bytes) == 0);
    cr_expect(item->part_size_bytes[0] == 3 && memcmp(item->parts[0], "one", 3) == 0);
    cr_expect_eq(item->part_size_bytes[1], 0);
    cr_expect_eq(item->part_size_bytes[2], 0);
    cr_expect(item->part_size_bytes[3] == 4 && memcmp(item->parts[3], "item", 4) == 0);
    if (items->taken == items->take_error_at)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CANT_CREATE, "no room");
    return items->taken != items->take_error_at;
}

static gboolean
run(Items *items, GError **error)
{
    Comm *comm = comm_open(NULL);
    gboolean good = gather(comm, next_item, take_item, items, error);

    comm_close(comm);
    return good;
}

Test(gather, all_items_are_taken_in_their_order)
{
    static const guint counts[] = {0, 1, 2, 5000};

    for (guint i = 0; i < G_N_ELEMENTS(counts); i++) {
        Items items = {.count = counts[i]};
        cr_expect(run(&items, NULL));
        cr_expect_eq(items.taken, counts[i]);
    }
}

Test(gather, an_error_of_either_side_ends_it)
{
    Items giving = {.count = 9, .next_error_at = 4};
    Items taking = {.count = 9, .take_error_at = 4};
    g_autoptr(GError) gave = NULL;
    g_autoptr(GError) took = NULL;

    cr_expect_not(run(&giving, &gave));
    cr_expect(g_error_matches(gave, MILLRACE_ERROR, MILLRACE_ERROR_IO));
    cr_expect_eq(giving.taken, 3);
    cr_expect_not(run(&taking, &took));
    cr_expect(g_error_matches(took, MILLRACE_ERROR, MILLRACE_ERROR_CANT_CREATE));
    cr_expect_eq(taking.taken, 4);
}
