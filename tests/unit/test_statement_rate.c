/* test_statement_rate.c - random books, sums and corrections against exact rationals in Python
 * (tests/golden/rate_oracle.py), line by line and to the last nano.
 * SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "formats/json.h"
#include "formats/statement.h"

#define ORACLE "tests/golden/rate_oracle.py"
#define SEED   "2026"
#ifdef MILLRACE_SANITIZED
#define COUNT "300"
#else
#define COUNT "2000"
#endif
#define CORRECTIONS_MAX 4

/* What the oracle said of one case. */
typedef struct {
    guint number;
    char *customer;
    Period period;
    PriceBook *book;
    GArray *sums[1 + CORRECTIONS_MAX]; /* of MeterSum; the first: of the period */
    Period periods[CORRECTIONS_MAX];
    PriceBook *books[CORRECTIONS_MAX];
    GArray *billed[CORRECTIONS_MAX]; /* of StatementLine */
    guint correction_count;
    GArray *burned;     /* of StatementLine */
    GPtrArray *lines;   /* of fields */
    GPtrArray *credits; /* of fields */
    gint64 payable_nano;
} Case;

static gint64
number(const char *text)
{
    gint64 value;
    cr_assert(money_parse(text, 0, &value), "%s", text);
    return value;
}

static PriceBook *
book_of(const char *text)
{
    g_autoptr(GError) error = NULL;
    PriceBook *book = pricebook_parse("oracle", text, strlen(text), &error);
    cr_assert(book != NULL, "%s\n%s", error != NULL ? error->message : "", text);
    return book;
}

static char *
unhex(const char *hex)
{
    GString *text = g_string_new(NULL);
    for (; *hex != '\0'; hex += 2)
        g_string_append_c(text,
                          (char)(g_ascii_xdigit_value(hex[0]) * 16 + g_ascii_xdigit_value(hex[1])));
    return g_string_free(text, FALSE);
}

static void
case_begin(Case *one, char **fields)
{
    one->customer = unhex(fields[1]);
    cr_assert(period_parse(fields[2], &one->period, NULL));
    one->book = book_of(fields[3]);
    one->sums[0] = g_array_new(FALSE, TRUE, sizeof(MeterSum));
    one->burned = g_array_new(FALSE, TRUE, sizeof(StatementLine));
    one->lines = g_ptr_array_new();
    one->credits = g_ptr_array_new();
}

static void
case_release(Case *one)
{
    g_free(one->customer);
    pricebook_free(one->book);
    g_array_unref(one->sums[0]);
    for (guint i = 0; i < one->correction_count; i++) {
        pricebook_free(one->books[i]);
        g_array_unref(one->sums[i + 1]);
        g_array_unref(one->billed[i]);
    }
    g_array_unref(one->burned);
    g_ptr_array_unref(one->lines);
    g_ptr_array_unref(one->credits);
    *one = (Case){.number = one->number + 1};
}

static void
add_correction(Case *one, char **fields)
{
    guint i = one->correction_count++;
    cr_assert_lt(i, CORRECTIONS_MAX);
    cr_assert(period_parse(fields[1], &one->periods[i], NULL));
    one->books[i] = book_of(fields[2]);
    one->sums[i + 1] = g_array_new(FALSE, TRUE, sizeof(MeterSum));
    one->billed[i] = g_array_new(FALSE, TRUE, sizeof(StatementLine));
}

static void
add_sum(Case *one, char **fields)
{
    MeterSum sum = {(guint)number(fields[1]), (guint)number(fields[2]), number(fields[3]),
                    (guint64)number(fields[4])};
    g_array_append_val(one->sums[one->correction_count], sum);
}

static void
add_billed(Case *one, char **fields)
{
    StatementLine line = {.sku = fields[2],
                          .price_from = fields[3],
                          .tier = (guint)number(fields[4]),
                          .metered = number(fields[5]),
                          .amount_nano = number(fields[6]),
                          .unit = ""};
    g_strlcpy(line.period, fields[1], sizeof line.period);
    g_array_append_val(one->billed[one->correction_count - 1], line);
}

