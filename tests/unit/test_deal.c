/* test_deal.c - numbers dealt to the threads of one rank alone. Several ranks are for tests/mpi.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mr/deal.h"

#include <criterion/criterion.h>

enum { THREADS = 4, NUMBERS_MAX = 5000 };

typedef struct {
    Deal *deal;
    guint fail_at; /* the thread that takes this one has failed */
    gint taken[NUMBERS_MAX];
} Job;

static gpointer
take_all(gpointer data)
{
    Job *job = data;
    guint number = 0;

    while (deal_take(job->deal, &number)) {
        cr_assert_lt(number, NUMBERS_MAX);
        g_atomic_int_inc(&job->taken[number]);
        if (number == job->fail_at)
            deal_fail(job->deal);
        if (number > job->fail_at)
            g_usleep(1000);
    }
    return NULL;
}

/* Returns: what deal_run() did. */
static gboolean
run(Job *job, guint count, guint thread_count)
{
    Comm *comm = comm_alone();
    GThread *threads[THREADS];

    job->deal = deal_new(comm, count, thread_count);
    for (guint i = 0; i < thread_count; i++)
        threads[i] = g_thread_new("take", take_all, job);
    gboolean whole = deal_run(job->deal);
    for (guint i = 0; i < thread_count; i++)
        g_thread_join(threads[i]);
    deal_free(job->deal);
    comm_close(comm);
    return whole;
}

Test(deal, gives_each_number_once, .timeout = 60)
{
    static const guint counts[] = {0, 1, 2, 3, 256, NUMBERS_MAX};

    for (guint i = 0; i < G_N_ELEMENTS(counts); i++)
        for (guint threads = 1; threads <= THREADS; threads++) {
            Job job = {.fail_at = NUMBERS_MAX};
            cr_assert(run(&job, counts[i], threads));
            for (guint number = 0; number < NUMBERS_MAX; number++)
                cr_assert_eq(job.taken[number], number < counts[i], "%u of %u by %u threads",
                             number, counts[i], threads);
        }
}

Test(deal, ends_early_when_a_thread_fails, .timeout = 60)
{
    Job job = {.fail_at = 10};
    guint taken = 0;

    cr_assert_not(run(&job, NUMBERS_MAX, 2));
    for (guint number = 0; number < NUMBERS_MAX; number++)
        taken += (guint)job.taken[number];
    cr_assert_gt(taken, 10);
    cr_assert_lt(taken, NUMBERS_MAX);
}
