/* test_pool_waiting.c - rows beyond those that workers are at: who gets them, and when. The worker
 * is this program again, which does with a row what its limit of pixels says.
 * SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>

#include "formats/error.h"
#include "jobs/pool.h"
#include "tests/unit/scratch.h"

enum { WATCHDOG_S = 20, DEADLINE_US = 500000, ROWS_MAX = 8, ANSWER = 1, DIE, HANG, LIE };

static const char worker_variable[] = "MILLRACE_TEST_POOL_WORKER";

static void
send_or_exit(GByteArray *message)
{
    if (worker_wire_send(WORKER_SOCKET_FD, message, NULL, 0) != 0)
        _exit(0);
    g_byte_array_set_size(message, 0);
}

static void
work(void)
{
    g_autoptr(GByteArray) message = g_byte_array_new();
    WorkerRequest request;
    int fds[2];
    guint fd_count = 0;

    g_byte_array_append(message, (const guint8 *)"ready", 5);
    send_or_exit(message);
    while (worker_wire_receive(WORKER_SOCKET_FD, message, fds, 2, &fd_count) > 0) {
        if (!worker_request_decode(message->data, message->len, &request) || fd_count != 2)
            _exit(1);
        if (request.limits.pixels_max == DIE)
            raise(SIGKILL);
        while (request.limits.pixels_max == HANG)
            pause();
        WorkerReply reply = {.class = ROW_OK, .bytes_in = request.size_bytes, .output_count = 1};
        reply.outputs[0].format = IMAGE_FORMAT_JPEG;
        reply.pixels_in = (guint64)getpid();
        reply.bytes_in += request.limits.pixels_max == LIE;
        g_byte_array_set_size(message, 0);
        worker_reply_encode(message, &reply);
        close(fds[0]);
        close(fds[1]);
        send_or_exit(message);
    }
}

/* Before main() and the framework's own. */
__attribute__((constructor)) static void
work_if_told(void)
{
    if (!g_getenv(worker_variable))
        return;
    work();
    _exit(0);
}

/* A pool and what became of the rows it was given, which are known by their sizes. */
typedef struct {
    Pool *pool;
    GMainLoop *loop;
    int null_fd;
    guint expected_count;
    guint count;
    guint64 answered[ROWS_MAX]; /* in the order of the answers */
    RowClass classes[ROWS_MAX];
    guint64 workers[ROWS_MAX]; /* who answered */
    guint error_count;
    gboolean takes_back; /* what still waits at an answer */
    guint taken_back_count;
} Line;

typedef struct {
    Line *line;
    guint64 size_bytes;
} Row;

static void
on_done(const WorkerReply *reply, guint64 wall_us G_GNUC_UNUSED, const GError *error, gpointer data)
{
    g_autofree Row *row = data;
    Line *line = row->line;
    Row *waiting = NULL;

    cr_expect(reply->class != ROW_OK || error || reply->bytes_in == row->size_bytes);
    line->classes[line->count] = reply->class;
    line->workers[line->count] = reply->pixels_in;
    line->answered[line->count++] = row->size_bytes;
    line->error_count += error != NULL;
    while (line->takes_back && (waiting = pool_take_back(line->pool))) {
        line->taken_back_count++;
        g_free(waiting);
    }
    if (line->count + line->taken_back_count == line->expected_count)
        g_main_loop_quit(line->loop);
}

static gboolean
holds(const WorkerReply *reply, gpointer data)
{
    const Row *row = data;

    return reply->bytes_in == row->size_bytes;
}

static Line
line_new(const char *worker, guint worker_count)
{
    g_setenv(worker_variable, "yes", TRUE);
    Line line = {.pool = pool_new(worker, worker_count, DEADLINE_US),
                 .loop = g_main_loop_new(NULL, FALSE),
                 .null_fd = open("/dev/null", O_RDWR | O_CLOEXEC)};
    g_unsetenv(worker_variable);
    cr_expect_eq(pool_free_count(line.pool), 2 * worker_count);
    return line;
}

static void
line_release(Line *line)
{
    pool_free(line->pool);
    g_main_loop_unref(line->loop);
    close(line->null_fd);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Line, line_release)

/* Returns: the row, which the pool has. */
static Row *
submit(Line *line, guint64 size_bytes, guint64 behaviour)
{
    WorkerRequest request = {
        .limits.pixels_max = behaviour, .size_bytes = size_bytes, .spec_count = 1};
    int fds[] = {line->null_fd, line->null_fd};
    Row *row = g_new(Row, 1);

    *row = (Row){line, size_bytes};
    PoolOwner owner = {.done = on_done, .holds = holds, .data = row};
    cr_assert(output_spec_parse("10x10", &request.specs[0], NULL));
    pool_submit(line->pool, &request, fds, &owner);
    line->expected_count++;
    return row;
}

Test(pool_waiting, a_worker_is_given_its_next_row_before_the_answer_is_told, .timeout = WATCHDOG_S)
{
    g_auto(Line) line = line_new("/proc/self/exe", 1);

    line.takes_back = TRUE;
    submit(&line, 1, ANSWER);
    cr_expect_eq(pool_free_count(line.pool), 1);
    submit(&line, 2, ANSWER);
    cr_expect_eq(pool_free_count(line.pool), 0);
    g_main_loop_run(line.loop);
    cr_expect_eq(line.taken_back_count, 0, "nothing waits when the first answer is told");
    cr_expect_eq(line.answered[0], 1);
    cr_expect_eq(line.answered[1], 2);
    cr_expect_eq(pool_free_count(line.pool), 2);
}

