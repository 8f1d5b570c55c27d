/* ranks.c - what programs that run on several ranks say and return.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/ranks.h"

#include <string.h>

#include "formats/error.h"
#include "tools/tool.h"

gboolean
ranks_is_first(void)
{
    const char *rank = g_getenv("OMPI_COMM_WORLD_RANK");

    return !rank || strcmp(rank, "0") == 0;
}

int
ranks_conclude(Comm *comm, int code, const GError *error)
{
    gboolean told = g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_INTERRUPTED);
    int own = !error ? code : told ? EXIT_ALL_DONE : millrace_error_exit_code(error);
    int all = (int)comm_max(comm, own);

    if (error && (!told || (all == EXIT_ALL_DONE && comm_rank(comm) == 0)))
        tool_fail(error);
    return all != EXIT_ALL_DONE || !told ? all : EXIT_INCOMPLETE;
}
