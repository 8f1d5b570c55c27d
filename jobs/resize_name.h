/* resize_name.h - the name of an output beneath the output folder.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_RESIZE_NAME_H
#define MILLRACE_JOBS_RESIZE_NAME_H

#include "formats/outspec.h"

#define STATE_FOLDER ".millrace"

/* What a name is made of. */
typedef struct {
    guint64 row;
    const char *source;
    const char *customer;
    const char *request;
    const char *spec;   /* canonical */
    gboolean with_spec; /* does the job make several specs? Then SPEC/ comes first */
    ImageFormat format; /* the output's */
} OutputName;

/* Checks a --name template: text with {path} {dir} {stem} {ext} {spec} {row} {request} {customer}.
 * Returns FALSE and MILLRACE_ERROR_USAGE. */
gboolean output_name_check(const char *template, GError **error);

/* template: NULL = the default: [SPEC/]PATH, and the format's extension where PATH's names another.
 * Returns: (transfer full) a path without leading '/', ".", ".." or empty parts, not within
 * STATE_FOLDER; "" when nothing is left of it. */
char *output_name_make(const char *template, const OutputName *name);

#endif
