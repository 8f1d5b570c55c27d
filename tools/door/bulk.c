/* bulk.c - /v1/jobs: what is asked, and of which job. The asking ends in an I/O thread; the doing
 * blocks on disks and brokers, so it is left to a few threads of its own, whose queues are bounded.
 * A job is its customer's: for everybody else it is not there.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tools/door/bulk_internal.h"
#include "tools/tool.h"

enum {
    TAKERS = 2,
    TELLERS = 2,
    WAITING_MAX = 64, /* requests for either */
    RETRY_S = 2
};

/* What can be asked. leaf: behind the job's id; NULL: of all jobs. */
static const struct {
    const char *method;
    const char *leaf;
    void (*run)(BulkWork *work);
} asks[] = {
    {"POST", NULL, bulk_take},        {"GET", NULL, bulk_list},
    {"GET", "", bulk_show},           {"DELETE", "", bulk_cancel},
    {"GET", "results", bulk_results}, {"GET", "outputs.tar", bulk_outputs},
};

static void
work_free(gpointer data)
{
    BulkWork *work = data;

    g_free(work->to);
    g_free(work);
}

static void
run_work(gpointer data, gpointer bulk G_GNUC_UNUSED)
{
    BulkWork *work = data;

    work->run(work);
}

/* The request is whole: lets a thread do it. */
static void
on_body(void *data)
{
    DoorExchange *exchange = data;
    BulkWork *work = exchange->handler_data;
    DoorBulk *bulk = work->bulk;
    GThreadPool *pool = work->run == bulk_take ? bulk->takers : bulk->tellers;

    if (g_thread_pool_unprocessed(pool) >= WAITING_MAX)
        door_problem(exchange, OUTCOME_SHED, 503, "overloaded", RETRY_S,
                     "too many requests about jobs wait: retry after %d s", RETRY_S);
    else
        g_thread_pool_push(pool, work, NULL);
}

/* Splits the path. FALSE: there is nothing of that name. */
static gboolean
read_path(BulkWork *work, const char **leaf)
{
    const char *path = http_path(work->exchange->request);
    static const char root[] = "/v1/jobs";

    *leaf = NULL;
    if (strncmp(path, root, sizeof root - 1) != 0)
        return FALSE;
    path += sizeof root - 1;
    if (*path == '\0')
        return TRUE;
    const char *id = path + 1;
    const char *end = strchrnul(id, '/');
    if (*path != '/' || end == id || end - id > JOB_ID_CHARS)
        return FALSE;
    memcpy(work->id, id, (gsize)(end - id));
    *leaf = *end == '/' ? end + 1 : end;
    return *end != '/' || **leaf != '\0';
}

/* What is asked; methods that are wrong have been refused before. FALSE: answered. */
static gboolean
read_ask(BulkWork *work)
{
    const char *method = http_method(work->exchange->request);
    const char *leaf = NULL;
    gboolean found = read_path(work, &leaf);

    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    for (guint i = 0; found && i < G_N_ELEMENTS(asks); i++)
        if (g_strcmp0(asks[i].leaf, leaf) == 0 && strcmp(asks[i].method, method) == 0)
            work->run = asks[i].run;
    if (work->run)
        return TRUE;
    door_problem(work->exchange, OUTCOME_BAD_REQUEST, 404, "no-such-job", 0,
                 "you have no such job");
    return FALSE;
}

/* Reads ?to=SPEC[;SPEC...] and the idempotency key of a new job. FALSE: answered. */
static gboolean
read_options(BulkWork *work)
{
    DoorExchange *exchange = work->exchange;
    const char *to = http_query(exchange->request, "to");
    OutputSpec specs[OUTPUTS_PER_ROW_MAX];
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) canonical = g_string_new(NULL);

    if (http_query_count(exchange->request) != (to != NULL)) {
        door_problem(exchange, OUTCOME_BAD_REQUEST, 400, "bad-query", 0,
                     "the query may have one to=SPEC, or SPEC;SPEC..., and nothing else");
        return FALSE;
    }
    int count = to ? output_spec_parse_list(to, specs, G_N_ELEMENTS(specs), &error) : 0;
    if (count < 0) {
        door_problem(exchange, OUTCOME_BAD_REQUEST, 400, "bad-spec", 0, "to: %s", error->message);
        return FALSE;
    }
    for (int i = 0; i < count; i++) {
        g_autofree char *spec = output_spec_print(&specs[i]);
        g_string_append_printf(canonical, "%s%s", i ? ";" : "", spec);
    }
    work->to = count ? g_strdup(canonical->str) : NULL;
    if (!door_idempotency_key(exchange, &work->key))
        return FALSE;
    work->keyed = work->key != NULL;
    if (!work->keyed) {
        door_draw_name(work->drawn);
        work->key = work->drawn;
    }
    return TRUE;
}

/* Only a list has a query, which it reads itself. */
static gboolean
has_no_query(BulkWork *work)
{
    if (work->run == bulk_list || http_query_count(work->exchange->request) == 0)
        return TRUE;
    door_problem(work->exchange, OUTCOME_BAD_REQUEST, 400, "bad-query", 0, "this takes no query");
    return FALSE;
}

void
door_jobs(DoorExchange *exchange)
{
    BulkWork *work = g_new0(BulkWork, 1);
    DoorConfig limits;

    work->bulk = exchange->door->bulk;
    work->exchange = exchange;
    exchange->handler_data = work;
    exchange->handler_free = work_free;
    if (!door_require(exchange, SCOPE_JOBS) || !read_ask(work))
        return;
    door_limits(exchange->door, &limits);
    if (work->run == bulk_take ? read_options(work) : has_no_query(work))
        door_take_body(exchange, work->run == bulk_take ? limits.job_bytes_max : 0, on_body);
}

void
bulk_fail(BulkWork *work, const char *what, const GError *error)
{
    tool_log("%s: %s: %s", work->exchange->id, what, error->message);
    door_problem(work->exchange, OUTCOME_UNAVAILABLE, 503, "storage", RETRY_S,
                 "%s is not possible at present: retry later", what);
}

DoorBulk *
door_bulk_new(Door *door, GError **error)
{
    BulkQueue *queue = bulk_queue_new(door, error);

    if (!queue)
        return NULL;
    DoorBulk *bulk = g_new0(DoorBulk, 1);
    bulk->door = door;
    bulk->queue = queue;
    bulk->cluster = g_strdup(door->config->cluster);
    bulk->sources = g_strdup(door->config->sources);
    g_mutex_init(&bulk->mutex);
    bulk->in_hand = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    bulk->takers = g_thread_pool_new(run_work, bulk, TAKERS, FALSE, NULL);
    bulk->tellers = g_thread_pool_new(run_work, bulk, TELLERS, FALSE, NULL);
    return bulk;
}

void
door_bulk_free(DoorBulk *bulk)
{
    g_thread_pool_free(bulk->takers, FALSE, TRUE);
    g_thread_pool_free(bulk->tellers, FALSE, TRUE);
    bulk_queue_free(bulk->queue);
    g_hash_table_unref(bulk->in_hand);
    g_mutex_clear(&bulk->mutex);
    g_free(bulk->cluster);
    g_free(bulk->sources);
    g_free(bulk);
}

gboolean
door_bulk_depth(DoorBulk *bulk, guint64 *ready, guint64 *claimed, guint64 *dead)
{
    QueueDepth depth;
    gboolean known = bulk_queue_depth(bulk->queue, &depth);

    *ready = depth.ready;
    *claimed = depth.claimed;
    *dead = depth.dead;
    return known;
}
