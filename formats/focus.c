/* focus.c - a row of FOCUS for each line of a statement. A version of FOCUS is a table of columns;
 * what a column holds is told in one place for all versions.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/focus.h"

#include <string.h>

#include "formats/manifest.h"
#include "formats/statement_internal.h"

#define SERVICE_CATEGORY "Media"
#define SERVICE_NAME     "Image Processing"
#define COST_DIGITS      (2 * MONEY_PICO_DIGITS) /* of a quantity times a price */

/* What is metered, in the words of FOCUS. */
static const struct {
    SegmentColumn quantity;
    const char *meter;
    const char *unit;
} meters[] = {
    {SEGMENT_COLUMNS, "Requests", "Requests"},      {SEGMENT_BYTES_IN, "Data In", "B"},
    {SEGMENT_BYTES_OUT, "Data Out", "B"},           {SEGMENT_PIXELS_IN, "Pixels In", "Pixels"},
    {SEGMENT_PIXELS_OUT, "Pixels Out", "Pixels"},   {SEGMENT_CPU_US, "CPU Time", "Microseconds"},
    {SEGMENT_WALL_US, "Wall Time", "Microseconds"},
};

/* One row that is written. */
typedef struct {
    const Statement *statement;
    const StatementLine *line;
    const LineOrigin *origin;
    const PriceSku *sku; /* NULL: the line is of none */
    const char *invoice;
    gint64 list_price_pico;
    GString *text; /* of one field */
    GString *out;
} FocusRow;

/* Appends an id. Readers take ids of digits for numbers and cut their zeros, so those get a word in
 * front; so do those that look as if they had got it, that no two ids become one. */
static void
append_id(GString *out, const char *word, const char *id)
{
    const char *rest = id;
    while (g_str_has_prefix(rest, word))
        rest += strlen(word);
    if (rest[strspn(rest, "0123456789")] == '\0')
        g_string_append(out, word);
    g_string_append(out, id);
}

static gboolean
cost_of(const StatementLine *line, gint64 price_pico, __int128 *cost)
{
    return !__builtin_mul_overflow(money_quantity_pico(line->quantity, line->divisor),
                                   (__int128)price_pico, cost);
}

/* What everybody pays at that time for the same SkuPriceId; where nobody else does, what is paid.
 */
static gint64
find_list_price(const FocusRow *row)
{
    const PriceVersion *own = row->origin->version;
    const StatementLine *line = row->line;
    guint count;
    __int128 cost;
    const PriceVersion *list =
        pricebook_versions(row->origin->book, NULL, row->origin->sku, &count);

    for (guint i = 0; i < count && line->tier > 0; i++) {
        if (list[i].from_us > line->start_us || list[i].to_us <= line->start_us ||
            list[i].model != own->model || list[i].package_size != own->package_size)
            continue;
        if (list[i].tier_count == 0 && cost_of(line, list[i].package_price_pico, &cost))
            return list[i].package_price_pico;
        if (line->tier <= list[i].tier_count &&
            cost_of(line, list[i].tiers[line->tier - 1].unit_price_pico, &cost))
            return list[i].tiers[line->tier - 1].unit_price_pico;
    }
    return line->unit_price_pico;
}

static void
append_amount(const FocusRow *row)
{
    guint digits = pricebook_minor_digits(row->statement->input->book);
    money_print(row->text, row->line->amount_nano, MONEY_NANO_DIGITS, MAX(digits, 1));
}

/* Appends price x quantity as they stand in the row, to the last digit. */
static void
append_cost(const FocusRow *row, gint64 price_pico)
{
    __int128 cost;
    if (row->sku != NULL && cost_of(row->line, price_pico, &cost))
        money_print_wide(row->text, cost, COST_DIGITS, 1);
    else
        append_amount(row);
}

static void
append_contracted_cost(const FocusRow *row)
{
    append_cost(row, row->line->unit_price_pico);
}

static void
append_list_cost(const FocusRow *row)
{
    append_cost(row, row->list_price_pico);
}

static void
append_account_id(const FocusRow *row)
{
    append_id(row->text, "account-", row->line->customer);
}

static void
append_account_name(const FocusRow *row)
{
    g_string_append(row->text, row->line->customer);
}