static void
add_burned(Case *one, char **fields)
{
    StatementLine line = {.sku = fields[1], .amount_nano = number(fields[2])};
    g_array_append_val(one->burned, line);
}

/* Is quantity / divisor what the oracle has? */
static gboolean
same_quantity(const StatementLine *line, char **fields)
{
    gint64 divisor = line->divisor != 0 ? line->divisor : 1;
    return (__int128)line->quantity * number(fields[9]) == (__int128)number(fields[8]) * divisor;
}

static void
expect_line(const Case *one, const StatementLine *line, char **fields)
{
    gboolean same =
        strcmp(line->customer, one->customer) == 0 && strcmp(line->period, fields[1]) == 0 &&
        strcmp(line->sku, fields[2]) == 0 && strcmp(line->price_from, fields[3]) == 0 &&
        line->tier == (guint)number(fields[4]) && line->metered == number(fields[5]) &&
        line->amount_nano == number(fields[6]) &&
        strcmp(line_class_name(line->class), fields[7]) == 0 && same_quantity(line, fields) &&
        line->unit_price_pico == number(fields[10]) && strcmp(line->id, fields[11]) == 0;
    g_autofree char *expected = g_strjoinv(" ", fields);
    cr_assert(same,
              "case %u: got %s %s %s %u %" G_GINT64_FORMAT " %" G_GINT64_FORMAT
              " %s %" G_GINT64_FORMAT "/%" G_GINT64_FORMAT " %" G_GINT64_FORMAT
              " %s\nexpected %s\n",
              one->number, line->period, line->sku, line->price_from, line->tier, line->metered,
              line->amount_nano, line_class_name(line->class), line->quantity, line->divisor,
              line->unit_price_pico, line->id, expected);
}

/* What is read from lines.csv is what was printed. */
static void
expect_csv_reads_back(const Case *one, const Statement *statement)
{
    guint count;
    const StatementLine *lines = statement_lines(statement, &count);
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) csv = g_string_new(NULL);
    statement_print_csv_header(csv);
    statement_print_csv(statement, csv);
    g_autoptr(GArray) read = statement_parse_csv("lines.csv", csv->str, csv->len, &error);
    cr_assert(read != NULL, "case %u: %s", one->number, error != NULL ? error->message : "");
    cr_assert_eq(read->len, count);
    for (guint i = 0; i < count; i++) {
        const StatementLine *line = &g_array_index(read, StatementLine, i);
        cr_assert_str_eq(line->id, lines[i].id);
        cr_assert_str_eq(line->customer, lines[i].customer);
        cr_assert_str_eq(line->period, lines[i].period);
        cr_assert_str_eq(line->sku, lines[i].sku);
        cr_assert_str_eq(line->price_from, lines[i].price_from);
        cr_assert_str_eq(line->unit, lines[i].unit);
        cr_assert_eq(line->tier, lines[i].tier);
        cr_assert_eq(line->metered, lines[i].metered);
        cr_assert_eq(line->unit_price_pico, lines[i].unit_price_pico);
        cr_assert_eq(line->amount_nano, lines[i].amount_nano);
        cr_assert_eq(line->class, lines[i].class);
        cr_assert(line->divisor == 0 ||
                  (__int128)line->quantity * lines[i].divisor == lines[i].quantity);
    }
}

static void
expect_credits(const Case *one, const Statement *statement)
{
    static const char *const keys[] = {"opening", "granted", "burned", "expired", "closing"};
    g_autoptr(GString) json = g_string_new(NULL);
    statement_print_json(statement, FALSE, 1000000, json);
    g_autoptr(JsonObject) object = json_object_parse(json->str, json->len, NULL);
    cr_assert_not_null(object);
    g_autoptr(JsonList) credits = json_object_list(object, "credits");
    cr_assert_eq(json_list_length(credits), one->credits->len, "case %u", one->number);
    for (guint i = 0; i < one->credits->len; i++) {
        char **fields = one->credits->pdata[i];
        g_autoptr(JsonObject) credit = json_list_object(credits, i);
        cr_assert_str_eq(json_object_string(credit, "id", NULL), fields[1]);
        for (guint j = 0; j < G_N_ELEMENTS(keys); j++) {
            gint64 nano;
            const char *text = json_object_string(credit, keys[j], NULL);
            cr_assert(money_parse(text, MONEY_NANO_DIGITS, &nano));
            cr_assert_eq(nano, number(fields[2 + j]), "case %u: %s %s", one->number, keys[j], text);
        }
    }
}

