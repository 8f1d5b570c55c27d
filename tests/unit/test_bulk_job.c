/* test_bulk_job.c - leases that only one holds, ends that come once, jobs that are found again.
 * SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <sys/wait.h>

#include "tests/unit/bulk_fixture.h"

enum { RACERS = 8, ROUNDS = 25 };
#define LONG_US  (3600 * (gint64)G_USEC_PER_SEC)
#define SHORT_US (G_USEC_PER_SEC / 5)

static BulkLease *
take(BulkJobs *jobs, const char *id, gint64 lease_us)
{
    BulkState state;
    g_autoptr(GError) error = NULL;
    BulkLease *lease = bulk_lease_take(jobs, id, "test:1", lease_us, &state, &error);

    cr_assert_null(error, "%s", error ? error->message : "");
    return lease;
}

/* Lets a lease of SHORT_US end. */
static void
outlive(void)
{
    g_usleep(SHORT_US + G_USEC_PER_SEC / 20);
}

Test(bulk_job, an_id_follows_from_customer_and_key)
{
    char id[JOB_ID_CHARS + 1];

    /* printf 'millrace.job.v1\0acme\0k1' | sha256sum | cut -c1-32 */
    bulk_id_make("acme", "k1", id);
    cr_expect_str_eq(id, "j4d21ead8bb9e92e18d52ad48da343047");
    cr_expect(bulk_id_is_valid(id));
    cr_expect_not(bulk_id_is_valid("j123"));
    cr_expect_not(bulk_id_is_valid("j4D21ead8bb9e92e18d52ad48da343047"));
    cr_expect_not(bulk_id_is_valid("../../../../../../../../../etc/pw"));
}

Test(bulk_job, a_job_goes_from_step_to_step)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(BulkJobs) jobs = fixture_jobs(&scratch);
    g_autoptr(GError) error = NULL;
    char id[JOB_ID_CHARS + 1];

    cr_assert_eq(fixture_submit(jobs, &scratch, "k", "a.jpg\n", 6, id, NULL), BULK_NEW);
    cr_expect_eq(fixture_state(jobs, id), BULK_ACCEPTED);
    cr_assert(bulk_job_queued(jobs, id, NULL));
    cr_assert(bulk_job_queued(jobs, id, NULL), "again is fine");
    cr_expect_eq(fixture_state(jobs, id), BULK_QUEUED);
    BulkLease *lease = take(jobs, id, LONG_US);
    cr_assert_not_null(lease);
    cr_expect_eq(bulk_lease_try(lease), 1);
    cr_expect_eq(fixture_state(jobs, id), BULK_RUNNING);
    cr_expect_null(take(jobs, id, LONG_US), "it is held");
    cr_assert(bulk_lease_renew(lease, NULL));
    fixture_work(jobs, id, "rows");
    cr_assert(bulk_lease_finish(lease, &error), "%s", error ? error->message : "");
    cr_expect_eq(fixture_state(jobs, id), BULK_DONE);
    cr_expect_null(take(jobs, id, LONG_US));
    cr_expect_not(bulk_job_cancel(jobs, id, "me", &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE));
    cr_expect_eq(fixture_state(jobs, id), BULK_DONE);
}

Test(bulk_job, what_is_not_there_is_said_to_be_so)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(BulkJobs) jobs = fixture_jobs(&scratch);
    static const char *const ids[] = {"j0123456789abcdef0123456789abcdef", "", "..", "jobs/../x"};
    BulkJob job;

    for (guint i = 0; i < G_N_ELEMENTS(ids); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GError) other = NULL;
        cr_expect_not(bulk_jobs_read(jobs, ids[i], &job, &error));
        cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT));
        cr_expect_not(bulk_job_cancel(jobs, ids[i], "me", &other));
        cr_expect(g_error_matches(other, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT));
    }
}

typedef struct {
    BulkJobs *jobs;
    const char *id;
    gint *won;
    gint *go;
} Racer;

static gpointer
race(gpointer data)
{
    Racer *racer = data;
    BulkState state;

    while (!g_atomic_int_get(racer->go))
        g_thread_yield();
    BulkLease *lease = bulk_lease_take(racer->jobs, racer->id, "t", LONG_US, &state, NULL);
    if (lease)
        g_atomic_int_inc(racer->won);
    return lease;
}

