/* bill_verify.c - goes through a run's files as an auditor would who has nothing else.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_verify.h"

#include <string.h>

#include "formats/csv.h"
#include "formats/error.h"
#include "formats/json.h"
#include "formats/sha256.h"
#include "formats/statement.h"
#include "jobs/bill_verify_proof.h"

enum { FINDINGS_MAX = 100, FOCUS_COLUMNS_MAX = 128, FILES = 7 };

typedef struct {
    const BillFolder *folder;
    GPtrArray *findings;
    JsonObject *proof;
    GArray *lines; /* of StatementLine */
    BillFileDigest files[FILES];
    BillTotals totals; /* of the lines and statements that are there */
    guint64 conflict_count;
} Verify;

static void find(const Verify *verify, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void
find(const Verify *verify, const char *format, ...)
{
    va_list arguments;

    if (verify->findings->len == FINDINGS_MAX)
        return;
    va_start(arguments, format);
    g_ptr_array_add(verify->findings, g_strdup_vprintf(format, arguments));
    va_end(arguments);
}

static gboolean
check_file(const Verify *verify, const JsonObject *files, const char *name, BillFileDigest *found,
           GError **error)
{
    g_autoptr(JsonObject) file = json_object_object(files, name);
    const char *expected = file ? json_object_string(file, "sha256", NULL) : NULL;
    g_autoptr(GMappedFile) mapped = bill_folder_map(verify->folder, name, error);

    if (!mapped)
        return FALSE;
    found->size_bytes = g_mapped_file_get_length(mapped);
    sha256_hex(g_mapped_file_get_contents(mapped), found->size_bytes, found->digest);
    if (!expected || strcmp(expected, found->digest) != 0)
        find(verify, "%s: its SHA-256 is not that in " BILL_PROOF, name);
    return TRUE;
}

static gboolean
check_files(Verify *verify, GError **error)
{
    /* As the proof has them. */
    static const char *const names[FILES] = {BILL_LINES,     BILL_STATEMENTS, BILL_FOCUS,
                                             BILL_CONFLICTS, BILL_INPUTS,     BILL_PRICES,
                                             BILL_STAT};
    g_autoptr(JsonObject) files = json_object_object(verify->proof, "files");
    const char *run = json_object_string(verify->proof, "run", NULL);

    for (guint i = 0; i < FILES; i++)
        verify->files[i].name = names[i];
    if (!files || !run || strcmp(run, verify->folder->run) != 0) {
        find(verify, BILL_PROOF ": is of another run");
        return TRUE;
    }
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        if (!check_file(verify, files, names[i], &verify->files[i], error))
            return FALSE;
    return TRUE;
}

static void
check_invariants(const Verify *verify)
{
    g_autoptr(JsonList) list = json_object_list(verify->proof, "invariants");

    if (!list || json_list_length(list) == 0) {
        find(verify, BILL_PROOF ": has no invariants");
        return;
    }
    for (gsize i = 0; i < json_list_length(list); i++) {
        g_autoptr(JsonObject) invariant = json_list_object(list, i);
        const char *name = invariant ? json_object_string(invariant, "name", NULL) : NULL;
        const char *left = invariant ? json_object_string(invariant, "left", NULL) : NULL;
        const char *right = invariant ? json_object_string(invariant, "right", NULL) : NULL;
        if (!name || !left || !right || strcmp(left, right) != 0)
            find(verify, "an invariant does not hold: %s: %s, %s", name ? name : "?",
                 left ? left : "?", right ? right : "?");
    }
}

/* The sums that a customer's usage lines were made from. Returns FALSE when a line is of no price
 * of the book. */
static gboolean
read_sums(const PriceBook *book, const StatementLine *lines, guint count, GArray *sums)
{
    const PriceCustomer *terms = pricebook_find_customer(book, lines[0].customer);

    for (guint i = 0; i < count && lines[i].class == LINE_USAGE; i++) {
        const StatementLine *line = &lines[i];
        if (i > 0 && strcmp(line->sku, (line - 1)->sku) == 0 &&
            strcmp(line->price_from, (line - 1)->price_from) == 0) {
            MeterSum *sum = &g_array_index(sums, MeterSum, sums->len - 1);
            if (!money_add(sum->metered, line->metered, &sum->metered))
                return FALSE;
            continue;
        }
        MeterSum sum = {.metered = line->metered, .event_count = 1};
        guint version_count = 0;
        while (sum.sku < pricebook_sku_count(book) &&
               strcmp(pricebook_sku(book, sum.sku)->name, line->sku) != 0)
            sum.sku++;
        if (sum.sku == pricebook_sku_count(book))
            return FALSE;
        const PriceVersion *versions = pricebook_versions(book, terms, sum.sku, &version_count);
        while (sum.version < version_count &&
               strcmp(versions[sum.version].from, line->price_from) != 0)
            sum.version++;
        if (sum.version == version_count)
            return FALSE;
        g_array_append_val(sums, sum);
    }
    return TRUE;
}

static gboolean
is_equal(const StatementLine *a, const StatementLine *b)
{
    return strcmp(a->id, b->id) == 0 && strcmp(a->sku, b->sku) == 0 && a->class == b->class &&
           a->metered == b->metered && a->amount_nano == b->amount_nano && a->tier == b->tier &&
           a->unit_price_pico == b->unit_price_pico;
}

/* Rates one customer anew: the lines up to the corrections must be the same. */
static void
check_customer(const Verify *verify, const StatementLine *lines, guint count)
{
    g_autoptr(GArray) sums = g_array_new(FALSE, FALSE, sizeof(MeterSum));
    const PriceBook *book = verify->folder->book;
    g_autoptr(GError) error = NULL;
    guint rated_count = 0;
    guint same = 0;

    if (!read_sums(book, lines, count, sums)) {
        find(verify, "customer \"%s\": a line is of a price that the book does not have",
             lines[0].customer);
        return;
    }
    StatementInput input = {.customer = lines[0].customer,
                            .period = verify->folder->inputs->period,
                            .book = book,
                            .sums = (const MeterSum *)(gconstpointer)sums->data,
                            .sum_count = sums->len,
                            .run = verify->folder->run};
    g_autoptr(Statement) statement = statement_rate(&input, &error);
    const StatementLine *rated = statement ? statement_lines(statement, &rated_count) : NULL;
    while (same < count && same < rated_count && lines[same].class <= LINE_TRUE_UP &&
           is_equal(&lines[same], &rated[same]))
        same++;
    gboolean whole = same == rated_count || rated[same].class > LINE_TRUE_UP;
    if (!statement || !whole || (same < count && lines[same].class <= LINE_TRUE_UP))
        find(verify, "customer \"%s\": line %s is not what its sums and prices give",
             lines[0].customer, same < count ? lines[same].id : "that is missing");
}

/* Adds a line to what all of them add up to. */
static void
add_line(Verify *verify, const StatementLine *line)
{
    const PriceBook *book = verify->folder->book;
    BillTotals *totals = &verify->totals;
    guint sku = 0;

    totals->line_count++;
    totals->lines_nano += line->amount_nano;
    totals->class_nano[line->class] += line->amount_nano;
    if (line->class != LINE_USAGE)
        return;
    while (sku < pricebook_sku_count(book) &&
           strcmp(pricebook_sku(book, sku)->name, line->sku) != 0)
        sku++;
    if (sku == pricebook_sku_count(book))
        return; /* it is found by check_customer() */
    totals->sums[sku] += line->metered;
    totals->tiers[sku] += line->metered;
}

static void
check_lines(Verify *verify)
{
    const StatementLine *lines = (const StatementLine *)(gconstpointer)verify->lines->data;
    guint count = 0;

    for (guint i = 0; i < verify->lines->len; i += count) {
        count = 0;
        while (i + count < verify->lines->len &&
               strcmp(lines[i + count].customer, lines[i].customer) == 0)
            add_line(verify, &lines[i + count++]);
        if (i > 0 && strcmp(lines[i - 1].customer, lines[i].customer) > 0)
            find(verify, BILL_LINES ": customers are not in order at \"%s\"", lines[i].customer);
        check_customer(verify, &lines[i], count);
    }
}

/* One statement against the lines of its customer, which begin at *line. */
static void
check_statement(Verify *verify, const char *text, gsize size_bytes, guint *line)
{
    g_autoptr(JsonObject) statement = json_object_parse(text, size_bytes, NULL);
    const char *customer = statement ? json_object_string(statement, "customer", NULL) : NULL;
    const char *payable = statement ? json_object_string(statement, "payable", NULL) : NULL;
    gint64 payable_nano = 0;
    __int128 sum = 0;

    if (!customer || !payable || !money_parse(payable, MONEY_NANO_DIGITS, &payable_nano)) {
        find(verify, BILL_STATEMENTS ": a line is no statement");
        return;
    }
    for (; *line < verify->lines->len; (*line)++) {
        const StatementLine *at = &g_array_index(verify->lines, StatementLine, *line);
        if (strcmp(at->customer, customer) != 0)
            break;
        sum += at->amount_nano;
    }
    verify->totals.statement_count++;
    verify->totals.payable_nano += payable_nano;
    if (sum != payable_nano)
        find(verify, "customer \"%s\": the lines do not add up to what is payable", customer);
}

static gboolean
check_statements(Verify *verify, GError **error)
{
    g_autoptr(GMappedFile) file = bill_folder_map(verify->folder, BILL_STATEMENTS, error);
    guint line = 0;

    if (!file)
        return FALSE;
    const char *at = g_mapped_file_get_contents(file);
    const char *end = at + g_mapped_file_get_length(file);
    while (at < end) {
        const char *newline = memchr(at, '\n', (gsize)(end - at));
        gsize size_bytes = (gsize)((newline ? newline : end) - at);
        check_statement(verify, at, size_bytes, &line);
        at += size_bytes + 1;
    }
    if (line < verify->lines->len)
        find(verify, BILL_LINES ": has lines of no statement");
    return TRUE;
}

/* The sum of BilledCost; FALSE when the file is no CSV with that column. */
static gboolean
sum_focus(GMappedFile *file, __int128 *sum_nano)
{
    CsvCursor cursor = csv_cursor(g_mapped_file_get_contents(file), g_mapped_file_get_length(file));
    char *fields[FOCUS_COLUMNS_MAX];
    const char *header_end = memchr(cursor.at, '\n', g_mapped_file_get_length(file));
    guint column_count = 1;
    guint cost = FOCUS_COLUMNS_MAX;

    for (const char *at = cursor.at; header_end && at < header_end; at++)
        column_count += *at == ',';
    if (!header_end || column_count > FOCUS_COLUMNS_MAX ||
        !csv_take_record(&cursor, fields, column_count))
        return FALSE;
    for (guint i = 0; i < column_count; i++)
        if (strcmp(fields[i], "BilledCost") == 0)
            cost = i;
    *sum_nano = 0;
    while (cost < FOCUS_COLUMNS_MAX && cursor.at < cursor.end) {
        gint64 nano = 0;
        if (!csv_take_record(&cursor, fields, column_count) ||
            !money_parse(fields[cost], MONEY_NANO_DIGITS, &nano))
            return FALSE;
        *sum_nano += nano;
    }
    return cost < FOCUS_COLUMNS_MAX;
}

static gboolean
check_totals(const Verify *verify, GError **error)
{
    g_autoptr(GMappedFile) focus = bill_folder_map(verify->folder, BILL_FOCUS, error);
    g_autoptr(JsonObject) totals = json_object_object(verify->proof, "totals");
    const char *payable = totals ? json_object_string(totals, "payable", NULL) : NULL;
    g_autoptr(GString) sum = g_string_new(NULL);
    __int128 focus_nano = 0;

    if (!focus)
        return FALSE;
    bill_print_amount(sum, verify->totals.lines_nano, pricebook_minor_digits(verify->folder->book));
    if (!payable || strcmp(payable, sum->str) != 0)
        find(verify, "all lines do not add up to the control total of " BILL_PROOF);
    if (!sum_focus(focus, &focus_nano) || focus_nano != verify->totals.lines_nano)
        find(verify, BILL_FOCUS ": BilledCost does not add up to all lines");
    return TRUE;
}

static gboolean
count_conflicts(Verify *verify, GError **error)
{
    g_autoptr(GMappedFile) file = bill_folder_map(verify->folder, BILL_CONFLICTS, error);

    if (!file)
        return FALSE;
    const char *at = g_mapped_file_get_contents(file);
    const char *end = at + g_mapped_file_get_length(file);
    while (at < end) {
        const char *newline = memchr(at, '\n', (gsize)(end - at));
        gsize size_bytes = (gsize)((newline ? newline : end) - at);
        g_autoptr(JsonObject) conflict = json_object_parse(at, size_bytes, NULL);
        gint64 copies = 0;
        if (!conflict || !json_object_int(conflict, "copies", &copies) || copies < 1)
            find(verify, BILL_CONFLICTS ": a line is no conflict");
        verify->conflict_count += (guint64)MAX(copies, 0);
        at += size_bytes + 1;
    }
    return TRUE;
}

/* The proof itself, by all that was found, and by the word that closed the run. */
static void
check_proof(const Verify *verify, GMappedFile *proof)
{
    g_autofree char *closed = bill_closed_digest(verify->folder);
    g_autofree char *finding = bill_verify_proof(verify->folder, proof, verify->files, FILES,
                                                 &verify->totals, verify->conflict_count);
    char digest[SHA256_CHARS + 1];

    if (finding)
        find(verify, "%s", finding);
    sha256_hex(g_mapped_file_get_contents(proof), g_mapped_file_get_length(proof), digest);
    if (closed && strcmp(closed, digest) != 0)
        find(verify, BILL_PROOF ": its SHA-256 is not that which the run was closed with");
}

static gboolean
check_all(Verify *verify, GMappedFile *proof, GError **error)
{
    if (!check_files(verify, error))
        return FALSE;
    check_invariants(verify);
    check_lines(verify);
    if (!check_statements(verify, error) || !check_totals(verify, error) ||
        !count_conflicts(verify, error))
        return FALSE;
    check_proof(verify, proof);
    return TRUE;
}

gboolean
bill_verify(const BillFolder *folder, GPtrArray *findings, GError **error)
{
    g_autoptr(GMappedFile) proof = bill_folder_map(folder, BILL_PROOF, error);
    g_autoptr(GMappedFile) file = proof ? bill_folder_map(folder, BILL_LINES, error) : NULL;
    g_autoptr(JsonObject) object = file ? json_object_parse(g_mapped_file_get_contents(proof),
                                                            g_mapped_file_get_length(proof), error)
                                        : NULL;
    g_autoptr(GArray) lines =
        object ? statement_parse_csv(BILL_LINES, g_mapped_file_get_contents(file),
                                     g_mapped_file_get_length(file), error)
               : NULL;
    Verify verify = {.folder = folder, .findings = findings, .proof = object, .lines = lines};

    return lines && check_all(&verify, proof, error);
}
