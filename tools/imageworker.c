/* imageworker.c - millrace-imageworker: started by a rank, with its socket as descriptor 3.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <sys/stat.h>

#include "formats/error.h"
#include "jobs/image_worker.h"
#include "jobs/worker_wire.h"

static void
notice(const char *message)
{
    fprintf(stderr, "millrace-imageworker: %s\n", message);
}

int
main(void)
{
    g_autoptr(GError) error = NULL;
    struct stat status;

    if (fstat(WORKER_SOCKET_FD, &status) != 0 || !S_ISSOCK(status.st_mode)) {
        fputs("millrace-imageworker: it is started by millrace resize, not by hand\n", stderr);
        return EXIT_BAD_USAGE;
    }
    if (image_worker_run(WORKER_SOCKET_FD, notice, &error))
        return EXIT_ALL_DONE;
    notice(error ? error->message : "cannot go on");
    return EXIT_BUG;
}
