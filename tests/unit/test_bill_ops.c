/* test_bill_ops.c - what each op did, merged from many threads and ranks.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_ops.h"

#include <criterion/criterion.h>

static void
add(BillOp *op, gboolean ok, gint64 cpu_us, gint64 wall_us)
{
    const guint32 at = 0;

    bill_op_add(op, ok, &cpu_us, &wall_us, &at, 1);
}

static char *
printed(const BillOps *ops)
{
    GString *text = g_string_new("{\"x\":1");

    bill_ops_print(ops, text);
    return g_string_free(text, FALSE);
}

Test(bill_ops, ops_are_printed_by_name_with_percentiles)
{
    g_autoptr(BillOps) ops = bill_ops_new();

    add(bill_ops_find(ops, "resize"), TRUE, 100, 200);
    add(bill_ops_find(ops, "crop"), FALSE, 7, 8);
    add(bill_ops_find(ops, "resize"), FALSE, 50, 60);
    add(bill_ops_find(ops, "resize"), TRUE, 0, 0);
    g_autofree char *text = printed(ops);
    /* By nearest rank of 0, 50, 100 and 0, 60, 200. */
    cr_expect_str_eq(
        text, "{\"x\":1,\"ops\":[{\"op\":\"crop\",\"ok\":0,\"failed\":1,"
              "\"cpu_us\":{\"p50\":7,\"p99\":7,\"p99_9\":7,\"max\":7,\"sum\":7},"
              "\"wall_us\":{\"p50\":8,\"p99\":8,\"p99_9\":8,\"max\":8,\"sum\":8}},"
              "{\"op\":\"resize\",\"ok\":2,\"failed\":1,"
              "\"cpu_us\":{\"p50\":50,\"p99\":100,\"p99_9\":100,\"max\":100,\"sum\":150},"
              "\"wall_us\":{\"p50\":60,\"p99\":200,\"p99_9\":200,\"max\":200,\"sum\":260}}]");
}

Test(bill_ops, nothing_is_an_empty_array)
{
    g_autoptr(BillOps) ops = bill_ops_new();
    g_autofree char *text = printed(ops);

    cr_expect_str_eq(text, "{\"x\":1,\"ops\":[]");
}

/* A thread's or rank's share of a hundred thousand events, or all of them. */
static BillOps *
share(guint part, guint part_count)
{
    static const char *const names[] = {"resize", "crop", "", "\xc3\xbc \"x\""};
    BillOps *ops = bill_ops_new();

    for (guint i = part; i < 100000; i += part_count)
        add(bill_ops_find(ops, names[i % 7 % 4]), i % 5 > 0, i * 7919u % 1000003, i);
    return ops;
}

Test(bill_ops, shares_make_the_same_whole_in_any_order)
{
    g_autoptr(BillOps) whole = share(0, 1);
    g_autoptr(BillOps) merged = bill_ops_new();
    g_autoptr(BillOps) told = bill_ops_new();
    g_autofree char *expected = printed(whole);

    for (guint part = 3; part-- > 0;) {
        g_autoptr(BillOps) ops = share(part, 3);
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        bill_ops_merge(merged, ops);
        bill_ops_put(ops, bytes);
        ByteReader reader = byte_reader(bytes->data, bytes->len);
        cr_assert(bill_ops_get(told, &reader));
    }
    g_autofree char *merged_text = printed(merged);
    g_autofree char *told_text = printed(told);
    cr_expect_str_eq(merged_text, expected);
    cr_expect_str_eq(told_text, expected);
}

static void
add_many(BillOps *ops, guint from, guint count)
{
    for (guint i = from; i < from + count; i++) {
        char name[16];
        g_snprintf(name, sizeof name, "op-%u", i);
        BillOp *op = bill_ops_find(ops, name);
        if (op)
            add(op, TRUE, 1, 1);
    }
}

Test(bill_ops, too_many_ops_are_too_many_wherever_they_were_seen)
{
    g_autoptr(BillOps) most = bill_ops_new();
    g_autoptr(BillOps) left = bill_ops_new();
    g_autoptr(BillOps) right = bill_ops_new();
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    add_many(most, 0, BILL_OPS_MAX);
    add_many(left, 0, BILL_OPS_MAX / 2);
    add_many(right, BILL_OPS_MAX / 2, BILL_OPS_MAX / 2);
    bill_ops_merge(left, right);
    g_autofree char *most_text = printed(most);
    g_autofree char *merged_text = printed(left);
    cr_expect_str_eq(merged_text, most_text, "as many as there may be are all there");

    add_many(right, BILL_OPS_MAX, 1);
    bill_ops_merge(left, right);
    g_autofree char *text = printed(left);
    cr_expect_str_eq(text, "{\"x\":1,\"ops\":null", "one more, and none has percentiles");
    bill_ops_put(right, bytes);
    ByteReader reader = byte_reader(bytes->data, bytes->len);
    cr_expect(bill_ops_get(most, &reader));
    g_autofree char *told = printed(most);
    cr_expect_str_eq(told, "{\"x\":1,\"ops\":null", "nor when another rank tells of it");
    cr_expect_null(bill_ops_find(left, "new"));
    cr_expect_not_null(bill_ops_find(left, "op-3"), "known ones are still found");
}

Test(bill_ops, a_share_that_is_cut_is_refused)
{
    g_autoptr(BillOps) ops = share(0, 1000);
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    bill_ops_put(ops, bytes);
    for (guint size = 0; size < bytes->len; size += 1 + size / 3) {
        g_autoptr(BillOps) into = bill_ops_new();
        ByteReader reader = byte_reader(bytes->data, size);
        cr_expect_not(bill_ops_get(into, &reader), "%u of %u bytes", size, bytes->len);
    }
}
