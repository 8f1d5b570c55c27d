/* privileges.h - a door gives up what it does not need, before it reads its first byte.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TOOLS_DOOR_PRIVILEGES_H
#define MILLRACE_TOOLS_DOOR_PRIVILEGES_H

#include <glib.h>

#include "formats/error.h"

/* Before any thread is started: becomes user (NULL: stays who it is), drops all capabilities, lets
 * no program that it starts have more than it has, and keeps its memory, with keys in it, out of
 * core files. MILLRACE_ERROR_USAGE, MILLRACE_ERROR_UNAVAILABLE. */
gboolean privileges_drop(const char *user, GError **error);

/* Raises the limit of open files so that connections can be served at once, or to wanted when that
 * is not 0. Returns how many connections fit below the limit there is: at most those asked for, and
 * at least 1. */
guint descriptors_provide(guint connections, guint wanted, guint workers);

#endif
