/* resize_options.h - the options of millrace resize, checked.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TOOLS_RESIZE_OPTIONS_H
#define MILLRACE_TOOLS_RESIZE_OPTIONS_H

#include "jobs/resize.h"

/* What is asked for. Strings live as long as the program. */
typedef struct {
    ResizeConfig config; /* but for worker_program */
    gboolean dry_run;
    const char *report; /* also write the report here; may be NULL */
} ResizeCommand;

/* Returns FALSE and MILLRACE_ERROR_USAGE that names the option, or MILLRACE_ERROR_CANT_CREATE for a
 * --report that could not be written. Prints and exits on --help and --version. */
gboolean resize_options_parse(ResizeCommand *command, int *argc, char ***argv, GError **error);

#endif
