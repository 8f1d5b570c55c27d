/* statement_internal.h - what a statement is made of, shared by those who rate, correct and print.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_STATEMENT_INTERNAL_H
#define MILLRACE_FORMATS_STATEMENT_INTERNAL_H

#include "formats/statement.h"

/* Names of lines of no SKU, which no SKU may have. */
#define LINE_SKU_DISCOUNT "discount"
#define LINE_SKU_TRUE_UP  "true-up"
#define LINE_SKU_ROUNDING "rounding"
#define LINE_SKU_CREDIT   "credit:"

#define LINE_CLASS_COUNT (LINE_ROUNDING + 1)
/* A book's share or sum of 1, in nano. */
#define NANO_WHOLE G_GINT64_CONSTANT(1000000000)

/* Where a line's price stands. */
typedef struct {
    const PriceBook *book;
    guint sku;                   /* G_MAXUINT: the line is of no SKU, or of one that is not there */
    guint version_index;         /* of pricebook_versions() */
    const PriceVersion *version; /* NULL likewise */
} LineOrigin;

/* What became of one credit in the period. opening + granted - burned - expired = closing. */
typedef struct {
    const PriceCredit *credit;
    gint64 opening_nano;
    gint64 granted_nano;
    gint64 burned_nano;
    gint64 expired_nano;
    gint64 closing_nano;
} CreditUse;

struct _Statement {
    const StatementInput *input; /* borrowed */
    GStringChunk *strings;       /* owns; NULL until one is needed */
    GArray *lines;               /* of StatementLine */
    GArray *origins;             /* of LineOrigin, one for each line */
    GArray *credits;             /* of CreditUse */
    gint64 sums_nano[LINE_CLASS_COUNT];
    gint64 payable_nano;
    GString *key; /* of the line whose id is made */
};

/* A period that is being rated: with the book that it has or had. */
typedef struct {
    Statement *statement; /* of which lines borrow strings */
    const PriceBook *book;
    const PriceCustomer *terms; /* NULL: none of its own */
    const Period *period;
    GArray *lines; /* they are appended here: of StatementLine */
    GArray *origins;
    GError **error;
} Rating;

/* Sets the error: customer "…": SKU "…": …. Returns FALSE. */
gboolean statement_overflow(const Statement *statement, const char *sku, GError **error);
/* Owned by the statement. */
const char *statement_string(Statement *statement, const char *text);

/* Appends a line: what is the same in all lines of the rating is filled in. */
void rating_append(Rating *rating, StatementLine line, LineOrigin origin);
/* Appends usage, discount and true-up. */
gboolean rating_charge(Rating *rating, const MeterSum *sums, guint sum_count);
/* How many packages are begun. */
gint64 rating_packages(const PriceVersion *version, gint64 metered);
/* Fills in unit, divisor, unit price and charge period of a line from its origin and tier. */
void rating_describe(Rating *rating, LineOrigin origin, StatementLine *line);

/* Appends what must be billed or given back of a closed period. */
gboolean statement_correct(Statement *statement, const StatementCorrection *correction,
                           GError **error);

/* Is this line one of a SKU? */
gboolean statement_line_has_sku(const StatementLine *line);

#endif
