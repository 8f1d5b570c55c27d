/* bill_customers.c - names by an Interner, and what it says by the numbers within the names.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_customers.h"

#include <string.h>

enum {
    KNOWN_MAX = 1 << 20, /* numbers from there on are looked up by name */
    AHEAD = 24
};

struct _BillCustomers {
    Interner *names;
    /* Of names of this prefix and width. */
    char *prefix;
    gsize prefix_bytes;
    guint width;
    guint32 *known; /* by the number within the name: the customer's + 1, or 0 */
    guint32 known_count;
    guint32 *by_code; /* of the block at hand */
    guint32 code_room;
};

BillCustomers *
bill_customers_new(void)
{
    BillCustomers *customers = g_new0(BillCustomers, 1);

    customers->names = interner_new();
    return customers;
}

static void
forget_known(BillCustomers *customers)
{
    g_clear_pointer(&customers->prefix, g_free);
    g_clear_pointer(&customers->known, g_free);
    customers->known_count = 0;
}

void
bill_customers_free(BillCustomers *customers)
{
    forget_known(customers);
    interner_free(customers->names);
    g_free(customers->by_code);
    g_free(customers);
}

const Interner *
bill_customers_names(const BillCustomers *customers)
{
    return customers->names;
}

gsize
bill_customers_size(const BillCustomers *customers)
{
    return interner_size(customers->names) + customers->known_count * sizeof *customers->known;
}

void
bill_customers_clear(BillCustomers *customers)
{
    forget_known(customers);
    interner_clear(customers->names);
}

static void
begin_known(BillCustomers *customers, const SegmentNumbered *numbered)
{
    if (customers->prefix && customers->width == numbered->width &&
        customers->prefix_bytes == numbered->prefix_bytes &&
        memcmp(customers->prefix, numbered->prefix, numbered->prefix_bytes) == 0)
        return;
    forget_known(customers);
    customers->prefix = g_strndup(numbered->prefix, numbered->prefix_bytes);
    customers->prefix_bytes = numbered->prefix_bytes;
    customers->width = numbered->width;
}

/* The customer of an event, by name. */
static guint32
find_by_name(BillCustomers *customers, SegmentBlock *block, guint32 row)
{
    guint32 size_bytes = 0;
    const char *name = segment_block_text(block, SEGMENT_SUBJECT, row, &size_bytes);

    return interner_add(customers->names, name, size_bytes);
}

/* The same, to be known by its number from now on. */
static guint32
find_and_know(BillCustomers *customers, SegmentBlock *block, guint32 row, guint64 number)
{
    guint32 customer = find_by_name(customers, block, row);

    if (number >= KNOWN_MAX)
        return customer;
    if (number >= customers->known_count) {
        guint32 count = MAX(1024, customers->known_count);
        while (count <= number)
            count *= 2;
        customers->known = g_renew(guint32, customers->known, count);
        memset(customers->known + customers->known_count, 0,
               (count - customers->known_count) * sizeof *customers->known);
        customers->known_count = count;
    }
    customers->known[number] = customer + 1;
    return customer;
}

static void
number_numbered(BillCustomers *customers, SegmentBlock *block, const SegmentNumbered *numbered,
                guint32 *numbers)
{
    guint32 count = segment_block_count(block);

    begin_known(customers, numbered);
    for (guint32 row = 0; row < count; row++) {
        guint64 number = numbered->numbers[row];
        guint64 later = numbered->numbers[MIN(row + AHEAD, count - 1)];
        if (later < customers->known_count)
            __builtin_prefetch(&customers->known[later]);
        guint32 known = number < customers->known_count ? customers->known[number] : 0;
        numbers[row] = known ? known - 1 : find_and_know(customers, block, row, number);
    }
}

void
bill_customers_number(BillCustomers *customers, SegmentBlock *block, guint32 *numbers)
{
    guint32 count = segment_block_count(block);
    SegmentNumbered numbered;

    if (segment_block_numbered(block, SEGMENT_SUBJECT, &numbered)) {
        number_numbered(customers, block, &numbered, numbers);
        return;
    }
    const SegmentTexts *names = segment_block_texts(block, SEGMENT_SUBJECT);
    if (names->value_count > customers->code_room) {
        customers->code_room = names->value_count + names->value_count / 4;
        customers->by_code = g_renew(guint32, customers->by_code, customers->code_room);
    }
    interner_add_all(customers->names, names->values, names->size_bytes, names->value_count,
                     customers->by_code);
    for (guint32 row = 0; row < count; row++)
        numbers[row] = customers->by_code[names->codes[row]];
}
