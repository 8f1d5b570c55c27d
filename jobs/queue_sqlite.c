/* queue_sqlite.c - the queue of one host: a table in SQLite, for many processes at once.
 * A claim is a row that has a lease; who asks next finds leases that are over, so nobody has to
 * watch. Two processes that try the same are told apart by the write lock, which is taken before
 * anything is read.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/queue_internal.h"
#include "jobs/sqlite.h"

enum { READY = 0, CLAIMED = 1, DEAD = 2 };
enum { PAUSE_FIRST_MS = 5, PAUSE_MAX_MS = 100, PATIENCE_MS = 5000 };

/* seq is the order. claimed_us tells a clock that was put back: such a lease is over, too. */
static const SqliteSchema schema = {.what = "a queue",
                                    .application = 0x4d525155, /* "MRQU" */
                                    .version = 1,
                                    .statement = "CREATE TABLE job ("
                                                 " seq INTEGER PRIMARY KEY AUTOINCREMENT,"
                                                 " id TEXT NOT NULL UNIQUE,"
                                                 " state INTEGER NOT NULL,"
                                                 " claimed_us INTEGER NOT NULL DEFAULT 0,"
                                                 " lease_until_us INTEGER NOT NULL DEFAULT 0,"
                                                 " deliveries INTEGER NOT NULL DEFAULT 0);"
                                                 "CREATE INDEX job_state ON job (state, seq);"};

#define LEASE_IS_OVER "(lease_until_us <= ?1 OR claimed_us > ?1)"

/* What is prepared once. */
typedef enum {
    FORGET_DEAD,
    INSERT,
    SPAN,
    COUNT_READY,
    IS_SOMETHING,
    RETURN_EXPIRED,
    FIRST,
    CLAIM,
    ACK,
    NACK,
    BOUND_DEAD,
    DEPTH,
    STATEMENT_COUNT
} StatementName;

static const char *const statement_texts[STATEMENT_COUNT] = {
    [FORGET_DEAD] = "DELETE FROM job WHERE id = ?1 AND state = 2",
    [INSERT] = "INSERT OR IGNORE INTO job (id, state) VALUES (?1, 0)",
    [SPAN] = "SELECT ifnull((SELECT max(seq) FROM job WHERE state = 0)"
             " - (SELECT min(seq) FROM job WHERE state = 0) + 1, 0)",
    [COUNT_READY] = "SELECT count(*) FROM job WHERE state = 0",
    [IS_SOMETHING] = "SELECT EXISTS (SELECT 1 FROM job WHERE state = 0)"
                     " OR EXISTS (SELECT 1 FROM job WHERE state = 1 AND " LEASE_IS_OVER ")",
    [RETURN_EXPIRED] = "UPDATE job SET state = iif(deliveries >= ?2, 2, 0)"
                       " WHERE state = 1 AND " LEASE_IS_OVER,
    [FIRST] = "SELECT seq, id, deliveries FROM job WHERE state = 0 ORDER BY seq LIMIT 1",
    [CLAIM] = "UPDATE job SET state = 1, claimed_us = ?2, lease_until_us = ?3,"
              " deliveries = deliveries + 1 WHERE seq = ?1",
    /* What was claimed by another meanwhile has another count of deliveries. */
    [ACK] = "DELETE FROM job WHERE seq = ?1 AND deliveries = ?2",
    [NACK] = "UPDATE job SET state = iif(?3 OR deliveries >= ?4, 2, 0)"
             " WHERE seq = ?1 AND deliveries = ?2",
    [BOUND_DEAD] = "DELETE FROM job WHERE state = 2 AND seq < ifnull((SELECT seq FROM job"
                   " WHERE state = 2 ORDER BY seq DESC LIMIT 1 OFFSET ?1), 0)",
    [DEPTH] = "SELECT iif(state = 1 AND " LEASE_IS_OVER ", 0, state), count(*) FROM job"
              " GROUP BY 1",
};

typedef struct {
    Queue base;
    char *path;
    sqlite3 *db; /* NULL until it is needed */
    sqlite3_stmt *statements[STATEMENT_COUNT];
} SqliteQueue;

static void
disconnect(SqliteQueue *queue)
{
    for (guint i = 0; i < STATEMENT_COUNT; i++)
        g_clear_pointer(&queue->statements[i], sqlite3_finalize);
    g_clear_pointer(&queue->db, sqlite_close);
}

/* A disk that is full or cannot be written is a queue that is out of reach; damage is worse. */
static gboolean
tell(GError *reason, GError **error)
{
    if (reason->code == MILLRACE_ERROR_IO || reason->code == MILLRACE_ERROR_CANT_CREATE)
        reason->code = MILLRACE_ERROR_UNAVAILABLE;
    g_propagate_error(error, reason);
    return FALSE;
}

