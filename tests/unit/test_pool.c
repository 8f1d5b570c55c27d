/* test_pool.c - image workers that do not start, die, hang or lie. The workers are shell scripts
 * and programs of the system; what the true one does is for the tests of images and of the command.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/pool.h"

#include "formats/error.h"
#include "tests/unit/scratch.h"

enum { WATCHDOG_S = 20, DEADLINE_US = 300000 };

/* What a submission came to. */
typedef struct {
    GMainLoop *loop;
    guint count;
    WorkerReply reply;
    GError *error;
} Outcome;

static void
on_done(const WorkerReply *reply, guint64 wall_us G_GNUC_UNUSED, const GError *error, gpointer data)
{
    Outcome *outcome = data;

    outcome->count++;
    outcome->reply = *reply;
    outcome->error = error ? g_error_copy(error) : NULL;
    g_main_loop_quit(outcome->loop);
}

static void
outcome_release(Outcome *outcome)
{
    g_main_loop_unref(outcome->loop);
    g_clear_error(&outcome->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Outcome, outcome_release)

static gboolean
busy(gpointer data G_GNUC_UNUSED)
{
    return G_SOURCE_CONTINUE;
}

/* Gives one row to a pool of one worker, in a main loop that is as busy as foreach.c keeps it. */
static Outcome
submit_to(const char *program)
{
    g_autoptr(Pool) pool = pool_new(program, 1, DEADLINE_US);
    Outcome outcome = {.loop = g_main_loop_new(NULL, FALSE)};
    WorkerRequest request = {.limits.pixels_max = 100, .spec_count = 1};
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    int fds[] = {null_fd, null_fd};
    guint source = g_idle_add_full(G_PRIORITY_DEFAULT, busy, NULL, NULL);

    cr_assert(output_spec_parse("10x10", &request.specs[0], NULL));
    PoolOwner owner = {.done = on_done, .data = &outcome};
    pool_submit(pool, &request, fds, &owner);
    cr_expect_eq(outcome.count, 0, "never from inside pool_submit()");
    g_main_loop_run(outcome.loop);
    cr_expect_eq(outcome.count, 1);
    cr_expect_eq(pool_free_count(pool), 2, "the worker, and a place to wait for it");
    g_source_remove(source);
    close(null_fd);
    return outcome;
}

Test(pool, a_worker_that_is_not_there_is_an_error, .timeout = WATCHDOG_S)
{
    g_auto(Outcome) outcome = submit_to("/nonexistent/worker");

    cr_assert(g_error_matches(outcome.error, MILLRACE_ERROR, MILLRACE_ERROR_UNAVAILABLE));
    cr_expect_not_null(strstr(outcome.error->message, "/nonexistent/worker"));
}

Test(pool, a_worker_that_ends_at_once_is_an_error, .timeout = WATCHDOG_S)
{
    g_auto(Outcome) outcome = submit_to("/bin/false");

    cr_assert(g_error_matches(outcome.error, MILLRACE_ERROR, MILLRACE_ERROR_UNAVAILABLE));
    cr_expect_not_null(strstr(outcome.error->message, "/bin/false"));
}

/* A worker that is a shell script. */
static Outcome
submit_to_script(const char *script)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *path = g_build_filename(scratch.path, "worker", NULL);
    g_autofree char *text = g_strconcat("#!/bin/sh\n", script, "\n", NULL);

    scratch_put(&scratch, "worker", text, strlen(text));
    cr_assert_eq(chmod(path, 0700), 0);
    return submit_to(path);
}

Test(pool, a_worker_that_hangs_with_its_socket_closed_is_not_waited_for, .timeout = WATCHDOG_S)
{
    g_auto(Outcome) outcome = submit_to_script("exec 3>&- sleep 60");

    cr_assert(g_error_matches(outcome.error, MILLRACE_ERROR, MILLRACE_ERROR_UNAVAILABLE));
}
