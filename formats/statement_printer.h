/* statement_printer.h - statements as lines of lines.csv, statements.ndjson and focus.csv, all
 * three at once. Whoever prints many of a run keeps a printer: what lines have in common is made
 * once, and their numbers are turned into text once for all files.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_STATEMENT_PRINTER_H
#define MILLRACE_FORMATS_STATEMENT_PRINTER_H

#include <glib.h>

#include "formats/focus.h"
#include "formats/statement.h"

/* What the statements of a run have in common. */
typedef struct {
    const PriceBook *book;
    Period period;
    const char *run; /* its id */
    gboolean preliminary;
    guint64 harvest; /* in millionths */
    FocusVersion focus;
} StatementRun;

typedef struct _StatementPrinter StatementPrinter;

/* run: its strings, its book, and the books of corrections, are borrowed as long as the printer. */
StatementPrinter *statement_printer_new(const StatementRun *run);
void statement_printer_free(StatementPrinter *printer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StatementPrinter, statement_printer_free)

/* Appends a statement of the run to each text that is not NULL. One thread at a time. */
void statement_printer_print(StatementPrinter *printer, const Statement *statement, GString *csv,
                             GString *json, GString *focus);

#endif
