/* test_queue.c - what every queue owes, tried on SQLite; tests/fault/queue_rabbit.t tries the same
 * calls on a cluster of brokers. And what SQLite alone owes: many processes, leases, bounds.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/queue.h"

#include <sys/wait.h>

#include "tests/unit/scratch.h"

enum { LONG_US = 60 * G_USEC_PER_SEC };

static const char *
id_of(guint number)
{
    static char ids[4][JOB_ID_CHARS + 1];
    static guint next = 0;
    char *id = ids[next++ % G_N_ELEMENTS(ids)];

    g_snprintf(id, JOB_ID_CHARS + 1, "j%032x", number);
    return id;
}

static Queue *
open_queue(const Scratch *scratch, guint length_max)
{
    g_autofree char *where = g_strconcat("sqlite:", scratch->path, "/queue.sqlite", NULL);
    g_autoptr(GError) error = NULL;
    Queue *queue = queue_open(where, length_max, &error);

    cr_assert_not_null(queue, "%s", error ? error->message : "");
    return queue;
}

static void
put(Queue *queue, guint number)
{
    g_autoptr(GError) error = NULL;

    cr_assert(queue_enqueue(queue, id_of(number), &error), "%s", error ? error->message : "");
}

static QueueClaim
take(Queue *queue, gint64 lease_us)
{
    g_autoptr(GError) error = NULL;
    QueueClaim claim;

    cr_assert_eq(queue_claim(queue, lease_us, 0, &claim, &error), 1, "%s",
                 error ? error->message : "nothing waits");
    return claim;
}

static void
expect_none(Queue *queue)
{
    QueueClaim claim;

    cr_expect_eq(queue_claim(queue, LONG_US, 0, &claim, NULL), 0);
}

static void
expect_depth(Queue *queue, guint64 ready, guint64 claimed, guint64 dead)
{
    QueueDepth depth;

    cr_assert(queue_depth(queue, &depth, NULL));
    cr_expect_eq(depth.ready, ready, "%" G_GUINT64_FORMAT " are ready", depth.ready);
    cr_expect_eq(depth.claimed, claimed, "%" G_GUINT64_FORMAT " are claimed", depth.claimed);
    cr_expect_eq(depth.dead, dead, "%" G_GUINT64_FORMAT " are dead", depth.dead);
}

static void
expect_error(const GError *error, MillraceErrorKind kind, const char *part)
{
    cr_assert(g_error_matches(error, MILLRACE_ERROR, (gint)kind), "%s",
              error ? error->message : "no error");
    cr_expect_not_null(strstr(error->message, part), "%s", error->message);
}

Test(queue, jobs_come_in_the_order_they_were_put_in)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Queue) queue = open_queue(&scratch, 100);

    expect_none(queue);
    for (guint i = 0; i < 10; i++)
        put(queue, 1000 - i);
    expect_depth(queue, 10, 0, 0);
    for (guint i = 0; i < 10; i++) {
        QueueClaim claim = take(queue, LONG_US);
        cr_expect_str_eq(claim.id, id_of(1000 - i));
        cr_expect_eq(claim.deliveries, 1);
        cr_expect(queue_ack(queue, &claim, NULL));
    }
    expect_none(queue);
    expect_depth(queue, 0, 0, 0);
}

Test(queue, an_id_that_waits_or_is_claimed_is_not_put_in_twice)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Queue) queue = open_queue(&scratch, 100);

    put(queue, 1);
    put(queue, 1);
    expect_depth(queue, 1, 0, 0);
    QueueClaim claim = take(queue, LONG_US);
    put(queue, 1);
    expect_depth(queue, 0, 1, 0);
    cr_assert(queue_ack(queue, &claim, NULL));
    put(queue, 1);
    expect_depth(queue, 1, 0, 0);
}

Test(queue, what_is_given_back_comes_first_again)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Queue) queue = open_queue(&scratch, 100);

    put(queue, 1);
    put(queue, 2);
    QueueClaim claim = take(queue, LONG_US);
    cr_assert(queue_nack(queue, &claim, FALSE, NULL));
    claim = take(queue, LONG_US);
    cr_expect_str_eq(claim.id, id_of(1));
    cr_expect_eq(claim.deliveries, 2);
}

Test(queue, a_lease_that_is_over_returns_its_job)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Queue) first = open_queue(&scratch, 100);
    g_autoptr(Queue) second = open_queue(&scratch, 100);
    g_autoptr(GError) error = NULL;

    put(first, 1);
    QueueClaim lost = take(first, 1000);
    g_usleep(2000);
    expect_depth(first, 1, 0, 0);
    QueueClaim claim = take(second, LONG_US);
    cr_expect_str_eq(claim.id, id_of(1));
    cr_expect_eq(claim.deliveries, 2);
    cr_expect_not(queue_ack(first, &lost, &error), "it is another's");
    expect_error(error, MILLRACE_ERROR_UNAVAILABLE, "another has it");
    cr_expect_not(queue_nack(first, &lost, FALSE, NULL), "nor may it be given back");
    expect_depth(first, 0, 1, 0);
    cr_expect(queue_ack(second, &claim, NULL));
    cr_expect_not(queue_ack(second, &claim, NULL), "it is gone");
}

Test(queue, a_late_ack_counts_while_nobody_else_has_it)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Queue) queue = open_queue(&scratch, 100);

    put(queue, 1);
    QueueClaim claim = take(queue, 1000);
    g_usleep(2000);
    cr_expect(queue_ack(queue, &claim, NULL));
    expect_none(queue);
}

Test(queue, a_claim_waits_for_a_job_and_no_longer_than_it_was_told)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Queue) queue = open_queue(&scratch, 100);
    QueueClaim claim;

    gint64 start_us = g_get_monotonic_time();
    cr_expect_eq(queue_claim(queue, LONG_US, 150000, &claim, NULL), 0);
    cr_expect_geq(g_get_monotonic_time() - start_us, 150000);
    put(queue, 1);
    cr_expect_eq(queue_claim(queue, 100000, 0, &claim, NULL), 1);
    cr_expect_eq(queue_claim(queue, LONG_US, LONG_US, &claim, NULL), 1, "a lease that ends");
    cr_expect_eq(claim.deliveries, 2);
}

Test(queue, dead_letters_are_kept_apart_until_they_are_enqueued_again)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Queue) queue = open_queue(&scratch, 100);

    put(queue, 1);
    QueueClaim claim = take(queue, LONG_US);
    cr_assert(queue_nack(queue, &claim, TRUE, NULL));
    expect_none(queue);
    expect_depth(queue, 0, 0, 1);
    put(queue, 2);
    put(queue, 1);
    expect_depth(queue, 2, 0, 0);
    cr_expect_str_eq(take(queue, LONG_US).id, id_of(2));
    claim = take(queue, LONG_US);
    cr_expect_str_eq(claim.id, id_of(1));
    cr_expect_eq(claim.deliveries, 1);
}

Test(queue, a_job_that_kills_its_drains_is_a_dead_letter_in_the_end)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Queue) queue = open_queue(&scratch, 100);

    put(queue, 1);
    put(queue, 2);
    for (guint i = 0; i < 20; i++) {
        QueueClaim claim = take(queue, 1);
        cr_expect_str_eq(claim.id, id_of(1));
        g_usleep(10);
    }
    QueueClaim claim = take(queue, LONG_US);
    cr_expect_str_eq(claim.id, id_of(2));
    expect_depth(queue, 0, 1, 1);
    for (guint i = 1; i < 20; i++) {
        cr_assert(queue_nack(queue, &claim, FALSE, NULL));
        claim = take(queue, LONG_US);
    }
    cr_assert(queue_nack(queue, &claim, FALSE, NULL));
    expect_depth(queue, 0, 0, 2);
}

Test(queue, a_full_queue_refuses_and_says_so)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Queue) queue = open_queue(&scratch, 3);
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < 3; i++)
        put(queue, i);
    cr_expect_not(queue_enqueue(queue, id_of(3), &error));
    expect_error(error, MILLRACE_ERROR_UNAVAILABLE, "3 jobs wait");
    put(queue, 1);
    expect_depth(queue, 3, 0, 0);
    QueueClaim claim = take(queue, LONG_US);
    put(queue, 3);
    cr_expect(queue_ack(queue, &claim, NULL));
    cr_expect_not(queue_enqueue(queue, id_of(4), NULL), "three wait still");
    /* One of the middle is done: those that wait are fewer than from the first to the last. */
    claim = take(queue, LONG_US);
    QueueClaim middle = take(queue, LONG_US);
    cr_expect(queue_ack(queue, &middle, NULL));
    cr_expect(queue_nack(queue, &claim, FALSE, NULL));
    put(queue, 5);
    cr_expect_not(queue_enqueue(queue, id_of(6), NULL));
}