static gboolean
connect_to(SqliteQueue *queue, GError **error)
{
    if (queue->db)
        return TRUE;
    if (!(queue->db = sqlite_open(queue->path, &schema, TRUE, error)))
        return FALSE;
    sqlite3_busy_timeout(queue->db, PATIENCE_MS); /* somebody waits for an answer */
    for (guint i = 0; i < STATEMENT_COUNT; i++)
        if (!(queue->statements[i] = sqlite_prepare(queue->db, statement_texts[i], error))) {
            disconnect(queue);
            return FALSE;
        }
    return TRUE;
}

static gboolean
get_int(sqlite3_stmt *statement, gint64 *value, GError **error)
{
    int got = sqlite_step(statement, error);

    if (got == 1)
        *value = sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return got == 1;
}

/* Runs it to its end; the number of rows it has changed, or -1. */
static int
change(SqliteQueue *queue, StatementName name, GError **error)
{
    if (!sqlite_finish(queue->statements[name], error))
        return -1;
    return sqlite3_changes(queue->db);
}

static gboolean
begin(SqliteQueue *queue, GError **error)
{
    return connect_to(queue, error) && sqlite_begin(queue->db, error);
}

/* Ends what was begun. */
static gboolean
end(SqliteQueue *queue, gboolean good, GError **error)
{
    if (good)
        return sqlite_commit(queue->db, error);
    if (queue->db)
        sqlite_rollback(queue->db);
    return FALSE;
}

/* Is there room for those that wait now? Counting takes long where it matters, so the distance from
 * the first to the last, which is never less than the count, is looked at before. */
static gboolean
check_room(SqliteQueue *queue, GError **error)
{
    gint64 count = 0;

    if (!get_int(queue->statements[SPAN], &count, error))
        return FALSE;
    if (count > queue->base.length_max && !get_int(queue->statements[COUNT_READY], &count, error))
        return FALSE;
    if (count <= queue->base.length_max)
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_UNAVAILABLE,
                "%s: %u jobs wait, and no more may: try again when some are done", queue->path,
                queue->base.length_max);
    return FALSE;
}

/* Room is looked for after the insertion: an id that is there already needs none. */
static gboolean
insert(SqliteQueue *queue, const char *id, GError **error)
{
    sqlite_bind_text(queue->statements[FORGET_DEAD], 1, id);
    sqlite_bind_text(queue->statements[INSERT], 1, id);
    if (change(queue, FORGET_DEAD, error) < 0)
        return FALSE;
    int inserted = change(queue, INSERT, error);
    return inserted == 0 || (inserted > 0 && check_room(queue, error));
}

static gboolean
sqlite_queue_enqueue(Queue *base, const char *id, GError **error)
{
    SqliteQueue *queue = (SqliteQueue *)base;
    GError *reason = NULL;

    return end(queue, begin(queue, &reason) && insert(queue, id, &reason), &reason) ||
           tell(reason, error);
}

/* The oldest of too many dead letters go: their jobs' folders tell of them all the same. */
static gboolean
bound_dead(SqliteQueue *queue, GError **error)
{
    sqlite_bind_int(queue->statements[BOUND_DEAD], 1, (gint64)queue->base.length_max - 1);
    return change(queue, BOUND_DEAD, error) >= 0;
}

static gboolean
return_expired(SqliteQueue *queue, gint64 now_us, GError **error)
{
    sqlite_bind_int(queue->statements[RETURN_EXPIRED], 1, now_us);
    sqlite_bind_int(queue->statements[RETURN_EXPIRED], 2, QUEUE_DELIVERIES_MAX);
    int returned = change(queue, RETURN_EXPIRED, error);
    return returned == 0 || (returned > 0 && bound_dead(queue, error));
}

/* 1: claim is filled; 0: nothing waits; -1 and error. */
static int
claim_first(SqliteQueue *queue, gint64 lease_us, QueueClaim *claim, GError **error)
{
    sqlite3_stmt *first = queue->statements[FIRST];
    sqlite3_stmt *update = queue->statements[CLAIM];
    gint64 now_us = g_get_real_time();

    if (!return_expired(queue, now_us, error))
        return -1;
    int got = sqlite_step(first, error);
    if (got == 1) {
        g_strlcpy(claim->id, sqlite_text(first, 1), sizeof claim->id);
        claim->tag = (guint64)sqlite3_column_int64(first, 0);
        claim->deliveries = (guint)sqlite3_column_int64(first, 2) + 1;
    }
    sqlite3_reset(first);
    if (got != 1)
        return got;
    sqlite_bind_int(update, 1, (gint64)claim->tag);
    sqlite_bind_int(update, 2, now_us);
    sqlite_bind_int(update, 3, now_us + MIN(lease_us, G_MAXINT64 - now_us));
    int claimed = change(queue, CLAIM, error);
    g_assert(claimed != 0);
    return claimed;
}