Test(bulk_job, of_threads_that_race_for_a_lease_one_wins)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(BulkJobs) jobs = fixture_jobs(&scratch);
    char id[JOB_ID_CHARS + 1];

    fixture_queued(jobs, &scratch, "k", id);
    for (guint round = 0; round < ROUNDS; round++) {
        GThread *threads[RACERS];
        gint won = 0;
        gint go = 0;
        Racer racer = {.jobs = jobs, .id = id, .won = &won, .go = &go};
        for (guint i = 0; i < RACERS; i++)
            threads[i] = g_thread_new("racer", race, &racer);
        g_atomic_int_set(&go, 1);
        BulkLease *lease = NULL;
        for (guint i = 0; i < RACERS; i++) {
            BulkLease *its = g_thread_join(threads[i]);
            lease = its ? its : lease;
        }
        cr_assert_eq(won, 1, "round %u: %d won", round, won);
        cr_expect_eq(bulk_lease_try(lease), round + 1);
        bulk_lease_drop(lease, NULL);
    }
}

Test(bulk_job, of_processes_that_race_for_the_end_one_wins)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(BulkJobs) jobs = fixture_jobs(&scratch);
    char id[JOB_ID_CHARS + 1];

    for (guint round = 0; round < ROUNDS; round++) {
        g_autofree char *key = g_strdup_printf("k%u", round);
        pid_t racers[RACERS];
        guint won = 0;
        fixture_queued(jobs, &scratch, key, id);
        fixture_work(jobs, id, "rows");
        /* Each takes a lease when it can, and ends the job: half by finishing, half by cancelling.
         */
        for (guint i = 0; i < RACERS; i++) {
            racers[i] = fork();
            cr_assert_geq(racers[i], 0);
            if (racers[i] > 0)
                continue;
            BulkState state;
            gboolean ended = FALSE;
            BulkLease *lease = i % 2 ? bulk_lease_take(jobs, id, "p", 1, &state, NULL) : NULL;
            if (lease)
                ended = bulk_lease_finish(lease, NULL);
            else if (i % 2 == 0)
                ended = bulk_job_cancel(jobs, id, "p", NULL);
            _exit(ended ? 10 + (int)(i % 2) : 0);
        }
        gboolean finished = FALSE;
        gboolean cancelled = FALSE;
        for (guint i = 0; i < RACERS; i++) {
            int status = 0;
            waitpid(racers[i], &status, 0);
            cr_assert(WIFEXITED(status));
            finished = finished || WEXITSTATUS(status) == 11;
            cancelled = cancelled || WEXITSTATUS(status) == 10;
            won += WEXITSTATUS(status) == 11;
        }
        cr_expect_leq(won, 1, "round %u: it was finished %u times", round, won);
        cr_expect_neq(finished, cancelled, "round %u: finished %d, cancelled %d", round, finished,
                      cancelled);
        cr_expect_eq(fixture_state(jobs, id), finished ? BULK_DONE : BULK_CANCELLED);
    }
}

Test(bulk_job, a_lease_that_is_not_renewed_ends)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(BulkJobs) jobs = fixture_jobs(&scratch);
    g_autoptr(GError) error = NULL;
    char id[JOB_ID_CHARS + 1];

    fixture_queued(jobs, &scratch, "k", id);
    BulkLease *first = take(jobs, id, SHORT_US);
    cr_assert_not_null(first);
    for (guint i = 0; i < 4; i++) {
        g_usleep(SHORT_US / 2);
        cr_assert(bulk_lease_renew(first, NULL));
        cr_expect_null(take(jobs, id, LONG_US), "it is renewed");
    }
    outlive();
    cr_expect_eq(fixture_state(jobs, id), BULK_QUEUED);
    BulkLease *second = take(jobs, id, LONG_US);
    cr_assert_not_null(second);
    cr_expect_eq(bulk_lease_try(second), 2);
    cr_expect_not(bulk_lease_renew(first, &error), "it is another's");
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_INTERRUPTED));
    bulk_lease_drop(first, "too late");
    cr_expect(bulk_lease_renew(second, NULL), "what the first says does not matter");
    bulk_lease_drop(second, NULL);
}

