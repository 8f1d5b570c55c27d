/* statement_texts.h - what the texts of a statement are made of, shared by the printer and those
 * who know what stands in each file: templates for lines of a kind, and the values in their holes.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_STATEMENT_TEXTS_H
#define MILLRACE_FORMATS_STATEMENT_TEXTS_H

#include "formats/statement_internal.h"
#include "formats/statement_printer.h"
#include "formats/text_template.h"

/* What goes into the holes. */
typedef enum {
    /* Of the statement. */
    VALUE_CUSTOMER_JSON, /* with its quotes */
    VALUE_CUSTOMER_CSV,  /* quoted where it must be */
    VALUE_ACCOUNT_ID,    /* likewise; FOCUS's */
    VALUE_INVOICE,
    VALUE_SUMS, /* one for each LineClass */
    VALUE_PAYABLE = VALUE_SUMS + LINE_CLASS_COUNT,
    VALUE_ALL_EVENTS,
    /* Of the line. */
    VALUE_LINE_ID,
    VALUE_AMOUNT,
    VALUE_METERED, /* this and what follows: of lines of a SKU only */
    VALUE_QUANTITY,
    VALUE_EVENTS,
    /* Of the line, in FOCUS. Decimals have a point. */
    VALUE_FOCUS_LINE_ID,
    VALUE_FOCUS_AMOUNT,
    VALUE_FOCUS_QUANTITY,
    VALUE_LIST_PRICE,
    VALUE_LIST_COST,
    VALUE_CONTRACTED_COST,
    VALUE_COUNT
} StatementValue;

/* A decimal, or a line's id with a word in front. */
#define VALUE_MAX_BYTES MONEY_TEXT_MAX_BYTES

/* The values of a statement and one of its lines. */
typedef struct {
    TextValue values[VALUE_COUNT];
    char texts[VALUE_COUNT][VALUE_MAX_BYTES]; /* of those that are numbers */
} StatementTexts;

/* Lines that differ in their values only. The first six members tell which. */
typedef struct {
    LineOrigin origin; /* of one of them; others may have the same price from elsewhere */
    GString *name;     /* of the SKU, or what stands for it; owned */
    char period[8];
    LineClass class;
    guint tier;
    gint64 unit_price_pico;
    TextTemplate csv;
    TextTemplate json;
    TextTemplate focus;
    gint64 list_price_pico;
} LineKind;

void texts_set_decimal(StatementTexts *texts, StatementValue value, __int128 number, guint digits,
                       guint shown_min);
/* The same decimal with a digit behind a point at least. */
void texts_set_pointed(StatementTexts *texts, StatementValue value, StatementValue from);

/* Each fills an empty template from the first line of its kind. */
void statement_csv_template(const StatementLine *line, TextTemplate *template);
void statement_json_template(const StatementLine *line, TextTemplate *template);
void focus_template(const StatementRun *run, const StatementLine *line, const LineOrigin *origin,
                    TextTemplate *template);

/* What everybody pays at that time for the same SkuPriceId; where nobody else does, what is paid.
 */
gint64 focus_list_price(const StatementLine *line, const LineOrigin *origin);
/* Sets what is FOCUS's alone. quantity_pico: 0 for lines of no SKU. */
void focus_set_values(const LineKind *kind, const StatementLine *line, __int128 quantity_pico,
                      StatementTexts *texts);
/* Appends an id. Readers take ids of digits for numbers and cut their zeros, so those get a word in
 * front; so do those that look as if they had got it, that no two ids become one. */
void focus_print_id(GString *out, const char *word, const char *id);
/* That of a customer, as a field of CSV. */
void focus_print_account_id(GString *out, const char *customer);

/* What the input of a statement says of its run. Borrows from it. */
StatementRun statement_run_of(const Statement *statement);

#endif
