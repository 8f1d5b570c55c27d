/* access_log.h - a JSON object a line for each request, written by a thread of its own: no I/O
 * thread waits for a disk, and when the disk is too slow lines are dropped and counted.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TOOLS_DOOR_ACCESS_LOG_H
#define MILLRACE_TOOLS_DOOR_ACCESS_LOG_H

#include <glib.h>

#include "formats/error.h"

typedef struct _AccessLog AccessLog;

/* where: "-" for stderr, "none", or a path, appended to. NULL and MILLRACE_ERROR_CANT_CREATE. */
AccessLog *access_log_open(const char *where, GError **error);
/* Writes what is left. */
void access_log_close(AccessLog *log);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AccessLog, access_log_close)
/* Opens the path again, after a rotation. */
void access_log_reopen(AccessLog *log);

/* Does it write at all? */
gboolean access_log_is_on(const AccessLog *log);
/* Takes a line, with its line end; any thread. Never blocks on the file. */
void access_log_put(AccessLog *log, const char *line, gsize size_bytes);
guint64 access_log_dropped(const AccessLog *log);

#endif
