/* statement_show.h - a statement as people read it, from its line of statements.ndjson.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_STATEMENT_SHOW_H
#define MILLRACE_FORMATS_STATEMENT_SHOW_H

#include <glib.h>

typedef enum {
    STATEMENT_TEXT, /* aligned columns, for a terminal */
    STATEMENT_JSON, /* the same object, a member a line */
    STATEMENT_HTML  /* one page that needs no other file, to be looked at or printed */
} StatementFormat;

/* "text", "json", "html". Returns FALSE when it is none. */
gboolean statement_format_parse(const char *text, StatementFormat *format);

/* Appends the statement. json: one line, with or without its LF; its customer may hold anything,
 * and nothing of it reaches a terminal or a page unescaped.
 * Returns FALSE and MILLRACE_ERROR_CORRUPT when it is no statement. */
gboolean statement_show(StatementFormat format, const char *json, gsize size_bytes, GString *out,
                        GError **error);

#endif
