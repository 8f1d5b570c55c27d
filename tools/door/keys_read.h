/* keys_read.h - the key files of a door: its own, which signs receipts, and those of the publishers
 * whom it believes.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TOOLS_DOOR_KEYS_READ_H
#define MILLRACE_TOOLS_DOOR_KEYS_READ_H

#include "formats/minisign.h"
#include "tools/door/config.h"

/* STATE/door.key. (transfer full), or NULL and error. */
MinisignSecret *keys_read_secret(const DoorConfig *config, GError **error);
/* All of --trust. (transfer full) an array of MinisignPublic, or NULL and error. */
GArray *keys_read_trusted(const DoorConfig *config, GError **error);

#endif
