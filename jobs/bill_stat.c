/* bill_stat.c - reads a run's own files; nothing is computed anew but the order of customers.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_stat.h"

#include <string.h>

#include "formats/error.h"
#include "formats/json.h"
#include "formats/money.h"

typedef struct {
    char *customer;
    gint64 payable_nano;
    char *payable;
} Payer;

static JsonObject *
read_object(const BillFolder *folder, const char *name, GError **error)
{
    g_autoptr(GMappedFile) file = bill_folder_map(folder, name, error);

    if (!file)
        return NULL;
    JsonObject *object =
        json_object_parse(g_mapped_file_get_contents(file), g_mapped_file_get_length(file), error);
    if (!object)
        g_prefix_error(error, "%s/%s: ", folder->path, name);
    return object;
}

static void
payer_clear(gpointer data)
{
    Payer *payer = data;

    g_free(payer->customer);
    g_free(payer->payable);
}

/* Most first; equals by name. */
static int
compare_payers(gconstpointer a, gconstpointer b)
{
    const Payer *left = a;
    const Payer *right = b;

    if (left->payable_nano != right->payable_nano)
        return left->payable_nano > right->payable_nano ? -1 : 1;
    return strcmp(left->customer, right->customer);
}

/* Keeps the top ones: the array is cut whenever it is twice as long. */
static void
add_payer(GArray *payers, const char *customer, const char *payable, guint top)
{
    Payer payer = {.customer = g_strdup(customer), .payable = g_strdup(payable)};

    money_parse(payable, MONEY_NANO_DIGITS, &payer.payable_nano);
    g_array_append_val(payers, payer);
    if (payers->len > 2 * top + 64) {
        g_array_sort(payers, compare_payers);
        g_array_set_size(payers, top);
    }
}

static GArray *
find_payers(const BillFolder *folder, guint top, GError **error)
{
    g_autoptr(GMappedFile) file = bill_folder_map(folder, BILL_STATEMENTS, error);
    g_autoptr(GArray) payers = g_array_new(FALSE, FALSE, sizeof(Payer));

    if (!file)
        return NULL;
    g_array_set_clear_func(payers, payer_clear);
    const char *at = g_mapped_file_get_contents(file);
    const char *end = at + g_mapped_file_get_length(file);
    while (at < end) {
        const char *newline = memchr(at, '\n', (gsize)(end - at));
        gsize size_bytes = (gsize)((newline ? newline : end) - at);
        g_autoptr(JsonObject) statement = json_object_parse(at, size_bytes, error);
        const char *customer = statement ? json_object_string(statement, "customer", NULL) : NULL;
        const char *payable = statement ? json_object_string(statement, "payable", NULL) : NULL;
        if (!customer || !payable) {
            if (statement)
                g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT, "no statement");
            g_prefix_error(error, "%s/" BILL_STATEMENTS ": ", folder->path);
            return NULL;
        }
        add_payer(payers, customer, payable, top);
        at += size_bytes + 1;
    }
    g_array_sort(payers, compare_payers);
    if (payers->len > top)
        g_array_set_size(payers, top);
    return g_steal_pointer(&payers);
}

static void
print_members(const JsonObject *object, const char *title, GString *out)
{
    g_autofree const char **keys = json_object_keys(object);

    g_string_append_printf(out, "\n%s\n", title);
    for (guint i = 0; keys[i]; i++) {
        const char *text = json_object_string(object, keys[i], NULL);
        gint64 number = 0;
        if (text)
            g_string_append_printf(out, "  %-14s %18s\n", keys[i], text);
        else if (json_object_int(object, keys[i], &number))
            g_string_append_printf(out, "  %-14s %18" G_GINT64_FORMAT "\n", keys[i], number);
    }
}

static gint64
int_of(const JsonObject *object, const char *key)
{
    gint64 value = 0;

    json_object_int(object, key, &value);
    return value;
}

