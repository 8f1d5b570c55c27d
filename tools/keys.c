/* keys.c - millrace keys: who may use the front door. The store is on one machine; doors read what
 * it publishes, wherever they are.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/keys.h"

#include "tools/verbs.h"

static const Verb verbs[] = {
    {"init", keys_init_main, "make a state: the store, and what signs"},
    {"add", keys_add_main, "make a key for a customer, and print it, once"},
    {"revoke", keys_revoke_main, "end a key, or all of a customer's"},
    {"rotate", keys_rotate_main, "make a key's successor, and print it, once"},
    {"list", keys_list_main, "who has which keys"},
    {"publish", keys_publish_main, "publish again what is there: a sign of life"},
    {"fetch", keys_fetch_main, "bring what is published to another machine"},
};

int
main(int argc, char **argv)
{
    static const Verbs all = {.program = "keys",
                              .example = "  millrace keys init STATE\n"
                                         "  millrace keys add STATE --customer acme > acme.key\n"
                                         "  millrace door --state STATE --listen 127.0.0.1:8080",
                              .verbs = verbs,
                              .count = G_N_ELEMENTS(verbs)};

    return verbs_main(&all, argc, argv);
}
