/* keyed.c - the Idempotency-Key header.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/door/keyed.h"

#include <sys/random.h>

gboolean
door_idempotency_key(DoorExchange *exchange, const char **key)
{
    guint count = http_header_count(exchange->request, "Idempotency-Key");

    *key = count == 1 ? http_header(exchange->request, "Idempotency-Key") : NULL;
    if (count == 0 || (*key && answers_key_is_valid(*key)))
        return TRUE;
    door_problem(exchange, OUTCOME_BAD_REQUEST, 400, "bad-idempotency-key", 0,
                 count > 1 ? "there are %u Idempotency-Key headers: send one"
                           : "Idempotency-Key must be 1 to %u printable ASCII characters",
                 count > 1 ? count : ANSWER_KEY_MAX);
    return FALSE;
}

void
door_draw_name(char name[DOOR_NAME_CHARS + 1])
{
    guint8 drawn[DOOR_NAME_CHARS / 2];
    /* Never short, and never an error, for so few bytes of an initialised pool (getrandom(2)). */
    ssize_t got = getrandom(drawn, sizeof drawn, 0);

    g_assert(got == (ssize_t)sizeof drawn);
    for (guint i = 0; i < sizeof drawn; i++)
        g_snprintf(name + (gsize)2 * i, 3, "%02x", drawn[i]);
}
