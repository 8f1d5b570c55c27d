/* tool.h - what every program does alike: options, messages on stderr, exit codes.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TOOLS_TOOL_H
#define MILLRACE_TOOLS_TOOL_H

#include <glib.h>

#include "formats/error.h"

/* What a program is: for its help, its version and its messages. */
typedef struct {
    const char *verb;     /* "resize": messages begin with "millrace resize: " */
    const char *synopsis; /* what follows the options: "MANIFEST|-" */
    const char *example;  /* comes first in --help; lines indented by two spaces */
    const char *summary;  /* one or two sentences */
} Tool;

/* Parses options, and the common ones with them (--help, --version, --log-format). On --help or
 * --version it prints and exits 0. An option that is not known is an error that names near ones.
 * entries: as for GOptionContext, NULL-terminated; its G_OPTION_REMAINING entry takes the operands.
 */
gboolean tool_parse(const Tool *tool, const GOptionEntry *entries, int *argc, char ***argv,
                    GError **error);

/* One message on stderr, as text or, with --log-format=json, as a JSON object a line. */
void tool_log(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* Prints the error. Returns its exit code. */
int tool_fail(const GError *error);

/* Flushes stdout, where ENOSPC and EPIPE show. Returns code, or EXIT_IO when output was lost. */
int tool_finish(int code);

/* Parses a whole number with an optional suffix k, M, G (powers of ten) or Ki, Mi, Gi, within
 * [min, max]. Returns FALSE and MILLRACE_ERROR_USAGE that names the option. */
gboolean tool_parse_count(const char *option, const char *text, guint64 min, guint64 max,
                          guint64 *value, GError **error);

/* The full path of a program of ours: beside this one, else in libexec. (transfer full) */
char *tool_find_program(const char *name);

#endif
