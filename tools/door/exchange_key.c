/* exchange_key.c - whose request it is: the key, its expiry, its rate and its scopes.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tools/door/exchange.h"

/* How long clients are told to wait when identity is stale: somebody has to mend the publisher. */
#define RETRY_STALE_S 30

/* The key's text: of Authorization: Bearer, or X-API-Key; of one of them, once. NULL: answered. */
static const char *
sent_key(DoorExchange *exchange)
{
    const char *bearer = http_header(exchange->request, "Authorization");
    const char *plain = http_header(exchange->request, "X-API-Key");

    if (!bearer && !plain) {
        door_problem(exchange, OUTCOME_UNKNOWN_KEY, 401, "no-key", 0,
                     "send your API key: Authorization: Bearer KEY, or X-API-Key: KEY");
        return NULL;
    }
    if (http_header_count(exchange->request, bearer ? "Authorization" : "X-API-Key") > 1 ||
        (bearer && plain)) {
        door_problem(exchange, OUTCOME_BAD_REQUEST, 400, "several-keys", 0,
                     "send one key, once: either Authorization or X-API-Key");
        return NULL;
    }
    if (plain)
        return plain;
    if (g_ascii_strncasecmp(bearer, "Bearer ", 7) != 0) {
        door_problem(exchange, OUTCOME_UNKNOWN_KEY, 401, "no-key", 0,
                     "expected Authorization: Bearer KEY; other schemes are not taken");
        return NULL;
    }
    bearer += 7;
    return bearer + strspn(bearer, " ");
}

static void
see_identity(DoorExchange *exchange)
{
    IdentityEdgeState state;

    identity_edge_state(exchange->door->edge, &state);
    exchange->epoch = state.head.epoch;
    exchange->age_us = state.age_us;
}

gboolean
exchange_authenticate(DoorExchange *exchange)
{
    const char *text = sent_key(exchange);

    if (!text)
        return FALSE;
    see_identity(exchange);
    if (!identity_edge_find(exchange->door->edge, text, strlen(text), &exchange->key)) {
        door_problem(exchange, OUTCOME_UNKNOWN_KEY, 401, "unknown-key", 0,
                     "this key is not known, or has been revoked");
        return FALSE;
    }
    exchange->has_key = TRUE;
    gint64 now_us = g_get_real_time();
    if (exchange->key.expires_us <= now_us) {
        door_problem(exchange, OUTCOME_FORBIDDEN, 403, "key-expired", 0,
                     "key %s has expired: ask for a new one", exchange->key.id);
        return FALSE;
    }
    rate_limits_take(exchange->door->rates, &exchange->key, now_us,
                     http_begun_us(exchange->request), &exchange->rate);
    if (exchange->rate.limited && !exchange->rate.allowed) {
        door_problem(exchange, OUTCOME_RATE_LIMITED, 429,
                     exchange->rate.by_quota ? "quota-used-up" : "rate-limited",
                     MAX(1, exchange->rate.retry_after_s),
                     exchange->rate.by_quota
                         ? "the key's requests of this day are used up: come again in %u s"
                         : "the key's requests come too fast: come again in %u s",
                     MAX(1, exchange->rate.retry_after_s));
        return FALSE;
    }
    return TRUE;
}

gboolean
door_require(DoorExchange *exchange, guint32 scope)
{
    if ((exchange->key.scopes & scope) != scope) {
        g_autofree char *name = scopes_print(scope);
        door_problem(exchange, OUTCOME_FORBIDDEN, 403, "missing-scope", 0,
                     "key %s has no scope %s: ask for a key that has", exchange->key.id, name);
        return FALSE;
    }
    if (scope & SCOPE_PRIVILEGED) {
        DoorConfig limits;
        door_limits(exchange->door, &limits);
        if (exchange->age_us > limits.stale_us) {
            door_problem(exchange, OUTCOME_UNAVAILABLE, 503, "stale-identity", RETRY_STALE_S,
                         "this door has not heard from the publisher of keys for %" G_GINT64_FORMAT
                         " s, and a key may have been revoked since: come again later",
                         exchange->age_us / G_USEC_PER_SEC);
            return FALSE;
        }
    }
    return TRUE;
}
