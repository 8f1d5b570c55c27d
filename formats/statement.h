/* statement.h - what one customer is charged for a period, line by line. Rules: formats/README.md,
 * "Bill run v1". A statement is made of sums and a price book alone: no clock, no float.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_STATEMENT_H
#define MILLRACE_FORMATS_STATEMENT_H

#include <glib.h>

#include "formats/period.h"
#include "formats/pricebook.h"

#define STATEMENT_LINE_ID_CHARS 32

typedef enum {
    LINE_USAGE,
    LINE_DISCOUNT,
    LINE_TRUE_UP,
    LINE_CORRECTION,
    LINE_CREDIT,
    LINE_ROUNDING
} LineClass;
/* "usage", "discount", "true-up", "correction", "credit", "rounding": charge_class. */
const char *line_class_name(LineClass class);

/* One line. Strings: borrowed from the statement, or from what was parsed. */
typedef struct {
    char id[STATEMENT_LINE_ID_CHARS + 1];
    char period[8]; /* when it was used; earlier than the statement's in a correction */
    const char *customer;
    /* The SKU's name; "discount", "true-up", "rounding", "credit:ID" for lines of no SKU. */
    const char *sku;
    const char *price_from; /* of the version, as in the book; "" for lines of no SKU */
    guint tier;             /* from 1; 0 for the free allowance and lines of no SKU */
    LineClass class;
    gint64 metered;
    /* What is multiplied by the unit price: quantity / divisor of unit. Mostly the metered units
     * and the SKU's divisor; packages by 1; 1 month by 1 for a flat price. */
    gint64 quantity;
    gint64 divisor; /* 0 where it is not known, and for lines of no SKU */
    const char *unit;
    gint64 unit_price_pico; /* 0 for lines of no SKU */
    gint64 amount_nano;
    gint64 start_us; /* charge period: the part of period in which the version was in force */
    gint64 end_us;
    guint64 event_count; /* behind the SKU's version; 0 for lines of no SKU; not in lines.csv */
} StatementLine;

/* The sum of what a SKU meters under one version. */
typedef struct {
    guint sku;
    guint version; /* of pricebook_versions() for this customer */
    gint64 metered;
    guint64 event_count;
} MeterSum;

/* A closed period that is rated again because of late events. */
typedef struct {
    Period period;
    const PriceBook *book; /* it was closed with */
    const MeterSum *sums;  /* all that is known now */
    /* Its lines so far: of its own run and of corrections since, but for credits and rounding. Of
     * each are read period, sku, price_from, tier, metered and amount_nano; several of one key may
     * have been added up. */
    const StatementLine *billed;
    guint sum_count;
    guint billed_count;
} StatementCorrection;

typedef struct {
    const char *customer;
    Period period;
    const PriceBook *book;
    const MeterSum *sums; /* by sku, then version; those without events are left out */
    guint sum_count;
    const StatementCorrection *corrections; /* by period */
    guint correction_count;
    /* Credit lines of this customer in closed runs: what of each credit is used up. Of each are
     * read sku and amount_nano. */
    const StatementLine *burned;
    guint burned_count;
    const char *run; /* the run's id */
} StatementInput;

typedef struct _Statement Statement;

/* Rates. input: borrowed as long as the statement lives. Lines come in the order of LineClass;
 * usage by sku (the book's order), version, tier; corrections by period, then as usage.
 *   usage lines, then discount on their sum, then true-up to the minimum, then corrections, then
 *   credits as far as what is payable is above zero, then rounding.
 * Any thread. Returns: (transfer full), or NULL and MILLRACE_ERROR_BAD_INPUT when an amount or a
 * quantity does not fit (customer and SKU are named), or a correction is in another currency. */
Statement *statement_rate(const StatementInput *input, GError **error);
/* The same into a statement that was made before, whose memory is used again. When it returns FALSE
 * nothing may be asked of the statement before it has been rated again. */
Statement *statement_new(void);
gboolean statement_rate_into(Statement *statement, const StatementInput *input, GError **error);
void statement_free(Statement *statement);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Statement, statement_free)

const StatementLine *statement_lines(const Statement *statement, guint *count);
gint64 statement_payable_nano(const Statement *statement);

/* lines.csv (RFC 4180, LF), statements.ndjson: a line each. */
void statement_print_csv_header(GString *out);
void statement_print_csv(const Statement *statement, GString *out);
/* preliminary, harvest: what the run says of itself; harvest in millionths. */
void statement_print_json(const Statement *statement, gboolean preliminary, guint64 harvest,
                          GString *out);

/* Reads lines.csv again. text: changed, and borrowed by the lines. event_count, start_us and end_us
 * are 0; quantity and divisor are 0 unless the quantity is a whole number.
 * Returns: (transfer full) of StatementLine, or NULL and MILLRACE_ERROR_CORRUPT with the line. */
GArray *statement_parse_csv(const char *name, char *text, gsize size_bytes, GError **error);

#endif
