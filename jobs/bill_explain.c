/* bill_explain.c - scans the run's own segments again for what one line metered.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_explain.h"

#include <string.h>

#include "formats/error.h"
#include "formats/json.h"
#include "formats/price_find.h"
#include "formats/statement.h"
#include "jobs/bill_folder.h"
#include "jobs/bill_scan.h"
#include "jobs/bill_segments.h"

typedef struct {
    gint64 time_us;
    char *source;
    char *id;
    gint64 metered;
} Found;

/* What is looked for. */
typedef struct {
    const StatementLine *line;
    Period period;
    const PriceSku *sku;
    const PriceVersion *versions; /* the customer's */
    guint version_count;
    gint version; /* the line's */
    GMutex lock;
    GArray *found; /* of Found; under lock */
} Search;

static void
found_clear(gpointer data)
{
    Found *found = data;

    g_free(found->source);
    g_free(found->id);
}

static gboolean
look_at(gpointer data, ScanThread *thread, guint number G_GNUC_UNUSED, const ScanEvent *event,
        GError **error G_GNUC_UNUSED)
{
    Search *search = data;
    const ScanClass *class = event->class;

    if (event->time_us < search->period.start_us || event->time_us >= search->period.end_us ||
        strcmp(scan_customer(thread, event->customer), search->line->customer) != 0 ||
        !price_matches(search->sku, class->type, class->op, class->format, class->status) ||
        price_find(search->versions, search->version_count, event->time_us) != search->version)
        return TRUE;
    g_autoptr(GString) id = g_string_new(NULL);
    scan_print_id(event, id);
    Found found = {event->time_us, g_strdup(scan_source(thread, event->source)), g_strdup(id->str),
                   search->sku->quantity == SEGMENT_COLUMNS ? 1 : event->numbers[0]};
    g_mutex_lock(&search->lock);
    g_array_append_val(search->found, found);
    g_mutex_unlock(&search->lock);
    return TRUE;
}

static int
compare_found(gconstpointer a, gconstpointer b)
{
    const Found *left = a;
    const Found *right = b;

    if (left->time_us != right->time_us)
        return left->time_us < right->time_us ? -1 : 1;
    int order = strcmp(left->source, right->source);
    return order != 0 ? order : strcmp(left->id, right->id);
}

/* The line itself, and what all tiers of its SKU and version have metered together. */
static const StatementLine *
find_line(const GArray *lines, const char *id, gint64 *metered)
{
    const StatementLine *line = NULL;

    for (guint i = 0; i < lines->len && !line; i++) {
        const StatementLine *at = &g_array_index(lines, StatementLine, i);
        if (strcmp(at->id, id) == 0)
            line = at;
    }
    *metered = 0;
    for (guint i = 0; line && i < lines->len; i++) {
        const StatementLine *at = &g_array_index(lines, StatementLine, i);
        if (at->class == LINE_USAGE && strcmp(at->customer, line->customer) == 0 &&
            strcmp(at->sku, line->sku) == 0 && strcmp(at->price_from, line->price_from) == 0)
            *metered += at->metered;
    }
    return line;
}

static gboolean
find_price(Search *search, const PriceBook *book, GError **error)
{
    const StatementLine *line = search->line;
    const PriceCustomer *terms = pricebook_find_customer(book, line->customer);

    for (guint i = 0; i < pricebook_sku_count(book); i++) {
        if (strcmp(pricebook_sku(book, i)->name, line->sku) != 0)
            continue;
        search->sku = pricebook_sku(book, i);
        search->versions = pricebook_versions(book, terms, i, &search->version_count);
        for (guint v = 0; v < search->version_count; v++)
            if (strcmp(search->versions[v].from, line->price_from) == 0)
                search->version = (gint)v;
    }
    if (search->version >= 0)
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                "line %s is of \"%s\": no events are behind it but those of the customer's usage "
                "lines",
                line->id, line->sku);
    return FALSE;
}