Test(pool_waiting, a_row_waits_for_whichever_worker_is_free_first, .timeout = WATCHDOG_S)
{
    g_auto(Line) line = line_new("/proc/self/exe", 2);

    submit(&line, 1, HANG);
    submit(&line, 2, ANSWER);
    submit(&line, 3, ANSWER);
    submit(&line, 4, ANSWER);
    g_main_loop_run(line.loop);
    for (guint i = 0; i < 3; i++) {
        cr_expect_eq(line.answered[i], i + 2);
        cr_expect_eq(line.classes[i], ROW_OK);
    }
    cr_expect_eq(line.answered[3], 1);
    cr_expect_eq(line.classes[3], ROW_TIMEOUT);
}

Test(pool_waiting, the_deadline_of_a_row_that_waits_begins_when_it_is_sent, .timeout = WATCHDOG_S)
{
    g_auto(Line) line = line_new("/proc/self/exe", 1);
    gint64 begin_us = g_get_monotonic_time();

    submit(&line, 1, HANG);
    submit(&line, 2, HANG);
    g_main_loop_run(line.loop);
    cr_expect_geq(g_get_monotonic_time() - begin_us, 2 * DEADLINE_US);
    cr_expect_eq(line.classes[0], ROW_TIMEOUT);
    cr_expect_eq(line.classes[1], ROW_TIMEOUT);
}

Test(pool_waiting, a_row_that_kills_workers_leaves_those_behind_it_alone, .timeout = WATCHDOG_S)
{
    g_auto(Line) line = line_new("/proc/self/exe", 1);

    submit(&line, 1, DIE);
    submit(&line, 2, ANSWER);
    g_main_loop_run(line.loop);
    cr_expect_eq(line.answered[0], 1);
    cr_expect_eq(line.classes[0], ROW_WORKER_CRASH);
    cr_expect_eq(line.answered[1], 2);
    cr_expect_eq(line.classes[1], ROW_OK);
}

Test(pool_waiting, a_worker_that_lies_is_ended_and_its_row_has_crashed_it, .timeout = WATCHDOG_S)
{
    g_auto(Line) line = line_new("/proc/self/exe", 1);

    submit(&line, 1, ANSWER);
    submit(&line, 2, LIE);
    g_main_loop_run(line.loop);
    submit(&line, 3, ANSWER);
    g_main_loop_run(line.loop);
    cr_expect_eq(line.classes[0], ROW_OK);
    cr_expect_eq(line.classes[1], ROW_WORKER_CRASH);
    cr_expect_eq(line.classes[2], ROW_OK);
    cr_expect_neq(line.workers[2], line.workers[0], "another worker is at the next row");
}

Test(pool_waiting, a_deadline_can_be_changed_for_what_comes, .timeout = WATCHDOG_S)
{
    g_auto(Line) line = line_new("/proc/self/exe", 1);

    submit(&line, 1, ANSWER);
    g_main_loop_run(line.loop);
    pool_set_deadline(line.pool, 4 * DEADLINE_US);
    gint64 begin_us = g_get_monotonic_time();
    submit(&line, 2, HANG);
    g_main_loop_run(line.loop);
    cr_expect_geq(g_get_monotonic_time() - begin_us, 4 * DEADLINE_US);
    cr_expect_eq(line.classes[1], ROW_TIMEOUT);
}

Test(pool_waiting, what_waits_can_be_taken_back, .timeout = WATCHDOG_S)
{
    g_auto(Line) line = line_new("/proc/self/exe", 1);

    g_autofree Row *at_worker = submit(&line, 1, HANG);
    cr_expect_null(pool_take_back(line.pool), "what a worker has been given stays there");
    g_autofree Row *waiting = submit(&line, 2, ANSWER);
    cr_expect_eq(pool_take_back(line.pool), waiting);
    cr_expect_null(pool_take_back(line.pool));
    cr_expect_eq(pool_free_count(line.pool), 1);
    cr_expect_eq(at_worker->size_bytes, 1);
}

Test(pool_waiting, a_pool_may_be_freed_while_rows_wait, .timeout = WATCHDOG_S)
{
    g_auto(Line) line = line_new("/proc/self/exe", 2);
    Row *rows[4];

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        rows[i] = submit(&line, i, HANG);
    g_main_context_iteration(NULL, TRUE);
    pool_free(line.pool);
    cr_expect_eq(line.count, 0, "nothing is answered");
    line.pool = pool_new("/bin/false", 1, DEADLINE_US);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        g_free(rows[i]);
}

Test(pool_waiting, all_are_told_when_workers_do_not_start, .timeout = WATCHDOG_S)
{
    g_auto(Line) line = line_new("/bin/false", 1);

    submit(&line, 1, ANSWER);
    submit(&line, 2, ANSWER);
    g_main_loop_run(line.loop);
    cr_expect_eq(line.error_count, 2);
}

Test(pool_waiting, who_is_told_that_workers_do_not_start_may_take_back_the_rest,
     .timeout = WATCHDOG_S)
{
    g_auto(Line) line = line_new("/bin/false", 2);

    line.takes_back = TRUE;
    for (guint i = 1; i <= 4; i++)
        submit(&line, i, ANSWER);
    g_main_loop_run(line.loop);
    cr_expect_eq(line.error_count, 2);
    cr_expect_eq(line.taken_back_count, 2);
}
