/* exchange.h - from HTTP's events to an exchange on its route, and to the books.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TOOLS_DOOR_EXCHANGE_H
#define MILLRACE_TOOLS_DOOR_EXCHANGE_H

#include "tools/door/door.h"

/* What a door does with HTTP's events. door: borrowed for as long as the server runs. */
HttpHandler exchange_handler(Door *door);

/* exchange_route.c: the route of a path; methods it takes, as in an Allow header. */
DoorRoute exchange_route(const char *path, const char **methods);
/* Is method, or HEAD for GET, one of them? */
gboolean exchange_method_is_allowed(const char *methods, const char *method);

/* exchange_key.c: whose key it is, and whether it may. FALSE: answered. */
gboolean exchange_authenticate(DoorExchange *exchange);

/* exchange_log.c: a line of the access log. */
void exchange_log(const DoorExchange *exchange);

#endif
