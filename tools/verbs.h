/* verbs.h - a program of several verbs: help that lists them, and the choice of one.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TOOLS_VERBS_H
#define MILLRACE_TOOLS_VERBS_H

#include <glib.h>

typedef struct {
    const char *verb;
    int (*run)(int argc, char **argv); /* takes the arguments behind the verb's name */
    const char *does;
} Verb;

typedef struct {
    const char *program; /* "bill": run as millrace bill */
    const char *example; /* comes first in --help; lines indented by two spaces */
    const Verb *verbs;
    guint count;
} Verbs;

/* Runs the verb that is asked for, or says what there is. Returns: the exit code. */
int verbs_main(const Verbs *verbs, int argc, char **argv);

#endif
