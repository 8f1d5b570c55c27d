/* test_bulk_drain.c - a drain over a queue in SQLite, with programs in resize's place that end in
 * every way there is.
 * SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <signal.h>

#include "jobs/bulk_drain.h"
#include "jobs/queue_internal.h"
#include "tests/unit/bulk_fixture.h"

#define LEASE_US (G_USEC_PER_SEC / 5)

/* What resize leaves, in short. */
#define REPORT                                                                                     \
    "mkdir -p work/.millrace && echo '{\"rows\":{\"resized\":1,\"failed\":0}}' "                   \
    "> work/.millrace/report.json && echo '{}' > work/.millrace/usage-w.ndjson\n"

typedef struct {
    Scratch scratch;
    BulkJobs *jobs;
    Queue *queue;
    GString *told;
    gint stop;
    char *program;
    char *usage;
    char *sources;
} Fixture;

static void
on_told(const char *id G_GNUC_UNUSED, const char *what, gpointer data)
{
    g_string_append_printf(data, "%s\n", what);
}

static Fixture
fixture_new(void)
{
    Fixture fixture = {.scratch = scratch_new(), .told = g_string_new(NULL)};
    g_autofree char *where = g_strdup_printf("sqlite:%s/queue.sqlite", fixture.scratch.path);

    fixture.jobs = fixture_jobs(&fixture.scratch);
    fixture.queue = queue_open(where, 100, NULL);
    cr_assert_not_null(fixture.queue);
    fixture.program = g_build_filename(fixture.scratch.path, "program", NULL);
    fixture.usage = g_build_filename(fixture.scratch.path, "usage", NULL);
    fixture.sources = g_build_filename(fixture.scratch.path, "sources", NULL);
    return fixture;
}

static void
fixture_release(Fixture *fixture)
{
    queue_free(fixture->queue);
    bulk_jobs_free(fixture->jobs);
    g_string_free(fixture->told, TRUE);
    g_free(fixture->program);
    g_free(fixture->usage);
    g_free(fixture->sources);
    scratch_release(&fixture->scratch);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Fixture, fixture_release)

static void
put_program(const Fixture *fixture, const char *script)
{
    g_autofree char *text = g_strconcat("#!/bin/sh\n", script, NULL);

    scratch_put(&fixture->scratch, "program", text, strlen(text));
    cr_assert_eq(chmod(fixture->program, 0755), 0);
}

static void
put_job(Fixture *fixture, const char *key, char id[JOB_ID_CHARS + 1])
{
    fixture_queued(fixture->jobs, &fixture->scratch, key, id);
    cr_assert(queue_enqueue(fixture->queue, id, NULL));
}

static BulkDrained
drain_once(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    BulkDrained drained;
    BulkDrain drain = {.sources = fixture->sources,
                       .usage_dir = fixture->usage,
                       .resize_program = fixture->program,
                       .lease_us = LEASE_US,
                       .once = TRUE,
                       .stop = &fixture->stop,
                       .told = on_told,
                       .told_data = fixture->told};

    g_string_truncate(fixture->told, 0);
    cr_assert(bulk_drain(fixture->jobs, fixture->queue, &drain, &drained, &error), "%s",
              error ? error->message : "");
    return drained;
}

static guint64
dead_letters(const Fixture *fixture)
{
    QueueDepth depth;

    cr_assert(queue_depth(fixture->queue, &depth, NULL));
    return depth.dead;
}

Test(bulk_drain, a_job_is_done_and_metered)
{
    g_auto(Fixture) fixture = fixture_new();
    char id[JOB_ID_CHARS + 1];

    put_program(&fixture, "printf '%s\\n' \"$@\" > ../../arguments; pwd > ../../folder\n" REPORT);
    put_job(&fixture, "k", id);
    BulkDrained drained = drain_once(&fixture);
    cr_expect_eq(drained.done, 1);
    cr_expect_eq(fixture_state(fixture.jobs, id), BULK_DONE);
    cr_expect_str_eq(fixture.told->str, "taken: try 1, 1 rows\ndone: 1 rows, 0 failed\n");
    g_autofree char *arguments = scratch_get(&fixture.scratch, "arguments", NULL);
    g_autofree char *expected = g_strdup_printf(
        "--beneath\n%s/acme\n--customer\nacme\n--job\n%s\n--writer\n%s\n--to\n10x10\n--progress\n"
        "never\n-o\nwork\nmanifest.csv\n",
        fixture.sources, id, id);
    cr_expect_str_eq(arguments, expected);
    g_autofree char *log = g_strdup_printf("usage/usage-job-%s-w.ndjson", id);
    g_autofree char *events = scratch_get(&fixture.scratch, log, NULL);
    cr_expect_str_eq(events, "{}\n");
    cr_expect_eq(drain_once(&fixture).done, 0);
}