Test(bulk_job, a_frozen_holder_cannot_end_what_another_has)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(BulkJobs) jobs = fixture_jobs(&scratch);
    char id[JOB_ID_CHARS + 1];

    for (guint i = 0; i < 4; i++) {
        g_autofree char *key = g_strdup_printf("k%u", i);
        g_autoptr(GError) error = NULL;
        fixture_queued(jobs, &scratch, key, id);
        BulkLease *frozen = take(jobs, id, SHORT_US);
        fixture_work(jobs, id, "rows");
        outlive();
        BulkLease *other = take(jobs, id, LONG_US);
        cr_assert_not_null(other);
        if (i % 2)
            cr_assert(bulk_lease_finish(other, NULL));
        cr_expect_not(i < 2 ? bulk_lease_finish(frozen, &error)
                            : bulk_lease_bury(frozen, "why", &error));
        cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_INTERRUPTED));
        cr_expect_eq(fixture_state(jobs, id), i % 2 ? BULK_DONE : BULK_RUNNING);
        if (i % 2 == 0)
            cr_expect(bulk_lease_finish(other, NULL), "the other can");
        cr_expect_eq(fixture_state(jobs, id), BULK_DONE);
    }
}

Test(bulk_job, failures_without_progress_are_counted)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(BulkJobs) jobs = fixture_jobs(&scratch);
    char id[JOB_ID_CHARS + 1];
    BulkJob job;

    fixture_queued(jobs, &scratch, "k", id);
    fixture_work(jobs, id, "a");
    for (guint i = 1; i < BULK_TRIES_MAX; i++)
        cr_expect_not(bulk_lease_drop(take(jobs, id, LONG_US), "disk full"), "%u", i);
    /* Progress, and it begins anew; what was let go does not count. */
    BulkLease *lease = take(jobs, id, LONG_US);
    fixture_work(jobs, id, "ab");
    cr_expect_not(bulk_lease_drop(lease, "disk full"));
    cr_expect_not(bulk_lease_drop(take(jobs, id, LONG_US), NULL));
    for (guint i = 1; i < BULK_TRIES_MAX - 1; i++)
        cr_expect_not(bulk_lease_drop(take(jobs, id, LONG_US), "disk full"), "%u", i);
    lease = take(jobs, id, LONG_US);
    cr_expect_not(bulk_lease_is_last(lease));
    cr_expect(bulk_lease_drop(lease, "disk full at last"));
    lease = take(jobs, id, LONG_US);
    cr_assert(bulk_lease_is_last(lease));
    g_autofree char *reason = bulk_lease_reason(lease);
    cr_expect_str_eq(reason, "5 tries got nothing done; the last: disk full at last");
    cr_assert(bulk_lease_bury(lease, reason, NULL));
    cr_assert(bulk_jobs_read(jobs, id, &job, NULL));
    cr_expect_eq(job.state, BULK_DEAD);
    cr_expect_str_eq(job.reason, reason);
    bulk_job_clear(&job);
    cr_expect_null(take(jobs, id, LONG_US));
}

Test(bulk_job, holders_that_die_are_counted)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(BulkJobs) jobs = fixture_jobs(&scratch);
    char id[JOB_ID_CHARS + 1];

    fixture_queued(jobs, &scratch, "k", id);
    /* A holder that dies lets nothing go: here its lease is over at once. Were it dropped it would
     * tell. */
    for (guint i = 0; i < BULK_DEATHS_MAX; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            BulkState state;
            _exit(bulk_lease_take(jobs, id, "p", 1, &state, NULL) ? 0 : 1);
        }
        int status = 0;
        waitpid(pid, &status, 0);
        cr_assert_eq(status, 0);
        g_usleep(20000);
    }
    BulkLease *lease = take(jobs, id, LONG_US);
    cr_assert_not_null(lease);
    cr_expect(bulk_lease_is_last(lease));
    g_autofree char *reason = bulk_lease_reason(lease);
    cr_expect_str_eq(reason, "10 drains died over it");
    bulk_lease_drop(lease, NULL);
}

