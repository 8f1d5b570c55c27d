/* test_bill_billed.c - lines of a closed run, piece by piece.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_billed.h"

#include "formats/error.h"
#include "tests/unit/scratch.h"

#define HEADER                                                                                     \
    "line_id,customer,period,sku,price_from,tier,metered,quantity,unit,unit_price,amount,"         \
    "charge_class\n"

/* What the visitor has seen. */
typedef struct {
    guint64 count;
    gint64 metered;
    GChecksum *customers;
    guint64 stop_at;
} Seen;

static gboolean
visit(gpointer data, const StatementLine *line, GError **error)
{
    Seen *seen = data;

    if (seen->count == seen->stop_at) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BUG, "stopped");
        return FALSE;
    }
    seen->count++;
    seen->metered += line->metered;
    g_checksum_update(seen->customers, (const guchar *)line->customer, -1);
    return TRUE;
}

static void
seen_release(Seen *seen)
{
    g_checksum_free(seen->customers);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Seen, seen_release)

static Seen
seen_new(void)
{
    return (Seen){.customers = g_checksum_new(G_CHECKSUM_MD5), .stop_at = G_MAXUINT64};
}

static gboolean
read_lines(const Scratch *scratch, const char *text, gsize size_bytes, Seen *seen, GError **error)
{
    BillFolder folder = {.path = (char *)"run", .fd = scratch->fd};

    scratch_put(scratch, BILL_LINES, text, size_bytes);
    return bill_billed_each(&folder, visit, seen, error);
}

static void
add_line(GString *text, GChecksum *customers, const char *customer, guint metered)
{
    g_auto(GStrv) parts = g_strsplit(customer, "\"", -1);
    g_autofree char *escaped = g_strjoinv("\"\"", parts);

    g_string_append_printf(text,
                           "0123456789abcdef0123456789abcdef,\"%s\",2026-10,egress,"
                           "2026-01-01T00:00:00Z,1,%u,%u,GB,1,%u.00,usage\n",
                           escaped, metered, metered, metered);
    g_checksum_update(customers, (const guchar *)customer, -1);
}

Test(bill_billed, lines_of_any_length_are_all_visited_in_their_order)
{
    g_auto(Scratch) scratch = scratch_new();
    g_auto(Seen) seen = seen_new();
    g_auto(Seen) expected = seen_new();
    g_autoptr(GString) text = g_string_new(HEADER);
    g_autoptr(GError) error = NULL;

    /* Customers with all that could be taken for the end of a record, over many pieces. */
    for (guint i = 0; text->len < (5 << 20); i++) {
        g_autofree char *filler = g_strnfill(i * 7919 % 3000 * (i % 50 == 0 ? 20 : 1), '\n');
        g_autofree char *customer = g_strdup_printf("%u\",\"\n%s\"\"\n,", i, filler);
        add_line(text, expected.customers, customer, i);
        expected.count++;
        expected.metered += i;
    }
    cr_assert(read_lines(&scratch, text->str, text->len, &seen, &error), "%s", error->message);
    cr_expect_eq(seen.count, expected.count);
    cr_expect_eq(seen.metered, expected.metered);
    cr_expect_str_eq(g_checksum_get_string(seen.customers),
                     g_checksum_get_string(expected.customers));
}

Test(bill_billed, a_header_alone_has_no_lines)
{
    g_auto(Scratch) scratch = scratch_new();
    g_auto(Seen) seen = seen_new();

    cr_expect(read_lines(&scratch, HEADER, strlen(HEADER), &seen, NULL));
    cr_expect_eq(seen.count, 0);
}

Test(bill_billed, damage_anywhere_is_found_and_named)
{
    g_auto(Scratch) scratch = scratch_new();
    g_auto(Seen) expected = seen_new();
    g_autoptr(GString) text = g_string_new(HEADER);

    while (text->len < (3 << 20))
        add_line(text, expected.customers, "acme, \"Inc.\"", 1);
    const struct {
        gsize size_bytes;
        gssize at; /* a byte that is a quote; -1: none */
    } cases[] = {
        {0, -1},
        {10, -1},
        {text->len - 1, -1},
        {text->len - 30, -1},
        {(1 << 20) + 17, -1},
        {text->len, 50},
        {text->len, 1 << 20},
        {text->len, (gssize)text->len - 20},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(Seen) seen = seen_new();
        g_autoptr(GError) error = NULL;
        g_autofree char *copy = g_strndup(text->str, text->len);
        if (cases[i].at >= 0)
            copy[cases[i].at] = '"';
        cr_assert_not(read_lines(&scratch, copy, cases[i].size_bytes, &seen, &error), "case %u", i);
        cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT), "case %u", i);
        cr_expect(g_str_has_prefix(error->message, "run/lines.csv, from byte "), "%s",
                  error->message);
    }
}

Test(bill_billed, whoever_visits_may_end_it)
{
    g_auto(Scratch) scratch = scratch_new();
    g_auto(Seen) seen = seen_new();
    g_autoptr(GString) text = g_string_new(HEADER);
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < 10; i++)
        add_line(text, seen.customers, "acme", 1);
    seen.stop_at = 4;
    cr_expect_not(read_lines(&scratch, text->str, text->len, &seen, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_BUG));
    cr_expect_eq(seen.count, 4);
}

Test(bill_billed, a_file_that_is_not_there_is_named)
{
    g_auto(Scratch) scratch = scratch_new();
    g_auto(Seen) seen = seen_new();
    BillFolder folder = {.path = (char *)"run", .fd = scratch.fd};
    g_autoptr(GError) error = NULL;

    cr_expect_not(bill_billed_each(&folder, visit, &seen, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT));
    cr_expect(g_str_has_prefix(error->message, "run/lines.csv: "), "%s", error->message);
}
