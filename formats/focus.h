/* focus.h - statements as FOCUS 1.2 (FinOps Open Cost and Usage Specification), a CSV row a line.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_FOCUS_H
#define MILLRACE_FORMATS_FOCUS_H

#include <glib.h>

#include "formats/statement.h"

typedef enum { FOCUS_1_2 } FocusVersion;

/* Returns FALSE when there is no such version. */
gboolean focus_parse_version(const char *text, FocusVersion *version);
void focus_print_header(FocusVersion version, GString *out);
void focus_print(FocusVersion version, const Statement *statement, GString *out);

#endif
