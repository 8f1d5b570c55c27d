/* test_exchange_route.c - which part of the door a path belongs to, and what may be done there.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/door/exchange.h"

#include <criterion/criterion.h>

static const char *
name_of(const char *path)
{
    const char *methods = NULL;

    return door_route_name(exchange_route(path, &methods));
}

static gboolean
takes(const char *path, const char *method)
{
    const char *methods = NULL;

    exchange_route(path, &methods);
    return exchange_method_is_allowed(methods, method);
}

Test(exchange_route, a_path_is_known_to_the_letter)
{
    cr_expect_str_eq(name_of("/v1/key"), "key");
    cr_expect_str_eq(name_of("/v1/resize"), "resize");
    cr_expect_str_eq(name_of("/v1/usage"), "usage");
    cr_expect_str_eq(name_of("/health/ready"), "health");
    cr_expect_str_eq(name_of("/openapi.json"), "openapi");
    cr_expect_str_eq(name_of("/"), "page");
    cr_expect_str_eq(name_of("/v1/key/"), "none");
    cr_expect_str_eq(name_of("/v1/Key"), "none");
    cr_expect_str_eq(name_of("/v1/keys"), "none");
    cr_expect_str_eq(name_of("/v1"), "none");
    cr_expect_str_eq(name_of("//"), "none");
    cr_expect_str_eq(name_of("/health/"), "none");
    cr_expect_str_eq(name_of("/health/other"), "none");
    cr_expect_str_eq(name_of(""), "none");
    cr_expect_str_eq(name_of("*"), "none");
}

Test(exchange_route, what_lies_beneath_jobs_is_a_jobs_own)
{
    cr_expect_str_eq(name_of("/v1/jobs"), "jobs");
    cr_expect_str_eq(name_of("/v1/jobs/j00"), "jobs");
    cr_expect_str_eq(name_of("/v1/jobs/j00/results"), "jobs");
    cr_expect_str_eq(name_of("/v1/jobsx"), "none");
    cr_expect(takes("/v1/jobs", "POST"));
    cr_expect_not(takes("/v1/jobs", "DELETE"));
    cr_expect(takes("/v1/jobs/j00", "DELETE"));
    cr_expect_not(takes("/v1/jobs/j00", "POST"));
}

Test(exchange_route, a_method_is_one_of_the_list_and_no_part_of_one)
{
    cr_expect(takes("/v1/key", "GET"));
    cr_expect(takes("/v1/key", "HEAD"));
    cr_expect_not(takes("/v1/key", "GE"));
    cr_expect_not(takes("/v1/key", "EAD"));
    cr_expect_not(takes("/v1/key", "GET,"));
    cr_expect_not(takes("/v1/key", "GET, HEAD"));
    cr_expect_not(takes("/v1/key", "get"));
    cr_expect_not(takes("/v1/key", ""));
    cr_expect_not(takes("/v1/key", " "));
    cr_expect_not(takes("/v1/nothing", "GET"));
}

Test(exchange_route, every_route_and_every_outcome_has_a_name_of_its_own)
{
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < ROUTE_COUNT; i++)
        cr_expect(g_hash_table_add(names, (gpointer)(gintptr)door_route_name((DoorRoute)i)));
    g_hash_table_remove_all(names);
    for (guint i = 0; i < OUTCOME_COUNT; i++)
        cr_expect(g_hash_table_add(names, (gpointer)(gintptr)door_outcome_name((DoorOutcome)i)));
}