Test(bulk_drain, what_fails_again_and_again_is_given_up)
{
    static const struct {
        const char *script;
        const char *reason;
    } cases[] = {
        {"echo first; echo 'no space left'; exit 74\n", "resize ended with 74: no space left"},
        {"kill -9 $$\n", "resize was killed by signal 9"},
        {"echo all is well\n", "resize ended with 0: all is well"},
        {"exit 1\n", "resize ended with 1: "},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(Fixture) fixture = fixture_new();
        char id[JOB_ID_CHARS + 1];
        BulkJob job;
        guint tries = 0;
        put_program(&fixture, cases[i].script);
        put_job(&fixture, "k", id);
        while (drain_once(&fixture).dead == 0 && tries++ < 20)
            g_usleep(LEASE_US + G_USEC_PER_SEC / 20);
        cr_assert(bulk_jobs_read(fixture.jobs, id, &job, NULL));
        cr_expect_eq(job.state, BULK_DEAD);
        cr_expect_eq(tries, BULK_TRIES_MAX - 1, "%u tries", tries);
        cr_expect_not_null(strstr(job.reason, cases[i].reason), "%s", job.reason);
        bulk_job_clear(&job);
        cr_expect_eq(dead_letters(&fixture), 1);
    }
}

Test(bulk_drain, a_program_that_is_not_there_is_said_to_be_so)
{
    g_auto(Fixture) fixture = fixture_new();
    char id[JOB_ID_CHARS + 1];

    put_job(&fixture, "k", id);
    cr_expect_eq(drain_once(&fixture).again, 1);
    cr_expect_not_null(strstr(fixture.told->str, "program: No such file"), "%s", fixture.told->str);
}

Test(bulk_drain, what_was_interrupted_is_tried_again_without_end)
{
    g_auto(Fixture) fixture = fixture_new();
    char id[JOB_ID_CHARS + 1];

    put_program(&fixture, "exit 75\n");
    put_job(&fixture, "k", id);
    for (guint i = 0; i < BULK_TRIES_MAX + 2; i++) {
        cr_expect_eq(drain_once(&fixture).again, 1, "%u: %s", i, fixture.told->str);
        cr_expect_eq(drain_once(&fixture).again, 0, "not at once");
        g_usleep(LEASE_US + G_USEC_PER_SEC / 20);
    }
    put_program(&fixture, REPORT);
    cr_expect_eq(drain_once(&fixture).done, 1);
}

typedef struct {
    Fixture *fixture;
    const char *id;
    gboolean cancel; /* or stop */
} Disturber;

static gpointer
disturb(gpointer data)
{
    const Disturber *disturber = data;
    g_autofree char *begun = g_build_filename(disturber->fixture->scratch.path, "begun", NULL);

    for (guint i = 0; i < 500 && !g_file_test(begun, G_FILE_TEST_EXISTS); i++)
        g_usleep(20000);
    if (disturber->cancel)
        bulk_job_cancel(disturber->fixture->jobs, disturber->id, "me", NULL);
    else
        g_atomic_int_set(&disturber->fixture->stop, 1);
    return NULL;
}

static BulkDrained
drain_disturbed(Fixture *fixture, const char *id, gboolean cancel)
{
    Disturber disturber = {.fixture = fixture, .id = id, .cancel = cancel};
    GThread *thread = g_thread_new("disturber", disturb, &disturber);
    BulkDrained drained = drain_once(fixture);

    g_thread_join(thread);
    return drained;
}

/* Ends when it is told to, as resize does. */
#define PATIENT                                                                                    \
    "trap 'echo told > ../../told; exit 75' TERM\nmkdir -p work\n: > ../../begun\n"                \
    "i=0; while [ $i -lt 200 ]; do sleep 0.05; i=$((i + 1)); done\n"

Test(bulk_drain, a_job_that_is_cancelled_ends_at_once)
{
    g_auto(Fixture) fixture = fixture_new();
    char id[JOB_ID_CHARS + 1];

    put_program(&fixture, PATIENT);
    put_job(&fixture, "k", id);
    gint64 began_us = g_get_monotonic_time();
    BulkDrained drained = drain_disturbed(&fixture, id, TRUE);
    cr_expect_lt(g_get_monotonic_time() - began_us, 8 * G_USEC_PER_SEC);
    cr_expect_eq(drained.skipped, 1);
    g_autofree char *was_told = scratch_get(&fixture.scratch, "told", NULL);
    cr_expect_not_null(was_told);
    cr_expect_eq(fixture_state(fixture.jobs, id), BULK_CANCELLED);
    g_autofree char *work = bulk_job_path(fixture.jobs, id, "work");
    cr_expect_not(g_file_test(work, G_FILE_TEST_EXISTS), "its work is removed");
}