Test(queue, dead_letters_are_bounded_too)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Queue) queue = open_queue(&scratch, 3);

    for (guint i = 0; i < 5; i++) {
        put(queue, i);
        QueueClaim claim = take(queue, LONG_US);
        cr_assert(queue_nack(queue, &claim, TRUE, NULL));
    }
    expect_depth(queue, 0, 0, 3);
}

Test(queue, everything_is_there_for_the_next_process)
{
    g_auto(Scratch) scratch = scratch_new();
    Queue *queue = open_queue(&scratch, 100);

    put(queue, 1);
    put(queue, 2);
    QueueClaim claim = take(queue, LONG_US);
    queue_free(queue);
    g_autoptr(Queue) again = open_queue(&scratch, 100);
    expect_depth(again, 1, 1, 0);
    cr_expect(queue_ack(again, &claim, NULL),
              "a claim is a matter of the queue, not of its handle");
    cr_expect_str_eq(take(again, LONG_US).id, id_of(2));
}

/* Puts in 1000 * process and up, then takes until nothing is left; a byte a claim goes to fd. */
static void
work(const Scratch *scratch, guint process, guint count, int fd)
{
    Queue *queue = open_queue(scratch, 100000);
    QueueClaim claim;
    int got = 0;

    for (guint i = 0; i < count; i++)
        put(queue, 1000 * process + i);
    while ((got = queue_claim(queue, LONG_US, 100000, &claim, NULL)) == 1) {
        guint number = (guint)g_ascii_strtoull(claim.id + 1, NULL, 16);
        if (write(fd, &number, sizeof number) != sizeof number || !queue_ack(queue, &claim, NULL))
            _exit(2);
    }
    _exit(got == 0 ? 0 : 1);
}

