/* error.h - the one error domain of Millrace and its exit codes.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_ERROR_H
#define MILLRACE_FORMATS_ERROR_H

#include <glib.h>

#define MILLRACE_ERROR millrace_error_quark()
GQuark millrace_error_quark(void);

typedef enum {
    MILLRACE_ERROR_USAGE,       /* the options are wrong */
    MILLRACE_ERROR_BAD_INPUT,   /* the input is not what it should be */
    MILLRACE_ERROR_CORRUPT,     /* a checksum or a structure of our own files does not hold */
    MILLRACE_ERROR_NO_INPUT,    /* the input is not there or cannot be opened */
    MILLRACE_ERROR_UNAVAILABLE, /* a needed program or service is out of reach */
    MILLRACE_ERROR_BUG,         /* ours */
    MILLRACE_ERROR_CANT_CREATE, /* an output cannot be created */
    MILLRACE_ERROR_IO,          /* reading or writing failed */
    MILLRACE_ERROR_INTERRUPTED, /* incomplete: run again to resume */
    MILLRACE_ERROR_INVARIANT    /* the run's own arithmetic does not hold */
} MillraceErrorKind;

/* Exit codes of every program, as in sysexits(3) and two of our own. */
enum {
    EXIT_ALL_DONE = 0,
    EXIT_SOME_FAILED = 1,
    EXIT_BAD_USAGE = 64,
    EXIT_BAD_INPUT = 65,
    EXIT_NO_INPUT = 66,
    EXIT_UNAVAILABLE = 69,
    EXIT_BUG = 70,
    EXIT_CANT_CREATE = 73,
    EXIT_IO = 74,
    EXIT_INCOMPLETE = 75,
    EXIT_INVARIANT = 76
};

/* The exit code of an error kind; this is the only table of the two. */
int millrace_exit_code(MillraceErrorKind kind);

/* The exit code for an error of any domain (EXIT_BUG for foreign ones, EXIT_BAD_USAGE for
 * GOption's). */
int millrace_error_exit_code(const GError *error);

/* Sets *error to "MESSAGE: strerror(errnum)". Returns FALSE, so that it can end a function. */
gboolean millrace_error_set_errno(GError **error, MillraceErrorKind kind, int errnum,
                                  const char *format, ...) G_GNUC_PRINTF(4, 5);

#endif
