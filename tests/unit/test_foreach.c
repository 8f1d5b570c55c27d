/* test_foreach.c - the for-each shape on one rank alone. Several ranks are for tests/mpi.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mr/foreach.h"

#include <criterion/criterion.h>
#include <string.h>

#include "formats/bytes.h"
#include "formats/error.h"

enum { WORKERS = 3, ITEMS_MAX = 20000, WATCHDOG_S = 20 };

/* A job of items 1..item_count, whose bytes are their number again. A worker is busy until the main
 * loop's next turn. */
typedef struct {
    Comm *comm;
    Foreach *each;
    guint64 item_count;
    guint64 given_count;
    guint64 pause_every; /* LATER before each of these; 0 = never */
    guint64 fail_every;  /* items that are multiples fail; 0 = none */
    guint64 back_every;  /* items that are multiples are given back; 0 = none */
    guint64 error_after; /* next() gives an error behind this many; 0 = never */
    guint64 stop_after;  /* foreach_stop() when this many have been taken; 0 = never */
    gboolean paused;
    gboolean count_unknown;
    guint later_count;
    guint asked_after_end;
    gboolean ended;
    guint busy;
    guint busy_highest;
    guint taken_count;
    guint8 taken[ITEMS_MAX + 1]; /* how often each item was */
    guint64 item;                /* what item bytes are borrowed from */
} Job;

/* In the next turn of the main loop. At a lower priority it would be never, see foreach.h. */
static void
run_later(GSourceFunc function, gpointer data)
{
    g_idle_add_full(G_PRIORITY_DEFAULT, function, data, NULL);
}

static gboolean
wake(gpointer data)
{
    Job *job = data;

    foreach_wake(job->each);
    return G_SOURCE_REMOVE;
}

static ForeachNext
next_item(gpointer data, LeaseItem *item, GError **error)
{
    Job *job = data;

    job->asked_after_end += job->ended;
    if (job->error_after && job->given_count == job->error_after) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_IO, "the disk is gone");
        job->ended = TRUE;
        return FOREACH_ERROR;
    }
    if (job->given_count == job->item_count) {
        job->ended = TRUE;
        return FOREACH_END;
    }
    if (job->pause_every && job->given_count % job->pause_every == 0 && !job->paused) {
        job->paused = TRUE;
        job->later_count++;
        run_later(wake, job);
        return FOREACH_LATER;
    }
    job->paused = FALSE;
    job->item = GUINT64_TO_LE(++job->given_count);
    *item = (LeaseItem){job->given_count, (const guint8 *)&job->item, sizeof job->item};
    return FOREACH_ITEM;
}

static guint64
count_remaining(gpointer data)
{
    const Job *job = data;

    return job->count_unknown ? G_MAXUINT64 : job->item_count - job->given_count;
}

/* What an item is to a worker. */
typedef struct {
    Job *job;
    guint64 ordinal;
} Work;

static void take_items(gpointer data);

static gboolean
finish_item(gpointer data)
{
    g_autofree Work *work = data;
    Job *job = work->job;
    gboolean failed = job->fail_every && work->ordinal % job->fail_every == 0;

    job->busy--;
    if (job->back_every && work->ordinal % job->back_every == 0)
        foreach_give_back(job->each, 1);
    else
        foreach_done(job->each, 1, failed);
    take_items(job);
    return G_SOURCE_REMOVE;
}

static void
take_items(gpointer data)
{
    Job *job = data;
    LeaseItem item;

    while (job->busy < WORKERS && foreach_take(job->each, &item)) {
        ByteReader reader = byte_reader(item.bytes, item.size_bytes);
        Work *work = g_new(Work, 1);
        *work = (Work){job, item.ordinal};
        cr_assert(item.ordinal >= 1 && item.ordinal <= job->item_count);
        cr_expect_eq(bytes_get_u64(&reader), item.ordinal);
        job->taken[item.ordinal]++;
        job->busy++;
        job->busy_highest = MAX(job->busy_highest, job->busy);
        if (++job->taken_count == job->stop_after)
            foreach_stop(job->each);
        run_later(finish_item, work);
    }
}

static void
job_release(Job *job)
{
    foreach_free(job->each);
    comm_close(job->comm); /* asserts that no message was left */
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Job, job_release)

/* Runs the job. Returns: foreach_run()'s verdict. */
static gboolean
run(Job *job, guint worker_count, GError **error)
{
    static const ForeachJob shape = {next_item, count_remaining, take_items};

    job->comm = comm_open(NULL);
    cr_assert_eq(comm_size(job->comm), 1);
    job->each = foreach_new(job->comm, &shape, job, worker_count);
    gboolean good = foreach_run(job->each, error);
    cr_expect_eq(job->busy, 0);
    cr_expect_eq(job->asked_after_end, 0, "next() was called behind its end");
    return good;
}

static void
expect_each_once(const Job *job)
{
    for (guint64 i = 1; i <= job->item_count; i++)
        cr_assert_eq(job->taken[i], 1, "item %u was taken %u times", (guint)i, job->taken[i]);
    cr_expect_eq(job->taken_count, job->item_count);
}

static void
expect_counts(const Job *job, guint64 done_count, guint64 failed_count)
{
    ForeachCounts counts = foreach_counts(job->each);

    cr_expect_eq(counts.done_count, done_count);
    cr_expect_eq(counts.failed_count, failed_count);
}

