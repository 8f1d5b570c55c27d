/* error.c - the error domain of Millrace and its exit codes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/error.h"

#include <stdarg.h>

G_DEFINE_QUARK(millrace - error - quark, millrace_error)

int
millrace_exit_code(MillraceErrorKind kind)
{
    static const int codes[] = {
        [MILLRACE_ERROR_USAGE] = EXIT_BAD_USAGE,
        [MILLRACE_ERROR_BAD_INPUT] = EXIT_BAD_INPUT,
        [MILLRACE_ERROR_CORRUPT] = EXIT_BAD_INPUT,
        [MILLRACE_ERROR_NO_INPUT] = EXIT_NO_INPUT,
        [MILLRACE_ERROR_UNAVAILABLE] = EXIT_UNAVAILABLE,
        [MILLRACE_ERROR_BUG] = EXIT_BUG,
        [MILLRACE_ERROR_CANT_CREATE] = EXIT_CANT_CREATE,
        [MILLRACE_ERROR_IO] = EXIT_IO,
        [MILLRACE_ERROR_INTERRUPTED] = EXIT_INCOMPLETE,
        [MILLRACE_ERROR_INVARIANT] = EXIT_INVARIANT,
    };

    g_assert((gsize)kind < G_N_ELEMENTS(codes));
    return codes[kind];
}

int
millrace_error_exit_code(const GError *error)
{
    if (error->domain == MILLRACE_ERROR)
        return millrace_exit_code((MillraceErrorKind)error->code);
    if (error->domain == G_OPTION_ERROR)
        return EXIT_BAD_USAGE;
    return EXIT_BUG;
}

gboolean
millrace_error_set_errno(GError **error, MillraceErrorKind kind, int errnum, const char *format,
                         ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);

    g_set_error(error, MILLRACE_ERROR, kind, "%s: %s", message, g_strerror(errnum));
    return FALSE;
}
