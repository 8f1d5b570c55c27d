/* statement_view.h - a statement's line of JSON, taken apart for those who show it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_STATEMENT_VIEW_H
#define MILLRACE_FORMATS_STATEMENT_VIEW_H

#include <glib.h>

#include "formats/statement.h"

/* One line. Texts hold no control characters; those that a line has not are "". */
typedef struct {
    const char *id;
    LineClass class;
    const char *period;
    const char *label; /* "cpu, tier 2, from 2026-11-15" */
    const char *quantity;
    const char *unit;
    const char *unit_price;
    const char *amount;
} ViewLine;

enum { VIEW_OPENING, VIEW_GRANTED, VIEW_BURNED, VIEW_EXPIRED, VIEW_CLOSING, VIEW_CREDIT_FIELDS };

typedef struct {
    const char *id;
    const char *fields[VIEW_CREDIT_FIELDS];
} ViewCredit;

typedef struct {
    GStringChunk *strings; /* owns the texts */
    const char *customer;
    const char *run;
    const char *invoice;
    const char *issuer;
    const char *currency;
    const char *usage; /* the sum of its lines */
    const char *payable;
    Period period;
    gboolean preliminary;
    const char *harvest_percent; /* "98.7654" */
    GArray *lines;               /* of ViewLine */
    GArray *credits;             /* of ViewCredit */
} StatementView;

/* Fills the view. Returns FALSE and MILLRACE_ERROR_CORRUPT. Release it either way. */
gboolean statement_view_read(StatementView *view, const char *json, gsize size_bytes,
                             GError **error);
void statement_view_release(StatementView *view);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(StatementView, statement_view_release)

void statement_show_text(const StatementView *view, GString *out);
void statement_show_html(const StatementView *view, GString *out);

#endif
