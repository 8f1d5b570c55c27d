/* exchange_route.c - which part of the door a path belongs to.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tools/door/exchange.h"

static const struct {
    const char *path; /* with '/' at its end: all directly beneath it; with "//": deeper down */
    DoorRoute route;
    const char *methods;
} routes[] = {
    {"/v1/key", ROUTE_KEY, "GET, HEAD"},
    {"/v1/resize", ROUTE_RESIZE, "POST"},
    {"/v1/jobs", ROUTE_JOBS, "GET, HEAD, POST"},
    {"/v1/jobs/", ROUTE_JOBS, "GET, HEAD, DELETE"},
    {"/v1/jobs//", ROUTE_JOBS, "GET, HEAD"},
    {"/v1/usage", ROUTE_USAGE, "GET, HEAD"},
    {"/health/live", ROUTE_HEALTH, "GET, HEAD"},
    {"/health/ready", ROUTE_HEALTH, "GET, HEAD"},
    {"/health/status", ROUTE_HEALTH, "GET, HEAD"},
    {"/openapi.json", ROUTE_OPENAPI, "GET, HEAD"},
    {"/", ROUTE_PAGE, "GET, HEAD"},
};

static gboolean
matches(const char *pattern, const char *path)
{
    gsize length = strlen(pattern);
    gboolean deeper = g_str_has_suffix(pattern, "//");

    if (strcmp(path, pattern) == 0)
        return TRUE;
    length -= deeper;
    return length > 1 && pattern[length - 1] == '/' && strncmp(path, pattern, length) == 0 &&
           (strchr(path + length, '/') != NULL) == deeper;
}

DoorRoute
exchange_route(const char *path, const char **methods)
{
    for (guint i = 0; i < G_N_ELEMENTS(routes); i++) {
        if (matches(routes[i].path, path)) {
            *methods = routes[i].methods;
            return routes[i].route;
        }
    }
    *methods = "";
    return ROUTE_NONE;
}

gboolean
exchange_method_is_allowed(const char *methods, const char *method)
{
    gsize length = strcspn(method, ", ");

    if (method[length] != '\0')
        return FALSE;
    for (const char *at = methods; length > 0 && *at; at += strcspn(at, " "), at += *at == ' ')
        if (strncmp(at, method, length) == 0 && (at[length] == ',' || at[length] == '\0'))
            return TRUE;
    return FALSE;
}

const char *
door_route_name(DoorRoute route)
{
    static const char *const names[ROUTE_COUNT] = {
        [ROUTE_NONE] = "none",       [ROUTE_PAGE] = "page",  [ROUTE_HEALTH] = "health",
        [ROUTE_OPENAPI] = "openapi", [ROUTE_KEY] = "key",    [ROUTE_RESIZE] = "resize",
        [ROUTE_JOBS] = "jobs",       [ROUTE_USAGE] = "usage"};

    return names[route];
}

const char *
door_outcome_name(DoorOutcome outcome)
{
    static const char *const names[OUTCOME_COUNT] = {[OUTCOME_NONE] = "none",
                                                     [OUTCOME_SERVED] = "served",
                                                     [OUTCOME_REPLAYED] = "replayed",
                                                     [OUTCOME_BAD_REQUEST] = "bad_request",
                                                     [OUTCOME_UNKNOWN_KEY] = "unknown_key",
                                                     [OUTCOME_FORBIDDEN] = "forbidden",
                                                     [OUTCOME_RATE_LIMITED] = "rate_limited",
                                                     [OUTCOME_TOO_LARGE] = "too_large",
                                                     [OUTCOME_CONFLICT] = "conflict",
                                                     [OUTCOME_POISON] = "poison",
                                                     [OUTCOME_SHED] = "shed",
                                                     [OUTCOME_UNAVAILABLE] = "unavailable",
                                                     [OUTCOME_BAD_IMAGE] = "bad_image",
                                                     [OUTCOME_ERROR] = "error",
                                                     [OUTCOME_GONE] = "gone"};

    return names[outcome];
}