Test(foreach, every_item_is_worked_on_once, .timeout = WATCHDOG_S)
{
    static const guint64 counts[] = {1, 2, 31, 32, 33, 1000, ITEMS_MAX};

    for (guint i = 0; i < G_N_ELEMENTS(counts); i++) {
        g_auto(Job) job = {.item_count = counts[i]};
        cr_assert(run(&job, WORKERS, NULL));
        expect_each_once(&job);
        expect_counts(&job, counts[i], 0);
        cr_expect_eq(job.busy_highest, MIN(counts[i], WORKERS));
        cr_expect(foreach_exhausted(job.each));
        cr_expect_not(foreach_stopped(job.each));
    }
}

Test(foreach, no_items_are_soon_done, .timeout = WATCHDOG_S)
{
    g_auto(Job) job = {.item_count = 0};

    cr_assert(run(&job, WORKERS, NULL));
    expect_counts(&job, 0, 0);
}

Test(foreach, a_count_that_is_not_known_changes_nothing, .timeout = WATCHDOG_S)
{
    g_auto(Job) job = {.item_count = 1000, .count_unknown = TRUE};

    cr_assert(run(&job, WORKERS, NULL));
    expect_each_once(&job);
}

Test(foreach, a_rank_without_workers_leases_nothing, .timeout = WATCHDOG_S)
{
    g_auto(Job) job = {.item_count = 5};

    cr_assert(run(&job, 0, NULL));
    cr_expect_eq(job.taken_count, 0);
    cr_expect_eq(job.given_count, 0);
}

Test(foreach, items_that_come_later_are_waited_for, .timeout = WATCHDOG_S)
{
    static const guint64 pauses[] = {1, 2, 7, 100};

    for (guint i = 0; i < G_N_ELEMENTS(pauses); i++) {
        g_auto(Job)
            job = {.item_count = 500, .pause_every = pauses[i], .count_unknown = i % 2 == 0};
        cr_assert(run(&job, WORKERS, NULL));
        expect_each_once(&job);
        cr_expect_eq(job.later_count, (500 + pauses[i] - 1) / pauses[i]);
    }
}

Test(foreach, items_that_fail_are_done_and_counted, .timeout = WATCHDOG_S)
{
    g_auto(Job) job = {.item_count = 100, .fail_every = 7};

    cr_assert(run(&job, WORKERS, NULL));
    expect_each_once(&job);
    expect_counts(&job, 100, 14); /* 7, 14, .. 98 */
}

Test(foreach, items_given_back_are_not_counted_nor_handed_out_again, .timeout = WATCHDOG_S)
{
    static const guint64 every[] = {1, 2, 9, 100};

    for (guint i = 0; i < G_N_ELEMENTS(every); i++) {
        g_auto(Job) job = {.item_count = 100, .back_every = every[i]};
        cr_assert(run(&job, WORKERS, NULL));
        expect_each_once(&job);
        expect_counts(&job, 100 - 100 / every[i], 0);
    }
}

Test(foreach, an_error_is_returned_when_what_was_given_is_done, .timeout = WATCHDOG_S)
{
    static const guint64 given[] = {1, 10, 100};

    for (guint i = 0; i < G_N_ELEMENTS(given); i++) {
        g_autoptr(GError) error = NULL;
        g_auto(Job) job = {.item_count = 500, .error_after = given[i]};
        cr_expect_not(run(&job, WORKERS, &error));
        cr_assert(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_IO));
        cr_expect_str_eq(error->message, "the disk is gone");
        cr_expect_eq(job.taken_count, given[i]);
        expect_counts(&job, given[i], 0);
    }
}

Test(foreach, stopping_hands_out_nothing_more, .timeout = WATCHDOG_S)
{
    static const guint64 stops[] = {1, 2, 50, 333};

    for (guint i = 0; i < G_N_ELEMENTS(stops); i++) {
        g_auto(Job) job = {.item_count = 5000, .stop_after = stops[i]};
        cr_assert(run(&job, WORKERS, NULL), "to be stopped is no error");
        cr_expect(foreach_stopped(job.each));
        cr_expect_geq(job.taken_count, stops[i]);
        cr_expect_leq(job.taken_count, stops[i] + WORKERS, "what workers had in hand");
        expect_counts(&job, job.taken_count, 0);
        LeaseItem item;
        cr_expect_not(foreach_take(job.each, &item));
    }
}

Test(foreach, stopping_while_it_waits_for_items_ends_it, .timeout = WATCHDOG_S)
{
    g_auto(Job) job = {.item_count = 5000, .pause_every = 4, .stop_after = 4};

    cr_assert(run(&job, WORKERS, NULL));
    cr_expect(foreach_stopped(job.each));
    cr_expect_lt(job.taken_count, 5000);
}

Test(foreach, stopping_twice_or_at_the_very_end_does_no_harm, .timeout = WATCHDOG_S)
{
    g_auto(Job) job = {.item_count = 40, .stop_after = 40};

    cr_assert(run(&job, WORKERS, NULL));
    foreach_stop(job.each);
    expect_each_once(&job);
    expect_counts(&job, 40, 0);
}
