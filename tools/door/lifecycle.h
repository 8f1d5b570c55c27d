/* lifecycle.h - a door from its parts: opened, run until it is told to end, and ended so that all
 * that it has in hand is answered and on disk.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TOOLS_DOOR_LIFECYCLE_H
#define MILLRACE_TOOLS_DOOR_LIFECYCLE_H

#include "tools/door/door.h"

/* config: borrowed for as long as the door is. Listens, gives up privileges, opens all parts and
 * serves. On FALSE the door is to be closed all the same. */
gboolean door_open(Door *door, DoorConfig *config, GError **error);
/* Serves until SIGTERM or SIGINT, then drains. */
void door_run(Door *door);
/* FALSE and error when usage could not be written to its end. */
gboolean door_close(Door *door, GError **error);

#endif