static gboolean
scan(const BillExplainConfig *config, const BillFolder *folder, Search *search, GError **error)
{
    static const ScanVisitor visitor = {.event = look_at};
    g_auto(GStrv) kept = NULL;
    const char *const *stores = config->stores;

    if (!stores) {
        kept = bill_folder_stores(folder, error);
        stores = (const char *const *)kept;
    }
    g_autoptr(GPtrArray) paths =
        stores ? bill_segments_find(stores, folder->inputs->segments, error) : NULL;
    if (!paths)
        return FALSE;
    Comm *comm = comm_alone();
    ScanConfig scan = {
        .paths = (const char *const *)paths->pdata,
        .segment_count = paths->len,
        .numbers = search->sku->quantity == SEGMENT_COLUMNS ? 0 : 1u << search->sku->quantity,
        .ids = TRUE,
        .comm = comm,
        .thread_count = config->thread_count,
        .memory_bytes = config->memory_bytes};
    ScanCounts counts;
    gboolean good = scan_segments(&scan, &visitor, search, &counts, error);
    comm_close(comm);
    return good;
}

static void
print_found(Search *search, GString *out, BillExplained *explained)
{
    g_array_sort(search->found, compare_found);
    for (guint i = 0; i < search->found->len; i++) {
        const Found *found = &g_array_index(search->found, Found, i);
        g_autoptr(GString) time = g_string_new(NULL);
        usage_print_time(time, found->time_us);
        json_open(out, NULL, '{');
        json_put_string(out, "source", found->source);
        json_put_string(out, "id", found->id);
        json_put_string(out, "time", time->str);
        json_put_int(out, search->sku->quantity_name, found->metered);
        g_string_append(out, "}\n");
        explained->metered += found->metered;
    }
    explained->event_count = search->found->len;
}

/* The book that the line's period was priced by: that of the run, or of the closed one. */
static BillFolder *
open_corrected(const BillFolder *folder, const char *period, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autofree char *run = bill_closed_run(folder->bills, period, &failure);
    g_autofree char *path = run ? g_build_filename(folder->bills, run, NULL) : NULL;

    if (path)
        return bill_folder_open(path, error);
    if (failure)
        g_propagate_error(error, g_steal_pointer(&failure));
    else
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT,
                    "%s/" BILL_CLOSED " does not tell which run has closed %s", folder->bills,
                    period);
    return NULL;
}

static gboolean
explain(const BillExplainConfig *config, const BillFolder *folder, Search *search,
        const BillFolder *corrected, GError **error)
{
    const BillFolder *priced_by = corrected ? corrected : folder;

    search->period = priced_by->inputs->period;
    return find_price(search, priced_by->book, error) && scan(config, folder, search, error);
}

gboolean
bill_explain(const BillExplainConfig *config, GString *out, BillExplained *explained,
             GError **error)
{
    g_autoptr(BillFolder) folder = bill_folder_open(config->run, error);
    g_autoptr(GMappedFile) file = folder ? bill_folder_map(folder, BILL_LINES, error) : NULL;
    g_autoptr(GArray) lines =
        file ? statement_parse_csv(BILL_LINES, g_mapped_file_get_contents(file),
                                   g_mapped_file_get_length(file), error)
             : NULL;
    Search search = {.version = -1};
    gint64 metered = 0;

    memset(explained, 0, sizeof *explained);
    if (!lines)
        return FALSE;
    search.line = find_line(lines, config->line, &metered);
    if (!search.line) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT,
                    "%s/" BILL_LINES ": there is no line %s", config->run, config->line);
        return FALSE;
    }
    g_autoptr(BillFolder) corrected = NULL;
    if (strcmp(search.line->period, folder->inputs->period.name) != 0) {
        corrected = open_corrected(folder, search.line->period, error);
        if (!corrected)
            return FALSE;
    }
    search.found = g_array_new(FALSE, FALSE, sizeof(Found));
    g_array_set_clear_func(search.found, found_clear);
    g_mutex_init(&search.lock);
    gboolean good = explain(config, folder, &search, corrected, error);
    if (good)
        print_found(&search, out, explained);
    if (good && search.line->class == LINE_USAGE && explained->metered != metered) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_INVARIANT,
                    "the events add up to %" G_GINT64_FORMAT " %s, the lines to %" G_GINT64_FORMAT,
                    explained->metered, search.sku->quantity_name, metered);
        good = FALSE;
    }
    if (good)
        explained->what = g_strdup_printf(
            "%s, %s from %s%s: %" G_GUINT64_FORMAT " events, %" G_GINT64_FORMAT " %s",
            search.line->customer, search.line->sku, search.line->price_from,
            search.line->class == LINE_USAGE ? ", all tiers" : ", all that is known now",
            explained->event_count, explained->metered, search.sku->quantity_name);
    g_mutex_clear(&search.lock);
    g_array_unref(search.found);
    return good;
}
