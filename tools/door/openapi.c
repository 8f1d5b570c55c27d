/* openapi.c - GET /openapi.json: what this door answers, for programs that are written against it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/door/door.h"
#include "tools/door/embed.h"

EMBED(door_openapi_json, "tools/door/openapi.json");

void
door_openapi(DoorExchange *exchange)
{
    HttpAnswer answer = {.status = 200,
                         .content_type = "application/json",
                         .bytes = door_openapi_json,
                         .size_bytes = (gsize)(door_openapi_json_end - door_openapi_json),
                         .is_static = TRUE};

    door_answer(exchange, OUTCOME_SERVED, &answer);
}