static void
print_percentiles(const JsonObject *op, const char *key, GString *out)
{
    g_autoptr(JsonObject) times = json_object_object(op, key);

    if (times)
        g_string_append_printf(out,
                               "  %-16s %-8s %12" G_GINT64_FORMAT " %12" G_GINT64_FORMAT
                               " %12" G_GINT64_FORMAT " %12" G_GINT64_FORMAT "\n",
                               json_object_string(op, "op", NULL), key, int_of(times, "p50"),
                               int_of(times, "p99"), int_of(times, "p99_9"), int_of(times, "max"));
}

static void
print_ops(const JsonObject *stat, GString *out)
{
    g_autoptr(JsonList) ops = json_object_list(stat, "ops");

    if (!ops) {
        g_string_append(out, "\ntoo many ops for percentiles of each\n");
        return;
    }
    g_string_append_printf(out, "\n  %-16s %-8s %12s %12s %12s %12s\n", "op", "", "P50", "P99",
                           "P99.9", "max");
    for (gsize i = 0; i < json_list_length(ops); i++) {
        g_autoptr(JsonObject) op = json_list_object(ops, i);
        if (!op)
            continue;
        print_percentiles(op, "cpu_us", out);
        print_percentiles(op, "wall_us", out);
    }
}

static void
print_text(const BillFolder *folder, const JsonObject *proof, const JsonObject *stat,
           const GArray *payers, GString *out)
{
    g_autoptr(JsonObject) totals = json_object_object(proof, "totals");
    g_autoptr(JsonObject) counts = json_object_object(proof, "counts");
    g_autofree char *title = g_strdup_printf("totals, in %s", pricebook_currency(folder->book));

    g_string_append_printf(out, "run %s, period %s\n", folder->run, folder->inputs->period.name);
    if (totals)
        print_members(totals, title, out);
    if (counts)
        print_members(counts, "counts", out);
    g_string_append(out, "\ntop customers\n");
    for (guint i = 0; i < payers->len; i++) {
        const Payer *payer = &g_array_index(payers, Payer, i);
        g_string_append_printf(out, "  %18s  %s\n", payer->payable, payer->customer);
    }
    print_ops(stat, out);
}

static void
append_member(GString *out, const char *key, const GMappedFile *file)
{
    GMappedFile *mapped = (GMappedFile *)file;
    const char *text = g_mapped_file_get_contents(mapped);
    gsize size_bytes = g_mapped_file_get_length(mapped);

    while (size_bytes > 0 && text[size_bytes - 1] == '\n')
        size_bytes--;
    g_string_append_printf(out, ",\"%s\":%.*s", key, (int)size_bytes, text);
}

/* The two files as they are, and the top customers. */
static gboolean
print_json(const BillFolder *folder, const GArray *payers, GString *out, GError **error)
{
    g_autoptr(GMappedFile) proof = bill_folder_map(folder, BILL_PROOF, error);
    g_autoptr(GMappedFile) stat = proof ? bill_folder_map(folder, BILL_STAT, error) : NULL;

    if (!stat)
        return FALSE;
    json_open(out, NULL, '{');
    json_put_string(out, "run", folder->run);
    json_open(out, "top", '[');
    for (guint i = 0; i < payers->len; i++) {
        const Payer *payer = &g_array_index(payers, Payer, i);
        json_open(out, NULL, '{');
        json_put_string(out, "customer", payer->customer);
        json_put_string(out, "payable", payer->payable);
        g_string_append_c(out, '}');
    }
    g_string_append_c(out, ']');
    append_member(out, "stat", stat);
    append_member(out, "proof", proof);
    g_string_append(out, "}\n");
    return TRUE;
}

gboolean
bill_stat(const BillFolder *folder, guint top, gboolean json, GString *out, GError **error)
{
    g_autoptr(JsonObject) proof = read_object(folder, BILL_PROOF, error);
    g_autoptr(JsonObject) stat = proof ? read_object(folder, BILL_STAT, error) : NULL;
    g_autoptr(GArray) payers = stat ? find_payers(folder, top, error) : NULL;

    if (!payers)
        return FALSE;
    if (json)
        return print_json(folder, payers, out, error);
    print_text(folder, proof, stat, payers, out);
    return TRUE;
}
