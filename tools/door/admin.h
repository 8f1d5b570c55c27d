/* admin.h - the listener for those who run the door: GET /metrics, and the published keys for
 * other doors: /identity/head and /identity/snapshot-SHA256.lmdb.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TOOLS_DOOR_ADMIN_H
#define MILLRACE_TOOLS_DOOR_ADMIN_H

#include "tools/door/door.h"

/* listen_fd: of http_listen(); taken. door: borrowed until http_stop(). */
Http *admin_start(Door *door, int listen_fd, GError **error);

#endif
