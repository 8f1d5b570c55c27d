/* hosts.h - the hosts of a host file, and which of them answer.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_HOSTS_H
#define MILLRACE_JOBS_HOSTS_H

#include <signal.h>

#include <glib.h>

/* How long a host may take to answer. */
#define HOSTS_TIMEOUT_S 10

typedef struct _Hosts Hosts;

/* Reads a host file as mpirun does: a name a line, whatever behind it. All count as answering.
 * Returns: (transfer full), or NULL and MILLRACE_ERROR_NO_INPUT. */
Hosts *hosts_read(const char *path, GError **error);
void hosts_free(Hosts *hosts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Hosts, hosts_free)

/* Asks every host but this one for a sign of life, by the program that mpirun would start its
 * daemons with. signals: blocked, SIGCHLD among them. Returns FALSE when another of these came
 * first; nothing is known then that was not known before. */
gboolean hosts_probe(Hosts *hosts, const sigset_t *signals);

/* How many have answered, or have not. */
guint hosts_count(const Hosts *hosts, gboolean answering);
/* (transfer full) Their names, as read, in their order; NULL-terminated. */
char **hosts_names(const Hosts *hosts, gboolean answering);
/* Writes the lines of those that answer to a file without a name.
 * Returns: a descriptor to close, which programs do not inherit; or -1 and MILLRACE_ERROR_IO. */
int hosts_write(const Hosts *hosts, GError **error);

#endif
