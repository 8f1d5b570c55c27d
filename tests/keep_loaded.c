/* keep_loaded.c - lets LeakSanitizer tell Open MPI's leaks from ours by the names of its modules;
 * linked only into sanitized programs that use MPI.
 * SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>

const char *__asan_default_options(void);

/* Whole stacks, since Open MPI is built without frame pointers. Programs of libvips alone are
 * spared this: it makes them five times slower. */
const char *
__asan_default_options(void)
{
    return "fast_unwind_on_malloc=0";
}

/* Keeps plugins in memory until exit. Open MPI closes its own in MPI_Finalize, and by the time
 * leaks are looked for they would have no names. */
int
dlclose(void *handle)
{
    (void)handle;
    return 0;
}
