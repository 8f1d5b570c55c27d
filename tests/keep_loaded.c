/* keep_loaded.c - keeps plugins in memory until exit; linked into sanitized programs only. Open MPI
 * closes its plugins in MPI_Finalize, and what they leaked could then be told from a leak of ours
 * by no name: LeakSanitizer looks at the end of the process.
 * SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>

int
dlclose(void *handle)
{
    (void)handle;
    return 0;
}