Test(bulk_drain, a_drain_that_is_stopped_gives_its_job_back)
{
    g_auto(Fixture) fixture = fixture_new();
    char id[JOB_ID_CHARS + 1];
    QueueDepth depth;

    put_program(&fixture, PATIENT);
    put_job(&fixture, "k", id);
    cr_expect_eq(drain_disturbed(&fixture, id, FALSE).again, 1);
    cr_expect_eq(fixture_state(fixture.jobs, id), BULK_QUEUED);
    cr_assert(queue_depth(fixture.queue, &depth, NULL));
    cr_expect_eq(depth.ready, 1, "it is in the queue at once");
    fixture.stop = 0;
    put_program(&fixture, REPORT);
    cr_expect_eq(drain_once(&fixture).done, 1);
}

/* A queue that does not tell how long it is, and has nothing to give. */
static guint enqueued;

static gboolean
mute_enqueue(Queue *queue G_GNUC_UNUSED, const char *id G_GNUC_UNUSED, GError **error)
{
    enqueued++;
    g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_UNAVAILABLE, "out of reach");
    return FALSE;
}

static int
mute_claim(Queue *queue G_GNUC_UNUSED, gint64 lease_us G_GNUC_UNUSED, gint64 wait_us G_GNUC_UNUSED,
           QueueClaim *claim G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
    return 0;
}

static gboolean
mute_depth(Queue *queue, QueueDepth *depth G_GNUC_UNUSED, GError **error)
{
    if (queue->length_max > 0)
        return TRUE;
    g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_UNAVAILABLE, "out of reach");
    return FALSE;
}

Test(bulk_drain, a_queue_that_is_out_of_reach_is_not_taken_for_an_empty_one)
{
    static const QueueEngine engine = {
        .enqueue = mute_enqueue, .claim = mute_claim, .depth = mute_depth};
    g_auto(Fixture) fixture = fixture_new();
    Queue mute = {.engine = &engine};
    BulkDrain drain = {
        .lease_us = LEASE_US, .usage_dir = fixture.usage, .once = TRUE, .stop = &fixture.stop};
    BulkDrained drained;
    char id[JOB_ID_CHARS + 1];

    put_job(&fixture, "k", id);
    put_job(&fixture, "l", id);
    g_usleep(2 * LEASE_US);
    cr_assert(bulk_drain(fixture.jobs, &mute, &drain, &drained, NULL));
    cr_expect_eq(enqueued, 0, "they wait where they are");
    mute.length_max = 1; /* it tells that nothing waits, and takes nothing */
    cr_assert(bulk_drain(fixture.jobs, &mute, &drain, &drained, NULL));
    cr_expect_eq(enqueued, 1, "what takes nothing is not asked for each");
}

Test(bulk_drain, ids_that_are_no_jobs_are_passed_over)
{
    g_auto(Fixture) fixture = fixture_new();
    QueueDepth depth;

    put_program(&fixture, "exit 70\n");
    cr_assert(queue_enqueue(fixture.queue, "j0123456789abcdef0123456789abcdef", NULL));
    cr_expect_eq(drain_once(&fixture).skipped, 1);
    cr_assert(queue_depth(fixture.queue, &depth, NULL));
    cr_expect_eq(depth.ready + depth.claimed + depth.dead, 0);
}

Test(bulk_drain, what_was_done_but_not_metered_is_metered_later)
{
    g_auto(Fixture) fixture = fixture_new();
    char id[JOB_ID_CHARS + 1];

    /* A file is in the way of the folder. */
    cr_assert(g_file_set_contents(fixture.usage, "", 0, NULL));
    put_program(&fixture, REPORT);
    put_job(&fixture, "k", id);
    cr_expect_eq(drain_once(&fixture).done, 1);
    cr_expect_not_null(strstr(fixture.told->str, "not metered yet"));
    cr_assert_eq(unlink(fixture.usage), 0);
    g_usleep(LEASE_US + G_USEC_PER_SEC / 20);
    cr_expect_eq(drain_once(&fixture).skipped, 1, "%s", fixture.told->str);
    g_autofree char *log = g_strdup_printf("usage/usage-job-%s-w.ndjson", id);
    g_autofree char *events = scratch_get(&fixture.scratch, log, NULL);
    cr_expect_str_eq(events, "{}\n");
}