static void
check_case(const Case *one)
{
    StatementCorrection corrections[CORRECTIONS_MAX];
    g_assert(one->book != NULL && one->sums[0] != NULL && one->burned != NULL);
    for (guint i = 0; i < one->correction_count; i++)
        corrections[i] = (StatementCorrection){.period = one->periods[i],
                                               .book = one->books[i],
                                               .sums = (gpointer)one->sums[i + 1]->data,
                                               .sum_count = one->sums[i + 1]->len,
                                               .billed = (gpointer)one->billed[i]->data,
                                               .billed_count = one->billed[i]->len};
    StatementInput input = {.customer = one->customer,
                            .period = one->period,
                            .book = one->book,
                            .sums = (gpointer)one->sums[0]->data,
                            .sum_count = one->sums[0]->len,
                            .corrections = corrections,
                            .correction_count = one->correction_count,
                            .burned = (gpointer)one->burned->data,
                            .burned_count = one->burned->len,
                            .run = "run"};
    g_autoptr(GError) error = NULL;
    g_autoptr(Statement) statement = statement_rate(&input, &error);
    cr_assert(statement != NULL, "case %u: %s", one->number, error != NULL ? error->message : "");
    guint count;
    const StatementLine *lines = statement_lines(statement, &count);
    for (guint i = 0; i < MIN(count, one->lines->len); i++)
        expect_line(one, &lines[i], one->lines->pdata[i]);
    cr_assert_eq(count, one->lines->len, "case %u: %u lines", one->number, count);
    cr_assert_eq(statement_payable_nano(statement), one->payable_nano, "case %u", one->number);
    expect_csv_reads_back(one, statement);
    expect_credits(one, statement);
}

static gboolean
is_word(char **fields, const char *word)
{
    return strcmp(fields[0], word) == 0;
}

static void
take_fields(Case *one, char **fields)
{
    if (is_word(fields, "case"))
        case_begin(one, fields);
    else if (is_word(fields, "sum"))
        add_sum(one, fields);
    else if (is_word(fields, "correction"))
        add_correction(one, fields);
    else if (is_word(fields, "billed"))
        add_billed(one, fields);
    else if (is_word(fields, "burned"))
        add_burned(one, fields);
    else if (is_word(fields, "line"))
        g_ptr_array_add(one->lines, fields);
    else if (is_word(fields, "credit"))
        g_ptr_array_add(one->credits, fields);
    else
        one->payable_nano = number(fields[1]);
}

Test(statement_rate, every_line_is_what_exact_rationals_make_of_it, .timeout = 300)
{
    char *argv[] = {"python3", ORACLE, SEED, COUNT, NULL};
    g_autofree char *python = g_find_program_in_path("python3");
    g_autofree char *said = NULL;
    int status;
    if (python == NULL)
        cr_skip_test("python3 is not installed");
    cr_assert(g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &said, NULL, &status,
                           NULL));
    cr_assert_eq(status, 0, ORACLE " failed");

    Case one = {.number = 0};
    g_autoptr(GPtrArray) kept = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
    g_auto(GStrv) rows = g_strsplit(said, "\n", -1);
    for (guint i = 0; rows[i] != NULL && *rows[i] != '\0'; i++) {
        char **fields = g_strsplit(rows[i], "\t", -1);
        g_ptr_array_add(kept, fields);
        take_fields(&one, fields);
        if (!is_word(fields, "payable"))
            continue;
        check_case(&one);
        case_release(&one);
        g_ptr_array_set_size(kept, 0);
    }
    cr_assert_eq(one.number, (guint)number(COUNT));
}
