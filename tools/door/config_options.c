/* config_options.c - the table of options, and how their values are read and compared.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "formats/duration.h"
#include "tools/door/config_internal.h"
#include "tools/tool.h"

#define AT(member) G_STRUCT_OFFSET(DoorConfig, member)

const ConfigOption config_options[] = {
    {"state", CONFIG_TEXT, FALSE, AT(state), NULL, 0, 0, "DIR",
     "The state folder that millrace keys init made"},
    {"listen", CONFIG_TEXT, FALSE, AT(listen), "127.0.0.1:8080", 0, 0, "ADDRESS:PORT",
     "Where clients come (default: 127.0.0.1:8080)"},
    {"admin", CONFIG_TEXT, FALSE, AT(admin), NULL, 0, 0, "ADDRESS:PORT",
     "Where /metrics and published keys are served"},
    {"jobs", CONFIG_TEXT, FALSE, AT(jobs), NULL, 0, 0, "DIR",
     "The folder of bulk jobs (default: STATE/jobs)"},
    {"queue", CONFIG_TEXT, FALSE, AT(queue), NULL, 0, 0, "WHERE",
     "sqlite:PATH or amqp://HOST[,HOST..] (default: sqlite:STATE/queue.sqlite)"},
    {"identity", CONFIG_LIST, FALSE, AT(identity), NULL, 0, 0, "DIR|URL",
     "Where keys are published; may be repeated (default: STATE/identity/published)"},
    {"trust", CONFIG_LIST, FALSE, AT(trust), NULL, 0, 0, "FILE",
     "Who may publish keys; may be repeated (default: STATE/identity/publisher.pub)"},
    {"sources", CONFIG_TEXT, FALSE, AT(sources), NULL, 0, 0, "DIR",
     "Manifests may name files beneath DIR/CUSTOMER (default: of their own tar only)"},
    {"cluster", CONFIG_TEXT, FALSE, AT(cluster), "main", 0, 0, "NAME",
     "The origin of usage events; the same for doors that share STATE (default: main)"},
    {"access-log", CONFIG_TEXT, FALSE, AT(access_log), "-", 0, 0, "FILE|-|none",
     "A JSON line a request (default: -, standard error)"},
    {"user", CONFIG_TEXT, FALSE, AT(user), NULL, 0, 0, "NAME",
     "Become this user, when started as root"},
    {"workers", CONFIG_COUNT, FALSE, AT(workers), NULL, 1, 4096, "N",
     "Image workers (default: the cores)"},
    {"threads", CONFIG_COUNT, FALSE, AT(threads), NULL, 1, 256, "N",
     "I/O threads (default: the cores, at most 4)"},
    {"connections", CONFIG_COUNT, FALSE, AT(connections_max), "1000", 1, 100000, "N",
     "Open connections; more wait to be taken (default: 1000)"},
    {"descriptors", CONFIG_COUNT, FALSE, AT(descriptors_max), NULL, 32, 1 << 20, "N",
     "Descriptors to ask the system for (default: what the connections need)"},
    {"drain-wait", CONFIG_TIME, FALSE, AT(drain_wait_us), "2", 0, 3600, "SECONDS",
     "From not being ready to closing, for proxies to see it (default: 2)"},
    {"deadline", CONFIG_TIME, TRUE, AT(deadline_us), "30", 1, 3600, "SECONDS",
     "What an image may take (default: 30)"},
    {"max-pixels", CONFIG_LONG_COUNT, TRUE, AT(pixels_max), "100M", 1, 1ULL << 40, "N",
     "Width x height x pages an image may have (default: 100M)"},
    {"max-bytes", CONFIG_LONG_COUNT, TRUE, AT(bytes_max), "64Mi", 1, 2ULL << 30, "N",
     "Bytes an image may have (default: 64Mi)"},
    {"max-job-bytes", CONFIG_LONG_COUNT, TRUE, AT(job_bytes_max), "1Gi", 1, 1ULL << 40, "N",
     "Bytes a manifest or tar may have (default: 1Gi)"},
    {"max-job-rows", CONFIG_LONG_COUNT, TRUE, AT(job_rows_max), "1M", 1, 1ULL << 32, "N",
     "Rows a job may have (default: 1M)"},
    {"wait-max", CONFIG_TIME, TRUE, AT(wait_max_us), "2", 0, 600, "SECONDS",
     "An image that would wait longer for a worker is refused (default: 2)"},
    {"queue-max", CONFIG_COUNT, TRUE, AT(waiting_max), "500", 1, 1000000, "N",
     "Images that may wait (default: 500)"},
    {"customer-share", CONFIG_COUNT, TRUE, AT(customer_share), "50", 1, 100, "PERCENT",
     "How much of the waiting one customer may be, while others wait (default: 50)"},
    {"stale-after", CONFIG_TIME, TRUE, AT(stale_us), "1h", 1, 31536000, "TIME",
     "Without news of keys for so long, jobs and usage are refused (default: 1h)"},
    {"queue-length", CONFIG_COUNT, TRUE, AT(queue_length_max), "100k", 1, 100000000, "N",
     "Bulk jobs that may wait (default: 100k)"},
};
const guint config_option_count = G_N_ELEMENTS(config_options);

static gboolean
parse_time(const ConfigOption *option, const char *where, const char *text, gint64 *time_us,
           GError **error)
{
    char *end = NULL;
    gdouble seconds = g_ascii_strtod(text, &end);
    Duration duration = {0};

    if (end == text || *end) {
        seconds = -1;
        if (duration_parse(where, text, &duration, NULL) && duration.months == 0)
            seconds = (gdouble)duration.us / G_USEC_PER_SEC;
    }
    *time_us = 0;
    if (seconds >= (gdouble)option->min && seconds <= (gdouble)option->max) {
        *time_us = llround(seconds * G_USEC_PER_SEC);
        return TRUE;
    }
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                "%s=%s: expected %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT
                " seconds, as in 30, 0.5 or 5m",
                where, text, option->min, option->max);
    return FALSE;
}

gboolean
config_set(DoorConfig *config, const ConfigOption *option, const char *where, const char *text,
           GError **error)
{
    guint64 count = 0;

    if (option->kind == CONFIG_TIME)
        return parse_time(option, where, text, &G_STRUCT_MEMBER(gint64, config, option->offset),
                          error);
    if (option->kind == CONFIG_TEXT) {
        char **at = &G_STRUCT_MEMBER(char *, config, option->offset);
        if (!*text) {
            g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE, "%s: expected %s", where,
                        option->argument);
            return FALSE;
        }
        g_free(*at);
        *at = g_strdup(text);
        return TRUE;
    }
    if (!tool_parse_count(where, text, option->min, option->max, &count, error))
        return FALSE;
    if (option->kind == CONFIG_COUNT)
        G_STRUCT_MEMBER(guint, config, option->offset) = (guint)count;
    else
        G_STRUCT_MEMBER(guint64, config, option->offset) = count;
    return TRUE;
}

void
config_add(DoorConfig *config, const ConfigOption *option, const char *text)
{
    char ***at = &G_STRUCT_MEMBER(char **, config, option->offset);
    guint count = *at ? g_strv_length(*at) : 0;

    *at = g_renew(char *, *at, count + 2);
    (*at)[count] = g_strdup(text);
    (*at)[count + 1] = NULL;
}

gboolean
config_is_same(const DoorConfig *a, const DoorConfig *b, const ConfigOption *option)
{
    gconstpointer in_a = G_STRUCT_MEMBER_P(a, option->offset);
    gconstpointer in_b = G_STRUCT_MEMBER_P(b, option->offset);

    if (option->kind == CONFIG_TEXT)
        return g_strcmp0(*(const char *const *)in_a, *(const char *const *)in_b) == 0;
    if (option->kind == CONFIG_LIST)
        return g_strv_equal(*(const char *const *const *)in_a, *(const char *const *const *)in_b);
    return memcmp(in_a, in_b, option->kind == CONFIG_COUNT ? sizeof(guint) : sizeof(guint64)) == 0;
}

void
config_copy_number(const DoorConfig *from, DoorConfig *to, const ConfigOption *option)
{
    g_assert(option->kind != CONFIG_TEXT && option->kind != CONFIG_LIST);
    memcpy(G_STRUCT_MEMBER_P(to, option->offset), G_STRUCT_MEMBER_P(from, option->offset),
           option->kind == CONFIG_COUNT ? sizeof(guint) : sizeof(guint64));
}