/* Looks without the write lock, so that those that wait do not stand in the way of the others. */
static int
try_claim(SqliteQueue *queue, gint64 lease_us, QueueClaim *claim, GError **error)
{
    gint64 is_something = 0;

    if (!connect_to(queue, error))
        return -1;
    sqlite_bind_int(queue->statements[IS_SOMETHING], 1, g_get_real_time());
    if (!get_int(queue->statements[IS_SOMETHING], &is_something, error))
        return -1;
    if (!is_something)
        return 0;
    if (!sqlite_begin(queue->db, error))
        return -1;
    int got = claim_first(queue, lease_us, claim, error);
    return end(queue, got >= 0, error) ? got : -1;
}

static int
sqlite_queue_claim(Queue *base, gint64 lease_us, gint64 wait_us, QueueClaim *claim, GError **error)
{
    gint64 now_us = g_get_monotonic_time();
    gint64 until_us = now_us + MIN(wait_us, G_MAXINT64 - now_us);
    gint64 pause_us = PAUSE_FIRST_MS * 1000;
    GError *reason = NULL;

    for (;;) {
        int got = try_claim((SqliteQueue *)base, lease_us, claim, &reason);
        if (got < 0)
            tell(reason, error);
        now_us = g_get_monotonic_time();
        if (got != 0 || now_us >= until_us)
            return got;
        g_usleep((gulong)MIN((double)(until_us - now_us),
                             (double)pause_us * g_random_double_range(0.5, 1.0)));
        pause_us = MIN(2 * pause_us, PAUSE_MAX_MS * 1000);
    }
}

/* Does what ends a claim, and tells when the claim is another's by now. */
static gboolean
settle(SqliteQueue *queue, const QueueClaim *claim, StatementName name, GError **error)
{
    sqlite_bind_int(queue->statements[name], 1, (gint64)claim->tag);
    sqlite_bind_int(queue->statements[name], 2, claim->deliveries);
    int changed = change(queue, name, error);
    if (changed == 0)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_UNAVAILABLE,
                    "%s: the claim on %s is over: another has it by now", queue->path, claim->id);
    return changed > 0;
}

static gboolean
sqlite_queue_ack(Queue *base, const QueueClaim *claim, GError **error)
{
    SqliteQueue *queue = (SqliteQueue *)base;
    GError *reason = NULL;

    return end(queue, begin(queue, &reason) && settle(queue, claim, ACK, &reason), &reason) ||
           tell(reason, error);
}

static gboolean
give_back(SqliteQueue *queue, const QueueClaim *claim, gboolean dead, GError **error)
{
    sqlite_bind_int(queue->statements[NACK], 3, dead);
    sqlite_bind_int(queue->statements[NACK], 4, QUEUE_DELIVERIES_MAX);
    return settle(queue, claim, NACK, error) && bound_dead(queue, error);
}

static gboolean
sqlite_queue_nack(Queue *base, const QueueClaim *claim, gboolean dead, GError **error)
{
    SqliteQueue *queue = (SqliteQueue *)base;
    GError *reason = NULL;

    return end(queue, begin(queue, &reason) && give_back(queue, claim, dead, &reason), &reason) ||
           tell(reason, error);
}

static gboolean
count(SqliteQueue *queue, QueueDepth *depth, GError **error)
{
    guint64 *const counts[] = {
        [READY] = &depth->ready, [CLAIMED] = &depth->claimed, [DEAD] = &depth->dead};
    int got = 0;

    if (!connect_to(queue, error))
        return FALSE;
    sqlite3_stmt *statement = queue->statements[DEPTH];
    sqlite_bind_int(statement, 1, g_get_real_time());
    while ((got = sqlite_step(statement, error)) == 1) {
        gint64 state = sqlite3_column_int64(statement, 0);
        if (state >= READY && state <= DEAD)
            *counts[state] = (guint64)sqlite3_column_int64(statement, 1);
    }
    return got == 0;
}

static gboolean
sqlite_queue_depth(Queue *base, QueueDepth *depth, GError **error)
{
    GError *reason = NULL;

    return count((SqliteQueue *)base, depth, &reason) || tell(reason, error);
}

static void
sqlite_queue_free(Queue *base)
{
    SqliteQueue *queue = (SqliteQueue *)base;

    disconnect(queue);
    g_free(queue->path);
    g_free(queue);
}

Queue *
queue_sqlite_open(const char *path, guint length_max, GError **error)
{
    static const QueueEngine engine = {.enqueue = sqlite_queue_enqueue,
                                       .claim = sqlite_queue_claim,
                                       .ack = sqlite_queue_ack,
                                       .nack = sqlite_queue_nack,
                                       .depth = sqlite_queue_depth,
                                       .free = sqlite_queue_free};

    if (*path == '\0') {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                    "\"sqlite:\": expected a path, as in sqlite:queue.sqlite");
        return NULL;
    }
    SqliteQueue *queue = g_new0(SqliteQueue, 1);
    queue->base = (Queue){.engine = &engine, .length_max = length_max};
    queue->path = g_strdup(path);
    return &queue->base;
}