Test(bulk_job, a_cancelled_job_is_not_done)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(BulkJobs) jobs = fixture_jobs(&scratch);
    g_autoptr(GError) error = NULL;
    char id[JOB_ID_CHARS + 1];
    BulkState state = BULK_DONE;
    BulkJob job;

    fixture_queued(jobs, &scratch, "before", id);
    cr_assert(bulk_job_cancel(jobs, id, "me", NULL));
    cr_assert(bulk_job_cancel(jobs, id, "you", NULL), "again is fine");
    cr_expect_null(bulk_lease_take(jobs, id, "t", LONG_US, &state, NULL));
    cr_expect_eq(state, BULK_CANCELLED);
    cr_assert(bulk_jobs_read(jobs, id, &job, NULL));
    cr_expect_str_eq(job.reason, "me");
    bulk_job_clear(&job);

    fixture_queued(jobs, &scratch, "during", id);
    BulkLease *lease = take(jobs, id, LONG_US);
    fixture_work(jobs, id, "rows");
    cr_assert(bulk_job_cancel(jobs, id, "me", NULL));
    cr_expect_not(bulk_lease_renew(lease, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_INTERRUPTED));
    /* Even when all was done, and made again where the other had taken it from. */
    fixture_work(jobs, id, "rows");
    cr_expect_not(bulk_lease_finish(lease, NULL));
    cr_expect_eq(fixture_state(jobs, id), BULK_CANCELLED);
    cr_assert(bulk_job_tidy(jobs, id, NULL));
    g_autofree char *work = bulk_job_path(jobs, id, "work");
    cr_expect_not(g_file_test(work, G_FILE_TEST_EXISTS));
}

Test(bulk_job, a_job_that_no_queue_took_can_be_forgotten)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(BulkJobs) jobs = fixture_jobs(&scratch);
    g_autoptr(GError) error = NULL;
    char id[JOB_ID_CHARS + 1];
    BulkJob job;

    cr_assert_eq(fixture_submit(jobs, &scratch, "k", "a.jpg\n", 6, id, NULL), BULK_NEW);
    cr_assert(bulk_job_forget(jobs, id, NULL));
    cr_assert(bulk_job_forget(jobs, id, NULL), "again is fine");
    cr_expect_not(bulk_jobs_read(jobs, id, &job, NULL));
    cr_assert_eq(fixture_submit(jobs, &scratch, "k", "a.jpg\n", 6, id, NULL), BULK_NEW);
    cr_assert(bulk_job_queued(jobs, id, NULL));
    cr_expect_not(bulk_job_forget(jobs, id, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE));
    cr_expect_eq(fixture_state(jobs, id), BULK_QUEUED);
}

typedef struct {
    BulkJobs *jobs;
    char id[JOB_ID_CHARS + 1];
    gulong wait_us;
} Forgetter;

static gpointer
forget(gpointer data)
{
    const Forgetter *forgetter = data;

    g_usleep(forgetter->wait_us);
    bulk_job_forget(forgetter->jobs, forgetter->id, NULL);
    return NULL;
}

/* Two doors have the same request, and the queue refuses one of them, which takes the job away.
 * What the other one has accepted is there. */
Test(bulk_job, what_one_door_has_accepted_another_does_not_forget)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(BulkJobs) jobs = fixture_jobs(&scratch);
    Forgetter forgetter = {.jobs = jobs};
    gint64 took_us = 0;

    for (guint i = 0; i < 80; i++) {
        g_autofree char *key = g_strdup_printf("k%u", i);
        cr_assert_eq(fixture_submit(jobs, &scratch, key, "a.jpg\n", 6, forgetter.id, NULL),
                     BULK_NEW);
        forgetter.wait_us = (gulong)((double)took_us * g_random_double());
        GThread *thread = g_thread_new("forget", forget, &forgetter);
        gint64 from_us = g_get_monotonic_time();
        gboolean accepted = bulk_job_queued(jobs, forgetter.id, NULL);
        took_us = accepted ? g_get_monotonic_time() - from_us : took_us;
        g_thread_join(thread);
        if (accepted)
            cr_assert_eq(fixture_state(jobs, forgetter.id), BULK_QUEUED, "round %u", i);
    }
}

/* How many are stranded, and whether this one is. */
static gboolean
is_stranded(BulkJobs *jobs, const char *id, gint64 stale_us, gboolean queue_is_empty)
{
    g_autoptr(GPtrArray) ids = bulk_jobs_stranded(jobs, stale_us, queue_is_empty, NULL);

    cr_assert_not_null(ids);
    cr_assert_leq(ids->len, 1);
    return ids->len == 1 && strcmp(ids->pdata[0], id) == 0;
}

