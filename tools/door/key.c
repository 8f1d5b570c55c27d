/* key.c - GET /v1/key: whose key it is, and what it may do.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/json.h"
#include "formats/usage.h"
#include "tools/door/door.h"

static void
put_scopes(GString *body, guint32 scopes)
{
    g_autofree char *text = scopes_print(scopes);

    json_open(body, "scopes", '[');
    for (char *at = text, *end = NULL; *at; at = end) {
        gsize length = strcspn(at, ",");
        end = at + length + (at[length] == ',');
        at[length] = '\0';
        json_put_string(body, NULL, at);
    }
    g_string_append_c(body, ']');
}

void
door_key(DoorExchange *exchange)
{
    const IdentityKey *key = &exchange->key;
    g_autoptr(GString) body = g_string_sized_new(256);

    json_open(body, NULL, '{');
    json_put_string(body, "customer", key->customer);
    json_put_string(body, "key", key->id);
    put_scopes(body, key->scopes);
    if (key->rate_per_s > 0) {
        json_put_uint(body, "rate", key->rate_per_s);
        json_put_uint(body, "burst", key->burst);
    }
    if (key->daily_quota > 0)
        json_put_uint(body, "quota", key->daily_quota);
    if (key->expires_us < G_MAXINT64) {
        g_string_append(body, ",\"expires\":\"");
        usage_print_time(body, key->expires_us);
        g_string_append_c(body, '"');
    }
    json_put_uint(body, "epoch", exchange->epoch);
    g_string_append(body, "}\n");
    HttpAnswer answer = {.status = 200,
                         .content_type = "application/json",
                         .bytes = body->str,
                         .size_bytes = body->len};
    door_answer(exchange, OUTCOME_SERVED, &answer);
}
