/* supervise.h - a verb under mpirun: started with the right flags, started again when it crashes,
 * on the hosts that answer when one is lost; its verdict read from its output folder.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_SUPERVISE_H
#define MILLRACE_JOBS_SUPERVISE_H

#include <glib.h>

#define SUPERVISE_RETRIES_DEFAULT 3

typedef struct {
    guint rank_count;
    const char *hostfile; /* NULL: this host, or those of the scheduler */
    guint retries_max;    /* tries without progress before it gives up */
    const char *program;  /* path of millrace-VERB */
    char **arguments;     /* the verb's; NULL-terminated */
    /* Called before a try is repeated: why, and which hosts are lost. */
    void (*notice)(const char *message);
} SuperviseConfig;

/* Runs to the end, whatever that is. *exit_code: the verb's own. SIGTERM, SIGINT and SIGUSR1 let
 * the ranks finish what is in hand. Returns FALSE and MILLRACE_ERROR_UNAVAILABLE when mpirun does
 * not start, MILLRACE_ERROR_INTERRUPTED when tries end without progress, MILLRACE_ERROR_NO_INPUT
 * for a host file that cannot be read, MILLRACE_ERROR_IO. */
gboolean supervise_run(const SuperviseConfig *config, int *exit_code, GError **error);

/* The folder that a verb's arguments name by -o DIR, or the default. (transfer full) */
char *supervise_folder(char **arguments);

#endif
