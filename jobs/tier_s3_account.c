/* tier_s3_account.c - s3:// places and the variables that the programs of AWS know as well.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/tier_s3_account.h"

#include <string.h>

enum { PREFIX_MAX_CHARS = 500 };

static const char *
environment(const char *name)
{
    const char *value = g_getenv(name);

    return value && *value ? value : NULL;
}

static gboolean
is_bucket(const char *name)
{
    gsize length = strlen(name);

    if (length < 3 || length > 63 || *name == '.')
        return FALSE;
    for (const char *at = name; *at; at++)
        if (!g_ascii_isalnum(*at) && !strchr("._-", *at))
            return FALSE;
    return TRUE;
}

/* Folders as "a/b": printable ASCII, none of them "." or "..". */
static gboolean
is_prefix(const char *prefix)
{
    g_auto(GStrv) folders = g_strsplit(prefix, "/", -1);

    if (strlen(prefix) > PREFIX_MAX_CHARS)
        return FALSE;
    for (const char *at = prefix; *at; at++)
        if (!g_ascii_isgraph(*at))
            return FALSE;
    for (char **folder = folders; *folder; folder++)
        if (**folder == '\0' || strcmp(*folder, ".") == 0 || strcmp(*folder, "..") == 0)
            return FALSE;
    return TRUE;
}

/* Splits s3://BUCKET[/PREFIX[/]]. */
static gboolean
parse_where(const char *where, char **bucket, char **prefix, GError **error)
{
    const char *rest = where + strlen("s3://");
    const char *slash = strchr(rest, '/');

    *bucket = slash ? g_strndup(rest, (gsize)(slash - rest)) : g_strdup(rest);
    *prefix = g_strdup(slash ? slash + 1 : "");
    gsize length = strlen(*prefix);
    if (length > 0 && (*prefix)[length - 1] == '/')
        (*prefix)[length - 1] = '\0';
    if (is_bucket(*bucket) && (**prefix == '\0' || is_prefix(*prefix)))
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                "%s: expected s3://BUCKET or s3://BUCKET/PREFIX", where);
    return FALSE;
}

void
s3_account_clear(S3Account *account)
{
    g_free(account->where);
    g_free(account->base);
    g_free(account->prefix);
    g_free(account->access_key);
    g_free(account->secret_key);
    g_free(account->session_token);
    g_free(account->signing);
    *account = (S3Account){0};
}

/* ENDPOINT without a '/' behind. (transfer full) */
static char *
find_endpoint(const char *region)
{
    const char *given = environment("AWS_ENDPOINT_URL");
    char *endpoint =
        given ? g_strdup(given) : g_strdup_printf("https://s3.%s.amazonaws.com", region);

    while (g_str_has_suffix(endpoint, "/"))
        endpoint[strlen(endpoint) - 1] = '\0';
    return endpoint;
}

gboolean
s3_account_read(const char *where, S3Account *account, GError **error)
{
    g_autofree char *bucket = NULL;
    g_autofree char *prefix = NULL;
    const char *region = environment("AWS_REGION");

    if (!parse_where(where, &bucket, &prefix, error))
        return FALSE;
    if (!environment("AWS_ACCESS_KEY_ID") || !environment("AWS_SECRET_ACCESS_KEY")) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                    "%s: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY have to be in the environment",
                    where);
        return FALSE;
    }
    if (!region)
        region = environment("AWS_DEFAULT_REGION");
    if (!region)
        region = "us-east-1";
    g_autofree char *endpoint = find_endpoint(region);
    account->where = g_strdup_printf("s3://%s%s%s", bucket, *prefix ? "/" : "", prefix);
    account->base = g_strdup_printf("%s/%s", endpoint, bucket);
    account->prefix = *prefix ? g_strconcat(prefix, "/", NULL) : g_strdup("");
    account->access_key = g_strdup(environment("AWS_ACCESS_KEY_ID"));
    account->secret_key = g_strdup(environment("AWS_SECRET_ACCESS_KEY"));
    account->session_token = g_strdup(environment("AWS_SESSION_TOKEN"));
    account->signing = g_strdup_printf("aws:amz:%s:s3", region);
    return TRUE;
}
