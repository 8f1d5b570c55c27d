/* focus_values.c - what FOCUS computes from a line: costs to the last digit, list prices, ids that
 * no reader takes for numbers.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/manifest.h"
#include "formats/statement_texts.h"
#include "formats/text_out.h"

#define COST_DIGITS    (2 * MONEY_PICO_DIGITS) /* of a quantity times a price */
#define DECIMAL_DIGITS "0123456789"

/* Would a reader take the id for a number, or for one that got the word? */
static gboolean
needs_word(const char *word, const char *id)
{
    while (g_str_has_prefix(id, word))
        id += strlen(word);
    return id[strspn(id, DECIMAL_DIGITS)] == '\0';
}

void
focus_print_id(GString *out, const char *word, const char *id)
{
    if (needs_word(word, id))
        g_string_append(out, word);
    g_string_append(out, id);
}

void
focus_print_account_id(GString *out, const char *customer)
{
    static const char word[] = "account-";
    gsize begin = out->len;
    manifest_put_csv_field(out, customer);
    if (needs_word(word, customer))
        g_string_insert(out, (gssize)begin + (out->str[begin] == '"'), word);
}

gint64
focus_list_price(const StatementLine *line, const LineOrigin *origin)
{
    const PriceVersion *own = origin->version;
    guint count;
    const PriceVersion *list = pricebook_versions(origin->book, NULL, origin->sku, &count);

    for (guint i = 0; i < count && line->tier > 0; i++) {
        if (list[i].from_us > line->start_us || list[i].to_us <= line->start_us ||
            list[i].model != own->model || list[i].package_size != own->package_size)
            continue;
        if (list[i].tier_count == 0)
            return list[i].package_price_pico;
        if (line->tier <= list[i].tier_count)
            return list[i].tiers[line->tier - 1].unit_price_pico;
    }
    return line->unit_price_pico;
}

/* Sets price x quantity as they stand in the row, to the last digit. Returns FALSE when that does
 * not fit. */
static gboolean
set_cost(StatementTexts *texts, StatementValue value, __int128 quantity_pico, gint64 price_pico)
{
    __int128 cost;
    if (__builtin_mul_overflow(quantity_pico, (__int128)price_pico, &cost))
        return FALSE;
    texts_set_decimal(texts, value, cost, COST_DIGITS, 1);
    return TRUE;
}

static void
set_costs(StatementTexts *texts, __int128 quantity_pico, gint64 price_pico, gint64 list_price_pico)
{
    TextValue *values = texts->values;
    if (!set_cost(texts, VALUE_CONTRACTED_COST, quantity_pico, price_pico))
        values[VALUE_CONTRACTED_COST] = values[VALUE_FOCUS_AMOUNT];
    if (list_price_pico == price_pico ||
        !set_cost(texts, VALUE_LIST_COST, quantity_pico, list_price_pico)) {
        values[VALUE_LIST_COST] = values[VALUE_CONTRACTED_COST];
        list_price_pico = price_pico;
    }
    texts_set_decimal(texts, VALUE_LIST_PRICE, list_price_pico, MONEY_PICO_DIGITS, 1);
}

static void
set_line_id(StatementTexts *texts, const StatementLine *line)
{
    static const char word[] = "line-";
    TextValue *value = &texts->values[VALUE_FOCUS_LINE_ID];
    *value = texts->values[VALUE_LINE_ID];
    if (!needs_word(word, line->id))
        return;
    char *text = texts->texts[VALUE_FOCUS_LINE_ID];
    char *end = text_put(text, word, strlen(word));
    end = text_put(end, line->id, STATEMENT_LINE_ID_CHARS);
    *value = (TextValue){text, (gsize)(end - text)};
}

void
focus_set_values(const LineKind *kind, const StatementLine *line, __int128 quantity_pico,
                 StatementTexts *texts)
{
    set_line_id(texts, line);
    texts_set_pointed(texts, VALUE_FOCUS_AMOUNT, VALUE_AMOUNT);
    if (kind->origin.version != NULL) {
        texts_set_pointed(texts, VALUE_FOCUS_QUANTITY, VALUE_QUANTITY);
        set_costs(texts, quantity_pico, line->unit_price_pico, kind->list_price_pico);
    } else {
        texts->values[VALUE_CONTRACTED_COST] = texts->values[VALUE_FOCUS_AMOUNT];
        texts->values[VALUE_LIST_COST] = texts->values[VALUE_FOCUS_AMOUNT];
    }
}