static void
append_currency(const FocusRow *row)
{
    g_string_append(row->text, pricebook_currency(row->statement->input->book));
}

static void
append_period_end(const FocusRow *row)
{
    period_print_time(row->text, row->statement->input->period.end_us);
}

static void
append_period_start(const FocusRow *row)
{
    period_print_time(row->text, row->statement->input->period.start_us);
}

static void
append_charge_category(const FocusRow *row)
{
    if (statement_line_has_sku(row->line))
        g_string_append(row->text, "Usage");
    else
        g_string_append(row->text, row->line->class == LINE_CREDIT ? "Credit" : "Adjustment");
}

static void
append_charge_class(const FocusRow *row)
{
    if (row->line->class == LINE_CORRECTION)
        g_string_append(row->text, "Correction");
}

static void
append_charge_description(const FocusRow *row)
{
    const StatementLine *line = row->line;
    GString *text = row->text;
    if (line->class == LINE_CORRECTION)
        g_string_append_printf(text, "Correction of %s: ", line->period);
    g_string_append(text, line->sku);
    if (!statement_line_has_sku(line))
        return;
    g_string_append(text, ": ");
    money_print_quantity(text, line->quantity, line->divisor);
    g_string_append_printf(text, " %s at ", line->unit);
    money_print(text, line->unit_price_pico, MONEY_PICO_DIGITS, 0);
    if (line->tier == 0)
        g_string_append(text, " (free)");
    else if (row->origin->version != NULL && row->origin->version->tier_count > 1)
        g_string_append_printf(text, " (tier %u)", line->tier);
}

static void
append_charge_end(const FocusRow *row)
{
    period_print_time(row->text, row->line->end_us);
}

static void
append_charge_start(const FocusRow *row)
{
    period_print_time(row->text, row->line->start_us);
}

static void
append_consumed_quantity(const FocusRow *row)
{
    money_print(row->text, row->line->metered, 0, 0);
    g_string_append(row->text, ".0");
}

static guint
meter_index(const FocusRow *row)
{
    guint i = 0;
    while (meters[i].quantity != row->sku->quantity)
        i++;
    return i;
}

static void
append_consumed_unit(const FocusRow *row)
{
    g_string_append(row->text, meters[meter_index(row)].unit);
}

static void
append_contracted_price(const FocusRow *row)
{
    money_print(row->text, row->line->unit_price_pico, MONEY_PICO_DIGITS, 1);
}

static void
append_list_price(const FocusRow *row)
{
    money_print(row->text, row->list_price_pico, MONEY_PICO_DIGITS, 1);
}

static void
append_invoice(const FocusRow *row)
{
    g_string_append(row->text, row->invoice);
}

static void
append_issuer(const FocusRow *row)
{
    g_string_append(row->text, pricebook_issuer(row->statement->input->book));
}

static void
append_pricing_quantity(const FocusRow *row)
{
    money_print_wide(row->text, money_quantity_pico(row->line->quantity, row->line->divisor),
                     MONEY_PICO_DIGITS, 1);
}

static void
append_pricing_unit(const FocusRow *row)
{
    g_string_append(row->text, row->line->unit);
}

static void
append_service_category(const FocusRow *row)
{
    g_string_append(row->text, SERVICE_CATEGORY);
}

static void
append_service_name(const FocusRow *row)
{
    g_string_append(row->text, SERVICE_NAME);
}

static void
append_sku_id(const FocusRow *row)
{
    if (statement_line_has_sku(row->line))
        append_id(row->text, "sku-", row->line->sku);
}

static void
append_sku_meter(const FocusRow *row)
{
    g_string_append(row->text, meters[meter_index(row)].meter);
}

static void
append_tier(const FocusRow *row)
{
    if (row->line->tier == 0)
        g_string_append(row->text, "free");
    else
        g_string_append_printf(row->text, "%u", row->line->tier);
}

static void
append_price_details(const FocusRow *row)
{
    g_string_append_printf(row->text, "{\"x_Model\":\"%s\",\"x_Tier\":\"",
                           price_model_name(row->origin->version->model));
    append_tier(row);
    g_string_append(row->text, "\"}");
}

/* The same for all customers and at all times, so the price's dates are no part of it. */
static void
append_price_id(const FocusRow *row)
{
    append_id(row->text, "sku-", row->line->sku);
    g_string_append_printf(row->text, "/%s/", price_model_name(row->origin->version->model));
    append_tier(row);
}

