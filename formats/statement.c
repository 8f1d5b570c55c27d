/* statement.c - puts a statement together: usage, then corrections, credits and rounding.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/statement.h"

#include <string.h>

#include "formats/error.h"
#include "formats/sha256.h"
#include "formats/statement_internal.h"
#include "formats/text_out.h"

#define STRINGS_BLOCK_BYTES 512
/* What a line's key holds beside its customer, SKU and price. */
#define KEY_OTHERS_MAX_BYTES 256

/* Indexed by LineClass. */
static const char *const class_names[LINE_CLASS_COUNT] = {"usage",      "discount", "true-up",
                                                          "correction", "credit",   "rounding"};

const char *
line_class_name(LineClass class)
{
    return class_names[class];
}

gboolean
statement_line_has_sku(const StatementLine *line)
{
    return *line->price_from != '\0';
}

gboolean
statement_overflow(const Statement *statement, const char *sku, GError **error)
{
    g_autofree char *customer = g_utf8_make_valid(statement->input->customer, -1);
    for (char *at = customer; *at != '\0'; at++)
        if (g_ascii_iscntrl(*at))
            *at = '?';
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                "customer \"%s\": SKU \"%s\": does not fit in 64 bits: amounts are at most "
                "9223372036.854775807: check the price and the unit",
                customer, sku);
    return FALSE;
}

const char *
statement_string(Statement *statement, const char *text)
{
    if (statement->strings == NULL)
        statement->strings = g_string_chunk_new(STRINGS_BLOCK_BYTES);
    return g_string_chunk_insert_const(statement->strings, text);
}

static char *
put_field(char *at, const char *text)
{
    return text_put(at, text, strlen(text) + 1);
}

/* The fields of the line's key, as lines.csv has them, each with a NUL behind it. */
static void
set_id(GString *key, const StatementLine *line, LineClass class, const char *corrected,
       const char *billed_in, char id[STATEMENT_LINE_ID_CHARS + 1])
{
    char hex[SHA256_CHARS + 1];
    char tier[TEXT_UINT_MAX_BYTES + 1] = "";
    if (statement_line_has_sku(line))
        *text_put_uint(tier, line->tier) = '\0';
    g_string_truncate(key, 0);
    char *at = text_reserve(key, strlen(line->customer) + strlen(line->sku) +
                                     strlen(line->price_from) + KEY_OTHERS_MAX_BYTES);
    at = put_field(at, line->customer);
    at = put_field(at, line->period);
    at = put_field(at, line->sku);
    at = put_field(at, line->price_from);
    at = put_field(at, tier);
    at = put_field(at, class_names[class]);
    if (*corrected != '\0') {
        at = put_field(at, corrected);
        at = text_put(at, billed_in, strlen(billed_in));
    }
    sha256_hex(key->str, (gsize)(at - key->str), hex);
    memcpy(id, hex, STATEMENT_LINE_ID_CHARS);
    id[STATEMENT_LINE_ID_CHARS] = '\0';
}

/* The class that a corrected line had. */
static LineClass
corrected_class(const StatementLine *line)
{
    if (statement_line_has_sku(line))
        return LINE_USAGE;
    return strcmp(line->sku, LINE_SKU_DISCOUNT) == 0 ? LINE_DISCOUNT : LINE_TRUE_UP;
}

/* A line may be corrected in several later periods, so the id says in which. */
static void
set_ids(Statement *statement)
{
    for (guint i = 0; i < statement->lines->len; i++) {
        StatementLine *line = &g_array_index(statement->lines, StatementLine, i);
        char corrected[STATEMENT_LINE_ID_CHARS + 1] = "";
        if (line->class == LINE_CORRECTION)
            set_id(statement->key, line, corrected_class(line), "", "", corrected);
        set_id(statement->key, line, line->class, corrected, statement->input->period.name,
               line->id);
    }
}

/* Adds up the lines from `first` on, by class. */
static gboolean
add_sums(Statement *statement, guint first, GError **error)
{
    for (guint i = first; i < statement->lines->len; i++) {
        const StatementLine *line = &g_array_index(statement->lines, StatementLine, i);
        gint64 *sum = &statement->sums_nano[line->class];
        if (!money_add(*sum, line->amount_nano, sum) ||
            !money_add(statement->payable_nano, line->amount_nano, &statement->payable_nano))
            return statement_overflow(statement, line->sku, error);
    }
    return TRUE;
}

static Rating
rating_of(Statement *statement, GError **error)
{
    const StatementInput *input = statement->input;
    return (Rating){.statement = statement,
                    .book = input->book,
                    .terms = pricebook_find_customer(input->book, input->customer),
                    .period = &input->period,
                    .lines = statement->lines,
                    .origins = statement->origins,
                    .error = error};
}

static void
append_without_sku(Statement *statement, const char *name, LineClass class, gint64 amount_nano)
{
    Rating rating = rating_of(statement, NULL);
    StatementLine line = {.sku = name, .class = class, .amount_nano = amount_nano};
    LineOrigin origin = {.book = rating.book, .sku = G_MAXUINT};
    rating_append(&rating, line, origin);
}