Test(bulk_job, jobs_that_were_lost_are_found)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(BulkJobs) jobs = fixture_jobs(&scratch);
    g_autofree char *usage = g_build_filename(scratch.path, "usage", NULL);
    char id[JOB_ID_CHARS + 1];

    cr_assert_eq(fixture_submit(jobs, &scratch, "k", "a.jpg\n", 6, id, NULL), BULK_NEW);
    cr_expect_not(is_stranded(jobs, id, 0, TRUE), "nobody was told that it was accepted");
    cr_assert(bulk_job_queued(jobs, id, NULL));
    cr_expect_not(is_stranded(jobs, id, LONG_US, TRUE), "it is on its way");
    cr_expect_not(is_stranded(jobs, id, 0, FALSE), "it waits in the queue");
    cr_expect(is_stranded(jobs, id, 0, TRUE), "it does not");
    BulkLease *lease = take(jobs, id, SHORT_US);
    cr_expect_not(is_stranded(jobs, id, 0, TRUE), "it is being done");
    outlive();
    cr_expect(is_stranded(jobs, id, SHORT_US, FALSE), "who did it is gone");
    cr_assert(bulk_job_requeued(jobs, id, NULL));
    cr_expect_not(is_stranded(jobs, id, 0, FALSE), "it is in the queue again");
    fixture_work(jobs, id, "rows");
    cr_assert(bulk_lease_finish(lease, NULL));
    cr_expect(is_stranded(jobs, id, 0, TRUE), "it is not metered");
    cr_assert(bulk_job_meter(jobs, id, usage, NULL));
    cr_expect_not(is_stranded(jobs, id, 0, TRUE), "it is");
}

Test(bulk_job, usage_is_metered_once)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(BulkJobs) jobs = fixture_jobs(&scratch);
    g_autofree char *usage = g_build_filename(scratch.path, "usage", NULL);
    char id[JOB_ID_CHARS + 1];

    fixture_queued(jobs, &scratch, "k", id);
    cr_expect_not(bulk_job_meter(jobs, id, usage, NULL), "it has no results");
    BulkLease *lease = take(jobs, id, LONG_US);
    fixture_work(jobs, id, "rows");
    cr_assert(bulk_lease_finish(lease, NULL));
    g_autofree char *metered = bulk_job_path(jobs, id, "metered");
    for (guint i = 0; i < 3; i++) {
        cr_assert(bulk_job_meter(jobs, id, usage, NULL));
        if (i == 1)
            cr_assert_eq(unlink(metered), 0); /* died before the mark was made */
    }
    g_autofree char *name = g_strdup_printf("usage/usage-job-%s-w-0-1.ndjson", id);
    g_autofree char *log = scratch_get(&scratch, name, NULL);
    cr_assert_not_null(log);
    cr_expect_str_eq(log, "{}\n");
    g_autoptr(GDir) dir = g_dir_open(usage, 0, NULL);
    cr_expect_not_null(g_dir_read_name(dir));
    cr_expect_null(g_dir_read_name(dir), "there is one log");
}

static gboolean
count_visit(const BulkJob *job, gpointer data)
{
    GString *seen = data;

    g_string_append_printf(seen, "%s:%s ", job->customer, bulk_state_name(job->state));
    return TRUE;
}

Test(bulk_job, jobs_are_listed_by_customer)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(BulkJobs) jobs = fixture_jobs(&scratch);
    g_autoptr(GString) seen = g_string_new(NULL);
    char id[JOB_ID_CHARS + 1];

    fixture_queued(jobs, &scratch, "1", id);
    fixture_queued(jobs, &scratch, "2", id);
    g_autofree char *stray = g_build_filename(bulk_jobs_path(jobs), "jump", NULL);
    cr_assert_eq(g_mkdir_with_parents(stray, 0777), 0);
    cr_assert(bulk_jobs_list(jobs, "other", count_visit, seen, NULL));
    cr_expect_str_eq(seen->str, "");
    cr_assert(bulk_jobs_list(jobs, "acme", count_visit, seen, NULL));
    cr_assert(bulk_jobs_list(jobs, NULL, count_visit, seen, NULL));
    cr_expect_str_eq(seen->str, "acme:queued acme:queued acme:queued acme:queued ");
    cr_assert(bulk_jobs_sweep(jobs, NULL));

    /* One that is damaged costs nobody the rest of the list. */
    g_autofree char *asked = bulk_job_path(jobs, id, "job.json");
    g_autoptr(GError) error = NULL;
    g_string_truncate(seen, 0);
    cr_assert(g_file_set_contents(asked, "{", -1, NULL));
    cr_expect(bulk_jobs_list(jobs, "acme", count_visit, seen, NULL));
    cr_expect_str_eq(seen->str, "acme:queued ");
    cr_expect_not(bulk_jobs_list(jobs, NULL, count_visit, seen, &error));
    cr_expect_str_eq(seen->str, "acme:queued acme:queued ");
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT));
}