Test(queue, of_many_processes_each_gets_its_own_jobs)
{
    enum { PROCESSES = 4, COUNT = 50 };
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    int status = 0;
    int pipes[2];
    guint number = 0;

    cr_assert_eq(pipe(pipes), 0);
    for (guint i = 1; i <= PROCESSES; i++)
        if (fork() == 0)
            work(&scratch, i, COUNT, pipes[1]);
    close(pipes[1]);
    while (read(pipes[0], &number, sizeof number) == sizeof number)
        cr_expect(g_hash_table_add(seen, GUINT_TO_POINTER(number)), "%u came twice", number);
    cr_expect_eq(g_hash_table_size(seen), PROCESSES * COUNT);
    for (guint i = 0; i < PROCESSES; i++) {
        cr_assert_gt(wait(&status), 0);
        cr_expect_eq(status, 0);
    }
    close(pipes[0]);
}

Test(queue, what_a_killed_process_had_confirmed_is_there)
{
    g_auto(Scratch) scratch = scratch_new();
    int pipes[2];
    guint number = 0, confirmed = 0, found = 0;

    cr_assert_eq(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        Queue *queue = open_queue(&scratch, 100000);
        for (guint i = 1;; i++) {
            put(queue, i);
            if (write(pipes[1], &i, sizeof i) != sizeof i)
                _exit(2);
        }
    }
    close(pipes[1]);
    while (confirmed < 100 && read(pipes[0], &number, sizeof number) == sizeof number)
        confirmed = number;
    kill(child, SIGKILL);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    while (read(pipes[0], &number, sizeof number) == sizeof number)
        confirmed = number;
    close(pipes[0]);
    g_autoptr(Queue) queue = open_queue(&scratch, 100000);
    QueueClaim claim;
    while (queue_claim(queue, LONG_US, 0, &claim, NULL) == 1) {
        cr_expect_str_eq(claim.id, id_of(++found));
        cr_assert(queue_ack(queue, &claim, NULL));
    }
    cr_expect_geq(found, confirmed);
    cr_expect_leq(found, confirmed + 1);
}

Test(queue, a_file_that_is_no_queue_is_refused)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(GError) error = NULL;

    scratch_put(&scratch, "queue.sqlite", "not a database, but long enough to be one", 41);
    g_autoptr(Queue) queue = open_queue(&scratch, 100);
    cr_expect_not(queue_enqueue(queue, id_of(1), &error));
    expect_error(error, MILLRACE_ERROR_CORRUPT, "queue.sqlite");
}

Test(queue, a_queue_that_cannot_be_reached_may_be_tried_again)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *folder = g_build_filename(scratch.path, "later", NULL);
    g_autofree char *where = g_strconcat("sqlite:", folder, "/queue.sqlite", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(Queue) queue = queue_open(where, 100, NULL);
    QueueClaim claim;

    cr_assert_not_null(queue);
    cr_expect_not(queue_enqueue(queue, id_of(1), &error));
    expect_error(error, MILLRACE_ERROR_UNAVAILABLE, "queue.sqlite");
    cr_expect_eq(queue_claim(queue, LONG_US, LONG_US, &claim, NULL), -1, "it need not be waited");
    cr_assert_eq(mkdir(folder, 0700), 0);
    put(queue, 1);
    expect_depth(queue, 1, 0, 0);
}

Test(queue, what_is_no_place_of_a_queue_is_told)
{
    static const char *const places[] = {"", "sqlite:", "queue.sqlite", "http://host/"};

    for (guint i = 0; i < G_N_ELEMENTS(places); i++) {
        g_autoptr(GError) error = NULL;
        cr_expect_null(queue_open(places[i], 100, &error));
        expect_error(error, MILLRACE_ERROR_USAGE, "expected");
    }
}
