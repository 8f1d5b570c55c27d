/* bill_diff.c - merges the lines of two runs by customer and SKU.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_diff.h"

#include <string.h>

#include "formats/error.h"
#include "formats/manifest.h"
#include "formats/statement.h"
#include "jobs/bill_folder.h"
#include "jobs/bill_proof.h"

/* One run's lines, and how far they are taken. */
typedef struct {
    BillFolder *folder;
    GMappedFile *file;
    GArray *lines; /* of StatementLine */
    guint next;
} Side;

/* What one SKU of a customer adds up to, on both sides. */
typedef struct {
    const char *sku;
    gint64 metered[2];
    __int128 nano[2];
} Sum;

static gboolean
open_side(Side *side, const char *path, GError **error)
{
    side->folder = bill_folder_open(path, error);
    side->file = side->folder ? bill_folder_map(side->folder, BILL_LINES, error) : NULL;
    if (!side->file)
        return FALSE;
    g_autofree char *name = g_strconcat(path, "/" BILL_LINES, NULL);
    side->lines = statement_parse_csv(name, g_mapped_file_get_contents(side->file),
                                      g_mapped_file_get_length(side->file), error);
    return side->lines != NULL;
}

static void
close_side(Side *side)
{
    g_clear_pointer(&side->lines, g_array_unref);
    g_clear_pointer(&side->file, g_mapped_file_unref);
    g_clear_pointer(&side->folder, bill_folder_free);
}

static const StatementLine *
line_at(const Side *side)
{
    return side->next < side->lines->len ? &g_array_index(side->lines, StatementLine, side->next)
                                         : NULL;
}

static int
compare_sums(gconstpointer a, gconstpointer b)
{
    return strcmp(((const Sum *)a)->sku, ((const Sum *)b)->sku);
}

/* Takes a customer's lines off one side. Returns FALSE when a sum does not fit. */
static gboolean
take_customer(Side *side, guint which, const char *customer, GArray *sums, Sum *payable)
{
    const StatementLine *line = NULL;

    while ((line = line_at(side)) && strcmp(line->customer, customer) == 0) {
        guint at = 0;
        while (at < sums->len && strcmp(g_array_index(sums, Sum, at).sku, line->sku) != 0)
            at++;
        if (at == sums->len) {
            Sum sum = {.sku = line->sku};
            g_array_append_val(sums, sum);
        }
        Sum *sum = &g_array_index(sums, Sum, at);
        if (!money_add(sum->metered[which], line->metered, &sum->metered[which]))
            return FALSE;
        sum->nano[which] += line->amount_nano;
        payable->nano[which] += line->amount_nano;
        side->next++;
    }
    return TRUE;
}

static void
print_sum(const char *customer, const Sum *sum, guint minor_digits, GString *out)
{
    if (sum->metered[0] == sum->metered[1] && sum->nano[0] == sum->nano[1])
        return;
    manifest_put_csv_field(out, customer);
    g_string_append_c(out, ',');
    manifest_put_csv_field(out, sum->sku);
    g_string_append_printf(out, ",%" G_GINT64_FORMAT ",%" G_GINT64_FORMAT ",", sum->metered[0],
                           sum->metered[1]);
    bill_print_amount(out, sum->nano[0], minor_digits);
    g_string_append_c(out, ',');
    bill_print_amount(out, sum->nano[1], minor_digits);
    g_string_append_c(out, ',');
    bill_print_amount(out, sum->nano[1] - sum->nano[0], minor_digits);
    g_string_append_c(out, '\n');
}

static gboolean
merge(Side sides[2], GString *out, BillDifference *difference, GError **error)
{
    g_autoptr(GArray) sums = g_array_new(FALSE, TRUE, sizeof(Sum));
    guint digits = MAX(pricebook_minor_digits(sides[0].folder->book),
                       pricebook_minor_digits(sides[1].folder->book));

    for (;;) {
        const StatementLine *left = line_at(&sides[0]);
        const StatementLine *right = line_at(&sides[1]);
        if (!left && !right)
            return TRUE;
        gboolean is_left = left && (!right || strcmp(left->customer, right->customer) <= 0);
        const char *customer = is_left ? left->customer : right->customer;
        gsize before = out->len;
        Sum payable = {.sku = "payable"};
        g_array_set_size(sums, 0);
        for (guint i = 0; i < 2; i++)
            if (!take_customer(&sides[i], i, customer, sums, &payable)) {
                g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                            "customer \"%s\": what is metered does not fit 64 bits", customer);
                return FALSE;
            }
        g_array_sort(sums, compare_sums);
        for (guint i = 0; i < sums->len; i++)
            print_sum(customer, &g_array_index(sums, Sum, i), digits, out);
        print_sum(customer, &payable, digits, out);
        difference->from_nano += payable.nano[0];
        difference->to_nano += payable.nano[1];
        difference->customer_count += out->len > before;
    }
}

gboolean
bill_diff(const char *from, const char *to, GString *out, BillDifference *difference,
          GError **error)
{
    Side sides[2] = {0};
    gboolean good = open_side(&sides[0], from, error) && open_side(&sides[1], to, error);

    memset(difference, 0, sizeof *difference);
    if (good && strcmp(pricebook_currency(sides[0].folder->book),
                       pricebook_currency(sides[1].folder->book)) != 0) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                    "one run is in %s, the other in %s", pricebook_currency(sides[0].folder->book),
                    pricebook_currency(sides[1].folder->book));
        good = FALSE;
    }
    if (good) {
        g_string_append(out, "customer,sku,metered_from,metered_to,amount_from,amount_to,"
                             "difference\n");
        good = merge(sides, out, difference, error);
    }
    close_side(&sides[0]);
    close_side(&sides[1]);
    return good;
}
