/* csv.h - reads CSV of our own making (RFC 4180, LF) in place.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_CSV_H
#define MILLRACE_FORMATS_CSV_H

#include <glib.h>

typedef struct {
    char *at;
    char *end;
    guint64 line;      /* where the record that is read begins, from 1: set by who reads records */
    guint64 next_line; /* where the cursor stands */
} CsvCursor;

/* text: borrowed as long as the cursor and the fields; it is changed. */
CsvCursor csv_cursor(char *text, gsize size_bytes);
/* Takes one field off, with the separator behind it.
 * Returns: the field, NUL-terminated, or NULL when it is malformed, holds a NUL, or is not ended by
 * separator (',' or LF). */
char *csv_take_field(CsvCursor *cursor, char separator);
/* Takes a record of so many fields off. Returns FALSE when it is malformed. */
gboolean csv_take_record(CsvCursor *cursor, char **fields, guint field_count);

#endif