static void
append_line_id(const FocusRow *row)
{
    append_id(row->text, "line-", row->line->id);
}

static void
append_price_from(const FocusRow *row)
{
    g_string_append(row->text, row->line->price_from);
}

typedef struct {
    const char *name;
    void (*append)(const FocusRow *row);
    gboolean priced; /* null where the line has no price */
} FocusColumn;

/* Columns of FOCUS by name, then ours, which begin with x_. */
static const FocusColumn focus_1_2[] = {
    {"BilledCost", append_amount},
    {"BillingAccountId", append_account_id},
    {"BillingAccountName", append_account_name},
    {"BillingCurrency", append_currency},
    {"BillingPeriodEnd", append_period_end},
    {"BillingPeriodStart", append_period_start},
    {"ChargeCategory", append_charge_category},
    {"ChargeClass", append_charge_class},
    {"ChargeDescription", append_charge_description},
    {"ChargePeriodEnd", append_charge_end},
    {"ChargePeriodStart", append_charge_start},
    {"ConsumedQuantity", append_consumed_quantity, TRUE},
    {"ConsumedUnit", append_consumed_unit, TRUE},
    {"ContractedCost", append_contracted_cost},
    {"ContractedUnitPrice", append_contracted_price, TRUE},
    {"EffectiveCost", append_amount},
    {"InvoiceId", append_invoice},
    {"InvoiceIssuerName", append_issuer},
    {"ListCost", append_list_cost},
    {"ListUnitPrice", append_list_price, TRUE},
    {"PricingQuantity", append_pricing_quantity, TRUE},
    {"PricingUnit", append_pricing_unit, TRUE},
    {"ProviderName", append_issuer},
    {"PublisherName", append_issuer},
    {"ServiceCategory", append_service_category},
    {"ServiceName", append_service_name},
    {"SkuId", append_sku_id},
    {"SkuMeter", append_sku_meter, TRUE},
    {"SkuPriceDetails", append_price_details, TRUE},
    {"SkuPriceId", append_price_id, TRUE},
    {"x_LineId", append_line_id},
    {"x_PriceFrom", append_price_from},
};

/* Indexed by FocusVersion. */
static const struct {
    const char *name;
    const FocusColumn *columns;
    guint column_count;
} versions[] = {
    [FOCUS_1_2] = {"1.2", focus_1_2, G_N_ELEMENTS(focus_1_2)},
};

gboolean
focus_parse_version(const char *text, FocusVersion *version)
{
    for (guint i = 0; i < G_N_ELEMENTS(versions); i++)
        if (strcmp(text, versions[i].name) == 0) {
            *version = (FocusVersion)i;
            return TRUE;
        }
    return FALSE;
}

void
focus_print_header(FocusVersion version, GString *out)
{
    for (guint i = 0; i < versions[version].column_count; i++) {
        g_string_append(out, i > 0 ? "," : "");
        g_string_append(out, versions[version].columns[i].name);
    }
    g_string_append_c(out, '\n');
}

static void
print_row(FocusVersion version, const FocusRow *row)
{
    for (guint i = 0; i < versions[version].column_count; i++) {
        const FocusColumn *column = &versions[version].columns[i];
        g_string_truncate(row->text, 0);
        if (!column->priced || row->sku != NULL)
            column->append(row);
        g_string_append(row->out, i > 0 ? "," : "");
        manifest_put_csv_field(row->out, row->text->str);
    }
    g_string_append_c(row->out, '\n');
}

void
focus_print(FocusVersion version, const Statement *statement, GString *out)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GString) invoice = g_string_new(NULL);
    statement_print_invoice(statement, invoice);
    for (guint i = 0; i < statement->lines->len; i++) {
        FocusRow row = {.statement = statement,
                        .line = &g_array_index(statement->lines, StatementLine, i),
                        .origin = &g_array_index(statement->origins, LineOrigin, i),
                        .invoice = invoice->str,
                        .text = text,
                        .out = out};
        if (row.origin->version != NULL) {
            row.sku = pricebook_sku(row.origin->book, row.origin->sku);
            row.list_price_pico = find_list_price(&row);
        }
        print_row(version, &row);
    }
}
