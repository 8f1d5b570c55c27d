/* keyed.h - the Idempotency-Key header: a customer's own name for a request, by which a retry is
 * known at any door.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TOOLS_DOOR_KEYED_H
#define MILLRACE_TOOLS_DOOR_KEYED_H

#include "tools/door/door.h"

/* key: (out) borrowed from the request; NULL when it has none. FALSE: the header is no key, or
 * there are two; that has been answered. */
gboolean door_idempotency_key(DoorExchange *exchange, const char **key);

/* 128 random bits in hexadecimal: a name for a request that brings none, which nobody can guess or
 * repeat. */
#define DOOR_NAME_CHARS 32
void door_draw_name(char name[DOOR_NAME_CHARS + 1]);

#endif
