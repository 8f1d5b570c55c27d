/* focus.c - a row of FOCUS for each line of a statement. A version of FOCUS is a table of columns;
 * what a column holds is told in one place for all versions. Rows are written as templates, one for
 * each kind of line.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/focus.h"

#include <string.h>

#include "formats/manifest.h"
#include "formats/statement_texts.h"

#define SERVICE_CATEGORY "Media"
#define SERVICE_NAME     "Image Processing"

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

/* The row of a kind of line, while it is written. */
typedef struct {
    const StatementRun *run;
    const StatementLine *line;
    const LineOrigin *origin;
    const PriceSku *sku; /* NULL: the line is of none */
    TextTemplate *field;
    GString *text; /* the field's */
} FocusRow;

static void
append_value(const FocusRow *row, StatementValue value)
{
    text_template_add_hole(row->field, value);
}

static void
append_amount(const FocusRow *row)
{
    append_value(row, VALUE_FOCUS_AMOUNT);
}

static void
append_contracted_cost(const FocusRow *row)
{
    append_value(row, VALUE_CONTRACTED_COST);
}

static void
append_list_cost(const FocusRow *row)
{
    append_value(row, VALUE_LIST_COST);
}

static void
append_account_id(const FocusRow *row)
{
    append_value(row, VALUE_ACCOUNT_ID);
}

static void
append_account_name(const FocusRow *row)
{
    append_value(row, VALUE_CUSTOMER_CSV);
}

static void
append_currency(const FocusRow *row)
{
    g_string_append(row->text, pricebook_currency(row->run->book));
}

static void
append_period_end(const FocusRow *row)
{
    period_print_time(row->text, row->run->period.end_us);
}

static void
append_period_start(const FocusRow *row)
{
    period_print_time(row->text, row->run->period.start_us);
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
    append_value(row, VALUE_QUANTITY);
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
    append_value(row, VALUE_METERED);
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
    append_value(row, VALUE_LIST_PRICE);
}

static void
append_invoice(const FocusRow *row)
{
    append_value(row, VALUE_INVOICE);
}

static void
append_issuer(const FocusRow *row)
{
    g_string_append(row->text, pricebook_issuer(row->run->book));
}

static void
append_pricing_quantity(const FocusRow *row)
{
    append_value(row, VALUE_FOCUS_QUANTITY);
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
        focus_print_id(row->text, "sku-", row->line->sku);
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
    focus_print_id(row->text, "sku-", row->line->sku);
    g_string_append_printf(row->text, "/%s/", price_model_name(row->origin->version->model));
    append_tier(row);
}

static void
append_line_id(const FocusRow *row)
{
    append_value(row, VALUE_FOCUS_LINE_ID);
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

void
focus_template(const StatementRun *run, const StatementLine *line, const LineOrigin *origin,
               TextTemplate *template)
{
    TextTemplate field;
    text_template_init(&field);
    FocusRow row = {
        .run = run, .line = line, .origin = origin, .field = &field, .text = field.text};
    if (origin->version != NULL)
        row.sku = pricebook_sku(origin->book, origin->sku);
    for (guint i = 0; i < versions[run->focus].column_count; i++) {
        const FocusColumn *column = &versions[run->focus].columns[i];
        text_template_clear(&field);
        if (!column->priced || row.sku != NULL)
            column->append(&row);
        g_string_append(template->text, i > 0 ? "," : "");
        text_template_add_csv(template, &field);
    }
    g_string_append_c(template->text, '\n');
    text_template_release(&field);
}

void
focus_print(FocusVersion version, const Statement *statement, GString *out)
{
    StatementRun run = statement_run_of(statement);
    run.focus = version;
    g_autoptr(StatementPrinter) printer = statement_printer_new(&run);
    statement_printer_print(printer, statement, NULL, NULL, out);
}