/* What closed runs have used up of a credit. */
static gint64
burned_before(const StatementInput *input, const PriceCredit *credit)
{
    gint64 burned = 0;
    for (guint i = 0; i < input->burned_count; i++) {
        const StatementLine *line = &input->burned[i];
        /* Amounts of one credit add up to no more than the credit, which fits. */
        if (g_str_has_prefix(line->sku, LINE_SKU_CREDIT) &&
            strcmp(line->sku + strlen(LINE_SKU_CREDIT), credit->id) == 0 &&
            !money_add(burned, -line->amount_nano, &burned))
            burned = G_MAXINT64;
    }
    return burned;
}

/* Uses up one credit as far as there is something to pay. */
static void
burn_credit(Statement *statement, const PriceCredit *credit)
{
    const Period *period = &statement->input->period;
    if (credit->from_us >= period->end_us || credit->expires_us <= period->start_us)
        return;
    gint64 balance = MAX(credit->amount_nano - burned_before(statement->input, credit), 0);
    gboolean is_new = credit->from_us >= period->start_us;
    gint64 burned = CLAMP(statement->payable_nano, 0, balance);
    gint64 rest = balance - burned;
    gboolean ends = credit->expires_us <= period->end_us;
    CreditUse use = {.credit = credit,
                     .opening_nano = is_new ? 0 : balance,
                     .granted_nano = is_new ? balance : 0,
                     .burned_nano = burned,
                     .expired_nano = ends ? rest : 0,
                     .closing_nano = ends ? 0 : rest};
    g_assert(use.opening_nano + use.granted_nano - use.burned_nano - use.expired_nano ==
             use.closing_nano);
    g_array_append_val(statement->credits, use);
    if (burned == 0)
        return;
    g_autofree char *name = g_strconcat(LINE_SKU_CREDIT, credit->id, NULL);
    append_without_sku(statement, statement_string(statement, name), LINE_CREDIT, -burned);
    /* Toward zero, so neither sum can overflow. */
    statement->sums_nano[LINE_CREDIT] -= burned;
    statement->payable_nano -= burned;
}

static gboolean
round_payable(Statement *statement, GError **error)
{
    const PriceBook *book = statement->input->book;
    gint64 rounded;
    if (!money_round(statement->payable_nano, pricebook_minor_digits(book), pricebook_ties(book),
                     &rounded))
        return statement_overflow(statement, LINE_SKU_ROUNDING, error);
    gint64 difference = rounded - statement->payable_nano;
    if (difference != 0)
        append_without_sku(statement, LINE_SKU_ROUNDING, LINE_ROUNDING, difference);
    statement->sums_nano[LINE_ROUNDING] = difference;
    statement->payable_nano = rounded;
    return TRUE;
}

/* The lines are what is paid, to the last nano. */
static void
check_sum(const Statement *statement)
{
    __int128 sum = 0;
    for (guint i = 0; i < statement->lines->len; i++)
        sum += g_array_index(statement->lines, StatementLine, i).amount_nano;
    g_assert(sum == statement->payable_nano);
    g_assert(statement->lines->len == statement->origins->len);
}

Statement *
statement_new(void)
{
    Statement *statement = g_new0(Statement, 1);
    statement->lines = g_array_new(FALSE, FALSE, sizeof(StatementLine));
    statement->origins = g_array_new(FALSE, FALSE, sizeof(LineOrigin));
    statement->credits = g_array_new(FALSE, FALSE, sizeof(CreditUse));
    statement->key = g_string_new(NULL);
    return statement;
}

static void
begin(Statement *statement, const StatementInput *input)
{
    statement->input = input;
    statement->payable_nano = 0;
    memset(statement->sums_nano, 0, sizeof statement->sums_nano);
    g_array_set_size(statement->lines, 0);
    g_array_set_size(statement->origins, 0);
    g_array_set_size(statement->credits, 0);
    if (statement->strings != NULL)
        g_string_chunk_clear(statement->strings);
}

gboolean
statement_rate_into(Statement *statement, const StatementInput *input, GError **error)
{
    begin(statement, input);
    Rating rating = rating_of(statement, error);
    if (!rating_charge(&rating, input->sums, input->sum_count))
        return FALSE;
    for (guint i = 0; i < input->correction_count; i++)
        if (!statement_correct(statement, &input->corrections[i], error))
            return FALSE;
    if (!add_sums(statement, 0, error))
        return FALSE;
    for (guint i = 0; rating.terms != NULL && i < rating.terms->credit_count; i++)
        burn_credit(statement, &rating.terms->credits[i]);
    if (!round_payable(statement, error))
        return FALSE;
    set_ids(statement);
    check_sum(statement);
    return TRUE;
}

Statement *
statement_rate(const StatementInput *input, GError **error)
{
    g_autoptr(Statement) statement = statement_new();
    return statement_rate_into(statement, input, error) ? g_steal_pointer(&statement) : NULL;
}

void
statement_free(Statement *statement)
{
    if (statement == NULL)
        return;
    if (statement->strings != NULL)
        g_string_chunk_free(statement->strings);
    g_array_unref(statement->lines);
    g_array_unref(statement->origins);
    g_array_unref(statement->credits);
    g_string_free(statement->key, TRUE);
    g_free(statement);
}

const StatementLine *
statement_lines(const Statement *statement, guint *count)
{
    *count = statement->lines->len;
    return (const StatementLine *)(gconstpointer)statement->lines->data;
}

gint64
statement_payable_nano(const Statement *statement)
{
    return statement->payable_nano;
}
